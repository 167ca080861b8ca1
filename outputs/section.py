"""The form of a section of a stack's file: an object whose keys are in camelCase, checked one by one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

FORM = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=False)
"""Of every section: keys in camelCase, none unknown, nothing changed once read, no value shown in an error."""


DIGEST = r"sha256:[0-9a-f]{64}"
REPOSITORY = r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
PUSHED = f"{REPOSITORY}@{DIGEST}"
"""An image as a registry gives it after the push: repository and digest, and no tag between them."""


def like(pattern: str, rule: str) -> Any:
    """A text that must match the whole pattern; `rule` is what a person is told."""
    return Field(pattern=f"^(?:{pattern})$", json_schema_extra={"rule": rule})


def known(rule: str) -> Any:
    """A value of any type whose rule its validators hold; `rule` is what a person is told."""
    return Field(json_schema_extra={"rule": rule})


def _one_line(text: str) -> str:
    if text.strip() and text.isprintable() and len(text) <= LONGEST_LINE:
        return text
    raise PydanticCustomError("line", f"it must be one line that says something, of {LONGEST_LINE} characters at most")


LONGEST_LINE = 500
Line = Annotated[str, AfterValidator(_one_line)]
"""A text that a person is shown, where nothing else stands for it."""


def _true_or_false(value: object) -> object:
    if isinstance(value, bool) or value in ("true", "false"):
        return value
    raise PydanticCustomError("switch", "it must be true or false")


Switch = Annotated[bool, BeforeValidator(_true_or_false)]
"""On or off; pydantic alone would read 1, yes and on as true."""
