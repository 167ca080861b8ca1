"""Who holds a stack's lock, in a backend of files or in a bucket: an update that runs, or one that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from cutover import aws
from cutover.errors import CutoverError, StackLockedError

_BELOW = ".pulumi/locks/organization/web-next"


def is_stale(stack: str) -> bool:
    """Whether the stack is locked by a process of this machine that is gone.

    Raises StackLockedError when the holder is alive, on another machine, or not to be read; CutoverError when the
    bucket cannot be. Locks of other backends are Pulumi's.
    """
    backend = urlsplit(os.environ["PULUMI_BACKEND_URL"])
    held = list({"file": _in_files, "s3": _in_bucket}.get(backend.scheme, _elsewhere)(backend, stack))
    for lock in held:
        here = lock["hostname"] == socket.gethostname()
        if not here or _is_pulumi(lock["pid"]):
            raise StackLockedError(
                f"stack {stack} is being changed by process {lock['pid']} of {lock['username']} on "
                f"{lock['hostname']} since {lock['timestamp'][:19]}: let it end, or stop it and run "
                f"pulumi cancel -s {stack}"
            )
    return bool(held)


def _in_files(backend: SplitResult, stack: str) -> Iterator[dict[str, Any]]:
    for path in (Path(unquote(backend.path)) / _BELOW / stack).glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # released just now
            yield _lock(path.read_text(errors="replace"), str(path), stack)


def _in_bucket(backend: SplitResult, stack: str) -> Iterator[dict[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    prefix = "/".join(part for part in (backend.path.strip("/"), _BELOW, stack) if part)
    bucket = aws.client("s3", aws.Account(region=parse_qs(backend.query).get("region", [""])[0]))
    try:
        listed = bucket.list_objects_v2(Bucket=backend.netloc, Prefix=f"{prefix}/")
        for each in listed.get("Contents", ()):
            with contextlib.suppress(bucket.exceptions.NoSuchKey):  # released just now
                content = bucket.get_object(Bucket=backend.netloc, Key=each["Key"])["Body"].read()
                yield _lock(content, f"s3://{backend.netloc}/{each['Key']}", stack)
    except (BotoCoreError, ClientError) as error:
        raise CutoverError(
            f"the locks in s3://{backend.netloc} cannot be read ({error}): the credentials are those of the environment"
        ) from None


def _elsewhere(_backend: SplitResult, _stack: str) -> Iterator[dict[str, Any]]:
    return iter(())


def _lock(content: str | bytes, where: str, stack: str) -> dict[str, Any]:
    """A lock as Pulumi writes one. Raises StackLockedError for one that a killed machine has left empty or cut."""
    try:
        found = json.loads(content)
        return {name: found[name] for name in ("pid", "username", "hostname", "timestamp")}
    except (ValueError, KeyError, TypeError):
        raise StackLockedError(
            f"the lock {where} is torn, it has {len(content)} bytes and is no lock, so nobody knows whose it is: where "
            f"no update of stack {stack} runs, pulumi cancel -s {stack} removes it"
        ) from None


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except FileNotFoundError:
        return False
