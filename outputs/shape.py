"""A shape: the fields of one output, written with `output()` and read back with `from_output()`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError


class OutputError(ValueError):
    """An output is not what this revision of the project reads: a clause without its name, with the way out."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Plain values and other shapes.

    Pulumi has no integers, and leaves out what has no value: a field that may be empty has the default None.
    """

    def output(self) -> dict[str, Any]:
        """The fields as Pulumi takes them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_output(cls, value: object) -> Self:
        """The shape that an output describes; what else it has is another revision's and is left out.

        Raises OutputError, naming each field that is missing or of another type.
        """
        shape: Self = read(cls, value)
        return shape


def _plain(value: Any) -> Any:
    if isinstance(value, Shape):
        return value.output()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, StrEnum):
        return value.value
    return value.isoformat() if isinstance(value, date) else value


def read(kind: Any, value: object) -> Any:
    """The value as a shape, or as one of a union of shapes. Raises OutputError as `Shape.from_output` does."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'all of it'}: {each['msg']}" for each in error.errors()]
        raise OutputError(
            f"was put out by another revision of the project ({'; '.join(wrong)}): use that revision, or bring the "
            "stack up with this one"
        ) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
