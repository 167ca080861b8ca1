"""index.html: the pack for a manager with a phone, in one file that fetches nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cutover.evidence.document import Document
from cutover.evidence.form import restored
from cutover.evidence.rendering import rendered
from cutover.smoke.decision import CriterionResult, Verdict
from cutover.smoke.finding import Finding, Outcome
from cutover.smoke.limit_run import Point, judge
from cutover.smoke.limiter import Limit
from cutover.smoke.probe import Sample
from outputs.smoke import SmokeTarget, Waiver

WIDTH = 340
"""As wide as a phone shows it, so that what is written in a picture keeps its size."""
HEIGHT = 150
_LEFT, _RIGHT = 30, 10


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Something that did not pass: whether it stops the release, and each thing that was seen of it."""

    name: str
    word: str
    stops: bool
    saw: str
    findings: Sequence[Finding]
    waiver: Waiver | None = None


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A check from its begin to its end."""

    name: str
    outcome: Outcome
    seconds: float
    begin: float
    length: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A request: the later it was sent the more to the right, the fuller it found the limit's bucket the higher. The
    model knows the latter as between `y` and `top`, because somebody unseen may have sent too."""

    x: float
    y: float
    top: float
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The requests that one edge answered, all edges over the same time; above `full` an edge must refuse."""

    edge: str
    marks: Sequence[Mark]
    ticks: Sequence[Tick]
    full: float
    passed: int
    refused: int


def page(document: Document, samples: Sequence[Sample]) -> str:
    """The page of a pack."""
    edge = document.target.edge
    limited = [each for each in samples if each.counted]
    judgement = judge(limited, Limit.of(edge.rate_per_minute, edge.burst))
    return rendered(
        "evidence/index.html.j2",
        document=document,
        target=document.target,
        verdict=document.decision.verdict,
        tone={Verdict.GO: "good", Verdict.GO_WITH_CAVEATS: "warn", Verdict.NO_GO: "bad"}[document.decision.verdict],
        sentence=_sentence(document),
        criteria=[(each, _word(each.outcome, waived=each.waived)) for each in document.decision.criteria],
        others=[(each, _word(each.outcome)) for each in document.findings if each.criterion is None],
        attention=_attention(document),
        look=_look(document.target),
        bars=_bars(document.findings, document.report.seconds),
        plots=_plots(judgement.points, edge.burst),
        restored=restored(document),
        foreign=sum(each.limited and each.edge is None for each in limited),
        width=WIDTH,
        height=HEIGHT,
    )


def _word(outcome: Outcome, *, waived: bool = False) -> str:
    words = {Outcome.RETRIED: "RETRIED"}
    return "WAIVED" if waived else words.get(outcome, outcome.value.upper())


def _sentence(document: Document) -> str:
    decision = document.decision
    passed = sum(each.outcome.stands for each in decision.criteria)
    if decision.verdict is Verdict.GO:
        return f"All {len(decision.criteria)} criteria passed."
    if decision.verdict is Verdict.GO_WITH_CAVEATS:
        return f"{passed} of {len(decision.criteria)} criteria passed. Know before you sign: {_list(decision.caveats)}."
    stops = _list([each.criterion.value for each in decision.stopped_by])
    return f"Stopped by {stops}. {passed} of {len(decision.criteria)} criteria passed. This release cannot be approved."


def _list(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _attention(document: Document) -> list[Attention]:
    """What stops it, then what else did not pass."""
    results = sorted((each for each in document.decision.criteria if not each.outcome.stands), key=_harmless)
    criteria = [
        Attention(
            name=each.criterion.value,
            word=_word(each.outcome, waived=each.waived),
            stops=each.stops,
            saw=each.saw,
            findings=[
                found for found in document.findings if found.criterion is each.criterion and not found.outcome.stands
            ],
            waiver=next((one for one in document.target.rules.waivers if one.criterion is each.criterion), None)
            if each.waived
            else None,
        )
        for each in results
    ]
    beside = [
        Attention(name=each.check, word=_word(each.outcome), stops=False, saw=each.saw, findings=[each])
        for each in document.findings
        if each.criterion is None and each.outcome is Outcome.FAIL
    ]
    return criteria + beside


def _harmless(result: CriterionResult) -> bool:
    return not result.stops


def _look(target: SmokeTarget) -> list[tuple[str, str]]:
    """What a person types to see more."""
    processes = target.processes
    commands = [("Run the checks again", f"cutover smoke -s {target.stack}")]
    if processes.runtime == "docker":
        commands.append(("The app's log", f"docker logs {processes.app}"))
        commands.append(("The worker's log", f"docker logs {processes.worker}"))
    else:
        services = f"{processes.app} {processes.worker}"
        commands.append(
            ("The services", f"aws ecs describe-services --cluster {processes.cluster} --services {services}")
        )
    return commands


def _bars(findings: Sequence[Finding], seconds: float) -> list[Bar]:
    """The checks that ran, side by side as they ran, for a run of that many seconds; lengths are in per cent."""
    ran = [finding for finding in findings if finding.seconds]
    began = min((finding.at for finding in ran), default=None)
    whole = max(seconds, 0.001)
    return [
        Bar(
            name=finding.check,
            outcome=finding.outcome,
            seconds=finding.seconds,
            begin=round(100 * min((finding.at - began).total_seconds() / whole, 0.99), 1) if began else 0.0,
            length=round(max(100 * min(finding.seconds / whole, 1), 1), 1),
        )
        for finding in ran
    ]


def _plots(points: Sequence[Point], burst: int) -> list[Plot]:
    """A picture for each edge of the requests that its limiter has counted."""
    if not points:
        return []
    first, last = points[0].at, points[-1].at
    whole, most = max(last - first, 0.001), max(burst + 2, *(point.high for point in points))
    ticks = [Tick(at=_x(at / whole), text=f"{at:g}") for at in _round_steps(whole)]
    found = []
    for edge in sorted({point.edge for point in points}):
        own = [point for point in points if point.edge == edge]
        marks = [
            Mark(
                x=_x((point.at - first) / whole),
                y=_y(point.low / most),
                top=_y(point.high / most),
                passed=point.passed,
            )
            for point in own
        ]
        passed = sum(mark.passed for mark in marks)
        found.append(
            Plot(
                edge=edge,
                marks=marks,
                ticks=ticks,
                full=_y(burst / most),
                passed=passed,
                refused=len(own) - passed,
            )
        )
    return found


def _x(share: float) -> float:
    return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    return round(10 + (1 - share) * (HEIGHT - 20), 1)


def _round_steps(whole: float) -> list[float]:
    """From 0 in at most six steps of 1, 2 or 5 and zeros."""
    least = whole / 5
    power = 10 ** math.floor(math.log10(least))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
    return [round(count * step, 9) for count in range(int(whole / step + 1e-9) + 1)]
