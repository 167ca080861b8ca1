"""What a change of the program would do to a stack: one input otherwise, one gone, or a resource gone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from policy.resources import UNKNOWN, Resource, Stack

Change = Callable[[Stack], Stack]


def put(where: str, path: str, value: Any) -> Change:
    """Another value at a path of an input; `where` is a type's last word and a name, such as `Bucket evidence`."""
    return _changed(where, path, lambda place, key: place.__setitem__(key, value))


def drop(where: str, path: str) -> Change:
    """The input away. Raises KeyError where there was none."""
    return _changed(where, path, lambda place, key: place.__delitem__(key))


def hide(where: str, path: str) -> Change:
    """A value that only an update will know."""
    return put(where, path, UNKNOWN)


def rewrite(where: str, path: str, old: str, new: str) -> Change:
    """Another text within the text at a path. Raises AssertionError where the old one is not in it."""

    def change(place: Any, key: Any) -> None:
        assert old in place[key], f"{where} has no {old!r}"
        place[key] = place[key].replace(old, new)

    return _changed(where, path, change)


def gone(where: str) -> Change:
    """The resource away."""
    return lambda stack: replace(stack, resources=[one for one in stack.resources if one is not found(stack, where)])


def more(where: str, name: str, **inputs: Any) -> Change:
    """Another resource of the same type and with the same inputs, but for those that are given."""

    def change(stack: Stack) -> Stack:
        like = found(stack, where)
        refers = {key: urns for key, urns in like.refers.items() if key not in inputs}
        one = replace(like, name=name, urn=f"{like.urn}-{name}", inputs={**like.inputs, **inputs}, refers=refers)
        return replace(stack, resources=[*stack.resources, one])

    return change


def alias(where: str, kind: str) -> Change:
    """The resource under another of its type's names."""

    def change(stack: Stack) -> Stack:
        one = found(stack, where)
        return replace(stack, resources=[replace(one, type=kind) if each is one else each for each in stack.resources])

    return change


def beside(kind: str, name: str, **inputs: Any) -> Change:
    """A resource of a type that the program does not declare."""
    one = Resource(type=kind, name=name, urn=f"urn:{name}", inputs=inputs)
    return lambda stack: replace(stack, resources=[*stack.resources, one])


def told(key: str, value: str) -> Change:
    """Another value in the stack's configuration."""
    return lambda stack: replace(stack, config={**stack.config, key: value})


def untold(key: str) -> Change:
    """Nothing of it in the stack's configuration."""
    return lambda stack: replace(stack, config={one: value for one, value in stack.config.items() if one != key})


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(stack: Stack) -> Stack:
        for one in changes:
            stack = one(stack)
        return stack

    return change


def found(stack: Stack, where: str) -> Resource:
    """The resource of a type and name. Raises AssertionError unless there is one."""
    kind, _, name = where.partition(" ")
    there = [one for one in stack.resources if one.type.rpartition(":")[2] == kind and one.name == name]
    assert len(there) == 1, f"{where}: {len(there)}"
    return there[0]


def _changed(where: str, path: str, change: Callable[[Any, Any], None]) -> Change:
    def made(stack: Stack) -> Stack:
        one = found(stack, where)
        inputs: Any = copy.deepcopy(dict(one.inputs))
        *way, last = path.split(".")
        place = inputs
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        change(place, int(last) if isinstance(place, list) else last)
        refers = {name: urns for name, urns in one.refers.items() if name != path.split(".")[0]}
        new = replace(one, inputs=inputs, refers=refers)
        return replace(stack, resources=[new if each is one else each for each in stack.resources])

    return made
