"""`cutover contract` on the reference web-next, and on one that breaks one rule at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from cutover.conformance import answers
from cutover.conformance.image import Image
from cutover.conformance.suite import RULES, Report, check
from tests.support.reference import KeptAudit, reference
from tests.support.sabotage import Answer, Change, Target, becomes, everywhere, header, on, refusals, says, status, text

pytestmark = pytest.mark.engine


def checked(target: Target, *, write_alert: bool = True) -> Report:
    """Every rule's outcome, the metrics included."""
    marks = {"user-agent": "web-next-smoke", "x-web-next-traffic": "smoke"}
    with httpx.Client(base_url=target.url, headers=marks, trust_env=False) as http:
        log = http.get("/log").text.splitlines()
        image = Image(http=http, metrics_url=f"{target.url}/metrics", log=log, write_alert=write_alert)
        return check(image, target.url)


@pytest.fixture(scope="module")
def mocks() -> Iterator[Target]:
    yield from reference()


@pytest.fixture(scope="module")
def running() -> Iterator[Target]:
    yield from reference(audit=KeptAudit())


@pytest.fixture
def target(running: Target) -> Iterator[Target]:
    yield running
    running.change = None


def test_the_reference_keeps_every_rule(target: Target) -> None:
    report = checked(target)

    assert [result for result in report.results if result.outcome != "pass"] == []
    assert [result.rule for result in report.results] == list(RULES)


def test_the_reference_with_nothing_but_mocks_breaks_no_rule(mocks: Target) -> None:
    report = checked(mocks)

    assert [result for result in report.results if result.outcome == "fail"] == []
    skipped = [result.rule for result in report.results if result.outcome == "skip"]
    assert skipped == ["audit-idempotency", "log-figures"]


