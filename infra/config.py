"""A stack's configuration: read once, checked whole, returned frozen."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from infra.problems import Explainer, SettingsError
from infra.rules import broken, placeholders
from infra.sections import AdaptersSettings, FargateSettings, MachineSettings, NetworkSettings
from infra.settings import Settings

__all__ = ["SettingsError", "load", "notes", "of_this_stack"]

NAMESPACE = "web-next"

_NESTED: Mapping[str, type[BaseModel]] = {
    "adapters": AdaptersSettings,
    "fargate": FargateSettings,
    "machine": MachineSettings,
    "network": NetworkSettings,
}
_OBJECTS = {
    *_NESTED,
    *(to_camel(name) for name, field in Settings.model_fields.items() if isinstance(field.default, list)),
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
    keys of other namespaces are left alone. Values of `secret_keys` are masked in messages. `others` are problems
    found elsewhere, in the migrations, which are refused together with those found here.

    Raises SettingsError, with every problem found: the value seen, the rule, and the closest valid key.
    """
    values: dict[str, object] = {}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            values[name] = _json(text) if name in _OBJECTS else text
    masked = frozenset(key.partition(":")[2] for key in secret_keys)
    explain = Explainer(namespace=NAMESPACE, model=Settings, nested=_NESTED, values=values, masked=masked)
    wrong: frozenset[str] = frozenset()
    lines = [f"  {problem}" for problem in others]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        lines += explain.lines(error)
        wrong = frozenset(str(problem["loc"][0]) for problem in error.errors(include_url=False))
        sound = {key: value for key, value in values.items() if key not in wrong}
        settings = Settings.model_validate({**_SOUND, **sound})
    lines += [explain.rule(clause) for clause in broken(settings, stack, wrong)]
    if lines:
        raise SettingsError.of(lines)
    return settings


def notes(settings: Settings, *, preview: bool) -> list[str]:
    """What whoever runs this stack must know before anything is declared, a line each.

    Raises SettingsError for what this version cannot bring up, and, except in a preview, for settings that nobody
    has put the real values into.
    """
    found = []
    if unreal := placeholders(settings):
        if not preview:
            lines = [
                f"  {NAMESPACE}:{key} = {value}: a placeholder; put the real one there" for key, value in unreal.items()
            ]
            raise SettingsError.of(lines)
        found.append(f"up will refuse this stack's placeholders, put the real values there: {', '.join(unreal)}")
    if (machine := settings.machine) and not Path(machine.authority).is_file():
        raise SettingsError(f"machine.tlsFolder is {machine.tls_folder}: it has no ca.pem; make up puts it there")
    if (tunnel := settings.database_tunnel) and not preview:
        _require_listener(*tunnel)
    if settings.database_access == "later":
        found.append(
            "databaseAccess is later: the audit database gets NO roles, rights or schema, and nobody can write to it; "
            "set web-next:databaseAccess to direct or tunnel and run up again"
        )
    return found


def _require_listener(host: str, port: int) -> None:
    """Raises SettingsError when nothing listens at the address: half an update later it would be too late."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        raise SettingsError(
            f"databaseAccess is tunnel, and nothing listens on {host}:{port} ({error}): "
            "bring the stack up with cutover up, which opens the tunnel, or open one there yourself"
        ) from None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
