"""For every test: a terminated run ends the way an interrupted one does, so that fixtures clean up."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
