"""The providers: one account on AWS, the emulator on a machine, and no default anywhere."""

from __future__ import annotations

import json

from infra.providers import aws_provider, docker_provider
from tests.unit.infra.configs import FARGATE, settings
from tests.unit.infra.recorder import record


def test_on_a_machine_every_address_of_aws_is_the_emulators() -> None:
    declared = record(lambda: aws_provider(settings()))
    provider = declared.one("pulumi:providers:aws").inputs
    (endpoints,) = json.loads(provider["endpoints"])

    assert set(endpoints.values()) == {"http://10.213.7.1:4566"}
    assert {"s3", "rds", "secretsmanager", "sts", "iam", "kms", "ssm", "elasticache"} <= endpoints.keys()
    assert provider["accessKey"] == "123456789012"


def test_on_aws_the_provider_takes_one_account_and_no_key() -> None:
    declared = record(lambda: aws_provider(settings(FARGATE)))
    provider = declared.one("pulumi:providers:aws").inputs

    assert json.loads(provider["allowedAccountIds"]) == ["123456789012"]
    assert not {"accessKey", "secretKey", "endpoints"} & provider.keys()


def test_docker_is_this_machines_engine() -> None:
    declared = record(lambda: docker_provider())

    assert declared.one("pulumi:providers:docker").inputs["host"] == "unix:///var/run/docker.sock"
