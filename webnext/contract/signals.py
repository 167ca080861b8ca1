"""The ML signal contract (playbook row 9)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from webnext.contract.base import Number, Request, Text


class Indicators(Request):
    """Exponential moving averages, relative strength index (0 to 100), average true range."""

    ema_fast: Number
    ema_slow: Number
    rsi: Number = Field(ge=0, le=100)
    atr: Number = Field(ge=0)


class Features(Request):
    """What a model reads off the indicators."""

    crossover: Number
    momentum: Number
    volatility: Number


class SignalAudit(Request):
    """Where a signal came from."""

    traceId: Text  # noqa: N815
    buildSha: Text  # noqa: N815


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("an ISO 8601 time as text is needed")  # noqa: TRY004  (what pydantic understands)
    return value


class SignalData(Request):
    """The ML signal contract (playbook row 9): what a model sends with each signal."""

    timestamp: Annotated[datetime, BeforeValidator(_text, json_schema_input_type=datetime)]
    symbol: Text
    indicators: Indicators
    features: Features
    audit: SignalAudit
