"""The deployment record: what the program determined, written only after the smoke suite says GO."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cutover import smoke
from infra.release import Release


@dataclass(frozen=True, kw_only=True)
class DeploymentRecordArgs:
    """What is recorded, and what the smoke suite needs: the edge's address, its authority and its limit."""

    bucket: pulumi.Input[str]
    release: Release
    schema_version: pulumi.Input[int]
    schema_digest: pulumi.Input[str]
    settings_digest: str
    edge: Mapping[str, Any]


class DeploymentRecord(pulumi.ComponentResource):
    """An object in the records bucket. Before it is created or changed the smoke suite runs: a NO-GO leaves
    it unwritten, so that the next `up` tries again."""

    key: str

    def __init__(
        self, name: str, args: DeploymentRecordArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("web-next:deploy:Record", name, None, opts)
        self.key = f"deployments/{args.release.track}.json"
        schema = pulumi.Output.all(version=args.schema_version, digest=args.schema_digest)
        content = schema.apply(
            lambda applied: json.dumps(
                {
                    "stack": pulumi.get_stack(),
                    "track": args.release.track,
                    "image": args.release.image,
                    "build_sha": args.release.build_sha,
                    "version": args.release.version,
                    "schema": {"version": int(applied["version"]), "digest": applied["digest"]},
                    "settings_digest": args.settings_digest,
                    "edge": dict(args.edge),
                },
                indent=2,
                sort_keys=True,
            )
        )
        hook = pulumi.ResourceHook("smoke", _smoke)
        aws.s3.BucketObjectv2(
            name,
            bucket=args.bucket,
            key=self.key,
            content=content,
            content_type="application/json",
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook]),
            ),
        )
        self.register_outputs({"key": self.key})


def _smoke(args: pulumi.ResourceHookArgs) -> None:
    """Raises NoGo, which fails the update, when a mandatory criterion does not pass."""
    record = json.loads((args.new_inputs or {})["content"])
    report = smoke.run(smoke.Target.from_record(record))
    smoke.save(report)
    report.require_go()
