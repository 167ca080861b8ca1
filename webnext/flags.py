"""The flags in force: polled from the parameter that cutover writes, so that a change restarts nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from webnext import aws, metrics
from webnext.dependency import Dependency, every
from webnext.settings import FlagValues, Settings

POLL_SECONDS = 3.0
"""Between two reads: a change is in force within 5 s."""

log = logging.getLogger("webnext.flags")


class Flags:
    """`now` holds the flags in force. A parameter that is away or not valid leaves them as they are."""

    def __init__(self, settings: Settings, client: Any = None) -> None:
        self.now = settings.flags
        self._parameter = settings.flags_parameter
        self._region = settings.s3_region
        self._client = client
        self._ssm = Dependency("ssm", errors=(BotoCoreError, ClientError), seconds=4)
        self._task: asyncio.Task[None] | None = None
        metrics.show_flags(self.now)

    async def open(self) -> None:
        """Start polling, where there is a parameter."""
        if self._parameter:
            self._task = asyncio.create_task(every(POLL_SECONDS, "reading the flags", self.poll))

    async def close(self) -> None:
        """Stop polling."""
        if self._task:
            self._task.cancel()

    async def poll(self) -> bool:
        """Read the parameter once; a flag that it lacks stays as it is. False where it holds none.

        Raises AwayError.
        """
        text = await self._ssm.call(lambda: aws.in_thread(self._read))
        try:
            flags = FlagValues.model_validate(self.now.model_dump() | json.loads(text))
        except (ValueError, TypeError, ValidationError):
            log.warning("parameter %s holds no flags: %r stay in force", self._parameter, self.now)
            return False
        if flags != self.now:
            log.info("flags changed", extra={"fields": {"flags": flags.model_dump()}})
            self.now = flags
            metrics.show_flags(flags)
        return True

    def _read(self) -> str:
        self._client = self._client or aws.client("ssm", self._region)
        return str(self._client.get_parameter(Name=self._parameter)["Parameter"]["Value"])
