"""Pulumi's engine as a recorder: what a program registers, answered without a provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

from infra.config import load
from infra.naming import Names
from infra.settings import Settings

STACK = "test"
ACCOUNT, REGION = "123456789012", "eu-central-1"
IMAGE = "sha256:" + "a" * 64
MACHINE = {
    "clone": "0a1b2c3d",
    "emulator": "http://10.213.7.1:4566",
    "network": "web-next-0a1b2c3d",
    "edgeAddress": "10.213.7.10",
    "stableAddress": "10.213.7.11",
    "executorAddress": "10.213.7.12",
    "candidateAddress": "10.213.7.13",
    "readerAddress": "10.213.7.14",
    "prometheusAddress": "10.213.7.15",
    "edgePort": 8450,
    "prometheusPort": 9097,
    "edgeImage": "sha256:" + "e" * 64,
    "prometheusImage": "sha256:" + "b" * 64,
    "readerImage": "sha256:" + "c" * 64,
    "tlsFolder": "tests/unit/infra/tls",
}
DOCKER = {
    "web-next:track": "stable",
    "web-next:runtime": "docker",
    "web-next:account": ACCOUNT,
    "web-next:region": REGION,
    "web-next:domain": "localhost",
    "web-next:executorUrl": "https://executor.web-next.test",
    "web-next:image": IMAGE,
    "web-next:buildSha": "4f2c1d9",
    "web-next:version": "1.5.1",
    "web-next:machine": json.dumps(MACHINE),
}
"""The configuration of a sound docker stack, as Pulumi hands it to the program."""
OPERATORS = [f"arn:aws:iam::{ACCOUNT}:role/deployer", f"arn:aws:iam::{ACCOUNT}:role/on-call"]
FARGATE = {
    **{key: value for key, value in DOCKER.items() if key != "web-next:machine"},
    "web-next:runtime": "fargate",
    "web-next:zones": json.dumps(["eu-central-1a", "eu-central-1b"]),
    "web-next:domain": "console.web-next.test",
    "web-next:image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web-next@{IMAGE}",
    "web-next:edgeImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web-next-edge@sha256:{'e' * 64}",
    "web-next:fargate": json.dumps({"hostedZoneId": "Z0123456789ABCDEFGHIJ"}),
    "web-next:operatorRoles": json.dumps(OPERATORS),
    "web-next:alarmTargets": json.dumps(["on-call@web-next.test", "https://alerts.web-next.test/hook"]),
}
"""The configuration of a sound production stack, without a placeholder."""
NAMES = Names(stack=STACK, account=ACCOUNT, region=REGION)
_STATE = json.loads((Path(__file__).parents[3] / "offline/base/prod.json").read_text())
BASE: dict[str, Any] = _STATE["deployment"]["resources"][0]["outputs"]
"""What every stack reference answers: the outputs of a base on fargate, on which a candidate is previewed offline."""


def changed(config: Mapping[str, str] = DOCKER, /, **changes: Any) -> dict[str, str]:
    """A configuration with some keys changed: texts as they are, everything else as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in changes.items()}
    return {**config, **{f"web-next:{key}": text for key, text in texts.items()}}


def without(config: Mapping[str, str], *keys: str) -> dict[str, str]:
    """A configuration without some keys."""
    return {key: value for key, value in config.items() if key.partition(":")[2] not in keys}


def settings(config: Mapping[str, str] = DOCKER, /, **changes: Any) -> Settings:
    """The settings of a configuration, some keys changed."""
    return load(changed(config, **changes), stack=STACK)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One registration. `inputs` are plain; `secrets` names the top-level inputs that are secret."""

    urn: str
    token: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    secrets: frozenset[str]
    provider: str
    parent: str
    depends_on: frozenset[str]
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    before_create: tuple[str, ...]
    before_update: tuple[str, ...]


class Recorder(MockMonitor):  # type: ignore[misc, unused-ignore]
    """A monitor that keeps each registration and marks the outputs that the SDK declares secret."""

    def __init__(self) -> None:
        super().__init__(_Answers())
        self.registered: list[Registered] = []
        self.completed: dict[str, dict[str, Any]] = {}
        """What each component registered as its outputs, by URN."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object)
            self.registered.append(
                Registered(
                    urn=self.make_urn(request.parent, request.type, request.name),
                    token=request.type,
                    name=request.name,
                    custom=request.custom,
                    inputs=_plain(inputs),
                    secrets=frozenset(name for name, value in inputs.items() if rpc.is_rpc_secret(value)),
                    provider=request.provider,
                    parent=request.parent,
                    depends_on=frozenset(request.dependencies),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=tuple(request.ignoreChanges),
                    before_create=tuple(request.hooks.before_create),
                    before_update=tuple(request.hooks.before_update),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call, unused-ignore]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.completed[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call, unused-ignore]

    def of(self, token: str) -> list[Registered]:
        """The registrations of one type, in order."""
        return [one for one in self.registered if one.token == token]

    def one(self, token: str, name: str | None = None) -> Registered:
        """The only registration of a type (and name)."""
        (found,) = [one for one in self.of(token) if name in (None, one.name)]
        return found


class _Answers(Mocks):
    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"{args.token}: the program makes no invokes")

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        kind = args.typ.rpartition(":")[2]
        answers: dict[str, dict[str, Any]] = {
            "aws:rds/instance:Instance": {"address": "10.213.7.64", "port": 20000, "endpoint": "10.213.7.64:20000"},
            "aws:elasticache/replicationGroup:ReplicationGroup": {"primaryEndpointAddress": "10.213.7.65"},
            "aws:acm/certificate:Certificate": {
                "domainValidationOptions": [
                    {"resourceRecordName": "_asked", "resourceRecordType": "CNAME", "resourceRecordValue": "_answer"}
                ]
            },
            "aws:route53/record:Record": {"fqdn": f"{args.name}.web-next.test"},
            "aws:lb/loadBalancer:LoadBalancer": {"arnSuffix": "app/lb", "dnsName": "lb.test", "zoneId": "Z0LB"},
            "aws:lb/targetGroup:TargetGroup": {"arnSuffix": f"targetgroup/{args.name}"},
            "aws:kms/key:Key": {"keyId": f"{args.name}-key"},
            "pulumi:pulumi:StackReference": {"outputs": BASE},
            "random:index/randomId:RandomId": {"hex": "0badcafe"},
            "random:index/randomPassword:RandomPassword": {"result": pulumi.Output.secret(f"generated-{args.name}")},
            "pulumi-python:dynamic/web-next:Schema": {"version": 1, "digest": "d" * 64},
        }
        arn = f"arn:aws:mock:{REGION}:{ACCOUNT}:{kind}/{args.name}"
        return identity(kind, args.name), {"arn": arn, **args.inputs, **answers.get(args.typ, {})}


def identity(kind: str, name: str) -> str:
    """The id that a resource gets: no two types share one, so that a mix-up shows."""
    return f"{kind}:{name}"


def finish(program: Callable[[], object]) -> None:
    """Runs a program to its end, so that everything it declares is registered and every output is known."""

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[Any] | None:
        made = program()
        return made if isinstance(made, pulumi.Output) else None

    run()


def _plain(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
