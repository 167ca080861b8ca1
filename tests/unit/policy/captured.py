"""Our stacks as the recorder captured them, for rules to judge; and what is left when something is taken away."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from policy.resources import UNKNOWN, Resource, Stack
from tests.unit.infra.configs import ACCOUNT, BASE, DOCKER, FARGATE, REGION, changed, without
from tests.unit.infra.parts import bootstrap, run
from tests.unit.infra.recorder import Recording, Registered, identity

PROD = changed(FARGATE, database={"access": "tunnel"})
LOCAL = without(DOCKER, "executorUrl")
CANARY = changed(without(FARGATE, "zones"), track="candidate", base="prod")


def stack_of(recording: Recording, name: str, config: Mapping[str, str]) -> Stack:
    """A recording as rules see it."""
    return Stack(name=name, resources=[_resource(one) for one in recording.registered], config=config)


def _resource(one: Registered) -> Resource:
    kind = one.token.rpartition(":")[2]
    own = [one.inputs[key] for key in ("name", "bucket", "identifier", "replicationGroupId") if key in one.inputs]
    return Resource(
        type=one.token,
        name=one.name,
        urn=one.urn,
        inputs=one.inputs,
        parent=one.parent,
        provider=one.provider,
        protect=one.protect,
        secrets=one.secrets,
        refers=one.refers,
        ids=frozenset({identity(kind, one.name), f"arn:aws:mock:{REGION}:{ACCOUNT}:{kind}/{one.name}", *own}),
    )


@cache
def prod() -> Stack:
    return stack_of(run(PROD), "prod", PROD)


@cache
def canary() -> Stack:
    base = Resource(
        type="pulumi:pulumi:StackReference", name="prod", urn="prod", inputs={"name": "prod", "outputs": BASE}
    )
    made = stack_of(run(CANARY), "canary", CANARY)
    return replace(made, resources=[base, *made.resources])


@cache
def local() -> Stack:
    return stack_of(run(LOCAL), "local", LOCAL)


@cache
def account() -> Stack:
    return stack_of(bootstrap(), "account", {})


def with_input(stack: Stack, kind: str, name: str, path: str, value: Any) -> Stack:
    """The stack with another value at a path of a resource's inputs; `...` takes it away."""
    return _with(stack, kind, name, lambda one: [_set(one, path.split("."), value)])


def less(stack: Stack, kind: str, name: str) -> Stack:
    """The stack without a resource."""
    return _with(stack, kind, name, lambda _: [])


def with_unknown(stack: Stack, kind: str, name: str, path: str) -> Stack:
    """The stack with a value that only an update will know, and that nothing of it is made of."""
    return with_input(stack, kind, name, path, UNKNOWN)


def _with(stack: Stack, kind: str, name: str, change: Callable[[Resource], Iterable[Resource]]) -> Stack:
    (found,) = [one for one in stack.of(kind) if one.name == name]
    resources = [new for one in stack.resources for new in (change(one) if one is found else [one])]
    return replace(stack, resources=resources)


def _set(one: Resource, path: list[str], value: Any) -> Resource:
    inputs: Any = copy.deepcopy(dict(one.inputs))
    *way, last = path
    place = inputs
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    refers = {name: urns for name, urns in one.refers.items() if name != path[0]}
    return replace(one, inputs=inputs, refers=refers)
