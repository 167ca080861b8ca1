"""Filter patterns of CloudWatch Logs over JSON, as far as ours go (its user guide, "Filter pattern syntax")."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

_TERM = re.compile(r'\$\.([\w.]+) (?:(=|<|>|>=) ("[^"]*"|[\d.]+)|IS (TRUE|FALSE))')
_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(pattern: str, line: Mapping[str, Any]) -> bool:
    """Whether a line has what the pattern asks for. What is not there, or of another type, does not match."""
    assert pattern.startswith("{ ")
    assert pattern.endswith(" }")
    said = _TERM.sub(lambda term: str(_holds(term, line)), pattern[2:-2])
    assert re.fullmatch(r"(True|False|&&|\|\||[() ])+", said), f"{pattern} has what this does not know: {said}"
    return bool(eval(said.replace("&&", "and").replace("||", "or"), {"__builtins__": {}}))


def _holds(term: re.Match[str], line: Mapping[str, Any]) -> bool:
    key, compared, wanted, truth = term.groups()
    value: Any = line
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if truth:
        return value is (truth == "TRUE")
    if wanted.startswith('"'):
        return compared == "=" and isinstance(value, str) and fnmatchcase(value, wanted[1:-1])
    return isinstance(value, int | float) and _NUMBERS[compared](value, float(wanted))
