"""Our stacks as the recorder captured them, for rules to judge."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from offline.stackfile import DEFAULTS
from policy.resources import ID_INPUTS, UNKNOWN, Resource, Stack
from tests.support.prod_shape import UNKNOWN_BEFORE_UP
from tests.unit.infra.configs import ACCOUNT, BASE, DOCKER, FARGATE, REGION, changed, without
from tests.unit.infra.parts import bootstrap, run
from tests.unit.infra.recorder import Recording, Registered, identity

PROD = changed(FARGATE, database={"access": "tunnel"})
LOCAL = without(DOCKER, "executorUrl")
REHEARSED = changed(LOCAL, mayDestroy=DEFAULTS["web-next:mayDestroy"])
"""As `make up` writes it."""
CANARY = changed(without(FARGATE, "zones"), track="candidate", base="prod")


def stack_of(recording: Recording, name: str, config: Mapping[str, str]) -> Stack:
    """A recording as rules see it."""
    return Stack(name=name, resources=[_resource(one) for one in recording.registered], config=config)


def _resource(one: Registered) -> Resource:
    kind = one.token.rpartition(":")[2]
    own = [one.inputs[key] for key in ID_INPUTS if key in one.inputs]
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
def before_the_first_up() -> Stack:
    """Prod as its first preview sees it: nothing has an id or an ARN yet."""
    stack = prod()
    return replace(stack, resources=[_unmade(one) for one in stack.resources])


def _unmade(one: Resource) -> Resource:
    inputs = copy.deepcopy(dict(one.inputs))
    for path in UNKNOWN_BEFORE_UP.get(one.type.rpartition(":")[2], "").split():
        place: Any = inputs
        *way, last = re.split(r"\]?\.|\[|\]\.", path.removesuffix("]"))
        for step in way:
            place = (
                place[int(step)]
                if isinstance(place, list) and int(step) < len(place)
                else (isinstance(place, dict) and place.get(step)) or {}
            )
        if last in place:
            place[last] = UNKNOWN
    return replace(one, inputs=inputs, ids=frozenset(inputs[key] for key in ID_INPUTS if key in inputs))


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
def rehearsed() -> Stack:
    return stack_of(run(REHEARSED), "local", REHEARSED)


@cache
def account() -> Stack:
    return stack_of(bootstrap(), "account", {})


OWN = (prod, canary, local, rehearsed, account)
