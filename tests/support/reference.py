"""The reference web-next, served, with the log that it would write."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.support.sabotage import Target
from tests.support.serving import served
from webnext import metrics
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.mock import MockAudit
from webnext.contract.audit import AuditEntryV1, ListAnswer, PushAnswer
from webnext.logs import JsonFormatter
from webnext.services import KeyReusedError
from webnext.settings import Settings

SETTINGS = Settings(build_sha="4f2c1d9", version="1.5.1", environment="test", executor_url="http://127.0.0.1:1")


FIGURES = ({"oldestAlertSeconds": 0.5, "deadLetters": 0, "outboxPending": 2}, {"spooledEntries": 0})
LOG = "web-next is up\n" + "".join(
    JsonFormatter().format(logging.makeLogRecord({"msg": "measured", "fields": figures})) + "\n" for figures in FIGURES
)
"""What the service's worker and app write."""


class KeptAudit(MockAudit):
    """The mock, saying that it is none, and taking an entry once for each key."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, tuple[AuditEntryV1, PushAnswer]] = {}

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        if key in self._made:
            known, answer = self._made[key]
            if known != entry:
                raise KeyReusedError("the key is another entry's")
            return answer
        answer = PushAnswer(id=(await super().append(entry, trace_id)).id)
        if key:
            self._made[key] = entry, answer
        return answer

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        return ListAnswer(mock=False, items=(await super().newest(limit, trace_id)).items)


def reference(**parts: Any) -> Iterator[Target]:
    metrics.BUILD.labels("4f2c1d9", "1.5.1", "test", "app").set(1)
    target = Target(create_app(replace(services_for(SETTINGS), **parts)), log=LOG)
    with served(target) as target.url:
        yield target
