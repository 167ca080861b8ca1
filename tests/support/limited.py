"""Requests of one address at one or several nginx behind a balancer, a neighbour among them, without sockets."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cutover.smoke.limit_run import Judgement, Plan, Ruling, judge
from cutover.smoke.limiter import Limit
from tests.support.edge_double import Nginx, NoLimit

Balancer = Literal["takes turns", "least outstanding"]
Neighbour = Literal["none", "poisson", "even"]
NEIGHBOUR_RATE = 0.7


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One request, as the model of the limiter takes it."""

    sent: float
    received: float
    limited: bool
    edge: str | None = "edge-0"


@dataclass(kw_only=True)
class Edges:
    """Several limiters that a balancer chooses from; `way` are the shortest and the longest time of one direction."""

    limiters: Sequence[Nginx | NoLimit]
    dice: random.Random
    balancer: Balancer = "takes turns"
    neighbour: Neighbour = "none"
    way: tuple[float, float] = (0.0002, 0.002)
    nodes: int = 1
    """Of the balancer, one in each zone: a connection comes to any, and each knows its own requests alone."""

    def __post_init__(self) -> None:
        self._ends: list[list[list[float]]] = [[[] for _ in self.limiters] for _ in range(self.nodes)]
        """When each node's requests at each limiter end."""

    def answers(self, plan: Plan, *, start: float = 1000.0, earlier: float = 30.0) -> list[Answer]:
        """What one client gets that sends by the plan; the neighbour has been there since `earlier` seconds before."""
        requests = list(self._sent(plan, start))
        arrivals = [(arrived, number) for number, (_, arrived, _) in enumerate(requests)]
        arrivals += [(at, -1) for at in self._neighbours(start - earlier, requests[-1][1])]
        got: dict[int, Answer] = {}
        for at, number in sorted(arrivals):
            received = requests[number][2] if number >= 0 else at + sum(self.way) / 2
            edge = self._chosen(at, received)
            # nginx reads the clock once per event loop, so its time may be a little old.
            limited = not self.limiters[edge].passes(at - self.dice.uniform(0, 0.002))
            if number >= 0:
                sent = requests[number][0]
                got[number] = Answer(sent=sent, received=received, limited=limited, edge=f"edge-{edge}")
        return [got[number] for number in range(len(requests))]

    def judged(self, plan: Plan, limit: Limit, waits: Sequence[float]) -> tuple[Judgement, int]:
        """What the check says in the end, and how often it sent: again where the answers decide nothing."""
        due = list(plan.due)
        for wait in waits:
            later = due[-1] + wait
            due += [later + each for each in plan.due]
        answers = self.answers(Plan(due=due, lanes=plan.lanes))
        for sent in range(1, len(waits) + 2):
            judgement = judge(answers[: sent * len(plan.due)], limit)
            if judgement.ruling is not Ruling.UNDECIDED:
                break
        return judgement, sent

    def _sent(self, plan: Plan, start: float) -> Iterator[tuple[float, float, float]]:
        free = [0.0] * plan.lanes
        for due in plan.due:
            sent = max(start + due, heapq.heappop(free))
            arrived = sent + self.dice.uniform(*self.way)
            received = arrived + self.dice.uniform(*self.way)
            heapq.heappush(free, received)
            yield sent, arrived, received

    def _neighbours(self, since: float, until: float) -> Iterator[float]:
        pause: Callable[[], float] = {
            "none": lambda: math.inf,
            "poisson": lambda: self.dice.expovariate(NEIGHBOUR_RATE),
            "even": lambda: 1 / NEIGHBOUR_RATE + self.dice.uniform(-0.02, 0.02),
        }[self.neighbour]
        at = since + pause()
        while at < until:
            yield at
            at += pause()

    def _chosen(self, at: float, until: float) -> int:
        ends = self._ends[self.dice.randrange(self.nodes)] if self.nodes > 1 else self._ends[0]
        if self.balancer == "takes turns":
            edge = (sum(map(len, ends)) + 1) % len(ends)
        else:
            loads = [sum(end > at for end in own) for own in ends]
            edge = self.dice.choice([edge for edge, load in enumerate(loads) if load == min(loads)])
        ends[edge].append(until)
        return edge
