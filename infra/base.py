"""The base that a candidate stands on: another stack, known by its outputs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.settings.keys import Settings
from outputs.schema import AppliedSchema
from outputs.shape import OutputError
from outputs.slots import DockerSlot, FargateSlot
from outputs.smoke import EdgeSummary, Places, SmokeTarget
from outputs.traffic import DockerTraffic, FargateTraffic, traffic_from

PROJECT = "web-next"
SLOTS: Mapping[str, type[DockerSlot | FargateSlot]] = {"docker": DockerSlot, "fargate": FargateSlot}
NEEDED = ("edge_url", "schema", "slots", "smoke_target", "traffic")


class BaseError(pulumi.RunError):
    """The base is not one that a candidate can stand on. One line, with the way out."""


@dataclass(frozen=True)
class BaseOutputs:
    """What a candidate takes from its base: its slot, what its record repeats, and what routes to it."""

    slot: Mapping[str, Any]
    environment: dict[str, str]
    schema: AppliedSchema
    edge: EdgeSummary
    places: Places
    traffic: DockerTraffic | FargateTraffic

    @classmethod
    def read(cls, base: str, outputs: Mapping[str, Any]) -> BaseOutputs:
        """The outputs as values. Raises BaseError, naming all that is missing, when the base is not whole."""
        slot = (outputs.get("slots") or {}).get("candidate") or {}
        missing = [name for name in NEEDED if not outputs.get(name)] or ([] if slot else ["slots.candidate"])
        if missing:
            raise BaseError(
                f"base {base} has no {_listed(missing)}: it was never brought up to its end; run cutover up -s {base} "
                "first"
            )
        try:
            target, traffic = SmokeTarget.from_output(outputs["smoke_target"]), traffic_from(outputs["traffic"])
            SLOTS[traffic.runtime].from_output(slot)
            return cls(
                slot=slot,
                environment=dict(slot["environment"]),
                schema=AppliedSchema.from_output(outputs["schema"]),
                edge=target.edge,
                places=target.places,
                traffic=traffic,
            )
        except OutputError as error:
            raise BaseError(f"an output of base {base} {error}") from None

    def shared_with(self, settings: Settings) -> BaseOutputs:
        """Itself, for a candidate of these settings: it stands where its base does, behind the same name, and its pages
        reach the same executor. Raises BaseError with each setting that says otherwise."""
        told = {
            "runtime": (settings.runtime, self.traffic.runtime),
            "account": (settings.account, self.places.account),
            "region": (settings.region, self.places.region),
            "domain": (settings.origin, self.edge.url),
            "executorUrl": (settings.executor, self.places.executor),
        }
        other = [f"{key} is {own}, the base has {its}" for key, (own, its) in told.items() if own != its]
        if other:
            raise BaseError(f"{'; '.join(other)}: a candidate shares these with base {settings.base}; set them alike")
        return self


class Base(pulumi.StackReference):
    """The reference to a base stack of this project, whose outputs are read once and checked whole."""

    read: pulumi.Output[BaseOutputs]

    def __init__(self, stack: str) -> None:
        super().__init__("base", stack_name=f"{pulumi.get_organization()}/{PROJECT}/{stack}")
        self.read = self.outputs.apply(lambda outputs: BaseOutputs.read(stack, outputs))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"output {name}" for name in names)
