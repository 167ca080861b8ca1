"""Pulumi's engine as a recorder: what a program registers, answered without a provider."""

from __future__ import annotations

import asyncio
import gc
import pickle
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.settings import set_root_resource

from tests.unit.infra.configs import ACCOUNT, BASE, REGION, STACK


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One registration. `inputs` are plain; `secrets` names the top-level inputs that are secret, and `refers` has
    the URNs that each is made of."""

    urn: str
    token: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    secrets: frozenset[str]
    provider: str
    parent: str
    depends_on: frozenset[str]
    refers: dict[str, frozenset[str]]
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    before_create: tuple[str, ...]
    before_update: tuple[str, ...]
    after_update: tuple[str, ...]


@dataclass(frozen=True)
class Recording:
    """What a program declared: its registrations in order, and the outputs."""

    registered: list[Registered] = field(default_factory=list)
    completed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each component registered as its outputs, by URN."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's."""

    def of(self, token: str) -> list[Registered]:
        """The registrations of one type, in order."""
        return [one for one in self.registered if one.token == token]

    def one(self, token: str, name: str | None = None) -> Registered:
        """The only registration of a type (and name)."""
        (found,) = [one for one in self.of(token) if name in (None, one.name)]
        return found


def record(program: Callable[[], object], into: Recording | None = None) -> Recording:
    """Runs a program to its end under the stack `test`, so that all is registered and every output is known.

    `into` is what is recorded, for a program that may fail half-way.
    """
    recording = into or Recording()
    monitor = _Monitor(recording)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # whatever ran before may have ended the thread's
    set_root_resource(None)  # type: ignore[arg-type] # without the outputs of the program before
    pulumi.runtime.set_mocks(monitor.mocks, project="web-next", stack=STACK, preview=False, monitor=monitor)

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> pulumi.Output[Any]:
        made = program()
        root: Any = pulumi.runtime.get_root_resource()
        exported = pulumi.Output.all(**root.outputs).apply(recording.outputs.update)
        return pulumi.Output.all(made if isinstance(made, pulumi.Output) else None, exported)

    with pytest.MonkeyPatch.context() as patch:
        # Each registration carries its stack, which is deep under pytest, and which no test reads: a third of the time.
        patch.setattr("pulumi.runtime.resource._get_stack_trace", StackTrace)
        gc.disable()  # as the program does when it is loaded for the first time
        try:
            run()
        finally:
            gc.enable()
            _forget(loop, monitor)
    return recording


def _forget(loop: asyncio.AbstractEventLoop, monitor: _Monitor) -> None:
    """Lets go of what a program made.

    Else some thousand finished tasks of each program stay for good, and every event loop that a later test starts
    looks through all of them.
    """
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())  # each of its threads has a loop of its own
    loop.close()
    asyncio.set_event_loop(_BETWEEN)
    monitor.resources.clear()
    set_root_resource(None)  # type: ignore[arg-type]


_BETWEEN = asyncio.new_event_loop()
"""Where outputs wait that a test makes without a program: for good, as nothing runs it."""
_RECORDED: dict[Hashable, bytes] = {}


def recorded(key: Hashable, program: Callable[[], object]) -> Recording:
    """The recording of a program that runs once in a process; each caller has a copy of its own to read."""
    if key not in _RECORDED:
        _RECORDED[key] = pickle.dumps(record(program))
    copy: Recording = pickle.loads(_RECORDED[key])
    return copy


class _Monitor(MockMonitor):  # type: ignore[misc, unused-ignore]
    """A monitor that keeps each registration and marks the outputs that the SDK declares secret."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(_Answers())
        self.recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object)
            self.recording.registered.append(
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
                    refers={name: frozenset(made_of.urns) for name, made_of in request.propertyDependencies.items()},
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=tuple(request.ignoreChanges),
                    before_create=tuple(request.hooks.before_create),
                    before_update=tuple(request.hooks.before_update),
                    after_update=tuple(request.hooks.after_update),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call, unused-ignore]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.recording.completed[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call, unused-ignore]


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
            "aws:ecs/service:Service": {"taskDefinition": "what ECS has, put back or not"},
            "aws:route53/record:Record": {"fqdn": f"{args.name}.web-next.test"},
            "aws:lb/loadBalancer:LoadBalancer": {"arnSuffix": "app/lb/1", "dnsName": "lb.test", "zoneId": "Z0LB"},
            "aws:lb/targetGroup:TargetGroup": {"arnSuffix": f"targetgroup/{args.name}/1"},
            "aws:kms/key:Key": {"keyId": f"{args.name}-key"},
            "aws:s3/bucketObjectv2:BucketObjectv2": {"versionId": "v1"},
            "pulumi:pulumi:StackReference": {"outputs": BASE},
            "random:index/randomId:RandomId": {"hex": "0badcafe"},
            "random:index/randomPassword:RandomPassword": {
                "result": pulumi.Output.secret(
                    "-".join(["generated", args.name, *args.inputs.get("keepers", {}).values()])
                )
            },
            "pulumi-python:dynamic/web-next:Schema": {"version": 1, "digest": "d" * 64},
        }
        arn = arn_of(args.typ, args.name, args.inputs)
        return identity(kind, args.name), {"arn": arn, **args.inputs, **answers.get(args.typ, {})}


def arn_of(token: str, name: str, inputs: Mapping[str, Any]) -> str:
    """The ARN that a resource gets: as AWS has it where another service's model or a policy looks at its form."""
    balancing = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
    real = {
        "aws:lb/targetGroup:TargetGroup": f"{balancing}:targetgroup/{name}/1",
        "aws:lb/listener:Listener": f"{balancing}:listener/app/lb/1/{name}",
        "aws:iam/policy:Policy": f"arn:aws:iam::{ACCOUNT}:policy/{inputs.get('name')}",
        "aws:iam/role:Role": f"arn:aws:iam::{ACCOUNT}:role/{inputs.get('name')}",
    }
    return real.get(token, f"arn:aws:mock:{REGION}:{ACCOUNT}:{token.rpartition(':')[2]}/{name}")


def identity(kind: str, name: str) -> str:
    """The id that a resource gets: no two types share one, so that a mix-up shows."""
    return f"{kind}:{name}"


def _plain(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
