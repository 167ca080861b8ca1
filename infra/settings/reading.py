"""A stack's configuration: read once, checked whole, returned frozen."""

from __future__ import annotations

import copy
import difflib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from infra.settings.keys import SECTIONS, Settings
from infra.settings.moved import MOVED
from infra.settings.problems import Explainer, SettingsError
from infra.settings.rules import broken

NAMESPACE = "web-next"

_OBJECTS = {
    *SECTIONS,
    *(str(field.alias) for field in Settings.model_fields.values() if isinstance(field.default, list)),
}
_SOUND = {
    "track": "stable",
    "runtime": "fargate",
    "account": "0" * 12,
    "region": "eu-central-1",
    "domain": "localhost",
    "image": "i",
    "buildSha": "0" * 7,
    "version": "0.0.0",
}
"""Stands in for required keys that are missing or wrong while the rules between the others are checked."""


def of_this_stack(stack: str, others: Iterable[str] = ()) -> Settings:
    """The settings of the stack that Pulumi runs the program for. Raises SettingsError, see :func:`load`."""
    config = json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
    secret_keys = json.loads(os.environ.get("PULUMI_CONFIG_SECRET_KEYS") or "[]")
    return load(config, frozenset(secret_keys), stack=stack, others=others)


def load(
    config: Mapping[str, str],
    secret_keys: frozenset[str] = frozenset(),
    *,
    stack: str = "prod",
    others: Iterable[str] = (),
) -> Settings:
    """The settings in a stack's configuration.

    `config` maps `web-next:key` to its text, objects and lists as JSON, the way Pulumi hands them to the program;
    keys of other namespaces are left alone, but one that is close to `web-next` is refused. Values of `secret_keys`
    are masked in messages. `others` are problems found elsewhere, in the migrations, which are refused together with
    those found here.

    Raises SettingsError, with every problem found: the value seen, the rule, and the closest valid key.
    """
    lines = [f"  {problem}" for problem in others]
    values: dict[str, Any] = {}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            values[name] = _json(text) if name in _OBJECTS else text
        elif difflib.get_close_matches(namespace.lower(), [NAMESPACE]):
            lines.append(f"  {key}: no such namespace; did you mean '{NAMESPACE}:{name}'?")
    masked = frozenset(key.partition(":")[2] for key in secret_keys)
    explain = Explainer(
        namespace=NAMESPACE, model=Settings, sections=SECTIONS, moved=MOVED, values=values, masked=masked
    )
    wrong: frozenset[str] = frozenset()
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        lines += explain.lines(error)
        settings, wrong = _without_what_is_wrong(values, error)
    lines += [explain.rule(clause) for clause in broken(settings, stack, wrong)]
    if lines:
        raise SettingsError.of(lines)
    return settings


def _without_what_is_wrong(values: Mapping[str, Any], error: ValidationError) -> tuple[Settings, frozenset[str]]:
    """The settings that are left, and the paths of those that are not. A section goes whole when it cannot be without
    what is wrong in it."""
    rest, wrong = copy.deepcopy(dict(values)), set[str]()
    for depth in (2, 1):
        for problem in error.errors(include_url=False):
            path = [part for part in problem["loc"] if isinstance(part, str)][:depth]
            name = ".".join(path)
            wrong.add(MOVED.get(name, name))
            place = rest if len(path) == 1 else rest[path[0]]
            place.pop(path[-1], None)
        try:
            return Settings.model_validate({**_SOUND, **rest}), frozenset(wrong)
        except ValidationError as again:
            error = again
    raise error


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
