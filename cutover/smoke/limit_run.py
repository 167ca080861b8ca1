"""The rate check's run: what it sends, and what the answers prove."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from cutover.smoke.limiter import STRAY, Bucket, Limit, Sample, steps

NEIGHBOUR = 0.7
"""The most that somebody unseen may send from the same address without being a failure, as a share of the rate."""
NEIGHBOURS = {0.0: 0.8, 0.5 * NEIGHBOUR: 0.1, NEIGHBOUR: 0.1}
"""How likely it is that a neighbour sends so much, as a share of the rate."""
CERTAIN = 1_000_000
"""So many times likelier must another limit be before the answers speak against the configured one. What a neighbour
can look like for once, a slower rate or a smaller burst, has to be seen twice for that."""
TOLD = 100
"""So many times likelier must the configured limit be before the answers rule another one out."""
MOST_STEPS = 16_000_000
"""So many steps for the answers of an edge are 40 s of arithmetic at most; more is not begun: nothing could end it."""

BURST_REQUESTS = 65
"""Requests of the playbook's rate check."""
PACE_SECONDS = 0.775
"""Between two of them when 60 shall pass and 5 be refused (nginx 1.26, 60/min with burst 10, from an empty bucket)."""
_MOST_LANES = 72


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The seconds, counted from the start, at which each request is due, and how many may be under way at once."""

    due: Sequence[float]
    lanes: int = 1


def fast(limit: Limit, edges: int) -> Plan:
    """The playbook's burst back to back, then eight times the rate for six requests' time: who hammers gets nearly all
    that drains, whatever a neighbour takes."""
    burst = [0.0] * max(BURST_REQUESTS, limit.burst + 55) * edges  # the playbook's 65 are 55 more than its burst
    after = [0.2 + step / 8 for step in range(1, 6 * 8 + 1) for _ in range(edges)]
    return Plan(due=[*burst, *(time / limit.rate for time in after)], lanes=_lanes(limit, edges))


def paced(limit: Limit) -> Plan:
    """The playbook's 65 at the pace at which 60 pass and 5 are refused."""
    return Plan(due=[number * PACE_SECONDS / limit.rate for number in range(BURST_REQUESTS)])


def at_once(limit: Limit, edges: int) -> int:
    """So many requests back to back that each edge refuses one: half as many again where a balancer deals them out,
    for it has a node in each zone, which knows nothing of what the others sent where."""
    least = (limit.burst + 2) * edges
    return least if edges == 1 else least * 3 // 2