def items(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    """A change of the list's items."""

    def altered(answer: Answer) -> None:
        listed = answer.json
        change(listed["items"])
        answer.json = listed

    return on("/api/audit/list", altered, status=200)


def each(**values: Any) -> Change:
    """A change of each of the list's items."""
    return items(lambda listed: [item.update(values) for item in listed])


def check_is_gone(name: str) -> Change:
    def change(answer: Answer) -> None:
        health = answer.json
        del health["checks"][name]
        answer.json = health

    return on("/api/healthz", change)


def check_is(**values: object) -> Change:
    def change(answer: Answer) -> None:
        health = answer.json
        health["checks"]["queue"] = values
        answer.json = health

    return on("/api/healthz", change)


def echo(answer: Answer) -> None:
    """The trace id that was sent comes back, whatever it is."""
    if given := answer.request.get("x-trace-id"):
        answer.headers["x-trace-id"] = given


def files(change: Change) -> Change:
    """A change of what is neither a route nor the page itself."""
    known = ("/", "/healthz", "/dashboard", "/metrics", "/nowhere.js")
    return lambda answer: not answer.path.startswith("/api/") and answer.path not in known and change(answer)


def anew() -> Change:
    """Another id for each push, as if each were kept."""
    numbers = itertools.count(10_000)
    return on("/api/audit/push", lambda answer: becomes(id=next(numbers))(answer), status=200)


def line(name: str, value: str | None) -> Change:
    """A change of a figure in the log, or none of it, of an image whose queue says that it is no mock."""
    changes = (
        on("/log", text(f'"{name}": [0-9.]+', f'"{name}": {value}' if value else '"another": 1')),
        on(QUEUE, becomes(_mock=False), method="GET"),
    )
    return lambda answer: [change(answer) for change in changes]


PUSH, LIST, ZIP, QUEUE, WEBHOOK = (
    f"/api/{name}" for name in ("audit/push", "audit/list", "evidence/zip", "alerts/queue", "alerts/webhook")
)
EXPORT, GUARDRAILS, HEALTH = (f"/api/{name}" for name in ("snapshot/export", "guardrails/read", "healthz"))
DLQ = "/api/alerts/dlq"
OK = {"ok": True, "id": 1}
HISTOGRAM = "^web_next_http_request_duration_seconds_bucket"


def _died(at: str) -> dict[str, Any]:
    """A dead letter of that time."""
    return {"id": "a", "title": "b", "attempts": 3, "lastError": "c", "diedAt": f"2026-03-02T{at}:00Z"}


RED: dict[str, list[Change]] = {
    "healthz": [on("/healthz", status(503))],
    "api-healthz": [
        on(HEALTH, becomes(buildSha=...)),
        on(HEALTH, becomes(uptimeSec="3")),
        on(HEALTH, becomes(ok="true")),
        on(HEALTH, becomes(flags={"FEATURE_AUTO_PAUSE": True})),
        on(HEALTH, header("content-type", "text/plain")),
        check_is_gone("memory"),
        check_is_gone("queue"),
        check_is(ok=False, adapter="production"),
        check_is(ok=False, adapter="production", since="2026-03-02T09:30:00"),
    ],
    "security-headers": [
        everywhere(header("x-trace-id", None)),
        everywhere(header("x-frame-options", None)),
        everywhere(header("x-frame-options", "SAMEORIGIN")),
        everywhere(header("content-security-policy", None)),
        everywhere(header("content-security-policy", "default-src 'self'")),
        everywhere(header("strict-transport-security", "max-age=300")),
        refusals(header("strict-transport-security", None), 400),
        refusals(header("x-content-type-options", None), 404),
    ],
    "home": [
        on("/", status(302)),
        on("/", status(405), method="HEAD"),
        on("/", header("location", "/login")),
        on("/", header("x-frame-options", None), method="HEAD"),
    ],
    "dashboard": [
        on("/dashboard", status(500)),
        on("/dashboard", header("content-type", "application/json")),
        on("/dashboard", header("x-frame-options", None)),
        files(header("x-content-type-options", None)),
        files(status(404)),
    ],
    "trace-kept": [everywhere(header("x-trace-id", "another-1234")), refusals(header("x-trace-id", "another-1234"))],
    "trace-replaced": [
        everywhere(echo),
        refusals(echo, 404),
        everywhere(header("x-trace-id", "no id")),
        everywhere(header("x-trace-id", "always-the-same")),
    ],
    "errors": [
        refusals(says({"error": "no"})),
        refusals(says({"_err": "no", "traceId": "another-1234"}), 422),
        refusals(says("no"), 404),
        refusals(status(500), 422),
        refusals(header("content-type", "text/html"), 405),
    ],
    "invalid-json": [
        on(PUSH, says(OK, 200), sent=b"\xff"),
        on(EXPORT, says(OK, 200), status=400),
        on(WEBHOOK, status(500), status=400),
        refusals(says({"error": "no"}), 400),
    ],
    "body-limit": [
        on(PUSH, says(OK, 200), status=413),
        on(PUSH, status(500), status=413),
        on(PUSH, says(OK, 200), sent=b"x" * 16 * 1024),
    ],
    "audit-push": [
        on(PUSH, becomes(ok=False)),
        on(PUSH, becomes(id=...)),
        on(PUSH, becomes(id=True)),
        on(PUSH, says({"_err": "a content type is needed"}, 415)),
        on(PUSH, says({"_err": "a version is needed"}, 422), sent=b"strategyId"),
    ],
    "audit-details": [on(PUSH, says({"_err": "details must be text"}, 422), sent=b"nested")],
    "audit-idempotency": [anew(), on(PUSH, says(OK, 200), status=409)],
    "audit-list": [
        items(lambda listed: listed.reverse()),
        items(lambda listed: listed.clear()),
        items(lambda listed: listed.extend(listed[-1:] * 50)),
        each(traceId="another-1234"),
        each(details=None),
        each(ts="yesterday"),
        each(ts="2026-01-01T00:00:00"),
        each(result=None),
        on(LIST, becomes(_mock="false")),
        on(LIST, becomes(items={})),
    ],
    "evidence": [
        on(ZIP, becomes(uploadUrl="https://a/b", downloadUrl="https://a/b")),
        on(ZIP, becomes(expiresAt="2020-01-01T00:00:00Z")),
        on(ZIP, becomes(key="audit/x.zip")),
        on(ZIP, becomes(uploadUrl="/relative")),
        on(ZIP, becomes(ok=False)),
        on(ZIP, becomes(_mock=...)),
        on(ZIP, status(422), sent=b"jobId"),
    ],
    "queue": [
        on(QUEUE, becomes(_err="redis is away"), method="GET"),
        on(QUEUE, becomes(pending="1"), method="GET"),
        on(QUEUE, becomes(pending=True), method="GET"),
        on(QUEUE, becomes(dlq=-1), method="GET"),
        on(QUEUE, becomes(_mock=...), method="GET"),
    ],
    "dead-letters": [
        on(DLQ, becomes(_err="redis is away")),
        on(DLQ, becomes(total="1")),
        on(DLQ, becomes(items=None)),
        on(DLQ, becomes(items=[{"id": "a", "title": "b", "attempts": 3, "lastError": None, "diedAt": None}])),
        on(DLQ, becomes(total=1, items=[{"id": 1, "title": "b", "attempts": 3, "lastError": None, "diedAt": None}])),
        on(DLQ, becomes(total=1, items=[{"id": "a", "title": "b", "attempts": 3, "lastError": None, "diedAt": "x"}])),
        on(DLQ, becomes(total=2, items=[_died("09:30"), _died("09:31")])),
        on(DLQ, becomes(_mock=...)),
    ],
    "queue-action": [
        on(QUEUE, status(422), method="POST"),
        on(QUEUE, says({"_err": "no"}), method="POST"),
        on(QUEUE, says(OK, 200), method="POST", sent=b"null"),
    ],
    "webhook": [
        on(WEBHOOK, status(200)),
        on(WEBHOOK, becomes(jobId=...)),
        on(WEBHOOK, becomes(ok=False)),
        on(WEBHOOK, becomes(_mock=...)),
    ],
    "guardrails": [
        on(GUARDRAILS, becomes(thresholds={"maxDrawdown": "0.15"})),
        on(GUARDRAILS, becomes(thresholds={"maxLoss": 0.1})),
        on(GUARDRAILS, becomes(thresholds={"maxDrawdown": 0.1, "maxLoss": None})),
        on(GUARDRAILS, becomes(lastBreach="none")),
        on(GUARDRAILS, becomes(lastBreach={"guardrail": "maxDrawdown"})),
        on(GUARDRAILS, becomes(_mock=...)),
    ],
    "snapshot": [
        on(EXPORT, text("^# Spark Trading Platform - ", "# "), status=200),
        on(EXPORT, text("^# Build SHA: .*\n", ""), status=200),
        on(EXPORT, text("^# Exported At: .*", "# Exported At: now"), status=200),
        on(EXPORT, text("^# Period: 24 hours", "# Period: 1 hours"), status=200),
        on(EXPORT, header("content-type", "application/json"), status=200),
        on(EXPORT, status(500), status=200),
    ],
    "mock-mark": [
        everywhere(header("x-web-next-mock", None)),
        everywhere(header("x-web-next-mock", "1")),
        on(HEALTH, header("x-web-next-mock", "true")),
        on(EXPORT, header("x-web-next-mock", None), status=200),
        on(EXPORT, text("^# _mock: true", "# _mock: false"), status=200),
        on(LIST, becomes(_mock=True)),
        on(ZIP, becomes(_mock=False)),
        refusals(header("x-web-next-mock", "true"), 404),
    ],
    "metric-names": [
        on("/metrics", text("web_next_audit_inserts", "audit_inserts")),
        on("/metrics", text("web_next_flag gauge", "web_next_flag counter")),
        on("/metrics", status(404)),
    ],
    "metric-labels": [
        on("/metrics", text(r'\bmethod="', 'verb="')),
        on("/metrics", text('traffic="smoke"', 'traffic="user"')),
        on("/metrics", text('traffic="user"', 'traffic="smoke"')),
        on("/metrics", text('route="/api/audit/push"', 'route="/api/audit/push?x=1"')),
    ],
    "metric-bounds": [
        on("/metrics", text(HISTOGRAM + r'.*le="1.2".*\n', "")),
        on("/metrics", text('le="1.5"', 'le="1.6"')),
        on("/metrics", text(HISTOGRAM + r".*\n", "")),
    ],
    "log-figures": [
        line("oldestAlertSeconds", None),
        line("deadLetters", None),
        line("outboxPending", None),
        line("spooledEntries", None),
        line("oldestAlertSeconds", '"7.5"'),
        line("deadLetters", "true"),
        line("spooledEntries", "-1"),
        on("/log", text("^.*\n", "")),
    ],
}


def test_every_rule_has_a_red_twin() -> None:
    assert list(RED) == list(RULES)


@pytest.mark.parametrize(("rule", "change"), [(rule, change) for rule, changes in RED.items() for change in changes])
def test_an_image_that_breaks_the_rule_is_found(rule: str, change: Change, target: Target) -> None:
    target.change = change

    assert rule in checked(target).broken


def test_an_image_that_is_slow_to_say_that_it_lives_is_found(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "HEALTHY_SECONDS", 0.0)

    assert checked(target).broken == ["healthz"]


def test_the_log_of_app_and_worker_has_all_four_figures(target: Target) -> None:
    target.change = line("nothing", None)

    seen = {result.rule: result.seen for result in checked(target).results}
    assert seen["log-figures"] == "oldestAlertSeconds, deadLetters, outboxPending, spooledEntries"


def test_a_list_of_a_fallback_without_the_entry_is_not_judged(target: Target) -> None:
    target.change = on(LIST, becomes(_mock=True, items=[]))

    seen = {result.rule: result.outcome for result in checked(target).results}
    assert seen["audit-list"] == "skip"


def test_an_alert_is_posted_only_where_it_is_allowed(target: Target) -> None:
    posted = []
    target.change = on(WEBHOOK, lambda answer: posted.append(answer.sent), status=202)

    assert {result.rule: result.outcome for result in checked(target, write_alert=False).results}["webhook"] == "skip"
    assert posted == []
    assert checked(target).broken == []
    assert len(posted) == 1


def test_two_entries_are_all_that_a_check_writes(target: Target) -> None:
    kept = set()
    target.change = on(PUSH, lambda answer: kept.add(answer.json["id"]), status=200)
    checked(target)

    assert len(kept) == 2


def test_requests_that_the_edge_limits_are_repeated(target: Target) -> None:
    limited = set()

    def limit(answer: Answer) -> None:
        if answer.path.startswith("/api/") and answer.path not in limited:
            limited.add(answer.path)
            answer.status, answer.headers["retry-after"] = 429, "0"

    target.change = limit
    assert checked(target).broken == []
    assert len(limited) > 5
