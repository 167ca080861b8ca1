"""The machine's own headless Chromium. None is ever downloaded; run as a file, this prints where one is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
START_SECONDS = 15


class NoBrowserError(Exception):
    """There is no browser on this machine, or it does not start."""


def executable() -> str:
    """Returns the path of the machine's Chromium or Chrome. Raises NoBrowserError."""
    for name in (*NAMES, *PLACES):
        if found := shutil.which(name):
            return found
    raise NoBrowserError(
        f"no browser: none of {', '.join(NAMES)} is on PATH; install one, by `apt-get install chromium` on Debian"
    )


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A running browser with further arguments, for the block. Raises NoBrowserError.

    While it is open this thread has an event loop: asyncio.run is refused on it.
    """
    from playwright.sync_api import Error, sync_playwright

    path = executable()
    chosen = ["--headless=new", "--disable-dev-shm-usage", "--disable-background-networking", *arguments]
    if os.geteuid() == 0:
        chosen.append("--no-sandbox")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=chosen, timeout=1000 * START_SECONDS)
        except Error as error:
            raise NoBrowserError(f"{path} does not start: {error.message.splitlines()[0]}") from None
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    try:
        print(executable())
    except NoBrowserError as missing:
        sys.exit(str(missing))
