"""The rendered nginx file itself, in a task's environment or on this machine's volume, for rules to look into."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from policy.nginx import Directive, NginxError, parse
from policy.resources import Resource
from policy.rules.containers import TASK, containers

FILES = "pulumi-python:dynamic/web-next:EdgeFiles"
MAPS = Path(__file__).parents[1] / "edge.conf"
"""The maps by which the edge decides."""
DECIDING = ("map", "geo", "split_clients", "set", "auth_request_set", "perl_set", "js_set")
"""What gives a variable its value; its name is the last word, and of set the first."""

REWRITES = ("if", "return", "rewrite", "set", "break")
"""What nginx does before all else, in the order in which it stands."""
REFUSAL = Directive("if", ["($refused)"], [Directive("return", ["403"])])


def texts(resource: Resource) -> list[str]:
    """The nginx files that a resource has. Raises NotKnownError."""
    if resource.type == FILES:
        return [resource.get("config")]
    return [text for one in containers(resource) if (text := one.environment.get("EDGE_CONFIG"))]


def files(resource: Resource) -> list[Directive]:
    """The same, read. Raises NotKnownError; a file that cannot be read is the first rule's."""
    assert resource.type in (TASK, FILES)
    try:
        return [parse(text) for text in texts(resource)]
    except NginxError:
        return []


def servers(file: Directive) -> Iterator[Directive]:
    """All of them."""
    return (server for http in file.own("http") for server in http.own("server"))


def public(file: Directive) -> list[Directive]:
    """The servers that others than this machine reach."""
    return [one for one in servers(file) if not all(at.args[0].startswith("127.0.0.1:") for at in one.own("listen"))]


def refuses_first(server: Directive) -> bool:
    """Whether a server turns strangers away before it does anything."""
    return next((one for one in server.block if one.name in REWRITES), None) == REFUSAL


def inherited(file: Directive, *names: str) -> Iterator[Directive]:
    """What a server or location says itself of what `http` says for all: of its list nothing counts there any more."""
    return (found for server in public(file) for found in server.all(*names))


def otherwise(file: Directive, *variables: str) -> Iterator[str]:
    """What is wrong with the maps that make these variables: each is as the pack's own file has it, and nothing else
    makes one."""
    for variable in variables:
        made = [one for one in file.all(*DECIDING) if variable in (one.args[0] if one.name == "set" else one.args[-1],)]
        if made != [_maps()[variable]]:
            yield f"{variable} is not made by the map of policy/edge.conf"


@cache
def _maps() -> dict[str, Directive]:
    return {one.args[-1]: one for one in parse(MAPS.read_text()).block}
