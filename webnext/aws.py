"""Clients of AWS' services with the process's own role, each call bounded in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import NoCredentialsError

T = TypeVar("T")

LIMITS = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2})

_threads = ThreadPoolExecutor(8, thread_name_prefix="aws")


def session() -> Any:
    """Return a session that has found credentials.

    Raises NoCredentialsError or another BotoCoreError otherwise: a client made without any never looks for them again.
    """
    # One of its own: making clients of the default one from several threads is not safe.
    made = boto3.session.Session()
    if made.get_credentials() is None:
        raise NoCredentialsError
    return made


def client(service: str, region: str | None) -> Any:
    """Return a client of `service`: 2 s for each attempt, two attempts. Without a region the configuration has one.

    Raises BotoCoreError where there are no credentials.
    """
    return session().client(service, region_name=region, config=LIMITS)


async def in_thread(work: Callable[[], T], threads: ThreadPoolExecutor = _threads) -> T:
    """Return what the blocking `work()` returns, run by `threads`: by default those that read secrets and flags."""
    return await asyncio.get_running_loop().run_in_executor(threads, work)
