"""The deployment record: what the program determined, written only after the smoke suite says GO."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.release import Release
from infra.settings.keys import Settings
from infra.shapes import later
from outputs.release import EdgeSummary, RecordPlace, SmokeTarget
from outputs.schema import AppliedSchema


@dataclass(frozen=True, kw_only=True)
class DeploymentRecordArgs:
    """What is recorded; `schema` and `edge` are AppliedSchema and EdgeSummary as outputs have them."""

    bucket: pulumi.Input[str]
    release: Release
    schema: pulumi.Input[Mapping[str, Any]]
    settings_digest: str
    edge: pulumi.Input[Mapping[str, Any]]
    keep: bool

    @classmethod
    def of(
        cls,
        settings: Settings,
        release: Release,
        *,
        bucket: pulumi.Input[str],
        schema: pulumi.Input[Mapping[str, Any]],
        edge: pulumi.Input[Mapping[str, Any]],
    ) -> DeploymentRecordArgs:
        return cls(
            bucket=bucket,
            release=release,
            schema=schema,
            settings_digest=settings.digest,
            edge=edge,
            keep=settings.keeps("records"),
        )


class DeploymentRecord(pulumi.ComponentResource):
    """An object in the records bucket. Before it is created or changed the smoke suite runs: a NO-GO leaves
    it unwritten, so that the next `up` tries again."""

    document: pulumi.Output[dict[str, Any]]
    """What would be recorded; the smoke suite's target."""
    record: RecordPlace
    """Where the record lies; known only once there is a GO."""

    def __init__(self, name: str, args: DeploymentRecordArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:deploy:Record", name, None, opts)
        known = pulumi.Output.all(schema=args.schema, edge=args.edge)
        self.document = known.apply(
            lambda known: SmokeTarget(
                **args.release.summary.output(),
                stack=pulumi.get_stack(),
                schema=AppliedSchema.from_output(known["schema"]),
                settings_digest=args.settings_digest,
                edge=EdgeSummary.from_output(known["edge"]),
            ).output()
        )
        hook = pulumi.ResourceHook("smoke", _smoke)
        written = aws.s3.BucketObjectv2(
            name,
            bucket=args.bucket,
            key=f"deployments/{args.release.track}.json",
            content=self.document.apply(lambda document: json.dumps(document, indent=2, sort_keys=True)),
            content_type="application/json",
            force_destroy=not args.keep,
            opts=pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=args.keep,
                hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
            ),
        )
        self.record = RecordPlace(
            bucket=later(written.bucket), key=later(written.key), version=later(written.version_id)
        )
        self.register_outputs({"record": self.record.output()})


def _smoke(args: pulumi.ResourceHookArgs) -> None:
    """Raises NoGo, which fails the update, when a mandatory criterion does not pass."""
    from cutover import smoke  # a preview runs no hook and needs no HTTP client

    record = json.loads((args.new_inputs or {})["content"])
    report = smoke.run(SmokeTarget.from_output(record))
    smoke.save(report)
    report.require_go()
