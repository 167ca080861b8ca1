"""Keeps the emulator's state on disk while it runs; by itself it saves at an orderly end only."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

from offline.emulator.patching import patch

S3_STORES = (
    "_buckets",
    "_object_versions",
    "_object_tags",
    "_object_acl",
    "_object_retention",
    "_object_legal_hold",
)
BLOB = "__blob__"
EMPTY = hashlib.sha256(b"").hexdigest()

log = logging.getLogger("durable")


class TornError(Exception):
    """What was kept cannot be read any more. One line, fit for a person."""


class Durable:
    """State files per service, and the bodies of objects as files named by their SHA-256."""

    def __init__(self, app: Any, persistence: Any, blobs: Path) -> None:
        self._app = app
        self._persistence = persistence
        self._blobs = blobs
        self._saved: dict[str, str] = {}
        self._digests: dict[int, tuple[bytes, str]] = {}
        self._touched: set[str] = set()

    def install(self) -> None:
        """Moves bytes out of the JSON, completes what S3 saves, and notes which services requests reach.

        Raises TornError for a file that a killed machine left empty or cut: MiniStack would begin without what it had,
        and the next save would forget that for good.
        """
        self._blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        patch(self._persistence, "_json_default", lambda encode: lambda value: self._encode(encode, value))
        patch(self._persistence, "_json_object_hook", lambda decode: lambda value: self._decode(decode, value))
        self._remove_unused()
        self._complete_s3()
        patch(self._app, "_get_module", lambda load: lambda name: self._touch(load, name))

    def save_touched(self) -> None:
        """Writes the services that requests reached since the last time."""
        touched, self._touched = self._touched, set()
        self._save(touched)

    def save(self) -> None:
        """Writes every service that changed, those too that others changed."""
        self._save({*self._app._state_map.values()})
        self._digests = {key: known for key, known in self._digests.items() if sys.getrefcount(known[0]) > 2}

    def _touch(self, load: Any, name: str) -> Any:
        self._touched.add(name)
        return load(name)

    def _save(self, services: set[str]) -> None:
        for name, get_state in self._app._build_persistence_save_dict().items():
            if self._app._state_map[name] not in services:
                continue
            try:
                state = get_state()
                text = json.dumps(state, default=self._persistence._json_default)
            except Exception:
                log.exception("the state of %s cannot be saved", name)
                continue
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._saved.get(name) != digest:
                self._persistence.save_state(name, state)
                self._saved[name] = digest

    def _complete_s3(self) -> None:
        # Its own persistence loses older versions, tags and retention, and cannot hold both a and a/b.
        s3 = self._app._get_module("s3")
        for name in S3_STORES:
            s3._PERSISTED_BUCKET_DICTS[name.lstrip("_")] = getattr(s3, name)
        s3.restore_state(self._persistence.load_state("s3"))

    def _encode(self, encode: Any, value: Any) -> Any:
        if not isinstance(value, bytes | bytearray):
            return encode(value)
        body = bytes(value)
        known, digest = self._digests.get(id(body), (None, ""))
        if known is not body:
            digest = hashlib.sha256(body).hexdigest()
            file = self._blobs / digest
            if not file.exists():
                draft = file.with_suffix(".new")
                draft.write_bytes(body)
                draft.replace(file)
            self._digests[id(body)] = body, digest
        return {BLOB: digest}

    def _decode(self, decode: Any, value: dict[str, Any]) -> Any:
        return (self._blobs / value[BLOB]).read_bytes() if value.keys() == {BLOB} else decode(value)

    def _remove_unused(self) -> None:
        used = {
            digest for file in sorted(Path(self._persistence.STATE_DIR).glob("*.json")) for digest in self._of(file)
        }
        for blob in self._blobs.iterdir():
            if blob.name not in used:
                blob.unlink()

    def _of(self, state: Path) -> list[str]:
        """The digests of the bodies that a service's state has. Raises TornError."""
        try:
            text = state.read_text()
            json.loads(text)
        except ValueError as error:
            raise TornError(
                f"{state} is torn ({error}): restore it. Else remove it, which forgets what the emulator has of "
                f"{state.stem}, and run `make up`"
            ) from None
        digests = re.findall(rf'"{BLOB}": "(\w+)"', text)
        for digest in digests:
            blob = self._blobs / digest
            if not blob.exists() or (not blob.stat().st_size and digest != EMPTY):
                raise TornError(
                    f"{blob} is {'empty' if blob.exists() else 'not there'}, and {state.name} names it: restore it. "
                    "Else run `make clean`, which removes this clone's data, and `make up`"
                )
        return digests
