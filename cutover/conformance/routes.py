"""Rules of the routes, one by one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cutover.conformance.image import Image, Number, SkippedError, demand, moment, said, typed

PREAMBLE = (
    r"# Spark Trading Platform - Snapshot Export",
    r"# Environment: .+",
    r"# Build SHA: .+",
    r"# Exported At: \d{4}-\d\d-\d\d.+",
    r"# Period: 24 hours",
)
"""The export's first lines, as patterns."""


def _push(image: Image, entry: dict[str, Any], **headers: str) -> dict[str, Any]:
    sent = {"x-trace-id": image.trace, **headers}
    pushed = image.ask("POST", "/api/audit/push", entry, status=200, **sent)
    typed(pushed, "push", ok=bool, id=(str, int))
    demand(pushed["ok"] is True and pushed["id"] != "", f"push: {pushed}, ok and an id expected")
    return pushed


def audit_push(image: Image) -> str:
    """An entry without content type and version, with strategyId, its details a string, is accepted: {ok, id}."""
    text = {"action": "contract", "result": "ok", "strategyId": "contract", "details": "cutover contract"}
    pushed = _push(image, text, **{"idempotency-key": f"{image.run}-text"})
    image.entry = text | {"id": pushed["id"], "mock": pushed.get("_mock", False)}
    return f"entry {pushed['id']}"


def audit_details(image: Image) -> str:
    """The same with details that are an object, and with version 1.0 and a timestamp."""
    entry = {"version": "1.0", "action": "contract", "result": "err", "timestamp": datetime.now(UTC).isoformat()}
    key = {"idempotency-key": f"{image.run}-object"}
    return f"entry {_push(image, entry | {'details': {'nested': [1, None, 'ü']}}, **key)['id']}"


def audit_idempotency(image: Image) -> str:
    """The entry again under its Idempotency-Key has the same id; another entry under that key is a 409."""
    if image.entry is None or image.entry["mock"]:
        raise SkippedError("the entry was not kept by the audit log itself" if image.entry else "no entry was kept")
    entry = {key: value for key, value in image.entry.items() if key not in ("id", "mock")}
    key = {"idempotency-key": f"{image.run}-text"}
    again = _push(image, entry, **key)
    demand(again["id"] == image.entry["id"], f"it became entry {again['id']} beside {image.entry['id']}")
    other = image.send("POST", "/api/audit/push", json.dumps(entry | {"action": "contract-other"}), **key)
    demand(other.status_code == 409, f"another entry under the key: {said(other)}, 409 expected")
    return f"still entry {again['id']}; another entry is a 409"


def audit_list(image: Image) -> str:
    """The list has _mock and items, newest first, and among them what was just pushed, with its trace id."""
    seen = image.ask("POST", "/api/audit/list", {"limit": 50})
    typed(seen, "list", _mock=bool, items=list)
    times = []
    for item in seen["items"]:
        typed(item, "list item", id=(str, int), ts=str, action=str, result=str)
        times.append(moment(item["ts"], "list item: ts"))
    demand(times == sorted(times, reverse=True), "the items are not newest first")
    demand(len(times) <= 50, f"{len(times)} items for a limit of 50")
    if image.entry is None:
        raise SkippedError("newest first, but no entry was accepted that could be looked for")
    found = [item for item in seen["items"] if str(item["id"]) == str(image.entry["id"])]
    if not found and (seen["_mock"] or image.entry["mock"]):
        raise SkippedError("newest first, but a fallback answered, which may not have the entry yet")
    demand(bool(found), f"entry {image.entry['id']} is not among the newest {len(times)}")
    kept = {"strategyId": image.entry["strategyId"], "details": image.entry["details"], "traceId": image.trace}
    for key, value in kept.items():
        demand(found[0].get(key) == value, f"entry {image.entry['id']}: {key} is {found[0].get(key)!r}, not {value!r}")
    return f"_mock {str(seen['_mock']).lower()}, {len(times)} newest first"


def evidence(image: Image) -> str:
    """The addresses to put and to get differ, the key is under evidence/, the expiry is ahead; for a job too."""
    for named in ({"runId": "contract"}, {"jobId": "contract"}):
        seen = image.ask("POST", "/api/evidence/zip", named)
        typed(seen, "zip", ok=bool, uploadUrl=str, downloadUrl=str, key=str, expiresAt=str, _mock=bool)
        demand(seen["ok"] is True, f"zip: ok is {seen['ok']}")
        for name in ("uploadUrl", "downloadUrl"):
            demand(urlsplit(seen[name]).scheme in ("http", "https"), f"zip: {name} is no web address")
        demand(seen["uploadUrl"] != seen["downloadUrl"], "zip: both addresses are the same")
        demand(seen["key"].startswith("evidence/"), f"zip: key is {seen['key']!r}, not under evidence/")
        left = (moment(seen["expiresAt"], "zip: expiresAt") - datetime.now(UTC)).total_seconds()
        demand(left > 0, f"zip: expired {-left:.0f} s ago")
    return f"_mock {str(seen['_mock']).lower()}, two addresses for {left:.0f} s"


