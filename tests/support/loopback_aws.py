"""AWS' services as moto answers for them, on a loopback port: state, and refusals, that a stub would have to be told.

What moto 5.2.5 has not: ECS starts no task for a service and answers 500 to one of Fargate, so no deployment ends and
no image runs; Route 53 refuses a record that it has had before, and nothing is ever pending there; a pushed image is a
manifest, without layers, over the API and not by Docker; who may do what is not asked. Stubs have these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

ACCOUNT, REGION = "123456789012", "eu-central-1"


@dataclass(frozen=True)
class LoopbackAws:
    """An empty account, at an address of this machine."""

    url: str

    def client(self, service: str) -> Any:
        """A client of its own, for what people and Pulumi do."""
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
        )


@contextmanager
def loopback_aws() -> Iterator[LoopbackAws]:
    """An account for the block, which every client of this process without an address of its own finds."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "a")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        made = LoopbackAws(f"http://{host}:{port}")
        try:
            yield made
        finally:
            server.stop()
