"""The ways in which an input is weakened: away, the other way round, another value, a wider list or policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

ABSENT: Final = object()
"""In the place of a value: the input is away."""
Way = Callable[[Any], Iterable[tuple[str, Any]]]
STRANGER = "arn:aws:iam::999999999999:root"


def dropped(_value: Any) -> Iterator[tuple[str, Any]]:
    yield "dropped", ABSENT


def flipped(value: Any) -> Iterator[tuple[str, Any]]:
    """Booleans, which some types have as texts."""
    texts = {"true": "false", "false": "true"}
    yield "flipped", texts[value] if isinstance(value, str) else not value


def reversed_(operator: str) -> Iterator[tuple[str, Any]]:
    """An alarm on too little where there is too much, and the other way round."""
    there, here = ("Less", "Greater") if operator.startswith("Less") else ("Greater", "Less")
    yield "reversed", operator.replace(there, here)


def emptied(text: str) -> Iterator[tuple[str, Any]]:
    """A document of rules without any."""
    yield "emptied", json.dumps({**json.loads(text), "rules": []})


def forwards(actions: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """A listener that led elsewhere answers."""
    if actions[0]["type"] == "redirect":
        yield "forward instead of redirect", [{"type": "forward", "targetGroupArn": "any"}]


def to(value: Any) -> Way:
    """Another value."""
    return lambda there: [(f"= {json.dumps(value)}", value)] if there != value else []


def more(value: Any) -> Way:
    """A list with something beside."""
    return lambda there: [(f"+ {value}", [*there, value])]


def actions(text: str) -> Iterator[tuple[str, Any]]:
    """Every action in place of those that a statement allows. What else a statement says of those who deploy is taken
    away, part by part, in tests/unit/infra/test_deployer.py."""
    return (each for each in statements(text) if each[0].endswith(" Action *"))


def statements(text: str) -> Iterator[tuple[str, Any]]:
    """Each statement of a policy away where it denies, and wider in each of its parts where it allows."""
    document = json.loads(text)
    for index, one in enumerate(document["Statement"]):
        name = one.get("Sid", str(index))

        def changed(index: int = index, **parts: Any) -> str:
            there = document["Statement"][index]
            wide = {key: value for key, value in {**there, **parts}.items() if value is not ABSENT}
            return json.dumps(
                {**document, "Statement": [*document["Statement"][:index], wide, *document["Statement"][index + 1 :]]}
            )

        if one["Effect"] == "Deny":
            rest = [each for each in document["Statement"] if each is not one]
            yield f"{name} away", json.dumps({**document, "Statement": rest})
            continue
        yield f"{name} Action *", changed(Action="*")
        if "Principal" in one:
            yield f"{name} Principal *", changed(Principal="*", Condition=ABSENT)
            yield f"{name} Principal of another account", changed(Principal={"AWS": STRANGER}, Condition=ABSENT)
        if "Condition" in one:
            yield f"{name} Condition away", changed(Condition=ABSENT)
        if one.get("Resource", "*") != "*":
            yield f"{name} Resource *", changed(Resource="*")


def containers(text: str) -> Iterator[tuple[str, Any]]:
    """Each container of a task with more rights, from any image, without a limit or a log."""
    there = json.loads(text)
    for index, one in enumerate(there):
        weaker: dict[str, dict[str, Any]] = {
            "image by tag": {"image": one["image"].partition("@")[0] + ":latest"},
            "privileged": {"privileged": True},
            "user root": {"user": "root"},
            "root can be written": {"readonlyRootFilesystem": False},
            "keeps capabilities": {"linuxParameters": {}},
            "gets SYS_ADMIN": {
                "linuxParameters": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
            },
            "without memory limit": {"memory": None},
            "without log": {"logConfiguration": {}},
            "password in environment": {
                "environment": [*one.get("environment", []), {"name": "DB_PASSWORD", "value": "hunter22"}]
            },
        }
        for how, parts in weaker.items():
            yield f"{one['name']} {how}", json.dumps([*there[:index], {**one, **parts}, *there[index + 1 :]])
