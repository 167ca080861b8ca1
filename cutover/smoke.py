"""The smoke suite: what a deployment must show through its edge before it counts."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cutover.decision import Criterion, Decision, Outcome, Verdict, decide
from cutover.errors import CutoverError, NoGoError, NotPreparedError
from cutover.limiter import Observation, judge

REPORTS = Path(".local/smoke")
USER_AGENT = "web-next-smoke"
TRACK_HEADER = "X-Web-Next-Track"
"""Asks the edge for one track, whatever the weight; it listens to trusted callers only."""
BURST_REQUESTS = 65
"""Requests of the playbook's rate check."""
LIMITED_PATH = "/api/smoke"
"""Under the edge's limit, and no route of the app."""
DRAIN_SECONDS = 3.5
"""Pause after the burst: long enough that a limiter at half or twice the rate shows itself."""


class CheckFailedError(Exception):
    """A check saw something other than what it must; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is tested, and what is expected of it; all of it comes from the deployment record."""

    stack: str
    track: str
    url: str
    authority: str | None
    build_sha: str
    version: str
    rate_per_minute: int
    burst: int

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Target:
        """The target that a deployment record describes. Raises CutoverError when a part is missing."""
        try:
            edge = record["edge"]
            return cls(
                stack=record["stack"],
                track=record["track"],
                url=edge["url"],
                authority=edge.get("authority"),
                build_sha=record["build_sha"],
                version=record["version"],
                rate_per_minute=edge["rate_per_minute"],
                burst=edge["burst"],
            )
        except KeyError as missing:
            raise CutoverError(f"the deployment record has no {missing}: it was written by another version") from None


@dataclass(frozen=True, kw_only=True)
class Result:
    """One criterion's outcome; `detail` is what was seen, in a line."""

    criterion: Criterion
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """The suite's results and the decision that follows from them."""

    target: Target
    results: tuple[Result, ...]
    decision: Decision

    def table(self) -> str:
        """The report for a terminal: a line for each criterion, then the verdict."""
        lines = [
            f"  {result.outcome.value.upper():<8} {result.criterion.value:<15} {result.seconds:5.1f} s  {result.detail}"
            for result in self.results
        ]
        track = "" if self.target.track == "stable" else f"{self.target.track} "
        lines.append(f"  {self.decision.verdict.value}  web-next {self.target.version} {track}at {self.target.url}")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)

    def require_go(self) -> None:
        """Raises NoGoError, naming each mandatory criterion that does not stand, unless the verdict is a GO."""
        if self.decision.verdict is Verdict.NO_GO:
            seen = {result.criterion: result.detail for result in self.results}
            failed = [criterion for criterion in self.decision.against if criterion.mandatory]
            causes = "; ".join(f"{criterion.value}: {seen.get(criterion, 'not run')}" for criterion in failed)
            raise NoGoError(f"NO-GO: {causes}")


@dataclass(kw_only=True)
class Probe:
    """The client the checks share. It remembers every limited request, because all of them fill one bucket."""

    http: httpx.Client
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    observations: list[Observation] = field(default_factory=list)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> httpx.Response:
        """One request, whatever its answer. Raises CheckFailedError when there is none."""
        sent = self.clock()
        try:
            answer = self.http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise CheckFailedError(f"{method} {path}: no answer ({type(error).__name__}: {error})") from None
        limited = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        self.observations.append(Observation(sent=sent, received=self.clock(), limited=limited))
        return answer

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """The JSON object of a 200, waiting while the edge limits. Raises CheckFailedError on any other answer."""
        for _ in range(12):
            answer = self.send(method, path, body, **headers)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            wait = answer.headers.get("retry-after", "")
            self.sleep(int(wait) if wait.isdecimal() else 1)
        if answer.status_code != httpx.codes.OK:
            raise CheckFailedError(f"{method} {path}: {answer.status_code} {answer.text[:120]!r}, 200 expected")
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise CheckFailedError(f"{method} {path}: not a JSON object: {answer.text[:120]!r}")
        return document


Check = Callable[[Probe, Target], str]


def health(probe: Probe, target: Target) -> str:
    """The app answers, and it is the build that was deployed."""
    answer = probe.ask("GET", "/api/healthz")
    for key, expected in (("ok", True), ("buildSha", target.build_sha), ("version", target.version)):
        if answer.get(key) != expected:
            raise CheckFailedError(f"healthz {key} is {answer.get(key)!r}, {expected!r} expected")
    return f"build {target.build_sha}, up {answer.get('uptimeSec')} s"


def audit(probe: Probe, _target: Target) -> str:
    """An entry that is written is read back, from Postgres and not from a fallback."""
    trace = f"smoke-{uuid.uuid4()}"
    body = {"action": "smoke", "result": "ok", "details": {"traffic": "smoke"}}
    pushed = probe.ask("POST", "/api/audit/push", body, **{"x-trace-id": trace})
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


