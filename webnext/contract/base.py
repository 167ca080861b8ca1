"""What all requests and answers are made of, and how every refusal looks."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import to_json

MAX_DEPTH = 33
"""How deep a body may be nested: far below what json and Postgres take, so that neither ever fails on it."""
MAX_VALUES = 12_000
"""How many values a body may hold: more than MAX_DETAILS bytes can, and few enough to be megabytes in memory, where
256 KiB of the smallest are tens."""
MAX_NUMBER = sys.float_info.max
"""The largest number, which is what all readers of JSON can hold."""

STRING = rb'"(?:[^"\\]++|\\.)*+"'
"""What JSON's text looks like."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STRING = re.compile(STRING, re.DOTALL)


def crowded(body: bytes) -> bool:
    """Whether JSON holds more than MAX_VALUES values, without reading it. In other encodings than UTF-8, which have
    NUL bytes, what stands in texts counts too."""
    if len(body) <= MAX_VALUES:
        return False
    bare = body if b"\0" in body else _STRING.sub(b"", body)
    return sum(map(bare.count, (b",", b"[", b"{"))) > MAX_VALUES


def storable(value: Any, instead: Callable[[Any, str], Any], depth: int = 0) -> Any:
    """The value as JSONB holds it and UTF-8 writes it: each part that neither does is what `instead` returns for the
    nearest that both do and for why. These are the bounds of whatever is sent."""
    if depth > MAX_DEPTH:
        return instead("…", f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if value.isprintable():  # as most texts are, and none of the unstorable
            return value
        found = _UNSTORABLE.search(value)
        return instead(_UNSTORABLE.sub("\ufffd", value), "holds a NUL or half a surrogate pair") if found else value
    if isinstance(value, float | int) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        return instead(str(value), "holds a number that JSON has no word for")
    if isinstance(value, dict):
        return {storable(key, instead, depth): storable(inner, instead, depth + 1) for key, inner in value.items()}
    return [storable(inner, instead, depth + 1) for inner in value] if isinstance(value, list) else value


def refuse(_: Any, why: str) -> NoReturn:
    """To have :func:`storable` raise ValueError."""
    raise ValueError(why)


def replaced(value: Any) -> Any:
    """The value with what cannot be stored replaced, and nested no deeper than MAX_DEPTH."""
    return storable(value, lambda nearest, _: nearest)


MAX_DETAILS = 16 * 1024
"""Bytes of an entry's details, and of an object's metadata, that a caller may send."""


def size_of(value: Any) -> int:
    """The bytes of a value as JSON without blanks in UTF-8."""
    return len(to_json(value))


def small(value: Any) -> Any:
    """The value where it has at most MAX_DETAILS bytes. Raises ValueError."""
    if (size := size_of(value)) > MAX_DETAILS:
        raise ValueError(f"{size} bytes as JSON, {MAX_DETAILS} at most; upload more as evidence")
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


Absent = Field(exclude_if=lambda value: value is None)


def _underscored(name: str, **more: Any) -> Any:
    return Field(serialization_alias=f"_{name}", validation_alias=AliasChoices(f"_{name}", name), **more)


Mock = Annotated[bool, _underscored("mock")]
MaybeMock = Annotated[bool | None, _underscored("mock", exclude_if=lambda value: value is None)]
Err = Annotated[str, _underscored("err")]
MaybeErr = Annotated[str | None, _underscored("err", exclude_if=lambda value: value is None)]


class Request(BaseModel):
    """What callers send: unknown keys are ignored, and nothing anywhere in it is what could not be stored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        try:
            for name, part in value.items() if isinstance(value, dict) else ():
                storable(name, refuse)
                storable(part, refuse, 1)
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
