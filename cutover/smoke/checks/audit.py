"""Audit: an entry that is written is read back, from Postgres and not from a fallback."""

from __future__ import annotations

import uuid

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """Which entry was written and read."""
    trace = f"smoke-{uuid.uuid4()}"
    body = {"action": "smoke", "result": "ok", "details": {"traffic": "smoke"}}
    pushed = probe.ask("POST", "/api/audit/push", body, headers={"x-trace-id": trace})
    if pushed.get("ok") is not True:
        raise CheckFailedError(f"push was not accepted: {pushed.get('_err', pushed)}")
    listed = probe.ask("POST", "/api/audit/list", {"limit": 50})
    if listed.get("_mock") is not False:
        raise CheckFailedError(f"list is answered by a fallback: _mock is {listed.get('_mock')!r}")
    items = {str(item.get("id")): item for item in listed.get("items") or [] if isinstance(item, dict)}
    item = items.get(str(pushed.get("id")))
    if item is None:
        raise CheckFailedError(f"entry {pushed.get('id')} was written and is not among the newest {len(items)}")
    if trace not in item.values():
        raise CheckFailedError(f"entry {pushed.get('id')} does not carry its trace id {trace}")
    return f"entry {pushed['id']} written and read"


CHECK = Check(name="audit", criterion=Criterion.AUDIT, did="pushed an entry and listed the newest", look=look)
