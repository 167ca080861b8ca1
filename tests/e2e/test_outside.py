"""What the app shows to those outside of the stack: a token to the executor, headers to whoever collects its spans."""

from __future__ import annotations

import secrets
from dataclasses import replace

import httpx
import pytest

from cutover.smoke.checks import guardrails
from cutover.smoke.probe import CheckFailedError, Probe, Samples
from outputs.smoke import SmokeTarget
from tests.support.collector import Collector
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

WHY = "refused with 401: it does not take the vault's EXECUTOR_TOKEN, put the one that it knows"


def put(system: System, entry: str, value: str) -> None:
    system.vault().put_secret_value(SecretId=f"web-next-{system.stack}/{entry}", SecretString=value)


def log(system: System, part: str) -> str:
    return str(system.container(part).logs().decode())


def through_the_edge(system: System) -> str:
    """The trace id that a request comes back with, once the limit lets one through."""
    url = f"{system.outputs()['edge_url']}/api/healthz"
    ids: list[str] = []

    def passed() -> bool:
        answer = httpx.get(url, verify=False, trust_env=False, timeout=10)
        ids.append(answer.headers["x-trace-id"])
        return answer.status_code == 200

    wait_for(passed)
    return ids[-1]


def restart_app(system: System) -> None:
    """Afterwards it knows nothing of the vault that it knew before."""
    system.container("stable").restart(timeout=1)

    def answers() -> bool:
        try:
            return httpx.get(f"{system.app}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    wait_for(answers)


def guardrails_of(system: System) -> str:
    """What the smoke suite's check of the guardrails says."""
    deployed = SmokeTarget.from_output(system.outputs()["smoke_target"])
    authority = str(system.folder / ".local" / "tls" / "ca.pem")
    with Probe.of(replace(deployed, edge=replace(deployed.edge, authority=authority)), Samples()) as probe:
        return guardrails.look(probe)


def test_a_requests_trace_reaches_the_collector_with_the_vaults_header_under_the_id_that_people_copy(
    standing: System, collector: Collector
) -> None:
    key = secrets.token_hex(16)
    assert collector.spans == [], "the vault has had no header yet"
    wait_for(lambda: "takes none: secret" in log(standing, "stable"))
    put(standing, "OTLP_HEADERS", f"api-key={key}")

    trace_id = through_the_edge(standing)
    wait_for(lambda: bool(collector.of(trace_id)))
    (span,) = collector.of(trace_id)

    assert (span.name, span.tracer, span.trace) == ("GET /api/healthz", "web-next", trace_id)
    assert span.headers["api-key"] == key
    assert span.version == standing.outputs()["release"]["build_sha"]
    assert "the collector takes spans again" in log(standing, "stable")
    assert key not in log(standing, "stable") + standing.state_text()


def test_the_executor_takes_calls_with_the_vaults_token_alone_and_smoke_names_one_that_it_does_not_take(
    standing: System,
) -> None:
    right, wrong = standing.secret("EXECUTOR_TOKEN"), secrets.token_hex(16)
    assert httpx.get(f"{standing.executor}/guardrails", trust_env=False).status_code == 401
    wait_for(standing.well)
    try:
        put(standing, "EXECUTOR_TOKEN", wrong)
        restart_app(standing)
        wait_for(lambda: f"executor: GET /guardrails was {WHY}" in log(standing, "stable"))
        with pytest.raises(CheckFailedError, match=f"_mock is True; executor: GET /guardrails was {WHY}"):
            guardrails_of(standing)
    finally:
        put(standing, "EXECUTOR_TOKEN", right)
        restart_app(standing)
        wait_for(standing.well)

    assert guardrails_of(standing).startswith("maxDrawdown 0.15 from the executor")
    told = log(standing, "stable") + log(standing, "worker") + log(standing, "executor") + standing.state_text()
    assert not [one for one in (right, wrong) if one in told]
