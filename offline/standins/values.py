"""Property values: the wire's structs to and from Python, what changed, and what drifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
WRAPPED = "1b47061264138c4ac30d75fd1eb44270"


def to_python(struct: Struct) -> dict[str, Any]:
    """Returns the struct's properties, secrets unwrapped, nulls left out, whole numbers as int."""
    values = {key: _python(value) for key, value in struct.fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def _python(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "list_value":
            return [_python(item) for item in value.list_value.values]
        case "struct_value":
            inner = to_python(value.struct_value)
            return inner.get("value") if inner.get(SIGNATURE) == WRAPPED else inner
        case _:
            return None


def to_struct(properties: dict[str, Any], secret: tuple[str, ...] = ()) -> Struct:
    """Returns the properties as a struct; those named in `secret` are wrapped as secrets."""
    struct = Struct()
    for key, value in properties.items():
        if value is None:
            continue
        known_secret = key in secret and value != UNKNOWN
        _fill(struct.fields[key], {SIGNATURE: WRAPPED, "value": value} if known_secret else value)
    return struct


def _fill(target: Value, value: Any) -> None:
    if value is None:
        target.null_value = 0
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[key], item)
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
    else:
        target.string_value = str(value)


def changes(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields (property path, "ADD" | "UPDATE" | "DELETE") wherever `new` differs from `old`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            step = f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"
            yield from changes(old.get(key), new.get(key), (path + step).removeprefix("."))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from changes(_at(old, index), _at(new, index), f"{path}[{index}]")
    elif old != new:
        yield path, "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def reconcile(mine: Any, seen: Any) -> Any:
    """Returns what was seen, restricted to what the program says, in its spelling where both mean the same.

    Lists are compared as sets, texts as JSON documents where both are, numbers and flags by their text.
    """
    if isinstance(mine, dict) and isinstance(seen, dict):
        kept = {key: reconcile(value, seen.get(key)) for key, value in mine.items()}
        return {key: value for key, value in kept.items() if value is not None}
    if isinstance(mine, list) and isinstance(seen, list):
        left = list(seen)
        for item in mine:
            twin = next((other for other in left if reconcile(item, other) == item), None)
            if twin is None:
                break
            left.remove(twin)
        else:
            if not left:
                return mine
        return [reconcile(mine[i], item) if i < len(mine) else item for i, item in enumerate(seen)]
    if mine == seen or (not mine and seen is None) or _same_text(mine, seen):
        return mine
    return seen


def _same_text(mine: Any, seen: Any) -> bool:
    if isinstance(mine, dict | list) or isinstance(seen, dict | list) or seen is None:
        return False
    left, right = str(mine), str(seen)
    if not (isinstance(mine, str) and isinstance(seen, str)):
        return left.lower() == right.lower() or _number(left) == _number(right) is not None
    if left[:1] not in "{[" or right[:1] not in "{[":
        return False
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return False


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
