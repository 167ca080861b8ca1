"""Audit: an entry that is written is read back, and its row is in Postgres itself."""

from __future__ import annotations

import uuid

from cutover.errors import CutoverError
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion

STATEMENT_SECONDS = 5


def look(probe: Probe) -> str:
    """Which entry was written and read."""
    trace = f"smoke-{uuid.uuid4()}"
    body = {"action": "smoke", "result": "ok", "details": {"traffic": "smoke"}}
    pushed = probe.ask("POST", "/api/audit/push", body, headers={"x-trace-id": trace})
    if pushed.get("ok") is not True:
        raise CheckFailedError(f"push was not accepted: {pushed.get('_err', pushed)}")
    if pushed.get("_mock"):
        raise CheckFailedError(f"push was taken by a fallback: via {pushed.get('via')}")
    listed = probe.ask("POST", "/api/audit/list", {"limit": 50, "traceId": trace})
    if listed.get("_mock") is not False:
        raise CheckFailedError(f"list is answered by a fallback: _mock is {listed.get('_mock')!r}")
    items = {str(item.get("id")): item for item in listed.get("items") or [] if isinstance(item, dict)}
    item = items.get(str(pushed.get("id")))
    if item is None:
        raise CheckFailedError(
            f"entry {pushed.get('id')} was written and is not listed under its trace id {trace}, {len(items)} others "
            "are"
        )
    if trace not in item.values():
        raise CheckFailedError(f"entry {pushed.get('id')} does not carry its trace id {trace}")
    rows = rows_of(trace, probe)
    if rows != [str(pushed["id"])]:
        raise CheckFailedError(
            f"Postgres has {len(rows)} rows of trace {trace} {rows}, the one of entry {pushed['id']} expected"
        )
    return f"entry {pushed['id']} written and read, its row is in Postgres"


def rows_of(trace: str, probe: Probe) -> list[str]:
    """The ids of the trace's rows, read as the database's reader. Raises CheckFailedError where they cannot be."""
    assert probe.database is not None
    try:
        with probe.database() as connection:
            connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
            connection.execute("SET default_transaction_read_only = on")
            rows = connection.execute("SELECT id FROM audit_log WHERE trace_id = %s", [trace]).fetchall()
    except CutoverError as error:
        raise CheckFailedError(f"the row cannot be looked for: {error}") from None
    return [str(number) for (number,) in rows]


CHECK = Check(
    name="audit",
    criterion=Criterion.AUDIT,
    did="pushed an entry, listed its trace, and looked for its row in Postgres",
    look=look,
    adapter="audit",
)
