"""The executor's trading desk as web-next sees and moves it: guardrails, strategies, batches."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from webnext.contract.base import Request
from webnext.contract.guardrails import Breach
from webnext.dependency import AwayError
from webnext.executor import Executor

M = TypeVar("M", bound=Request)

Id = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,150}$")]


class _Breach(Breach):
    model_config = ConfigDict(extra="ignore")

    id: Id
    value: FiniteFloat
    threshold: FiniteFloat
    at: AwareDatetime


class Guardrails(Request):
    """What GET /guardrails answers. `recentBreaches` is optional: an executor that has it lets none be missed."""

    thresholds: dict[str, FiniteFloat]
    lastBreach: _Breach | None = None  # noqa: N815
    recentBreaches: list[_Breach] = Field(default_factory=list)  # noqa: N815
    strategies: dict[str, int] = Field(default_factory=dict)

    @property
    def breaches(self) -> list[_Breach]:
        """Every breach that it names, each once."""
        named = [*self.recentBreaches, *filter(None, [self.lastBreach])]
        return list({breach.id: breach for breach in named}.values())


class Batch(Request):
    """Paper strategies that are ready to go live."""

    id: Id
    strategyIds: list[str]  # noqa: N815


class _Strategy(Request):
    id: str
    state: str


class _Strategies(Request):
    items: list[_Strategy]


class _Batches(Request):
    pending: Batch | None = None


class _Paused(Request):
    paused: list[str]


class _Promoted(Request):
    promoted: list[str]


class Desk:
    """Every call raises AwayError where the executor is away, refuses, or answers something else.

    `last` is the last known answer of `guardrails`.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.last: Guardrails | None = None

    async def guardrails(self, seconds: float | None = None) -> Guardrails:
        """The guardrails as they are now, within `seconds` where given."""
        self.last = await self._ask(Guardrails, "/guardrails", seconds=seconds)
        return self.last

    async def live(self) -> list[str]:
        """The ids of the live strategies."""
        strategies = await self._ask(_Strategies, "/strategies")
        return [strategy.id for strategy in strategies.items if strategy.state == "live"]

    async def pause(self, breach_id: str, strategies: list[str]) -> list[str]:
        """Pause strategies; the ids that the first call for this breach paused."""
        body = {"breachId": breach_id, "strategyIds": strategies}
        return (await self._ask(_Paused, "/strategies/pause", body)).paused

    async def pending(self) -> Batch | None:
        """The batch that waits to be promoted."""
        return (await self._ask(_Batches, "/batches")).pending

    async def promote(self, batch_id: str, strategies: list[str]) -> list[str]:
        """Make paper strategies live; the ids that the first call for this batch promoted."""
        body = {"batchId": batch_id, "strategyIds": strategies}
        return (await self._ask(_Promoted, "/strategies/promote", body)).promoted

    async def _ask(self, model: type[M], path: str, body: Any = None, seconds: float | None = None) -> M:
        answer = await (self._executor.post(path, body) if body else self._executor.get(path, seconds=seconds))
        try:
            return model.model_validate(answer)
        except ValidationError as error:
            where = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))
            raise AwayError("executor", f"{path} answered another shape: {where}") from error
