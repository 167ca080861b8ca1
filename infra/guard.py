"""The guard rails of a release: an update or a destroy that would take it from its users is refused, before it begins.

A hook on what is replaced comes too late: what is replaced by deletion first is gone by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.release import Release
from infra.settings.keys import Settings
from outputs.guard import Guarded
from outputs.traffic import DockerTraffic, FargateTraffic

MODULE = "web-next"


class _Provider(ResourceProvider):
    """Keeps what it is told, and does nothing."""

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in ("told", "definition")))

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        return CreateResult("guard", dict(props))

    def update(self, _id: str, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        return UpdateResult(dict(news))


class _BeforeProvider(_Provider):
    """Asks in `check`, which comes before every step and in a preview too."""

    def check(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> CheckResult:
        inputs = {name: value for name, value in news.items() if name != "preview"}
        same = _identity(olds) == _identity(news)
        why = None if same else _objection(news, new=not olds, preview=bool(news.get("preview")))
        return CheckResult(inputs, [CheckFailure("release", why)] if why else [])


class _AfterProvider(_Provider):
    """Asks when it is deleted, which a destroy does before it deletes what this depends on."""

    def delete(self, _id: str, props: Mapping[str, Any]) -> None:
        from cutover import rollout

        rollout.require_removable(props["told"])


def _identity(inputs: Mapping[str, Any]) -> tuple[Any, ...]:
    return inputs.get("definition"), (inputs.get("told") or {}).get("release")


def _objection(inputs: Mapping[str, Any], *, new: bool, preview: bool) -> str | None:
    from cutover import rollout  # only where something changes: it brings the clients of Docker and AWS

    return rollout.objection(inputs["told"], new=new, preview=preview)


def told_of(
    settings: Settings,
    release: Release,
    base: str,
    records_bucket: str,
    traffic: DockerTraffic | FargateTraffic | None = None,
) -> dict[str, Any]:
    """What the guards of a release are told, as they take it."""
    return Guarded(
        stack=pulumi.get_stack(),
        base=base,
        track=release.track,
        release=release.summary.digest,
        account=settings.account,
        region=settings.region,
        emulator=settings.emulator,
        records_bucket=records_bucket,
        traffic=traffic,
        may_replace=settings.rollout.may_replace,
    ).output()


class UpdateGuard(Resource, module=MODULE, name="UpdateGuard"):
    """Stands before what depends on it. `told` is an outputs.guard.Guarded; when `definition` or the release changes,
    and that may not be now, the update fails here, and the preview before it."""

    def __init__(
        self,
        name: str,
        told: pulumi.Input[Mapping[str, Any]],
        definition: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"told": told, "definition": definition or {}, "preview": pulumi.runtime.is_dry_run()}
        super().__init__(_BeforeProvider(), name, props, opts)


class RemovalGuard(Resource, module=MODULE, name="RemovalGuard"):
    """Stands after what it depends on: a destroy fails here, with all as it was, while that has traffic."""

    def __init__(
        self, name: str, told: pulumi.Input[Mapping[str, Any]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(_AfterProvider(), name, {"told": told}, opts)


def guarding(told: pulumi.Input[Mapping[str, Any]]) -> pulumi.ResourceTransformation:
    """Has each resource of a component wait for an UpdateGuard of its own, whose definition is all of its inputs."""

    def before(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not isinstance(args.resource, pulumi.CustomResource) or isinstance(args.resource, UpdateGuard):
            return None
        kind = args.type_.rpartition(":")[2].lower()
        guard = UpdateGuard(
            f"{args.name}-{kind}", told, dict(args.props), pulumi.ResourceOptions(parent=args.opts.parent)
        )
        waits = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(depends_on=[guard]))
        return pulumi.ResourceTransformationResult(args.props, waits)

    return before
