"""The executor's audit proxy: it keeps an entry in the place of Postgres, and lists what it keeps."""

from __future__ import annotations

from pydantic import ValidationError

from webnext import context, metrics
from webnext.audit.own import actor_of
from webnext.contract.audit import AuditEntryV1, AuditItem
from webnext.dependency import AwayError
from webnext.executor import Executor, RefusedError
from webnext.services import KeyReusedError


class Proxy:
    """Every call raises AwayError, of which RefusedError is one."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def push(self, entry: AuditEntryV1, trace_id: str, key: str) -> None:
        """Return once the executor keeps the entry, and count it. Raises KeyReusedError too."""
        body = entry.model_dump(mode="json", exclude_none=True)
        actor = actor_of(entry) or ""
        told = {"Idempotency_Key": key, "X_Trace_ID": trace_id, "X_Actor": actor}
        try:
            answer = await self._executor.post("/audit/push", body, **told)
        except RefusedError as refused:
            if refused.status == 409:
                raise KeyReusedError("the idempotency key has already made another entry") from None
            raise
        if answer.get("ok") is not True:
            raise AwayError("executor", "it did not say that it keeps the entry")
        metrics.AUDIT_INSERTS.labels("executor", context.traffic.get()).inc()

    async def newest(self, limit: int, trace_id: str | None) -> list[AuditItem]:
        """The newest entries first, of one trace where it is given."""
        wanted = {"limit": limit} | ({"traceId": trace_id} if trace_id else {})
        answer = await self._executor.post("/audit/list", wanted)
        try:
            return [AuditItem.model_validate(item) for item in answer["items"][:limit]]
        except (KeyError, TypeError, ValidationError) as error:
            raise AwayError("executor", "it lists no entries") from error
