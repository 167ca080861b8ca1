"""The machine's browser: where it is found, what `make up` does for it, and what is said where there is none."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from cutover.smoke import browser
from offline.bootstrap.browser import Browser
from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job, StepError

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; no other place has a browser."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("browser", tmp_path / "browser.log", Console(io.StringIO()))


def put(file: Path, script: str = "exit 1") -> Path:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("name", browser.NAMES)
def test_the_step_sees_the_browser_that_the_suite_takes(bin_folder: Path, name: str) -> None:
    found = put(bin_folder / name)

    assert browser.executable() == str(found)
    assert Browser().check().done
    assert Browser().check().what == str(found)


def test_an_application_of_macos_is_found_without_a_path(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    application = put(bin_folder / "Google Chrome")
    monkeypatch.setattr(browser, "PLACES", (str(application),))
    monkeypatch.setenv("PATH", "")
    assert browser.executable() == str(application)


def test_where_there_is_no_browser_both_say_how_to_get_one(bin_folder: Path) -> None:
    with pytest.raises(browser.NoBrowserError, match=r"none of chromium.* is on PATH; install one"):
        browser.executable()
    state = Browser().check()
    assert not state.done
    assert "apt-get install chromium" in state.what


def test_a_browser_that_does_not_start_counts_as_none_and_is_named(bin_folder: Path) -> None:
    broken = put(bin_folder / "chromium")
    with pytest.raises(browser.NoBrowserError, match=f"^{broken} does not start: "), browser.chromium():
        pass


def test_root_installs_debians_package(bin_folder: Path, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    chromium = bin_folder / "chromium"
    put(
        bin_folder / "apt-get",
        f'case "$*" in *"install -y"*" chromium") : > {chromium}; /bin/chmod +x {chromium};; esac',
    )

    assert Browser().act(job) == str(chromium)


@pytest.mark.parametrize(
    ("apt", "user", "said"),
    [
        (None, 0, "none of chromium"),
        ("exit 0", 1000, "run `sudo apt-get install chromium`"),
        ("echo E: no such package; exit 100", 0, "exited with 100: E: no such package"),
    ],
    ids=["another system", "not root", "apt fails"],
)
def test_a_browser_that_cannot_be_installed_is_a_caveat_and_ends_nothing(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch, job: Job, apt: str | None, user: int, said: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if apt:
        put(bin_folder / "apt-get", apt)

    with pytest.raises(StepError) as refused:
        Browser().act(job)
    assert said in str(refused.value)
    assert str(refused.value).endswith("until then the suite does not run TraceId copy, and a GO has that caveat")
    assert Browser.optional, "up goes on"
