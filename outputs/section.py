"""The form of a section of a stack's file: an object whose keys are in camelCase, checked one by one."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

FORM = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=False)
"""Of every section: keys in camelCase, none unknown, nothing changed once read, no value shown in an error."""


def like(pattern: str, rule: str) -> Any:
    """A text that must match the whole pattern; `rule` is what a person is told."""
    return Field(pattern=f"^(?:{pattern})$", json_schema_extra={"rule": rule})


def known(rule: str) -> Any:
    """A value of any type whose rule its validators hold; `rule` is what a person is told."""
    return Field(json_schema_extra={"rule": rule})
