"""The flags in force: a parameter for each track, which its processes poll and cutover writes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.settings.keys import Settings
from outputs.flags import FlagsParameters


def initial(*, delivers: bool) -> dict[str, float | bool]:
    """What a track starts with: nothing is switched on before a rollout does it, but for a worker that `delivers`."""
    return {
        "FEATURE_AUTO_PAUSE": 0.0,
        "FEATURE_BATCH_PROMOTE": 0.0,
        "EVIDENCE_CLEANUP_DRY_RUN": False,
        "ALERTS_CONSUME": delivers,
    }


@dataclass(frozen=True, kw_only=True)
class FlagsArgs:
    """`parameters` are the names of the SSM parameters. Where stable's queue is `mocked`, its worker delivers nothing,
    and a candidate's delivers what the candidate accepts."""

    parameters: FlagsParameters
    mocked: bool

    @classmethod
    def of(cls, settings: Settings, names: Names) -> FlagsArgs:
        return cls(parameters=names.flags_parameters, mocked=settings.adapters.queue == "mock")


class Flags(pulumi.ComponentResource):
    """The parameters with their initial value; what runs now is not Pulumi's to put back, so later values stay."""

    def __init__(self, name: str, args: FlagsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:deploy:Flags", name, None, opts)
        for track, parameter in args.parameters.output().items():
            aws.ssm.Parameter(
                f"{name}-{track}",
                name=parameter,
                type="String",
                value=json.dumps(initial(delivers=track == "stable" or args.mocked)),
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"]),
            )
        self.register_outputs(args.parameters.output())
