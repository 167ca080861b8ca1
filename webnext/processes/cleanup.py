"""The clean-up as a job: one run, then the end."""

from __future__ import annotations

import asyncio
import logging

from webnext.assembly import services_for
from webnext.dependency import AwayError
from webnext.evidence.cleanup import clean
from webnext.settings import Settings

log = logging.getLogger("webnext.cleanup")


def run(settings: Settings) -> int:
    """Clean evidence up once. Return 0 when it is done, a dry run too, and 1 where S3 is away or refused."""
    if settings.adapters.evidence == "mock":
        log.info("nothing to clean: the evidence adapter is a mock")
        return 0
    return asyncio.run(_once(settings))


async def _once(settings: Settings) -> int:
    services = services_for(settings)
    await services.audit.open()
    try:
        done = await clean(settings, services.flags, services.audit)
    except AwayError as error:
        log.error("the clean-up ended early: %s", error)  # noqa: TRY400  (its message is all there is to say)
        return 1
    finally:
        await services.audit.close()
    return 1 if done.failed else 0
