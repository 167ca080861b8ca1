"""Each check of the smoke suite is red on what is really broken, says so, and is green again once that is mended.

What different checks notice is broken at the same time: a run takes as long as the slowest of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import httpx
import pytest

from tests.support.faults import hanging, paused, stopped
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

OTHER_IMAGE = "sha256:" + "0" * 64
LIMITED_BEFORE_THE_RATE_RUN, SECONDS = 11, 20
"""What a healthy suite may take, from a bucket that has drained."""
DRAINED_SECONDS = 12
STANDS = {"pass", "passed on retry"}
NO_POSTGRES = "postgres, executor, prometheus; with another commit"
NO_WORKER = "the worker, a header"
NO_REDIS = "redis, s3 and vault, the log's reader; with another image"
NO_PIN = "a pin that is honoured"
"""What is broken at the same time."""


@dataclass(frozen=True)
class Run:
    """How `cutover smoke --target -` ended, what it said while it ran, and what it found."""

    target: dict[str, Any]
    code: int
    said: str
    verdict: str
    caveats: list[str]
    findings: dict[str, dict[str, Any]]

    def outcome(self, check: str) -> str:
        return str(self.findings[check]["outcome"])

    def saw(self, check: str) -> str:
        return str(self.findings[check]["saw"])


def smoke(system: System, deployed: dict[str, Any] | None = None, **changes: Any) -> Run:
    """A run of the suite, which knows no Pulumi, against what the system has deployed; its record may say something
    else."""
    target = (deployed or system.outputs()["smoke_target"]) | changes
    done = subprocess.run(
        [sys.executable, "-m", "cutover", "smoke", "--target", "-", "--json"],
        cwd=system.folder,
        env={name: value for name, value in system.environment.items() if not name.startswith("PULUMI")},
        input=json.dumps(target),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    report = json.loads(done.stdout)
    found = {each["check"]: each for each in report["findings"]}
    decision = report["decision"]
    return Run(target, done.returncode, done.stderr, decision["verdict"], decision["caveats"], found)


CONF, SOUND = "/etc/nginx/edge/nginx.conf", "/tmp/sound.conf"


def edge_does(system: System, script: str) -> None:
    """Changes nginx's configuration by a shell's command, and has nginx take it."""
    done = system.container("edge").exec_run(["sh", "-c", f"{script} && nginx -c {CONF} -s reload"])
    assert done.exit_code == 0, done.output


@contextmanager
def edge(system: System, edit: str) -> Iterator[None]:
    """The edge is edited for the block by a line of sed, which changes something; then it is what it was."""
    edge_does(system, f"cp {CONF} {SOUND} && sed -i -E '{edit}' {CONF} && ! cmp -s {CONF} {SOUND}")
    try:
        yield
    finally:
        edge_does(system, f"cp {SOUND} {CONF}.sound && mv {CONF}.sound {CONF}")


@contextmanager
def another_worker(system: System, image: str) -> Iterator[None]:
    """The worker's place is taken for the block by a container of another image."""
    worker = system.container("worker")
    name = worker.name
    worker.stop(timeout=1)
    worker.rename(f"{name}-aside")
    other = docker.from_env().containers.run(
        image, ["sleep", "600"], name=name, detach=True, labels=[system.machine.label], entrypoint=""
    )
    try:
        yield
    finally:
        other.remove(force=True)
        worker.rename(name)
        worker.start()


@pytest.fixture(scope="module")
def healthy(standing: System) -> Run:
    """A run before anything is broken, from an address whose bucket has drained."""
    webhook = f"{standing.executor}/alerts/receive"
    standing.vault().put_secret_value(SecretId=f"web-next-{standing.stack}/SLACK_WEBHOOK_URL", SecretString=webhook)
    wait_for(standing.well)
    time.sleep(DRAINED_SECONDS)
    return smoke(standing)


@pytest.fixture(scope="module")
def reds(standing: System, healthy: Run) -> dict[str, Run]:
    """The runs in which something is broken, by what it is; everything is mended afterwards."""
    target, runs = healthy.target, {}
    with ExitStack() as broken:
        for part in ("audit", "executor", "prometheus"):
            broken.enter_context(paused(standing.container(part)))
        runs[NO_POSTGRES] = smoke(standing, target, build_sha="0000000")
    wait_for(standing.well)
    with ExitStack() as broken:
        broken.enter_context(another_worker(standing, standing.container("reader").attrs["Image"]))
        broken.enter_context(edge(standing, r"s/^( *)(add_header X-Frame-Options .*)/\1# \2/"))
        runs[NO_WORKER] = smoke(standing, target)
    with ExitStack() as broken:
        broken.enter_context(stopped(standing.container("queues")))
        broken.enter_context(stopped(standing.container("reader")))
        broken.enter_context(hanging(standing.emulator))
        wait_for(lambda: not measured(target))
        runs[NO_REDIS] = smoke(standing, target, image=OTHER_IMAGE)
    wait_for(standing.well)
    address = r"( +([0-9]+\.){3}[0-9]+)"  # of the callers whose pin is honoured
    with edge(standing, rf"s/^{address} 1;$/\1 0;/"):
        runs[NO_PIN] = smoke(standing, target, track="candidate")
    return runs


