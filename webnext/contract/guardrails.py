"""Guardrails, and what the flags have done about a breach."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from webnext.contract.base import Absent, Answer, MaybeErr, Mock


class Breach(Answer):
    """One breach of a threshold, as the executor saw it."""

    id: str
    guardrail: str
    value: float
    threshold: float
    at: datetime
    strategyId: str | None = None  # noqa: N815


class Automation(Answer):
    """A flag's share in force (0 to 1), and the strategies it last moved: none since this process started where `at`
    is missing."""

    share: float
    at: Annotated[datetime | None, Absent] = None
    strategies: list[str] = Field(default_factory=list)


class GuardrailsAnswer(Answer):
    """The thresholds in force (maxDrawdown and others, as shares) and the newest breach, from the executor."""

    mock: Mock
    err: MaybeErr = None
    thresholds: dict[str, float]
    lastBreach: Breach | None  # noqa: N815
    strategies: dict[str, int] = Field(default_factory=dict)
    """How many strategies are in each state: live, paused, paper."""
    autoPause: Annotated[Automation | None, Absent] = None  # noqa: N815
    batchPromote: Annotated[Automation | None, Absent] = None  # noqa: N815
