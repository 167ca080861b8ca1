"""An outbox and queues that note every call, and alerts over them."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError

from webnext.alerts import redis
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts
from webnext.alerts.production import ProductionAlerts
from webnext.alerts.queues import Depth
from webnext.alerts.reconciler import Reconciler
from webnext.dependency import AwayError
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault


def no_secrets() -> Any:
    raise AssertionError("no secret is needed")


class Stub:
    """An outbox or queues that notes every call, and fails while `away`."""

    def __init__(self, **answers: Any) -> None:
        self.away: Exception | None = None
        self.calls: list[tuple[str, Any]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **_: Any) -> Any:
            if self.away:
                raise self.away
            self.calls.append((name, arguments))
            return self._answers.get(name)

        return call

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.calls]


def outbox() -> Stub:
    return Stub(counts=Counts(4, 2, 9.5), purge={"a", "b"}, waiting=["a", "b", "c", "d"])


def queues() -> Stub:
    depths = {"deliver": Depth(1, 2, 3, 8.0), "dlq": Depth(7, 0, 0, 9.0)}
    letter = Letter("a", {"text": "a"}, "t", [], 5)
    return Stub(depths=depths, dead_ids=["c", "b"], revive=letter, whereabouts=["open", "completed", "dead", "open"])


def alerts(outbox: Stub, queues: Stub) -> ProductionAlerts:
    vault = Vault("test/", no_secrets)
    made = ProductionAlerts(Settings(), vault, Postgres(vault))
    made._outbox, made._queues = outbox, queues  # type: ignore[assignment]
    return made


def reconciler(outbox: Stub, queues: Stub) -> Reconciler:
    return Reconciler(outbox, queues, redis.dependency(1))  # type: ignore[arg-type]


POSTGRES_AWAY, REDIS_AWAY = AwayError("postgres", "gone"), ConnectionError("gone")
