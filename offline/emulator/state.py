"""Keeps the emulator's state on disk while it runs; by itself it saves at a clean shutdown only."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ministack.core import persistence

INTERVAL_SECONDS = 1.0
ATTEMPTS = 3
READS = ("GET", "HEAD", "OPTIONS")
KEPT_BY_S3 = ("object_versions", "object_tags", "object_acl", "object_retention", "object_legal_hold")

Application = Callable[[Any, Any, Any], Awaitable[None]]
Getters = Callable[[], Mapping[str, Callable[[], Any]]]

logger = logging.getLogger("emulator.state")


class Saver:
    """Saves what changed within INTERVAL_SECONDS of the request that changed it."""

    def __init__(self, getters: Getters) -> None:
        self._getters = getters
        self._changed = threading.Event()
        self._written: dict[str, str] = {}

    def start(self) -> None:
        """Starts the thread that saves."""
        threading.Thread(target=self._run, daemon=True, name="emulator-state").start()

    def watching(self, application: Application) -> Application:
        """Returns the application, noting each request that may have changed something."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            try:
                await application(scope, receive, send)
            finally:
                if scope["type"] == "http" and scope["method"] not in READS:
                    self._changed.set()

        return watched

    def save(self) -> None:
        """Writes each service's state that differs from what was written last."""
        for service, get_state in self._getters().items():
            state = _settled(get_state)
            text = json.dumps(state, default=persistence._json_default)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if self._written.get(service) != digest:
                persistence.save_state(service, state)
                self._written[service] = digest

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._changed.wait()
            pause.wait(INTERVAL_SECONDS)
            self._changed.clear()
            try:
                self.save()
            except Exception:
                logger.exception("state not saved, tried again in a second")
                self._changed.set()


def keep_versions(s3: Any) -> None:
    """Has S3 keep versions, tags and locks of objects too; by itself it keeps the latest version alone."""
    before = persistence.load_state("s3") or {}
    for name in KEPT_BY_S3:
        live = getattr(s3, f"_{name}")
        live.update(before.get(name, {}))
        s3._PERSISTED_BUCKET_DICTS[name] = live


def _settled(get_state: Callable[[], Any]) -> Any:
    for attempt in range(ATTEMPTS):
        try:
            return get_state()
        except RuntimeError:  # a dictionary changed while it was copied
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


