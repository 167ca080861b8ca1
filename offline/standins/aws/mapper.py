"""Botocore's service model as the dictionary between the SDK's property names and the API's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from offline.standins.kind import Properties, StandinError

Renames = Mapping[str, str]


def member(shape: Any, name: str, renames: Renames | None = None) -> str | None:
    """Returns the shape's member that a property means: same letters, plural or not, or a rename."""
    known: dict[str, str] = {candidate.lower(): candidate for candidate in shape.members}
    for wanted in (renames or {}).get(name, name).lower().split():
        for spelling in (wanted, wanted.removesuffix("s"), wanted + "s"):
            if spelling in known:
                return known[spelling]
    return None


def to_api(shape: Any, value: Any, renames: Renames) -> Any:
    """Returns a property's value as the API wants it. Raises StandinError for a key the API doesn't have."""
    if shape.type_name == "structure":
        result = {}
        for key, item in value.items():
            name = member(shape, key, renames)
            if name is None:
                raise StandinError(
                    f"{key} has no counterpart in the API's {shape.name}: "
                    "leave it out, or add it to the row in offline/standins/aws"
                )
            result[name] = to_api(shape.members[name], item, renames)
        return result
    if shape.type_name == "list":
        return [to_api(shape.member, item, renames) for item in (value if isinstance(value, list) else [value])]
    if shape.type_name == "string":
        return json.dumps(value) if isinstance(value, dict) else str(value)
    numeric = {"integer": int, "long": int, "float": float, "double": float}.get(shape.type_name)
    return numeric(value) if numeric else value


def from_api(shape: Any, value: Any, like: Any, renames: Renames) -> Any:
    """Returns an API value under the names that `like`, the program's value, uses, and restricted to them."""
    if shape.type_name == "structure" and isinstance(like, dict):
        names = {key: member(shape, key, renames) for key in like}
        return {
            key: from_api(shape.members[name], value[name], like[key], renames)
            for key, name in names.items()
            if name is not None and name in value
        }
    if shape.type_name == "list" and not isinstance(like, list):
        return from_api(shape.member, value[0], like, renames) if value else None
    if shape.type_name == "list":
        guides = [*like, *[like[-1] if like else None] * len(value)]
        return [from_api(shape.member, item, guide, renames) for item, guide in zip(value, guides, strict=False)]
    return json.dumps(value) if isinstance(value, dict) and isinstance(like, str) else value


def arguments(shape: Any, inputs: Properties, renames: Renames) -> Properties:
    """Returns those inputs that an operation of this input shape takes, as it takes them."""
    names = {key: member(shape, key, renames) for key in inputs}
    return {name: to_api(shape.members[name], inputs[key], renames) for key, name in names.items() if name is not None}


def told(shape: Any, found: Any, inputs: Properties, renames: Renames) -> Properties:
    """Returns those inputs that an object of this shape tells, as it tells them."""
    names = {key: member(shape, key, renames) for key in inputs} if shape.type_name == "structure" else {}
    return {
        key: from_api(shape.members[name], found[name], inputs[key], renames)
        for key, name in names.items()
        if name is not None and name in found
    }


def shape_at(shape: Any, path: str) -> Any:
    """Returns the shape that a JMESPath of names, indexes and filters arrives at."""
    for step in re.findall(r"\w+|\[", re.sub(r"\[[^\]]*\]", "[", path)):
        if step != "[":
            shape = shape.members[step]
        elif shape.type_name == "list":
            shape = shape.member
    return shape
