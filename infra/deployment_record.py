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
from outputs.smoke import DockerProcesses, FargateProcesses, Profile, RecordPlace, Rules, SmokeTarget


@dataclass(frozen=True, kw_only=True)
class DeploymentRecordArgs:
    """What is recorded. `schema`, `edge` and `places` are AppliedSchema, EdgeSummary and Places as outputs have them.
    Without `smoked` the record is written unproven."""

    release: Release
    schema: pulumi.Input[Mapping[str, Any]]
    settings_digest: str
    edge: pulumi.Input[Mapping[str, Any]]
    places: pulumi.Input[Mapping[str, Any]]
    processes: DockerProcesses | FargateProcesses
    profile: Profile
    rules: Rules
    on_call: str | None
    smoked: bool
    keep: bool

    @classmethod
    def of(
        cls,
        settings: Settings,
        release: Release,
        *,
        schema: pulumi.Input[Mapping[str, Any]],
        edge: pulumi.Input[Mapping[str, Any]],
        places: pulumi.Input[Mapping[str, Any]],
        processes: DockerProcesses | FargateProcesses,
    ) -> DeploymentRecordArgs:
        return cls(
            release=release,
            schema=schema,
            settings_digest=settings.digest,
            edge=edge,
            places=places,
            processes=processes,
            profile=settings.profile,
            rules=settings.rules,
            on_call=settings.smoke.on_call,
            smoked=settings.smoke.run,
            keep=settings.keeps("records"),
        )


class DeploymentRecord(pulumi.ComponentResource):
    """An object in the records bucket. Before it is created or changed, on fargate ECS is asked whether it has put a
    service back, and the smoke suite runs: a NO-GO leaves it unwritten, so that the next `up` tries again."""

    document: pulumi.Output[dict[str, Any]]
    """What would be recorded; the smoke suite's target."""
    record: RecordPlace
    """Where the record lies; known only once there is a GO."""

    def __init__(self, name: str, args: DeploymentRecordArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:deploy:Record", name, None, opts)
        known = pulumi.Output.all(
            schema=args.schema, edge=args.edge, places=args.places, processes=args.processes.output()
        )
        self.document = known.apply(
            lambda known: SmokeTarget.from_output(
                {
                    **args.release.summary.output(),
                    **known,
                    "stack": pulumi.get_stack(),
                    "settings_digest": args.settings_digest,
                    "profile": args.profile,
                    "rules": args.rules.output(),
                    "on_call": args.on_call,
                }
            ).output()
        )
        hooks = [
            *([pulumi.ResourceHook("running", _running)] if isinstance(args.processes, FargateProcesses) else []),
            *([pulumi.ResourceHook("smoke", _smoke)] if args.smoked else []),
        ]
        written = aws.s3.BucketObjectv2(
            name,
            bucket=self.document.apply(lambda document: document["places"]["records_bucket"]),
            key=f"deployments/{args.release.track}.json",
            content=self.document.apply(lambda document: json.dumps(document, indent=2, sort_keys=True)),
            content_type="application/json",
            # S3 asks for a checksum in a bucket with a retention, and the provider adds one for an object's own alone.
            checksum_algorithm="CRC32",
            force_destroy=not args.keep,
            opts=pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=args.keep,
                hooks=pulumi.ResourceHookBinding(before_create=[*hooks], before_update=[*hooks]),
            ),
        )
        self.record = RecordPlace(
            bucket=later(written.bucket), key=later(written.key), version=later(written.version_id)
        )
        self.register_outputs({"record": self.record.output()})


def _running(args: pulumi.ResourceHookArgs) -> None:
    """Raises NoGoError, which fails the update, when a service does not run what was declared."""
    from cutover import smoke

    smoke.require_declared(json.loads((args.new_inputs or {})["content"]))


def _smoke(args: pulumi.ResourceHookArgs) -> None:
    """Raises NoGoError, which fails the update, when a criterion that must pass does not."""
    from cutover import smoke  # a preview runs no hook

    smoke.require_go(json.loads((args.new_inputs or {})["content"]))
