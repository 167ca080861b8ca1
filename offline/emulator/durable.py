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
SESSIONS = 200
"""How many of the newest role sessions are kept: each process of a stack takes one an hour."""

log = logging.getLogger("durable")


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
        """Moves bytes out of the JSON, completes what S3 saves, and notes which services requests reach."""
        self._blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        patch(self._persistence, "_json_default", lambda encode: lambda value: self._encode(encode, value))
        patch(self._persistence, "_json_object_hook", lambda decode: lambda value: self._decode(decode, value))
        self._remove_unused()
        self._complete_s3()
        self._keep_sessions()
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

    def _keep_sessions(self) -> None:
        # Whoever took on a role before a restart goes on signing with what it got, until that expires.
        sts = self._app._get_module("sts")
        sts._sessions.update(self._persistence.load_state("sts") or {})
        sts.get_state = lambda: dict([*sts._sessions.items()][-SESSIONS:])
        self._app._state_map["sts"] = "sts"

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
        states = Path(self._persistence.STATE_DIR).glob("*.json")
        used = {digest for file in states for digest in re.findall(rf'"{BLOB}": "(\w+)"', file.read_text())}
        for file in self._blobs.iterdir():
            if file.name not in used:
                file.unlink()
