"""The flags in force: one parameter that the app polls and cutover writes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

INITIAL = {"FEATURE_AUTO_PAUSE": 0.0, "FEATURE_BATCH_PROMOTE": 0.0, "EVIDENCE_CLEANUP_DRY_RUN": False}
"""What a stack starts with: nothing is switched on before a rollout does it."""


@dataclass(frozen=True, kw_only=True)
class FlagsArgs:
    """`parameter` is the SSM parameter's name."""

    parameter: str


class Flags(pulumi.ComponentResource):
    """The parameter with its initial value; what runs now is not Pulumi's to put back, so later values stay."""

    parameter: aws.ssm.Parameter

    def __init__(self, name: str, args: FlagsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:deploy:Flags", name, None, opts)
        self.parameter = aws.ssm.Parameter(
            name,
            name=args.parameter,
            type="String",
            value=json.dumps(INITIAL),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"]),
        )
        self.register_outputs({"parameter": args.parameter})
