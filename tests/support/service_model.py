"""Requests and answers held against AWS' published models of its services: what is required, known, one of a list, in a
range, of a length, of a pattern. boto3 itself looks at types and required parameters alone."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session

JAVAS = {
    r"\p{L}\p{Z}\p{N}": r"\w\s",
    r"\p{Print}": r"[ -~]",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}
"""What stands in the models' patterns and Python spells otherwise."""
TYPES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "blob": bytes,
    "timestamp": datetime,
    "list": list,
    "map": dict,
    "structure": dict,
}


@cache
def _session() -> Any:
    return botocore.session.Session()


@cache
def shapes(service: str, operation: str) -> tuple[Any, Any]:
    """The shapes of an operation's request and answer."""
    model = _session().get_service_model(service).operation_model(operation)
    return model.input_shape, model.output_shape


def problems(service: str, operation: str, request: dict[str, Any], unknown: Container[str] = ()) -> list[str]:
    """What the model does not take of a request, each with its path, the value and the rule. What stands for a text
    that only AWS knows is among the `unknown` and may be any."""
    return list(_Judge(unknown).problems(shapes(service, operation)[0], request, ""))


def answer_problems(service: str, operation: str, answer: dict[str, Any]) -> list[str]:
    """What the model does not take of an answer, in the same way."""
    return list(_Judge(()).problems(shapes(service, operation)[1], answer, ""))


@dataclass(frozen=True)
class _Judge:
    unknown: Container[str]

    def problems(self, shape: Any, value: Any, path: str) -> Iterator[str]:
        kind = TYPES[shape.type_name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield f"{path} is {value!r}: it is a {shape.type_name}"
            return
        yield from self._bounds(shape, value, path)
        if shape.type_name == "structure":
            yield from (f"{path} lacks {name}" for name in shape.required_members if name not in value)
            for name, inner in value.items():
                if name not in shape.members:
                    yield f"{path} has {name}: {shape.name} has no such member"
                else:
                    yield from self.problems(shape.members[name], inner, f"{path}.{name}".lstrip("."))
        elif shape.type_name == "list":
            for index, inner in enumerate(value):
                yield from self.problems(shape.member, inner, f"{path}[{index}]")
        elif shape.type_name == "map":
            for key, inner in value.items():
                yield from self.problems(shape.key, key, f"{path} key")
                yield from self.problems(shape.value, inner, f"{path}.{key}")

    def _bounds(self, shape: Any, value: Any, path: str) -> Iterator[str]:
        if shape.type_name in ("boolean", "structure", "timestamp") or (
            shape.type_name == "string" and value in self.unknown
        ):
            return
        if shape.type_name == "string":
            if shape.enum and value not in shape.enum:
                yield f"{path} is {value!r}: it is one of {', '.join(shape.enum)}"
            pattern = shape.metadata.get("pattern")
            if pattern and not _pattern(pattern).fullmatch(value):
                yield f"{path} is {value!r}: it is as {pattern}"
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        size = value if isinstance(value, int | float) else len(value)
        if (least is not None and size < least) or (most is not None and size > most):
            bounds = " and ".join(
                f"{how} {one}" for how, one in (("at least", least), ("at most", most)) if one is not None
            )
            what = "value" if isinstance(value, int | float) else "size"
            yield f"{path} is {value!r}: its {what} is {size}, which is not {bounds}"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    for theirs, ours in JAVAS.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(pattern)
