"""What a docker stack declares of the app's rights, put into the emulator without the stack."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from infra.bucket import tls_only
from infra.evidence import others_statement, upload_statement
from infra.naming import Names
from infra.role import permissions, trust
from infra.vault import APP_SECRETS, readers_policy
from offline.machine import Machine
from outputs.emulator import secret

REGION = "eu-central-1"
OWNERS = "AUDIT_DB_OWNER_URL"
"""The entry that the app may not read."""


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def client(service: str, machine: Machine, key: Sequence[str] = ()) -> Any:
    """A client with the credentials `key`, by default the clone's."""
    access_key, secret_key, token = key or (machine.account, secret(), None)
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=machine.emulator,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@dataclass(frozen=True)
class Declared:
    """A role, a vault, a bucket and flags; `operator` is the role that may read all."""

    names: Names
    machine: Machine
    operator: str

    @cache  # noqa: B019  (as long as the test's module)
    def as_deployer(self, service: str) -> Any:
        return client(service, self.machine)

    def session(self, role: str) -> list[str]:
        """The credentials of who takes a role on."""
        arn = f"arn:aws:iam::{self.machine.account}:role/{role}"
        given = self.as_deployer("sts").assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
        return [given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]

    def role(self, name: str, *statements: Any, by: Any = None) -> str:
        """Makes a role that may what the statements say; `by` is who takes it on, by default as the app's."""
        name = f"{self.names.prefix}-{name}"
        self.as_deployer("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=document(by or trust("docker", self.machine.account))
        )
        self.allow(name, *statements)
        return name

    def allow(self, role: str, *statements: Any) -> None:
        """Puts a role's one policy."""
        self.as_deployer("iam").put_role_policy(
            RoleName=role, PolicyName="rights", PolicyDocument=document(*statements)
        )

    def secret(self, name: str) -> str:
        return f"{self.names.vault_prefix}{name}"

    def put_bucket_policy(self, *, uploads: bool = True) -> None:
        """The declared one, or without its Allow for uploads, beside which the role's own does not count."""
        bucket, arns = self.names.bucket("evidence"), [self.names.app_role_arn, self.operator]
        own = [upload_statement(bucket, self.names.app_role_arn)] if uploads else []
        policy = document(*own, others_statement(bucket, arns), tls_only(bucket))
        self.as_deployer("s3").put_bucket_policy(Bucket=bucket, Policy=policy)

    def make(self) -> None:
        names, make = self.names, self.as_deployer
        self.role("operator", {"Effect": "Allow", "Action": "*", "Resource": "*"})
        make("iam").create_role(
            RoleName=names.app_role, AssumeRolePolicyDocument=document(trust("docker", names.account))
        )
        self.allow(names.app_role, *permissions(names))
        key = make("kms").create_key()["KeyMetadata"]["Arn"]
        make("kms").create_alias(AliasName=names.key_alias, TargetKeyId=key)
        for name in (*APP_SECRETS, OWNERS):
            make("secretsmanager").create_secret(Name=self.secret(name), SecretString=f"the {name}", KmsKeyId=key)
            readers = [self.operator, *([] if name == OWNERS else [names.app_role_arn])]
            make("secretsmanager").put_resource_policy(
                SecretId=self.secret(name), ResourcePolicy=readers_policy(readers)
            )
        bucket = names.bucket("evidence")
        make("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        make("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in ("evidence/there", "spool/there", "elsewhere"):
            make("s3").put_object(Bucket=bucket, Key=key, Body=b"there")
        self.put_bucket_policy()
        for parameter in names.flags_parameters.output().values():
            make("ssm").put_parameter(Name=parameter, Value="{}", Type="String")

    def remove(self) -> None:
        names, make = self.names, self.as_deployer
        bucket = names.bucket("evidence")
        found = make("s3").list_object_versions(Bucket=bucket)
        for one in found.get("Versions", []) + found.get("DeleteMarkers", []):
            make("s3").delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        make("s3").delete_bucket(Bucket=bucket)
        for name in (*APP_SECRETS, OWNERS):
            make("secretsmanager").delete_secret(SecretId=self.secret(name), ForceDeleteWithoutRecovery=True)
        for parameter in names.flags_parameters.output().values():
            make("ssm").delete_parameter(Name=parameter)
        for role in make("iam").list_roles()["Roles"]:
            if role["RoleName"].startswith(names.prefix):
                make("iam").delete_role_policy(RoleName=role["RoleName"], PolicyName="rights")
                make("iam").delete_role(RoleName=role["RoleName"])


@contextmanager
def declared() -> Iterator[Declared]:
    """Of the clone's own account, the one that instance metadata gives a role of. Removed at the end."""
    machine = Machine.load()
    names = Names(stack=f"t{secrets.token_hex(3)}", account=machine.account, region=REGION)
    made = Declared(names, machine, f"arn:aws:iam::{machine.account}:role/{names.prefix}-operator")
    made.make()
    yield made
    made.remove()
