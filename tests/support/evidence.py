"""A bucket in the emulator, and the environment of a process in the app's role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.naming import Names
from infra.role import permissions, trust
from infra.runtime.docker.files import aws_config
from offline.machine import Machine
from tests.support.declared import client, document

REGION = "eu-central-1"
ZIP = b"PK\x05\x06" + secrets.token_bytes(50_000)


@dataclass(frozen=True)
class Store:
    """A versioned bucket of the clone's own account, the one that instance metadata gives credentials of, and the role
    of the app that it is made for."""

    names: Names
    client: Any
    machine: Machine

    @property
    def name(self) -> str:
        """The bucket's."""
        return self.names.bucket("evidence")

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def versions(self, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_object_versions(Bucket=self.name, Prefix=key)["Versions"]
        return [version for version in found if version["Key"] == key]

    def put(self, *keys: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.client.put_object(Bucket=self.name, Key=key, Body=ZIP[:10]), keys))


@contextmanager
def new_store() -> Iterator[Store]:
    """An empty versioned bucket and its app's role, removed at the end."""
    machine = Machine.load()
    names = Names(stack=f"test-{secrets.token_hex(4)}", account=machine.account, region=REGION)
    made = Store(names, client("s3", machine), machine)
    iam = client("iam", machine)
    trusted, rights = document(trust("docker", machine.account)), document(*permissions(names))
    iam.create_role(RoleName=names.app_role, AssumeRolePolicyDocument=trusted)
    iam.put_role_policy(RoleName=names.app_role, PolicyName="rights", PolicyDocument=rights)
    made.client.create_bucket(Bucket=made.name, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.client.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    yield made
    for page in made.client.get_paginator("list_object_versions").paginate(Bucket=made.name):
        for found in page.get("Versions", []) + page.get("DeleteMarkers", []):
            made.client.delete_object(Bucket=made.name, Key=found["Key"], VersionId=found["VersionId"])
    made.client.delete_bucket(Bucket=made.name)
    iam.delete_role_policy(RoleName=names.app_role, PolicyName="rights")
    iam.delete_role(RoleName=names.app_role)


def environment(store: Store, folder: Path, endpoint: str) -> dict[str, str]:
    """The app's environment on a docker stack: the role by way of instance metadata, no credential anywhere."""
    config = folder / "aws.config"
    config.write_text(aws_config(store.names.app_role_arn, REGION, endpoint))
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint,
        "AWS_EC2_METADATA_DISABLED": "false",
    }
