"""The deployment record: what the program determined, written only after the smoke suite says GO."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cutover import smoke
from infra.edge import EdgeConfig, render
from infra.release import Release


@dataclass(frozen=True, kw_only=True)
class DeploymentRecordArgs:
    """What is recorded, and what the smoke suite needs: the edge's limit, its URL, and the file of the
    authority that signed its certificate (None: a public one)."""

    bucket: pulumi.Input[str]
    release: Release
    schema_version: pulumi.Input[int]
    schema_digest: pulumi.Input[str]
    settings_digest: str
    edge: EdgeConfig
    edge_url: str
    authority: str | None
    keep: bool


class DeploymentRecord(pulumi.ComponentResource):
    """An object in the records bucket. Before it is created or changed the smoke suite runs: a NO-GO leaves
    it unwritten, so that the next `up` tries again."""

    document: pulumi.Output[dict[str, Any]]
    """What would be recorded; the smoke suite's target."""
    record: pulumi.Output[dict[str, Any]]
    """Where the record lies; known only once there is a GO."""

    def __init__(self, name: str, args: DeploymentRecordArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:deploy:Record", name, None, opts)
        schema = pulumi.Output.all(version=args.schema_version, digest=args.schema_digest)
        self.document = schema.apply(
            lambda applied: {
                "stack": pulumi.get_stack(),
                **args.release.summary,
                "schema": {"version": int(applied["version"]), "digest": applied["digest"]},
                "settings_digest": args.settings_digest,
                "edge": {
                    "url": args.edge_url,
                    "authority": args.authority,
                    "rate_per_minute": args.edge.rate_per_minute,
                    "burst": args.edge.burst,
                    "config": hashlib.sha256(render(args.edge).encode()).hexdigest(),
                },
            }
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
        self.record = pulumi.Output.all(bucket=written.bucket, key=written.key, version=written.version_id)
        self.register_outputs({"record": self.record})


def _smoke(args: pulumi.ResourceHookArgs) -> None:
    """Raises NoGo, which fails the update, when a mandatory criterion does not pass."""
    record = json.loads((args.new_inputs or {})["content"])
    report = smoke.run(smoke.Target.from_record(record))
    smoke.save(report)
    report.require_go()