def sparse(limit: Limit, edges: int, budget: int) -> Plan:
    """Enough for each edge to refuse one, then, until the budget is used up, some requests shortly before and some
    shortly after each moment at which one more passes."""
    burst = min(budget, at_once(limit, edges))
    some = min(edges, max(1, (budget - burst) // 2))
    after = ((step + side) / limit.rate for step in range(1, budget + 1) for side in (-0.35, 0.15) for _ in range(some))
    return Plan(due=[*[0.0] * burst, *islice(after, budget - burst)], lanes=_lanes(limit, edges))


def _lanes(limit: Limit, edges: int) -> int:
    """One where there is one edge near by; among several a burst must not last as long as its buckets take to drain."""
    return 1 if edges == 1 else min(_MOST_LANES, (limit.burst + 2) * edges)


def pauses(limit: Limit) -> tuple[float, float]:
    """Seconds to wait before a second run, and before a third: until the bucket is empty though the limit be half the
    rate or twice the burst, and until it is though a neighbour goes on."""
    return 2 * limit.idle_seconds, limit.idle_seconds / (1 - NEIGHBOUR)


def settle_seconds(samples: Sequence[Sample], limit: Limit, now: float) -> float:
    """How long it takes until nothing is left of one's own requests."""
    wait = 0.0
    for answers in _by_edge(samples).values():
        excess, since = 0.0, -math.inf
        for sample in answers:
            excess = max(0.0, excess - max(0.0, sample.received - since) * limit.rate) + (not sample.limited)
            since = sample.received
        wait = max(wait, excess / limit.rate - (now - since))
    return wait


class Ruling(StrEnum):
    """What the answers prove of the limit."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One request of the plot: seconds since the first, and between which figures the model saw the excess it found."""

    at: float
    passed: bool
    edge: str
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The ruling, the reason in a clause, and the requests to draw, in the order of their sending."""

    ruling: Ruling
    clause: str
    points: Sequence[Point]


def judge(samples: Sequence[Sample], limit: Limit) -> Judgement:
    """What one address's limited requests prove of a limit that each nginx enforces by itself.

    The limit holds when every edge refused something and the answers rule out each other limit: none, half and twice
    the rate, no burst, half and twice the burst. It is broken when one of these makes the answers of an edge, or of
    all together, CERTAIN times likelier, and when somebody else refused. Otherwise it is undecided; it is so without a
    point to draw where the model would take more than MOST_STEPS.
    """
    answers = _by_edge(samples)
    if any(steps(own, limit) > MOST_STEPS for own in answers.values()):
        clause = f"{len(samples)} answers with burst {limit.burst} are more than can be judged: lower edge.burst"
        return Judgement(ruling=Ruling.UNDECIDED, clause=clause, points=[])
    ratios = {edge: _ratios(own, limit) for edge, own in answers.items()}
    ruling, clause = _rule(answers, ratios, limit, foreign=sum(s.limited and s.edge is None for s in samples))
    began = min((sample.sent for sample in samples), default=0.0)
    points = [point for edge, own in answers.items() for point in _points(edge, own, limit, began)]
    return Judgement(ruling=ruling, clause=clause, points=sorted(points, key=lambda point: point.at))


def _by_edge(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Each edge's answers, in an order that agrees with their times: of two at the same time the one that passed first,
    because it was the other that found the bucket full."""
    answers: dict[str, list[Sample]] = {edge: [] for edge in sorted({s.edge for s in samples if s.edge is not None})}
    for sample in sorted(samples, key=lambda s: (s.received if s.limited else s.sent, s.limited, s.sent, s.received)):
        if sample.edge is not None:
            answers[sample.edge].append(sample)
    return answers


def _rule(
    answers: Mapping[str, Sequence[Sample]], ratios: Mapping[str, Mapping[str, float]], limit: Limit, *, foreign: int
) -> tuple[Ruling, str]:
    if foreign:
        return Ruling.BROKEN, f"{foreign} refused without an X-Edge-Id: by a firewall or somebody else, not by nginx"
    if not answers:
        return Ruling.UNDECIDED, "no edge has answered"
    together = {other: sum(ratio[other] for ratio in ratios.values()) for other in next(iter(ratios.values()))}
    for where, ratio in [*ratios.items(), ("all edges", together)]:
        likeliest = max(ratio, key=ratio.__getitem__)
        if ratio[likeliest] >= math.log(CERTAIN):
            return Ruling.BROKEN, f"{where} answered as with {likeliest}, not {limit}"
    lenient = [edge for edge, own in answers.items() if not any(sample.limited for sample in own)]
    if lenient:
        return Ruling.UNDECIDED, f"the limit was never reached at {', '.join(lenient)}"
    likeliest = max(together, key=together.__getitem__)
    if together[likeliest] > -math.log(TOLD):
        return Ruling.UNDECIDED, f"too few answers tell {limit} from {likeliest}"
    return Ruling.HOLDS, str(limit) + (f" at each of {len(answers)} edges" if len(answers) > 1 else "")


def _ratios(answers: Sequence[Sample], limit: Limit) -> dict[str, float]:
    """For each other limit the logarithm of how many times likelier than the limit it makes the answers."""
    expected = _likelihood(answers, limit, limit.rate)
    refused = sum(sample.limited for sample in answers)
    ratios = {"no limit": refused * math.log(STRAY) + (len(answers) - refused) * math.log1p(-STRAY) - expected}
    return ratios | {str(other): _likelihood(answers, other, limit.rate) - expected for other in limit.others()}


def _likelihood(answers: Sequence[Sample], limit: Limit, rate: float) -> float:
    """The logarithm of the answers' probability, over the neighbours that there may be at a configured rate."""
    terms = []
    for share, likely in NEIGHBOURS.items():
        bucket = Bucket(limit, share * rate)
        for sample in answers:
            bucket.meet(sample)
        terms.append(bucket.likelihood + math.log(likely))
    return max(terms) + math.log(sum(math.exp(term - max(terms)) for term in terms))


def _points(edge: str, answers: Sequence[Sample], limit: Limit, began: float) -> list[Point]:
    alone, shared = Bucket(limit, 0.0), Bucket(limit, NEIGHBOUR * limit.rate)
    points = []
    for sample in answers:
        low, high = alone.meet(sample)[0], shared.meet(sample)[1]
        at = round(sample.sent - began, 4)
        points.append(Point(at=at, passed=not sample.limited, edge=edge, low=low, high=high))
    return points
