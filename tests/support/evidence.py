"""A bucket in the emulator, and the environment of a process in the app's role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session

from infra.runtime.docker.files import aws_config
from offline.machine import Machine

REGION = "eu-central-1"
ZIP = b"PK\x05\x06" + secrets.token_bytes(50_000)


@dataclass(frozen=True)
class Store:
    """A versioned bucket of the clone's own account, the one that instance metadata gives credentials of."""

    name: str
    client: Any
    machine: Machine

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def versions(self, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_object_versions(Bucket=self.name, Prefix=key)["Versions"]
        return [version for version in found if version["Key"] == key]

    def put(self, *keys: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.client.put_object(Bucket=self.name, Key=key, Body=ZIP[:10]), keys))


def client(service: str, machine: Machine) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=machine.emulator,
        aws_access_key_id=machine.account,
        aws_secret_access_key="local",
    )


@contextmanager
def new_store() -> Iterator[Store]:
    """An empty versioned bucket, removed at the end."""
    machine = Machine.load()
    made = Store(f"evidence-test-{secrets.token_hex(4)}", client("s3", machine), machine)
    made.client.create_bucket(Bucket=made.name, CreateBucketConfiguration={"LocationConstraint": REGION})
    made.client.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    yield made
    for page in made.client.get_paginator("list_object_versions").paginate(Bucket=made.name):
        for found in page.get("Versions", []) + page.get("DeleteMarkers", []):
            made.client.delete_object(Bucket=made.name, Key=found["Key"], VersionId=found["VersionId"])
    made.client.delete_bucket(Bucket=made.name)


def environment(machine: Machine, folder: Path, endpoint: str) -> dict[str, str]:
    """The app's environment on a docker stack: the role by way of instance metadata, no credential anywhere."""
    config = folder / "aws.config"
    config.write_text(aws_config(f"arn:aws:iam::{machine.account}:role/web-next-test", REGION, endpoint))
    return {
        "AWS_CONFIG_FILE": str(config),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint,
        "AWS_EC2_METADATA_DISABLED": "false",
    }