def rate_limit(probe: Probe, target: Target) -> str:
    """The edge refuses what is over the limit, passes what is not, and refills at the configured rate.

    It asks for a path that the app does not have: what is not a 429 has passed the limiter, at no cost and
    whatever state the app is in. If the first burst meets a bucket that others had filled, the check waits
    until it must be empty and repeats, so that a limit that is too strict is told from earlier traffic.
    """
    rate = target.rate_per_minute / 60
    passed = _burst(probe, target)
    wrong = judged(probe.observations, target, idle_before=False)
    if passed <= target.burst and judged(probe.observations, target, idle_before=True):
        probe.sleep((target.burst + 1) / rate + 1)
        probe.observations.clear()
        passed = _burst(probe, target)
        wrong = judged(probe.observations, target, idle_before=True)
    if not wrong and not any(seen.limited for seen in probe.observations):
        wrong = "the limit was never reached, the edge answers too slowly"
    sent = _burst_requests(target)
    if wrong:
        raise CheckFailedError(f"{passed} of {sent} passed; {wrong}")
    return f"{passed} of {sent} passed, the rest 429; refills at {target.rate_per_minute}/min"


def _burst_requests(target: Target) -> int:
    return max(BURST_REQUESTS, target.burst + 55)  # the playbook's 65 are 55 more than its burst


def _burst(probe: Probe, target: Target) -> int:
    passed = sum(_passes(probe) for _ in range(_burst_requests(target)))
    probe.sleep(DRAIN_SECONDS * 60 / target.rate_per_minute)
    for _ in range(6):
        _passes(probe)
    return passed


def _passes(probe: Probe) -> bool:
    return probe.send("GET", LIMITED_PATH).status_code != httpx.codes.TOO_MANY_REQUESTS


def judged(observations: Sequence[Observation], target: Target, *, idle_before: bool) -> str:
    """What contradicts the limit in the observations, in a clause; empty when nothing does."""
    rate = target.rate_per_minute * 1000 // 60 / 1000  # nginx counts in whole thousandths of a request a second
    verdicts = judge(observations, rate=rate, burst=target.burst, idle_before=idle_before)
    lax = sum(verdict.impossible and not verdict.observation.limited for verdict in verdicts)
    strict = sum(verdict.impossible and verdict.observation.limited for verdict in verdicts)
    limit = f"{target.rate_per_minute}/min with burst {target.burst}"
    clauses = [f"{lax} passed that {limit} refuses"] if lax else []
    clauses += [f"{strict} refused that {limit} passes"] if strict else []
    return ", ".join(clauses)


CHECKS: Mapping[Criterion, Check] = {
    Criterion.HEALTH: health,
    Criterion.AUDIT: audit,
    Criterion.RATE_LIMIT: rate_limit,
}


def run(target: Target, *, probe: Probe | None = None, checks: Mapping[Criterion, Check] = CHECKS) -> Report:
    """Runs the checks in order against the target and decides. A check that fails does not stop the others."""
    if probe is None:
        try:
            trust = ssl.create_default_context(cafile=target.authority)
        except OSError as error:
            raise NotPreparedError(
                f"{target.authority} is no certificate authority ({error}): make up writes it"
            ) from None
        headers = {"user-agent": USER_AGENT, TRACK_HEADER: target.track}
        with httpx.Client(base_url=target.url, verify=trust, timeout=10, headers=headers, trust_env=False) as http:
            return run(target, probe=Probe(http=http), checks=checks)
    results = []
    for criterion, check in checks.items():
        started = probe.clock()
        try:
            outcome, detail = Outcome.PASS, check(probe, target)
        except CheckFailedError as failure:
            outcome, detail = Outcome.FAIL, str(failure)
        seconds = round(probe.clock() - started, 2)
        results.append(Result(criterion=criterion, outcome=outcome, detail=detail, seconds=seconds))
    decision = decide({result.criterion: result.outcome for result in results})
    return Report(target=target, results=tuple(results), decision=decision)


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """The newest report of a stack, as it was printed."""

    table: str
    no_go: bool


def save(report: Report) -> None:
    """Keeps the newest report of its stack, as text for people and JSON for machines."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    stack = report.target.stack
    (REPORTS / f"{stack}.json").write_text(json.dumps(report.document(), indent=2) + "\n")
    (REPORTS / f"{stack}.txt").write_text(report.table() + "\n")


def saved(stack: str, *, since: float) -> SavedReport | None:
    """The stack's report if it was saved after `since` (seconds of the epoch)."""
    document, text = REPORTS / f"{stack}.json", REPORTS / f"{stack}.txt"
    if not text.exists() or text.stat().st_mtime < since:
        return None
    verdict = json.loads(document.read_text())["decision"]["verdict"]
    return SavedReport(table=text.read_text().rstrip(), no_go=verdict == Verdict.NO_GO)
