"""Reports as a run of the suite leaves them, and packs of them: GO, GO with caveats and NO-GO."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cutover.evidence.document import AppChecks, Rehearsal, RestoreDrill, Supplied
from cutover.evidence.pack import Pack
from cutover.smoke.decision import decide
from cutover.smoke.finding import Finding, Outcome
from cutover.smoke.limit_run import fast
from cutover.smoke.limiter import Limit
from cutover.smoke.probe import Sample
from cutover.smoke.report import Report
from outputs.smoke import Criterion, DockerProcesses, SmokeTarget, Waiver
from tests.support import edge_double
from tests.support.edge_double import Nginx, NoLimit

AT = datetime(2026, 11, 29, 2, 15, 0, 250_000, tzinfo=UTC)
BUILD = "4f2c1d9a6b3e8c7d5f0a1b2c3d4e5f6071829304"

TARGET = replace(
    edge_double.TARGET,
    stack="local",
    build_sha=BUILD,
    digest="9c" * 32,
    edge=replace(edge_double.TARGET.edge, url="https://localhost:8452"),
    places=replace(edge_double.TARGET.places, records_bucket="web-next-local-records-5f1c"),
    processes=DockerProcesses(app="web-next-local-stable-5f1c", worker="web-next-local-worker-5f1c"),
    on_call="Grace Hopper",
)

SAW = {
    Criterion.HEALTH: ("health", "asked for the deployed build", "build 4f2c1d9a6b3e, up 61 s", 0.1),
    Criterion.AUDIT: ("audit", "wrote an entry and read it back", "entry 4711 written and read", 0.4),
    Criterion.EVIDENCE: ("evidence", "put an object and fetched it", "4096 bytes put and fetched", 0.6),
    Criterion.RATE_LIMIT: (
        "rate limit",
        "sent the playbook's burst",
        "11 of 65 passed: 60/min with burst 10",
        4.1,
    ),
    Criterion.GUARDRAILS: ("guardrails", "read the thresholds", "maxDrawdown 0.15 and 4 more", 0.2),
    Criterion.QUEUE: ("queue", "walked a job over the dead letters", "job smoke-7 was retried and delivered", 5.2),
    Criterion.HEADERS: ("headers", "asked for the security headers", "all 5 headers on 6 paths", 0.3),
    Criterion.TRACE_COPY: ("trace copy", "clicked a trace id in a browser", "trace id smoke-1f0c copied", 2.8),
    Criterion.BUILD: ("build", "compared images with the release", "app and worker run sha256:aaaaaaaaaaaa", 0.3),
}
"""Of each criterion: the check, what it did, what it saw, and its seconds."""


def finding(
    check: str, criterion: Criterion | None, did: str, saw: str, seconds: float = 0.2, **other: object
) -> Finding:
    """One that passed, a few seconds before the verdict."""
    made = Finding(
        check=check,
        criterion=criterion,
        did=did,
        saw=saw,
        outcome=Outcome.PASS,
        at=AT - timedelta(seconds=9.4),
        seconds=seconds,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def findings(**seen: tuple[Outcome, str]) -> list[Finding]:
    """All nine passed, a snapshot export and the metrics too, but for those of these criteria or checks by name."""
    made = [finding(check, criterion, did, saw, seconds) for criterion, (check, did, saw, seconds) in SAW.items()]
    made += [
        finding("snapshot export", None, "exported the last 24 hours as CSV", "5 lines of heading, 12 rows", 0.3),
        finding("monitoring", None, "asked for the newest sample of each gate's metric", "the oldest is 9 s old", 0.1),
    ]
    made = [
        replace(each, at=each.at + timedelta(seconds=5.3)) if each.criterion is Criterion.RATE_LIMIT else each
        for each in made
    ]
    wanted = {name.replace("_", " "): what for name, what in seen.items()}
    assert wanted.keys() <= {each.check for each in made}
    return [
        replace(each, outcome=wanted[each.check][0], saw=wanted[each.check][1]) if each.check in wanted else each
        for each in made
    ]


def rate_samples(edge: str = "9d3c2f7a41b0", limiter: Nginx | NoLimit | None = None) -> list[Sample]:
    """The rate check's requests to one edge: the playbook's limit answers them, or another limiter."""
    limiter = limiter or Nginx(60, 10)
    made, now = [], 0.0
    for due in fast(Limit.of(60, 10), 1).due:
        now = max(now + 0.004, due)
        made.append(
            Sample(
                check="rate limit",
                method="GET",
                path="/api/smoke",
                sent=round(now, 6),
                received=round(now + 0.004, 6),
                status=404 if limiter.passes(now + 0.002) else 429,
                track="stable",
                edge=edge,
            )
        )
    return made


def report_of(
    found: list[Finding], target: SmokeTarget = TARGET, samples: list[Sample] | None = None, at: datetime = AT
) -> Report:
    """The report of these findings, decided then."""
    taken = rate_samples() if samples is None else samples
    return Report(target=target, at=at, findings=found, decision=decide(found, target.rules, at), samples=taken)


SUPPLIED = Supplied(
    version_before="1.5.0",
    app_checks=AppChecks(build_sha=BUILD, typescript_errors=0, build_clean=True),
    rehearsal=Rehearsal(at=AT - timedelta(days=1), release=TARGET.digest, rollback_seconds=2.5),
    drill=RestoreDrill(at=AT - timedelta(days=6), seconds=41.5, rows=1234, schema_version=6),
)

GO = report_of(findings())
CAVEATS = report_of(
    findings(
        trace_copy=(Outcome.NOT_RUN, "there is no Chromium on this machine: make up installs one"),
        evidence=(Outcome.RETRIED, "4096 bytes put and fetched, a stranger got 403"),
        headers=(Outcome.FAIL, "GET /dashboard has no strict-transport-security, max-age=31536000 expected"),
        monitoring=(Outcome.FAIL, "web_next_edge_requests_total has its newest sample 312 s ago, 120 s allowed"),
    ),
    replace(
        TARGET,
        rules=replace(
            TARGET.rules,
            waivers=[
                Waiver(
                    criterion=Criterion.HEADERS,
                    reason="HSTS waits for the new domain",
                    owner="Ada Lovelace",
                    expires=date(2026, 12, 1),
                )
            ],
        ),
    ),
)
NO_GO = report_of(
    findings(
        audit=(Outcome.FAIL, 'POST /api/audit/push: 503 \'{"_err":"nothing kept the entry"}\', 200 expected'),
        rate_limit=(
            Outcome.FAIL,
            "76 of 130 passed: 9d3c2f7a41b0 answered as with no limit, not 60/min with burst 10",
        ),
        build=(Outcome.FAIL, "worker runs sha256:bbbbbbbbbbbb, sha256:aaaaaaaaaaaa is deployed"),
        queue=(Outcome.NOT_RUN, "stopped: it had not ended after 120 s"),
    ),
    samples=[*rate_samples(limiter=NoLimit()), *rate_samples("b7710c4e9a52")],
)


def pack(report: Report = GO, supplied: Supplied = SUPPLIED) -> Pack:
    """The pack of a report."""
    return Pack.of(report, supplied)
