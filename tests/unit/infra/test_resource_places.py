"""An AWS resource has more places than its declaration; whoever adds one is told which place was forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import pytest

from infra import providers
from offline.emulator.served import SERVED
from offline.machine import ROOT
from offline.standins.aws import PACKAGE
from offline.standins.kind import Kind
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import run

PARITY = (ROOT / "docs" / "parity.md").read_text()
ENDPOINTS = {"lb": "elbv2", "vpc": "ec2"}
MODULES = {"logs": "cloudwatch_logs"}


@dataclass(frozen=True)
class Places:
    """Where a type of AWS must be known."""

    endpoints: Collection[str] = providers.SERVICES
    served: Collection[str] = SERVED
    kinds: Mapping[str, Kind] = field(default_factory=lambda: PACKAGE.kinds)
    parity: str = PARITY

    def forgotten(self, token: str, *, local: bool) -> list[str]:
        """What is still to be done for a type that the program declares, `local` if a local stack does."""
        service = service_of(token)
        kind = self.kinds.get(token)
        told = types_in(self.parity)
        missing = {
            f"{token}: infra/providers.py SERVICES lacks {service}": service not in self.endpoints,
            f"{token}: offline/standins/aws has no row of it": kind is None,
            f"{token}: its row in offline/standins/aws has no create, and a local stack makes one": bool(
                local and kind and not kind.create
            ),
            f"{token}: offline/emulator/admission.py SERVED lacks {service}": bool(
                local and MODULES.get(service, service) not in self.served
            ),
            f"{token}: docs/parity.md lists it in neither or in the wrong column of its last table": told.get(token)
            is not local,
        }
        return [what for what, is_missing in missing.items() if is_missing]


def service_of(token: str) -> str:
    """The name by which the provider knows a type's service."""
    module, _, kind = token.removeprefix("aws:").partition("/")
    return "logs" if module == "cloudwatch" and kind.startswith("log") else ENDPOINTS.get(module, module)


def types_in(page: str) -> dict[str, bool]:
    """The types in the last table of the page → whether a local stack makes them."""
    cells = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", page.partition("\n## Every type")[2], re.MULTILINE)
    return {
        f"aws:{module}/{name[0].lower()}{name[1:]}:{name}": local
        for module, *columns in cells
        for local, column in zip((True, False), columns, strict=True)
        for name in re.findall(r"\w+", column)
    }


def declared() -> dict[str, bool]:
    """Every type of AWS that a stack declares → whether a local one does."""
    alarms = changed(DOCKER, alarmTargets=["on-call@web-next.test"])
    local = {one.token for one in run(alarms).registered if one.token.startswith("aws:")}
    shape = {one.token for one in run(changed(FARGATE, database={"access": "tunnel"})).registered}
    return {token: token in local for token in local | {token for token in shape if token.startswith("aws:")}}


def test_every_resource_of_aws_is_known_in_all_its_places() -> None:
    forgotten = [what for token, local in declared().items() for what in Places().forgotten(token, local=local)]
    assert not forgotten, "\n".join(["", *forgotten])


def test_parity_lists_no_type_that_is_not_declared() -> None:
    assert types_in(PARITY).keys() - declared().keys() == set()


BUCKET = "aws:s3/bucket:Bucket"


@pytest.mark.parametrize(
    ("without", "told"),
    [
        (lambda all_: replace(all_, endpoints=set(all_.endpoints) - {"s3"}), "SERVICES lacks s3"),
        (lambda all_: replace(all_, served=set(all_.served) - {"s3"}), "SERVED lacks s3"),
        (lambda all_: replace(all_, kinds={}), "offline/standins/aws has no row of it"),
        (lambda all_: replace(all_, kinds={BUCKET: Kind(type=BUCKET)}), "has no create, and a local stack makes one"),
        (
            lambda all_: replace(all_, parity=PARITY.replace("| `s3` |", "| `s4` |")),
            "docs/parity.md lists it in neither",
        ),
    ],
)
def test_a_forgotten_place_is_named(without: Callable[[Places], Places], told: str) -> None:
    (found,) = without(Places()).forgotten(BUCKET, local=True)
    assert found.startswith(f"{BUCKET}: ")
    assert told in found
