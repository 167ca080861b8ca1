"""A stack on AWS whose first day is over: its file, its environment, AWS' answers, its outputs; any part changed."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.stub import Stubber

from cutover import aws
from cutover.errors import StackMissingError
from cutover.prerequisites import facts, made
from cutover.stacks import project
from cutover.stacks.outputs import Outputs

ACCOUNT, REGION = "123456789012", "eu-central-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("deployer", "on-call")]
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
MAIL = "on-call@web-next.test"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/web-next-prod/1"
ADDRESSES = {"lb.test": ["198.51.100.7", "198.51.100.8"], "console.web-next.test": ["198.51.100.8"]}
"""What names lead to."""
SETTINGS: dict[str, Any] = {
    "track": "stable",
    "runtime": "fargate",
    "account": ACCOUNT,
    "region": REGION,
    "domain": "console.web-next.test",
    "executorUrl": "https://executor.web-next.test",
    "image": f"{HOST}/web-next-prod@sha256:{'a' * 64}",
    "buildSha": "4f2c1d9",
    "version": "1.5.0",
    "edge": {"image": f"{HOST}/web-next-prod-edge@sha256:{'e' * 64}", "trustedCallers": ["198.51.100.0/24"]},
    "rollout": {"watchImage": f"{HOST}/web-next-prod-watch@sha256:{'f' * 64}"},
    "fargate": {"hostedZoneId": "Z0123456789ABCDEFGHIJ"},
    "operatorRoles": ROLES,
    "alarmTargets": [MAIL],
    "database": {"access": "tunnel"},
}
OUTPUTS: dict[str, Any] = {
    "egress_addresses": ["198.51.100.21", "198.51.100.22"],
    "traffic": {"runtime": "fargate", "listener": f"{BALANCER.replace(':loadbalancer/', ':listener/')}/2"},
    "schema": {"version": 6},
    "release": {"version": "1.5.0"},
    "deployment_record": {"key": "deployments/stable.json"},
}


def image(repository: str, letter: str) -> dict[str, Any]:
    """ECR's answer about an image."""
    found = {"imageId": {"imageDigest": f"sha256:{letter * 64}"}, "imageManifest": "{}", "repositoryName": repository}
    return {"images": [found], "failures": []}


def role(arn: str) -> dict[str, Any]:
    """IAM's answer about a role."""
    named = {"Path": "/", "RoleName": arn.rpartition("/")[2], "RoleId": "A" * 16, "CreateDate": "2026-11-29T00:00:00Z"}
    return {"Role": {**named, "Arn": arn}}


def zone(name: str = "web-next.test.", *, private: bool = False) -> dict[str, Any]:
    """Route 53's answer about a zone."""
    return {"HostedZone": {"Id": "Z1", "Name": name, "CallerReference": "1", "Config": {"PrivateZone": private}}}


ANSWERS: dict[str, list[Any]] = {
    "sts get_caller_identity": [
        {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ada", "UserId": "A"}
    ],
    "s3 get_bucket_versioning": [{"Status": "Enabled"}],
    "kms describe_key": [{"KeyMetadata": {"KeyId": "1", "Arn": KEY, "KeyState": "Enabled"}}],
    "iam get_role": [role(arn) for arn in ROLES],
    "route53 get_hosted_zone": [zone()],
    "acm describe_certificate": [{"Certificate": {"DomainName": "*.web-next.test", "Status": "ISSUED"}}],
    "ecr describe_repositories": [{"repositories": []}],
    "ecr batch_get_image": [
        image(f"web-next-prod{part}", letter) for part, letter in (("", "a"), ("-edge", "e"), ("-watch", "f"))
    ],
    "elbv2 describe_load_balancers": [
        {"LoadBalancers": [{"LoadBalancerArn": BALANCER, "DNSName": "lb.test", "CanonicalHostedZoneId": "Z0LB"}]}
    ],
    "sns list_subscriptions_by_topic": [
        {"Subscriptions": [{"Endpoint": MAIL, "SubscriptionArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:t:1"}]}
    ],
    "secretsmanager describe_secret": [{"VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}}],
}
"""What AWS answers to each operation, in turn; a text is the code of a refusal."""


@dataclass
class FirstDay:
    """The stack prod of a folder. `asked` are the operations that AWS was asked, with their parameters; who is among
    `answers_by` answers TLS, with what is wrong about its certificate in `certified`."""

    folder: Path
    patch: pytest.MonkeyPatch
    settings: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(SETTINGS)))
    file: dict[str, Any] = field(default_factory=lambda: {"secretsprovider": f"awskms://alias/state?region={REGION}"})
    answers: dict[str, list[Any]] = field(default_factory=lambda: dict(ANSWERS))
    outputs: dict[str, Any] | None = field(default_factory=lambda: dict(OUTPUTS))
    addresses: dict[str, list[str]] = field(default_factory=lambda: dict(ADDRESSES))
    answers_by: tuple[str, ...] = ("lb.test",)
    certified: str | None = None
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patch.setattr(project, "PROJECT", self.folder)
        self.patch.setattr(aws, "client", lambda service, _where: self._client(service))
        self.patch.setattr(facts, "outputs", self._outputs)
        self.patch.setattr(socket, "getaddrinfo", self._lead)
        self.patch.setattr(made, "connected", self._connect)
        self.patch.setenv("PULUMI_HOME", str(self.folder))
        self.patch.setenv("PULUMI_BACKEND_URL", f"s3://state-of-web-next?region={REGION}")
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            self.patch.delenv(name, raising=False)
        tool = self.folder / "session-manager-plugin"
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        self.patch.setenv("PATH", str(self.folder))
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def write(self) -> None:
        """Writes the stack's file."""
        config = {f"web-next:{key}": value for key, value in self.settings.items()}
        (self.folder / "Pulumi.prod.yaml").write_text(json.dumps({**self.file, "config": config}))

    def _outputs(self, stack: str) -> Outputs:
        if self.outputs is None:
            raise StackMissingError(f"stack {stack} has no outputs")
        return Outputs(stack, self.outputs)

    def _lead(self, name: str, port: int, **_: Any) -> list[Any]:
        if name not in self.addresses:
            raise socket.gaierror(f"{name} leads nowhere")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses[name]]

    def _connect(self, url: str, address: str, authority: str | None, seconds: float) -> socket.socket:
        if self.certified:
            error = ssl.SSLCertVerificationError(1, "certificate verify failed")
            error.verify_message = self.certified
            raise error
        if address not in self.answers_by:
            raise TimeoutError("timed out")
        return socket.socket()

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            client = boto3.client(service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
            client.meta.events.register("provide-client-params", self._answer)
            self._clients[service], self._stubs[service] = client, Stubber(client)
            self._stubs[service].activate()
        return self._clients[service]

    def _answer(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """Has the stub answer what is about to be asked, in the shape that the service's model has."""
        service, operation = model.service_model.service_name, xform_name(model.name)
        name = f"{service} {operation}"
        given = self.answers[name]
        answer = given[min(sum(one == name for one, _ in self.asked), len(given) - 1)]
        self.asked.append((name, dict(params)))
        if isinstance(answer, str):
            self._stubs[service].add_client_error(operation, answer, "not for you")
        else:
            self._stubs[service].add_response(operation, answer)
