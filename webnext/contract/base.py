"""What all requests and answers are made of, and how every refusal looks."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

MAX_DEPTH = 33
"""How deep a body may be nested: far below what json and Postgres take, so that neither ever fails on it."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: Any, depth: int = 0) -> Any:
    """Refuses what neither JSONB holds nor UTF-8 writes: NUL, lone surrogates, numbers that are no numbers, and endless
    nesting."""
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ValueError("holds a NUL or half a surrogate pair")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that JSON has no word for")
    elif isinstance(value, dict):
        for key, inner in value.items():
            storable(key, depth)
            storable(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            storable(inner, depth + 1)
    return value


Responses = dict[int | str, dict[str, Any]]
"""What a route answers beside 200, as FastAPI documents it."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""Takes 5.0, which is a whole number in JSON, for a strict int."""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A JSON number, and nothing that could be read as one."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""What stands in keys and addresses: letters, digits, '.', '_' and '-', 100 at most."""


Mock = Annotated[bool, Field(serialization_alias="_mock", validation_alias=AliasChoices("_mock", "mock"))]
Err = Annotated[str, Field(serialization_alias="_err", validation_alias=AliasChoices("_err", "err"))]
Absent = Field(exclude_if=lambda value: value is None)


class Request(BaseModel):
    """What callers send: unknown keys are ignored, and nothing anywhere in it is what could not be stored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        for name, part in value.items() if isinstance(value, dict) else ():
            try:
                storable({name: part})
            except ValueError as error:
                raise ValueError(f"{name!a:.100} {error}") from None
        return value


class Answer(BaseModel):
    """What callers get. `_mock` is true where a fallback or a mock answered; `_err` says why in a clause."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class ErrorAnswer(Answer):
    """Every refusal, whatever its status."""

    err: Err
    traceId: str  # noqa: N815  (the contract's spelling)


class UnavailableAnswer(Answer):
    """Status 503: the request was not accepted; send it again later, a push under the same Idempotency-Key."""

    ok: Literal[False] = False
    err: Err
    mock: Mock = True
    traceId: str  # noqa: N815