def queue(image: Image) -> str:
    """GET /api/alerts/queue has the counts pending and dlq, _mock, and no _err."""
    seen = image.ask("GET", "/api/alerts/queue")
    typed(seen, "queue", pending=int, dlq=int, _mock=bool)
    demand("_err" not in seen, f"queue: _err is {seen.get('_err')!r}")
    demand(min(seen["pending"], seen["dlq"]) >= 0, f"queue: {seen['pending']} pending, {seen['dlq']} dlq")
    return f"_mock {str(seen['_mock']).lower()}, {seen['pending']} pending, {seen['dlq']} dlq"


def dead_letters(image: Image) -> str:
    """GET /api/alerts/dlq has a page of dead letters, newest first, how many there are, _mock, and no _err."""
    seen = image.ask("GET", "/api/alerts/dlq?limit=10")
    typed(seen, "dlq", total=int, items=list, _mock=bool)
    demand("_err" not in seen, f"dlq: _err is {seen.get('_err')!r}")
    demand(len(seen["items"]) <= min(10, seen["total"]), f"dlq: {len(seen['items'])} of {seen['total']}, limit 10")
    died = []
    for item in seen["items"]:
        none = type(None)
        typed(item, "dlq item", id=str, title=str, attempts=int, lastError=(str, none), diedAt=(str, none))
        died += [moment(item["diedAt"], "dlq item: diedAt")] if item["diedAt"] else []
    demand(died == sorted(died, reverse=True), "the dead letters are not newest first")
    return f"_mock {str(seen['_mock']).lower()}, {len(died)} of {seen['total']} newest first"


def queue_action(image: Image) -> str:
    """Any action but retries and purge_dlq is 400 with _err "invalid action"."""
    for body in ({"action": "drop"}, {"action": None}, {"action": ["drop"]}, {}):
        seen = image.ask("POST", "/api/alerts/queue", body, status=400)
        demand(seen.get("_err") == "invalid action", f"{json.dumps(body)}: _err is {seen.get('_err')!r}")
    return "400, invalid action"


def webhook(image: Image) -> str:
    """An alert is 202 with its jobId. It is delivered to wherever the image delivers, so only on request."""
    if not image.write_alert:
        raise SkippedError("it would deliver an alert: --write-alert allows it")
    alert = {"title": "cutover contract", "severity": "info", "text": "a check of the contract, nothing happened"}
    seen = image.ask("POST", "/api/alerts/webhook", alert, status=202)
    typed(seen, "webhook", ok=bool, jobId=str, _mock=bool)
    demand(seen["ok"] is True and seen["jobId"] != "", f"webhook: {seen}")
    return f"202, job {seen['jobId']}"


def guardrails(image: Image) -> str:
    """The thresholds are numbers, maxDrawdown among them; lastBreach is null or a breach."""
    seen = image.ask("GET", "/api/guardrails/read")
    typed(seen, "guardrails", _mock=bool, thresholds=dict, lastBreach=(dict, type(None)))
    if not (seen["_mock"] and not seen["thresholds"]):
        typed(seen["thresholds"], "guardrails thresholds", maxDrawdown=Number)
    for name, value in seen["thresholds"].items():
        demand(isinstance(value, Number) and not isinstance(value, bool), f"guardrails: {name} is {value!r}")
    if breach := seen["lastBreach"]:
        typed(breach, "guardrails lastBreach", guardrail=str, value=Number, threshold=Number, at=str)
    return f"_mock {str(seen['_mock']).lower()}, maxDrawdown {seen['thresholds'].get('maxDrawdown')}"


def snapshot(image: Image) -> str:
    """The export is CSV and begins with its five lines."""
    answer = image.send("POST", "/api/snapshot/export", '{"format":"csv","hours":24}')
    demand(answer.status_code == 200, f"{said(answer)}, 200 expected")
    kind = answer.headers.get("content-type", "")
    demand(kind.startswith("text/csv"), f"content type {kind!r}, text/csv expected")
    lines = answer.text.splitlines()
    for number, pattern in enumerate(PREAMBLE):
        seen = lines[number] if number < len(lines) else ""
        demand(bool(re.fullmatch(pattern, seen)), f"line {number + 1} is {seen!r}")
    return f"{len(lines)} lines"
