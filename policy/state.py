"""A stack as Pulumi's state has it: what `pulumi stack export` writes, secrets left closed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from policy.resources import ID_INPUTS, Resource, Stack
from policy.values import is_secret, plain

REFERENCE = "pulumi:pulumi:StackReference"


def of_state(name: str, resources: Iterable[Mapping[str, Any]], config: Mapping[str, Any]) -> Stack:
    """The stack of this name. What waits to be deleted is not part of it; a secret's value is not known.

    `config` is the stack's file's: values that are no text become JSON.
    """
    return Stack(
        name=name,
        resources=[_resource(one) for one in resources if not one.get("delete")],
        config={key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()},
    )


def _resource(written: Mapping[str, Any]) -> Resource:
    outputs = written.get("outputs") or {}
    inputs = outputs if written["type"] == REFERENCE else written.get("inputs") or {}
    texts = [written.get("id"), *(told.get(key) for told in (inputs, outputs) for key in ID_INPUTS)]
    return Resource(
        type=written["type"],
        name=written["urn"].rpartition("::")[2],
        urn=written["urn"],
        inputs=plain(inputs),
        parent=written.get("parent", ""),
        provider=written.get("provider", ""),
        protect=bool(written.get("protect")),
        secrets=frozenset(key for key, value in inputs.items() if is_secret(value)),
        refers={key: frozenset(urns or ()) for key, urns in (written.get("propertyDependencies") or {}).items()},
        ids=frozenset(text for text in texts if isinstance(text, str)),
    )
