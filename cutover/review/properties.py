"""Which properties of a resource differ, without what follows by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff
from typing import Any

from cutover.review.steps import Step
from cutover.smoke.redaction import named_secret

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for what only an update will know."""
_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks a secret, an asset or a reference."""
SECRET, LATER = "[secret]", "[known after the update]"
_NAMES = ("name", "Sid", "sid", "key", "id", "field", "containerName")
"""By which of these keys the elements of a list are told apart, whatever their order."""
_FOLLOWS = {
    "pulumi-python:dynamic/web-next:RemovalGuard::": "",
    "pulumi-python:dynamic/web-next:Schema::": "checksums",
    "pulumi-python:dynamic/web-next:UpdateGuard::": "",
    "::web-next:deploy:Record$": "",
}
"""By what is in its URN, the beginning of the properties that change with what is deployed, or are migrations."""
_OPTION = re.compile(r"-+[\w-]+")
_OWN = ("__provider", "__internal", "__defaults", "tagsAll")


@dataclass(frozen=True, kw_only=True)
class Property:
    """One value that differs: `old` and `new` as a person reads them, None where there is none."""

    path: str
    old: Any
    new: Any
    follows: bool = False
    """Whether nobody chose it: it is computed from what else changes, or is listed elsewhere."""


def properties(step: Step) -> list[Property]:
    """The properties that a step changes; of what is created or deleted none, since all of them do.

    What a secret was and becomes is never told: only that it differs, which the provider says.
    """
    if step.old is None or step.new is None:
        return []
    found = [
        Property(path=path, old=old, new=new, follows=_follows(step.urn, path, new))
        for path, old, new in differences("", readable(step.old), readable(step.new))
        if path.partition(".")[0] not in _OWN
    ]
    seen = {one.path for one in found}
    for path in step.touched:
        if path.partition(".")[0] not in _OWN and _at(readable(step.new), path) == SECRET and path not in seen:
            found.append(Property(path=path, old=SECRET, new=SECRET))
    return found


def _follows(urn: str, path: str, new: Any) -> bool:
    return bool(new == LATER) or any(part in urn and path.startswith(start) for part, start in _FOLLOWS.items())


def readable(value: Any) -> Any:
    """A value of an event as a person reads it: secrets and unknowns by their words, JSON in a text taken apart."""
    if isinstance(value, Mapping):
        if _SIGNATURE in value:
            return SECRET if "ciphertext" in value or "plaintext" in value else readable(_content(value))
        return {key: readable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return _joined([readable(inner) for inner in value])
    if isinstance(value, str):
        if value == UNKNOWN:
            return LATER
        if value[:1] in ("{", "["):
            try:
                return readable(json.loads(value))
            except ValueError:
                pass
        return value.replace(UNKNOWN, LATER)
    return value


def _joined(words: list[Any]) -> list[Any]:
    """A list in which an option that names a secret and the word behind it are one, such as `--password=…`: by itself
    nobody could tell what the word is."""
    found: list[Any] = []
    for word in words:
        option = found[-1] if found else None
        if (
            isinstance(option, str)
            and _OPTION.fullmatch(option)
            and named_secret(option)
            and isinstance(word, str)
            and word not in (SECRET, LATER)
            and not word.startswith("-")
        ):
            found[-1] = f"{option}={word}"
        else:
            found.append(word)
    return found


def _content(marked: Mapping[str, Any]) -> Any:
    return next((marked[key] for key in ("text", "path", "uri", "value") if marked.get(key)), marked.get("hash"))


def differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The leaves that differ between two values, by path. Elements of a list that have a name go by it; of lists of
    plain values what was added and what was taken away."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(path, old, new)
    elif isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        yield path, *_lines(old, new)
    else:
        yield path, old, new


def _of_lists(path: str, old: list[Any], new: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    if all(isinstance(one, str | int | float) for one in (*old, *new)):
        less, more = [one for one in old if one not in new], [one for one in new if one not in old]
        yield path, *((less or None, more or None) if less or more else (old, new))
        return
    key = next((name for name in _NAMES if _names_all(name, old) and _names_all(name, new)), None)
    if key is not None:
        before, after = ({str(one[key]): one for one in side} for side in (old, new))
        for name in dict.fromkeys((*before, *after)):
            yield from differences(f"{path}[{name}]", before.get(name), after.get(name))
        return
    for index in range(max(len(old), len(new))):
        here = [side[index] if index < len(side) else None for side in (old, new)]
        yield from differences(f"{path}[{index}]", *here)


def _lines(old: str, new: str) -> tuple[list[str] | None, list[str] | None]:
    """Of two texts the lines that only one of them has."""
    said = list(ndiff(old.splitlines(), new.splitlines()))
    less, more = ([line[2:].strip() for line in said if line[:2] == mark] for mark in ("- ", "+ "))
    return less or None, more or None


def _names_all(key: str, elements: Sequence[Any]) -> bool:
    names = [one.get(key) if isinstance(one, Mapping) else None for one in elements]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _at(value: Any, path: str) -> Any:
    for part in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