def measured(target: dict[str, Any]) -> bool:
    """Whether Prometheus reaches the reader of the edge's log."""
    url = f"{target['places']['metrics_url']}/api/v1/query"
    answer = httpx.get(url, params={"query": 'up{job="edge"} == 1'}, timeout=5, trust_env=False).json()
    return bool(answer["data"]["result"])


def test_a_sound_system_is_a_go_within_seconds_and_few_limited_requests(standing: System, healthy: Run) -> None:
    assert healthy.code == 0
    assert healthy.verdict.startswith("GO")
    assert {name: each["saw"] for name, each in healthy.findings.items() if each["outcome"] == "fail"} == {}
    assert "died after 3 attempts, was put back and arrived" in healthy.saw("queue")
    assert "smoke    1 of " in healthy.said, "it says how far it is while it runs"
    kept = standing.folder / ".local/smoke" / standing.stack / "samples.jsonl"
    samples = [json.loads(line) for line in kept.read_text().splitlines()]
    before = [each for each in samples if each["path"].startswith("/api/") and each["check"] != "rate limit"]
    assert len(before) <= LIMITED_BEFORE_THE_RATE_RUN, [(each["check"], each["path"]) for each in before]
    assert max(each["received"] for each in samples) < SECONDS


RED = [
    (NO_POSTGRES, "audit", "push was taken by a fallback: via spool"),
    (NO_POSTGRES, "guardrails", "answered by a fallback: _mock is True"),
    (NO_POSTGRES, "queue", "the receiver at http"),
    (NO_POSTGRES, "monitoring", "Prometheus at http"),
    (NO_POSTGRES, "dashboards", "Prometheus at http"),
    (NO_POSTGRES, "snapshot export", "where '# Build SHA: 0000000' is expected"),
    (NO_POSTGRES, "build", "healthz buildSha is "),
    (NO_WORKER, "queue", "was not tried 3 times within 10 s"),
    (NO_WORKER, "build", "runs image sha256:"),
    (NO_WORKER, "headers", "x-frame-options is None, 'DENY' expected"),
    (NO_REDIS, "queue", "the counts are a fallback's: _mock is True"),
    (NO_REDIS, "evidence", "the upload is granted by a fallback: _mock is True"),
    (NO_REDIS, "audit", "the row cannot be looked for: the vault"),
    (NO_REDIS, "build", f"not {OTHER_IMAGE}"),
    (NO_REDIS, "monitoring", "no sample of web_next_edge_requests_total"),
    (NO_PIN, "health", "answered by stable, candidate was asked for"),
    (NO_PIN, "audit", "answered by stable, candidate was asked for"),
    (NO_PIN, "headers", "answered by stable, candidate was asked for"),
]


@pytest.mark.parametrize(("broken", "check", "clause"), RED, ids=[f"{check} without {what}" for what, check, _ in RED])
def test_a_check_is_red_and_says_what_is_broken(
    reds: dict[str, Run], healthy: Run, broken: str, check: str, clause: str
) -> None:
    assert healthy.outcome(check) != "fail"
    assert reds[broken].outcome(check) == "fail"
    assert clause in reds[broken].saw(check)


@pytest.mark.parametrize("broken", [NO_POSTGRES, NO_WORKER, NO_REDIS, NO_PIN])
def test_each_is_a_no_go(reds: dict[str, Run], broken: str) -> None:
    assert (reds[broken].code, reds[broken].verdict) == (3, "NO-GO")


def test_a_build_other_than_the_records_is_a_caveat(reds: dict[str, Run]) -> None:
    assert "Build SHA" in reds[NO_POSTGRES].caveats


def test_what_is_not_broken_stays_green(reds: dict[str, Run]) -> None:
    run = reds[NO_POSTGRES]
    assert [run.outcome(check) for check in ("health", "evidence", "replicas", "headers")] == ["pass"] * 4
    assert run.outcome("rate limit") in STANDS
    assert run.saw("health").endswith("it misses audit, queue, guardrails")


def test_once_all_is_mended_the_verdict_is_what_it_was(standing: System, reds: dict[str, Run], healthy: Run) -> None:
    wait_for(standing.well)
    wait_for(lambda: measured(healthy.target))

    again = smoke(standing, healthy.target)

    assert (again.code, again.verdict) == (healthy.code, healthy.verdict)
    for check, found in healthy.findings.items():
        assert again.outcome(check) == found["outcome"] or {again.outcome(check), found["outcome"]} == STANDS
