"""Fixed addresses for the emulator's databases, so that an endpoint stays true over restarts."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Collection
from pathlib import Path

from offline.files import replace_text

FIRST, LAST = 64, 127


class AddressError(Exception):
    """No address is left, or the record of them is damaged. One line, fit for a person."""


class Addresses:
    """Remembers which container has which address of the subnet's .64 to .127, in one JSON file."""

    def __init__(self, file: Path, subnet: str) -> None:
        self._file = file
        self._network = ipaddress.IPv4Network(subnet)
        self._lock = threading.Lock()
        try:
            self._taken: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        except ValueError as error:
            raise AddressError(f"{file} is damaged ({error}): remove it and start again") from None
        self._taken = {
            name: address for name, address in self._taken.items() if ipaddress.IPv4Address(address) in self._network
        }

    def of(self, name: str) -> str:
        """Returns the container's address, the lowest free one the first time. AddressError if all are taken."""
        with self._lock:
            if name not in self._taken:
                free = {str(self._network[host]) for host in range(FIRST, LAST + 1)} - {*self._taken.values()}
                if not free:
                    raise AddressError(
                        f"all {LAST - FIRST + 1} addresses for databases are taken; "
                        "an emulator holds no more: delete some"
                    )
                self._taken[name] = min(free, key=ipaddress.IPv4Address)
                self._save()
            return self._taken[name]

    def release(self, name: str) -> None:
        """Gives a container's address back."""
        self.keep(self._taken.keys() - {name})

    def keep(self, names: Collection[str]) -> None:
        """Gives back the addresses of all containers but these."""
        with self._lock:
            self._taken = {name: address for name, address in self._taken.items() if name in names}
            self._save()

    def _save(self) -> None:
        replace_text(self._file, json.dumps(self._taken, indent=2) + "\n")
