"""Ticks of the schedule on a stack on AWS: each call is checked by AWS' own models, kept, and answered from memory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import pytest

from cutover import aws
from cutover.gates.judgement import Judgement
from cutover.rollout import opening, scheduled
from cutover.rollout.journal import FILE
from cutover.rollout.pinned import Pinned
from cutover.rollout.record import KEY, Record, Releases, State
from infra.naming import Names
from outputs.smoke import FargateProcesses
from outputs.traffic import FargateTraffic
from tests.support.rollouts import RECORD

ACCOUNT, REGION = "123456789012", "eu-central-1"
_ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"


@dataclass(frozen=True)
class Call:
    """One call: the service, the operation and its parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass
class OnAws:
    """A base stack on AWS: its rollout's `record`, None before the first, the candidate's `weight`, what the `journal`
    of the bucket has, the listener's `tags` and `rules`, the services whose tasks are `kept`, how many `tasks` each
    has, and what the gates say. `said` is what the channel was told that is not `silent`, `calls` all that AWS was
    asked."""

    patch: pytest.MonkeyPatch
    names: Names
    record: Record | None = None
    weight: int = 0
    journal: bytes | None = None
    silent: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    tasks: dict[str, int] = field(default_factory=lambda: {"stable": 2, "candidate": 2})
    says: Judgement | None = None
    said: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        session = boto3.session.Session(aws_access_key_id="nobody", aws_secret_access_key="nobody")
        session.events.register("provide-client-params", self._note)
        session.events.register("before-call", self._answer)
        self.patch.setattr(aws, "_session", lambda: session)
        self.patch.setattr(opening, "_judged", lambda _copy, _record: self.says)
        self.patch.setattr(httpx, "post", self._told)
        self.patch.setattr(Pinned, "_get", self._nobody)
        self.patch.setenv(opening.REGION, REGION)

    @property
    def bucket(self) -> str:
        """The records bucket's name."""
        return self.names.bucket("records")

    @property
    def traffic(self) -> FargateTraffic:
        """Where the split is set."""
        stable, candidate = (f"{_ELB}:targetgroup/{self.names.prefix}-{track}/1" for track in ("stable", "candidate"))
        listener = f"{_ELB}:listener/app/{self.names.balancer}/1/2"
        return FargateTraffic(region=REGION, listener=listener, stable=stable, candidate=candidate)

    def processes(self, track: str) -> FargateProcesses:
        """What runs a track's release."""
        ecs = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
        return FargateProcesses(
            cluster=f"{ecs}:cluster/{self.names.prefix}",
            app=track,
            worker=f"{track}-worker",
            app_definition=f"{ecs}:task-definition/{self.names.prefix}-{track}:7",
            worker_definition=f"{ecs}:task-definition/{self.names.prefix}-worker:7",
        )

    def begun(self, state: State, image: str = "sha256:1.5.1", **other: Any) -> Record:
        """A rollout on this stack, in this state, as the bucket has it and as it is routed, of a candidate's image."""
        targets = replace(
            RECORD.targets,
            traffic=self.traffic,
            flags=self.names.flags_parameters,
            places=replace(RECORD.targets.places, region=REGION, emulator=None, records_bucket=self.bucket),
            webhook_secret=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{self.names.prefix}/SLACK_WEBHOOK_URL-a1B2c3",
        )
        releases = Releases(
            stable=replace(RECORD.releases.stable, processes=self.processes("stable")),
            candidate=replace(RECORD.releases.candidate, image=image, processes=self.processes("candidate")),
        )
        self.record = replace(RECORD, stack=self.names.stack, state=state, targets=targets, releases=releases, **other)
        self.weight = self.record.weight
        return self.record

    def tick(self) -> str:
        """The line of a tick."""
        return scheduled.tick(self.names.stack, self.bucket)

    def asked(self) -> set[str]:
        """The operations that were asked."""
        return {call.operation for call in self.calls}

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.calls.append(Call(model.service_model.service_name, model.name, dict(params)))

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        status, answer = 200, self._of(model.name, self.calls[-1].parameters)
        if answer is None:
            status, answer = 404, {"Error": {"Code": "NoSuchKey", "Message": "there is none"}}
        return SimpleNamespace(status_code=status), {"ResponseMetadata": {"HTTPStatusCode": status}, **answer}

    def _of(self, operation: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        match operation:
            case "GetObject":
                kept = {KEY: self.record and self.record.text().encode(), FILE: self.journal}[given["Key"]]
                return {"Body": io.BytesIO(kept), "ETag": '"e"'} if kept else None
            case "PutObject" if given["Key"] == FILE:
                self.journal = given["Body"]
                return {"ETag": '"e"'}
            case "PutObject":
                assert given["Key"] == KEY
                self.record = Record.read(given["Body"])
                return {"ETag": '"e"'}
            case "DescribeListeners":
                return {"Listeners": [{"ListenerArn": self.traffic.listener, "DefaultActions": [self._action()]}]}
            case "DescribeRules":
                default = {"IsDefault": True, "Conditions": [], "Actions": [self._action()], "RuleArn": "default"}
                return {"Rules": [default, *self.rules]}
            case "DescribeScalableTargets":
                (service,) = given["ResourceIds"]
                state = {"DynamicScalingInSuspended": service in self.kept}
                return {"ScalableTargets": [{"ResourceId": service, "SuspendedState": state}]}
            case "RegisterScalableTarget":
                kept = given["SuspendedState"]["DynamicScalingInSuspended"]
                (self.kept.add if kept else self.kept.discard)(given["ResourceId"])
                return {}
            case "DescribeServices":
                found = [self.tasks[name] for name in given["services"] if name in self.tasks]
                return {"services": [{"desiredCount": tasks, "runningCount": tasks} for tasks in found]}
            case "UpdateService":
                self.tasks[given["service"]] = given["desiredCount"]
                return {}
            case "DescribeTags":
                tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
                return {"TagDescriptions": [{"ResourceArn": self.traffic.listener, "Tags": tags}]}
            case "ModifyListener":
                groups = given["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
                (self.weight,) = (one["Weight"] for one in groups if one["TargetGroupArn"] == self.traffic.candidate)
                return {}
            case "AddTags":
                self.tags |= {tag["Key"]: tag["Value"] for tag in given["Tags"]}
                return {}
            case "GetParameter":
                return {"Parameter": {"Value": "{}"}}
            case "PutParameter":
                return {}
            case "GetSecretValue":
                return {"SecretString": "https://hooks.web-next.test/channel"}
        raise AssertionError(f"{operation}: no tick asks for it; if it shall, answer it here")

    def _action(self) -> dict[str, Any]:
        weights = {self.traffic.stable: 100 - self.weight, self.traffic.candidate: self.weight}
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}

    def _told(self, _url: str, *, json: Mapping[str, str], **_: Any) -> httpx.Response:
        if self.silent:
            return httpx.Response(503)
        self.said.append(json["text"])
        return httpx.Response(200)

    def _nobody(self, _path: str) -> tuple[int, bytes]:
        raise ConnectionRefusedError("nobody is asked here")
