"""A stack whose update and outputs do what a test says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cutover.commands import command
from cutover.evidence import keeping
from cutover.evidence.keeping import KeptPack
from cutover.smoke import run
from cutover.smoke.kept import Kept, note_pack
from cutover.smoke.report import Report
from cutover.stacks import bring_up, outputs
from cutover.stacks.outputs import Outputs
from tests.support.smoked import RECORD
from tests.support.smoked import report as found

KEPT_PACK = KeptPack(folder=".local/packs/r/t", id="0123456789abcdef")


def keep(report: Report) -> None:
    with Kept.begin("test") as kept:
        kept.report(report)
    note_pack("test", "the hook's")


class Fake:
    """A stack whose update and outputs do what a test says."""

    def __init__(self) -> None:
        self.named: str | None = None
        self.failure: BaseException | None = None
        self.values: dict[str, Any] = {"smoke_target": RECORD}
        self.smoked: Report | None = None

    def up(self, name: str, *, refresh: bool) -> None:
        if self.smoked:
            keep(self.smoked)
        if self.failure:
            raise self.failure

    def outputs(self, name: str, *, show_secrets: bool = False) -> Outputs:
        self.named = name
        if self.failure:
            raise self.failure
        return Outputs(name, self.values | {"hidden": "shown" if show_secrets else "[secret]"})


def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """The stack replaced, the project's folder a temporary one, and a suite that finds everything in order."""
    made = Fake()
    monkeypatch.setattr(bring_up, "bring_up", made.up)
    monkeypatch.setattr(outputs, "outputs", made.outputs)
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: found())
    monkeypatch.setattr(keeping, "keep_pack", lambda _report, _app_checks=None: KEPT_PACK)
    return made
