"""A rollout's status for a terminal: at most some twenty lines of a hundred columns, for somebody who was asleep."""

from __future__ import annotations

from collections.abc import Iterator

from cutover.gates.result import GateResult, Outcome
from cutover.rollout.status import Status
from cutover.rollout.store import LOCAL

COLUMNS = 100
LATE_SECONDS = 60
"""From then on it is said how late figures are: on AWS they are by minutes."""
_GATE = "  {:<8} {:<21} {:>8} {:>8} {:>9} {:>8}  {}"


def table(status: Status) -> str:
    """The status as text."""
    return "\n".join(_cut(line).rstrip() for line in _lines(status))


def share(value: float | None) -> str:
    """A share in percent, as exact as a limit is."""
    if not value:
        return "–" if value is None else "0 %"
    return f"{100 * value:.{2 if value < 0.0995 else 1}f} %"


def headline(status: Status) -> str:
    """The state, the candidate's share of the traffic where it has one, and whether it is held."""
    weight = status.weight if status.routes.weight is None else status.routes.weight
    at = f" at {weight} %" if weight else ""
    return f"{status.state.value.replace('_', ' ')}{at}{', held' if status.hold else ''}"


def duration(seconds: float) -> str:
    """A time in the one or two units that matter."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _lines(status: Status) -> Iterator[str]:
    yield f"  {headline(status).upper()}  web-next {status.stable} → {status.candidate} on {status.stack}"
    yield f"  {status.why}"
    if status.judgement:
        yield ""
        yield _GATE.format("", "gate", "seen", "limit", "of", "evidence", "")
        yield from (_gate(each) for each in status.judgement.gates)
    yield ""
    yield f"  since     {status.since:%Y-%m-%d %H:%M:%S} UTC, for {duration(status.lasted)}{_hold(status)}"
    if status.judgement and status.late >= LATE_SECONDS:
        until = f"{status.judgement.at:%H:%M:%S} UTC"
        yield f"  figures   until {until}, {duration(status.late)} late; the probe's are of now"
    gate = f", for gate {status.last.gate}" if status.last.gate else ""
    why = f": {status.last.why}" if status.last.why not in (None, status.why) else ""
    yield f"  last      {status.last.verb} by {status.last.by}{gate}{why}"
    if status.left:
        yield f"  left      {', '.join(status.left)}; cutover tick -s {status.stack} goes on with it"
    if status.draining:
        yield f"  delivers  {status.draining}"
    for number, hint in enumerate(status.hints):
        yield f"  {'' if number else 'next':<9} {hint.command}  ({hint.what})"
    yield f"  page      {LOCAL}/{status.stack}/index.html  rollout {status.id}, revision {status.revision}"


def _hold(status: Status) -> str:
    if not status.judgement or not status.until:
        return ""
    left = status.judgement.remaining
    over = f"until {status.until:%H:%M:%S}, {duration(left)} are left" if left > 0 else "its hold is over"
    return f"; {over}{', held a second time' if status.extended else ''}"


def is_share(result: GateResult) -> bool:
    """Whether a gate's limit is a share of what was counted; others count something, or ask."""
    return 0 < result.limit < 1


def _gate(result: GateResult) -> str:
    seen, limit, of, weight = "", "", "", ""
    if is_share(result):
        seen, limit, of = share(result.share), share(result.limit), f"{result.of:,}"
        weight = evidence(result.evidence)
    note = {"rollback": "rolls back", "hold": "holds"}[result.on]
    if result.outcome is Outcome.INCONCLUSIVE and result.of < result.needed and is_share(result):
        note = f"needs {result.needed:,}"
    elif not is_share(result) or result.outcome not in (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.FAILED):
        note = result.why
    return _GATE.format(word(result.outcome), result.name[:21], seen, limit, of, weight, note)


def word(outcome: Outcome) -> str:
    """An outcome as a table has it."""
    return {Outcome.INCONCLUSIVE: "open", Outcome.NOT_OBSERVED: "not seen"}.get(outcome, outcome.value).upper()


def evidence(value: float) -> str:
    """A likelihood ratio, in the digits that matter."""
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}" if value < 1e6 else "> 1e6"


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"
