"""What a review shows of values: none whose name says that it is a secret, and none that looks like one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cutover.review.properties import LATER, SECRET
from cutover.smoke.redaction import REDACTED, named_secret, redacted

_ASSIGNED = re.compile(r"^([^\w\n]*([\w-]+)=).+$", re.MULTILINE)
"""A line that is a variable or an option and its value, to its end: docker has them so."""
_OPTION = re.compile(r"((?<!\S)-+([\w-]+)[ \t]+)[^\s-]\S*")
"""An option and the word behind it, within a command."""


def without_secrets(value: Any, key: str = "") -> Any:
    """The value without secrets; each is judged with the name that it is under, as `password` says what it is."""
    if isinstance(value, Mapping):
        return {name: without_secrets(inner, _called(value, str(name))) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner, key) for inner in value]
    if value is None or isinstance(value, bool) or value in (SECRET, LATER):
        return value
    if named_secret(key):
        return REDACTED
    return redacted(_OPTION.sub(_unassigned, _ASSIGNED.sub(_unassigned, value))) if isinstance(value, str) else value


def last_name(path: str) -> str:
    """What a property is called, by the end of its path: a variable's value by the variable."""
    return str((re.findall(r"\w+", path.removesuffix(".value")) or [""])[-1])


def _called(around: Mapping[str, Any], key: str) -> str:
    """What a value is called: a variable's value by the variable, both sides of a property by its path."""
    if key == "value" and isinstance(around.get("name"), str):
        return str(around["name"])
    if key in ("old", "new") and isinstance(around.get("path"), str):
        return last_name(around["path"]) or key
    return key


def _unassigned(line: re.Match[str]) -> str:
    return f"{line[1]}{REDACTED}" if named_secret(line[2]) else line[0]
