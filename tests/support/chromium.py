"""A headless Chromium of the system's: none is ever downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class ChromiumMissingError(RuntimeError):
    """No Chromium is installed."""


def executable() -> str:
    """Return the path of the system's Chromium. Raises ChromiumMissingError."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise ChromiumMissingError(f"none of {', '.join(NAMES)} is on PATH: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. While it is open this thread has an event loop: asyncio.run is refused on it."""
    arguments = ["--headless=new", "--disable-dev-shm-usage", "--disable-background-networking"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
