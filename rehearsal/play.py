"""What every act has at hand: the stage, who types the commands, the load, and the report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cutover.rollout.record import Record
from cutover.rollout.store import Copy
from outputs.smoke import SmokeTarget
from rehearsal.crowd import is_greedy
from rehearsal.load import Asked
from rehearsal.operator import Operator
from rehearsal.report import Act, Finding, Report
from rehearsal.stage import Stage

WIDTH = 150
"""Of a line on the console; the log has all of it."""


class Console:
    """Prints lines with the time since the rehearsal began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(f"{minutes:2}:{seconds:02}  {line if len(line) <= WIDTH else line[: WIDTH - 1] + '…'}", flush=True)


@dataclass(kw_only=True)
class Play:
    """One rehearsal, whose files are in `folder`; `rate` is the load's, in requests a second."""

    stage: Stage
    operator: Operator
    folder: Path
    rate: float
    report: Report
    say: Console = field(default_factory=Console)

    @contextmanager
    def act(self, name: str) -> Iterator[Act]:
        """An act of the report, and its time."""
        self.say(f"== {name}")
        act = Act(name=name)
        self.report.acts.append(act)
        began = time.monotonic()
        try:
            yield act
        finally:
            act.seconds = round(time.monotonic() - began, 1)

    def find(self, act: Act, declared: str, held: bool, saw: str) -> None:
        """Puts what was seen into the report, and shows it."""
        act.findings.append(Finding(declared=declared, held=held, saw=saw))
        self.say(f"{'held' if held else 'NOT HELD'}: {declared}: {saw}")

    def find_requests(self, act: Act, requests: Sequence[Asked]) -> None:
        """Holds the load's answers to what was declared: none failed, and none but greedy clients were limited."""
        self.find_none(act, "no request failed", [each for each in requests if each.failed], requests)
        limited = [each for each in requests if each.limited]
        innocent = [each for each in limited if not is_greedy(each.client)]
        seen = f"{len(limited)} of {len(requests)} requests, {len(innocent)} of them others'{_first(innocent)}"
        self.find(act, "the edge limits greedy clients alone", bool(requests) and not innocent, seen)

    def find_none(self, act: Act, declared: str, bad: Sequence[Asked], requests: Sequence[Asked]) -> None:
        """Holds none of the requests to be bad; of no requests that says nothing, and does not hold."""
        saw = f"{len(bad)} of {len(requests)} requests{_first(bad)}"
        self.find(act, declared, bool(requests) and not bad, saw)

    def deployed(self, stack: str) -> SmokeTarget:
        """What a stack deployed last, its authority's file where this rehearsal has it."""
        done = self.operator.cutover("outputs", "-s", stack, quiet=True)
        target = SmokeTarget.from_output(json.loads(done.text)["smoke_target"])
        return replace(target, edge=replace(target.edge, authority=str(self.stage.authority)))

    @property
    def record(self) -> Record | None:
        """The rollout as this machine knows it."""
        return Copy(self.stage.base, self.stage.root / ".local" / "rollout").read()

    def forget(self) -> None:
        """Has this machine forget the rollout of a stage that is gone."""
        shutil.rmtree(self.stage.root / ".local" / "rollout" / self.stage.base, ignore_errors=True)


def _first(requests: Sequence[Asked]) -> str:
    """The first of those that should not be, for whoever looks for the cause."""
    return f"; the first: {requests[0]}" if requests else ""
