"""Which database lives at which address of the clone's network, over restarts."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Callable, Collection
from pathlib import Path

FIRST, LAST = 64, 127


class NoAddressError(Exception):
    """Every address kept for databases belongs to a container that exists."""


class AddressBook:
    """Addresses .64–.127 by container name, remembered in a JSON file, the latest used last."""

    def __init__(self, file: Path, subnet: str) -> None:
        self._file = file
        self._network = ipaddress.IPv4Network(subnet)
        self._lock = threading.Lock()

    def address(self, name: str, existing: Callable[[], Collection[str]]) -> str:
        """Returns the container's address: the one it had, else a free one.

        When none is free, the one unused for longest whose container is not in `existing()` changes hands.
        Raises NoAddressError if there is no such one.
        """
        with self._lock:
            book = self._read()
            address = book.pop(name, None) or self._free(book, existing)
            book[name] = address
            draft = self._file.with_suffix(".new")
            draft.write_text(json.dumps(book, indent=2) + "\n")
            draft.replace(self._file)
            return address

    def _free(self, book: dict[str, str], existing: Callable[[], Collection[str]]) -> str:
        taken = set(book.values())
        for number in range(FIRST, LAST + 1):
            if (address := str(self._network[number])) not in taken:
                return address
        alive = existing()
        for name in book:
            if name not in alive:
                return book.pop(name)
        raise NoAddressError(
            f"all {LAST - FIRST + 1} addresses kept for databases in {self._network} are in use; "
            "delete a database first"
        )

    def _read(self) -> dict[str, str]:
        try:
            text = self._file.read_text()
        except FileNotFoundError:
            return {}
        return {name: address for name, address in json.loads(text).items() if self._ours(address)}

    def _ours(self, address: str) -> bool:
        return ipaddress.IPv4Address(address) in self._network
