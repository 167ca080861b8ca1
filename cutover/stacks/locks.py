"""Who holds a stack's lock, in a backend of files or in a bucket: an update that runs, or one that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from cutover.errors import CutoverError, StackLockedError


def is_stale(stack: str) -> bool:
    """Whether the stack is locked by a process of this machine that is gone.

    Raises StackLockedError when the holder is alive, or on another machine; CutoverError when the bucket cannot be
    read. Locks of other backends are Pulumi's.
    """
    backend = urlsplit(os.environ["PULUMI_BACKEND_URL"])
    below = f".pulumi/locks/organization/web-next/{stack}"
    held = list({"file": _in_files, "s3": _in_bucket}.get(backend.scheme, _elsewhere)(backend, below))
    for lock in held:
        here = lock["hostname"] == socket.gethostname()
        if not here or _is_pulumi(lock["pid"]):
            raise StackLockedError(
                f"stack {stack} is being changed by process {lock['pid']} of {lock['username']} on "
                f"{lock['hostname']} since {lock['timestamp'][:19]}: let it end, or stop it and run "
                f"pulumi cancel -s {stack}"
            )
    return bool(held)


def _in_files(backend: SplitResult, below: str) -> Iterator[dict[str, Any]]:
    for path in (Path(backend.path) / below).glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # released just now
            yield json.loads(path.read_text())


def _in_bucket(backend: SplitResult, below: str) -> Iterator[dict[str, Any]]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    prefix = "/".join(part for part in (backend.path.strip("/"), below) if part)
    bucket = boto3.client("s3", region_name=parse_qs(backend.query).get("region", [None])[0])
    try:
        listed = bucket.list_objects_v2(Bucket=backend.netloc, Prefix=f"{prefix}/")
        for each in listed.get("Contents", ()):
            with contextlib.suppress(bucket.exceptions.NoSuchKey):  # released just now
                yield json.loads(bucket.get_object(Bucket=backend.netloc, Key=each["Key"])["Body"].read())
    except (BotoCoreError, ClientError) as error:
        raise CutoverError(
            f"the locks in s3://{backend.netloc} cannot be read ({error}): the credentials are those of the environment"
        ) from None


def _elsewhere(_backend: SplitResult, _below: str) -> Iterator[dict[str, Any]]:
    return iter(())


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except FileNotFoundError:
        return False
