"""A rollout as one page that fetches nothing: where it is, what each gate has seen, and how it came there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cutover.evidence.rendering import rendered
from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.result import GateResult, Outcome
from cutover.rollout.history import Change
from cutover.rollout.phases import Phase
from cutover.rollout.plots import HEIGHT, WIDTH, Frame, Kind, Plot, Point, steps
from cutover.rollout.record import Record, State
from cutover.rollout.status import Status
from cutover.rollout.table import duration, evidence, headline, is_share, share, word
from outputs.release import Track

REFRESH_SECONDS = 10
TRACKS: tuple[Track, ...] = ("candidate", "stable")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A gate: `full` is how much of its limit is used up, in percent, at most 100; None where it is no share."""

    result: GateResult
    word: str
    tone: str
    seen: str
    full: float | None = None
    why: str | None = None


def page(status: Status, record: Record, changes: Sequence[Change], samples: Sequence[Counts]) -> str:
    """The page. `changes` are oldest first, `samples` of this rollout."""
    plots = list(_plots(status, record, changes, samples))
    return rendered(
        "rollout/index.html.j2",
        status=status,
        record=record,
        tone=tone(status),
        headline=headline(status),
        rows=[_row(each) for each in status.judgement.gates] if status.judgement else [],
        plots=plots,
        changes=[(number, change, _told(change)) for number, change in enumerate(changes, start=1)],
        refresh=REFRESH_SECONDS if record.state.running or record.draining else None,
        held_for=duration(status.lasted),
        left=duration(status.judgement.remaining) if status.judgement else None,
        width=WIDTH,
        height=HEIGHT,
    )


def tone(status: Status) -> str:
    """How alarming a status is."""
    if status.routes.unread or status.state is State.ROLLED_BACK:
        return "bad"
    if status.routes.weight not in (None, status.weight) or status.hold or status.left:
        return "warn"
    passing = status.judgement is not None and status.judgement.outcome is Outcome.PASSED
    return "good" if passing or status.state is State.FINISHED else "idle"


def _row(result: GateResult) -> Row:
    tones = {Outcome.PASSED: "good", Outcome.FAILED: "bad", Outcome.SHARED: "warn", Outcome.NO_DATA: "warn"}
    if not is_share(result):
        return Row(result=result, word=word(result.outcome), tone=tones.get(result.outcome, "idle"), seen=result.why)
    seen = f"{share(result.share)} of {result.of:,}, limit {share(result.limit)}, evidence {evidence(result.evidence)}"
    return Row(
        result=result,
        word=word(result.outcome),
        tone=tones.get(result.outcome, "idle"),
        seen=seen,
        full=round(min(100 * (result.share or 0.0) / result.limit, 100.0), 1),
        why=None if result.outcome is Outcome.PASSED else result.why,
    )


def _told(change: Change) -> str:
    """By whom and why a change was made."""
    told = f"{change.verb} by {change.by}"
    why = change.why or change.hold
    if change.gate and not (why or "").startswith(change.gate):
        told += f", for gate {change.gate}"
    return f"{told}: {why}" if why else told


def _plots(status: Status, record: Record, changes: Sequence[Change], samples: Sequence[Counts]) -> Iterator[Plot]:
    """Weight, errors, slow requests and the size of the sample, over the time of the whole rollout."""
    if not samples:
        return
    frame = Frame(changes[0].at if changes else samples[0].since, max(status.at, samples[-1].until))
    turns = [change.at for change in changes]
    on = _Phases(record, changes)
    weights = [Point(at=change.at, value=float(change.weight)) for change in changes]
    now = status.weight if status.routes.weight is None else status.routes.weight
    weights.append(Point(at=status.at, value=float(now)))
    yield frame.plot("Weight", f"{now} % now", {"candidate": steps(weights, frame.end)}, turns, unit="%", least=100.0)
    for title, name in (("Errors", "errors"), ("Slow", "slow")):
        lines: dict[Kind, list[Point]] = {
            "limit": on.limits(name, frame.end),
            "stable": on.shares(name, samples, "stable"),
            "candidate": on.shares(name, samples, "candidate"),
        }
        yield frame.plot(title, _ends(lines, "%"), lines, turns, unit="%", least=0.1)
    sizes: dict[Kind, list[Point]] = {
        track: [
            Point(at=each.until, value=float(each.of(track).requests), part=each.since.isoformat()) for each in samples
        ]
        for track in reversed(TRACKS)
    }
    yield frame.plot("Requests", _ends(sizes, ""), sizes, turns, unit="", least=10.0)


def _ends(lines: dict[Kind, list[Point]], unit: Literal["%", ""]) -> str:
    """The newest value of each track's line."""
    newest = {kind: lines[kind][-1].value for kind in TRACKS if lines.get(kind)}
    return ", ".join(f"{kind} {share(value / 100) if unit else f'{value:,.0f}'}" for kind, value in newest.items())


@dataclass(frozen=True)
class _Phases:
    """Which phase was on when."""

    record: Record
    changes: Sequence[Change]

    def at(self, moment: datetime) -> Phase | None:
        state = next((each.state for each in reversed(self.changes) if each.at <= moment), self.record.state)
        return next((phase for phase in self.record.phases if phase.name == state.value), None)

    def gate(self, moment: datetime, name: str) -> Gate | None:
        phase = self.at(moment)
        return next((gate for gate in phase.gates if gate.name == name), None) if phase else None

    def shares(self, name: str, samples: Sequence[Counts], track: Track) -> list[Point]:
        """What a gate has seen of a track since its phase began, in percent."""
        points = []
        for counts in samples:
            gate = self.gate(counts.until, name)
            of = getattr(counts.of(track), gate.of) if gate else 0
            if gate and of:
                bad = getattr(counts.of(track), gate.bad)
                points.append(Point(at=counts.until, value=100 * bad / of, part=counts.since.isoformat()))
        return points

    def limits(self, name: str, end: datetime) -> list[Point]:
        """The gate's limit while a phase was on, in percent."""
        points = []
        for number, change in enumerate(self.changes):
            gate = self.gate(change.at, name)
            if gate:
                until = self.changes[number + 1].at if number + 1 < len(self.changes) else end
                points += [Point(at=at, value=100 * gate.limit, part=str(number)) for at in (change.at, until)]
        return points
