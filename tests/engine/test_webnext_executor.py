"""Breach, pause, audit and the executor's faults, with every process real: web-next, the executor double, and loads
on both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.answering import PREFIX, Secrets, secrets_manager
from tests.support.containers import wait_until
from tests.support.executor import APP, DOUBLE, ENVIRONMENT, Process, Pushes, journal

pytestmark = pytest.mark.engine


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def double(tmp_path: Path, processes: contextlib.ExitStack) -> Process:
    process = Process(DOUBLE, tmp_path, (str(tmp_path / "data"),))
    processes.callback(process.kill)
    process.start()
    return process


def app(double: Process, processes: contextlib.ExitStack, **flags: float) -> Process:
    environment = ENVIRONMENT | {"NEXT_PUBLIC_EXECUTOR_URL": double.url}
    environment |= {f"FEATURE_{name.upper()}": str(share) for name, share in flags.items()}
    process = Process(APP, double.folder, environment=environment)
    processes.callback(process.kill)
    process.start()
    return process


def audited(double: Process, action: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = double.post("/audit/list", {"limit": 500})["items"]
    return [item for item in items if item["action"] == action]


def live(double: Process) -> int:
    count: int = double.get("/guardrails").json()["strategies"]["live"]
    return count


def test_a_breach_is_followed_by_one_audited_pause_whatever_the_number_of_processes(
    double: Process, processes: contextlib.ExitStack
) -> None:
    candidates = [app(double, processes, auto_pause=0.5) for _ in range(2)]
    app(double, processes, auto_pause=0)
    breach = double.post("/double/breach", {"strategyId": "s-07"})

    wait_until(
        lambda: all(one.get("/api/guardrails/read").json()["autoPause"].get("at") for one in candidates), "pause"
    )
    wait_until(lambda: bool(audited(double, "auto_pause")), "audited pause")

    [row] = audited(double, "auto_pause")
    assert row["id"] == f"web-next auto-pause:{breach['id']}"
    assert row["strategyId"] == "s-07"
    assert row["details"].items() >= {"breachId": breach["id"], "guardrail": "maxDrawdown", "share": 0.5}.items()
    assert len(row["details"]["paused"]) == 5
    assert live(double) == 5
    states = {item["id"]: item["state"] for item in double.get("/strategies").json()["items"]}
    assert {states[strategy] for strategy in row["details"]["paused"]} == {"paused"}
    for candidate in candidates:
        read = candidate.get("/api/guardrails/read").json()
        assert read["_mock"] is False
        assert read["lastBreach"] == breach
        assert read["autoPause"]["strategies"] == row["details"]["paused"]


def shown(vault: Secrets) -> dict[str, str]:
    """What a process is told whose vault has a token."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    told = {"VAULT_PREFIX": PREFIX, "VAULT_ENTRIES": "EXECUTOR_TOKEN", "S3_REGION": "eu-central-1"}
    return credentials | told | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": vault.url}


def test_the_executor_takes_calls_with_its_token_and_another_is_told_by_name_and_kept_out_of_the_log(
    tmp_path: Path, processes: contextlib.ExitStack
) -> None:
    token, wrong = secrets.token_hex(8), secrets.token_hex(8)
    known, other = (processes.enter_context(secrets_manager({"EXECUTOR_TOKEN": one})) for one in (token, wrong))
    double = Process(DOUBLE, tmp_path, (str(tmp_path / "data"),), environment=shown(known))
    processes.callback(double.kill)
    double.start()
    told = ENVIRONMENT | {"NEXT_PUBLIC_EXECUTOR_URL": double.url}
    right, red = (Process(APP, tmp_path, environment=told | shown(vault)) for vault in (known, other))
    for process in (right, red):
        processes.callback(process.kill)
        process.start()
    why = "refused with 401: it does not take the vault's EXECUTOR_TOKEN, put the one that it knows"

    assert right.get("/api/guardrails/read").json()["_mock"] is False
    assert right.post("/api/audit/push", {"action": "a", "result": "ok"})["via"] == "executor"
    refused = red.get("/api/guardrails/read").json()
    assert (refused["_mock"], refused["_err"]) == (True, f"executor: GET /guardrails was {why}")
    wait_until(
        lambda: f"the autopilot is tried again in 5 s: executor: GET /guardrails was {why}" in red.log, "the log"
    )
    assert red.post("/api/audit/list", {}) == {"_mock": True, "items": []}
    assert red.log.count('"logger": "webnext.executor"') == 1, "an audit fallback that is refused says nothing itself"
    assert httpx.get(f"{double.url}/guardrails", trust_env=False).status_code == 401
    assert not [one for one in (token, wrong) if one in right.log + red.log + double.log]


def test_with_share_0_a_breach_pauses_nothing(double: Process, processes: contextlib.ExitStack) -> None:
    stable = app(double, processes, auto_pause=0)
    breach = double.post("/double/breach", {})

    wait_until(
        lambda: f"breach {breach['id']} of maxDrawdown; FEATURE_AUTO_PAUSE is 0" in stable.log, "line in the log"
    )

    assert live(double) == 10
    assert audited(double, "auto_pause") == []
    assert stable.get("/api/guardrails/read").json()["autoPause"] == {"share": 0.0, "strategies": []}


def test_a_breach_while_web_next_is_down_is_answered_when_it_comes_up_and_a_restart_doubles_nothing(
    double: Process, processes: contextlib.ExitStack
) -> None:
    double.post("/double/breach", {})
    candidate = app(double, processes, auto_pause=0.1)
    wait_until(lambda: bool(audited(double, "auto_pause")), "audited pause")
    candidate.kill()
    candidate.start()
    wait_until(lambda: bool(candidate.get("/api/guardrails/read").json()["autoPause"].get("at")), "pause")
    wait_until(lambda: candidate.log.count("strategies are paused") == 2, "line in the log")

    assert len(audited(double, "auto_pause")) == 1
    assert live(double) == 9


def test_a_batch_is_promoted_by_its_share_and_audited(double: Process, processes: contextlib.ExitStack) -> None:
    batch = double.post("/double/batch", {})
    app(double, processes, batch_promote=0.5)

    wait_until(lambda: bool(audited(double, "batch_promote")), "audited promotion")

    [row] = audited(double, "batch_promote")
    assert row["details"]["batchId"] == batch["id"]
    assert len(row["details"]["promoted"]) == 2
    assert live(double) == 12
    assert double.get("/batches").json() == {"pending": None}


@dataclass
class Load:
    """Reads /api/guardrails/read without a break, several at a time."""

    url: str
    answers: list[tuple[float, int, bool, float]] = field(default_factory=list)
    """When it was asked, the status, `_mock`, and the seconds it took."""
    stop: bool = False

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=10) as client:
            await asyncio.gather(*(self._read(client) for _ in range(8)))

    async def _read(self, client: httpx.AsyncClient) -> None:
        while not self.stop:
            began = time.monotonic()
            answer = await client.get("/api/guardrails/read")
            took = time.monotonic() - began
            self.answers.append((began, answer.status_code, answer.json()["_mock"], took))
            await asyncio.sleep(0.01)

    def between(self, begin: float, end: float) -> list[tuple[int, bool, float]]:
        return [(status, mock, took) for began, status, mock, took in self.answers if begin <= began < end]


@pytest.mark.alone
@pytest.mark.parametrize("fault", ["paused", pytest.param("killed", marks=pytest.mark.soak)])
def test_an_executor_that_is_away_under_load_is_a_marked_answer_and_a_breach_is_answered_once_it_is_back(
    double: Process, processes: contextlib.ExitStack, fault: str
) -> None:
    candidate = app(double, processes, auto_pause=0.5)
    load = Load(candidate.url)
    known = candidate.get("/api/guardrails/read").json()
    seen: dict[str, float] = {}

    def away() -> None:
        double.signal(signal.SIGSTOP) if fault == "paused" else double.kill()

    def back() -> None:
        double.signal(signal.SIGCONT) if fault == "paused" else double.start()

    async def run() -> None:
        reading = asyncio.create_task(load.run())
        await asyncio.sleep(2.5)
        await asyncio.to_thread(away)
        seen["away"] = time.monotonic()
        await asyncio.sleep(5)
        marked = (await asyncio.to_thread(candidate.get, "/api/guardrails/read")).json()
        assert marked.pop("_err").startswith("executor: ")
        assert marked == known | {"_mock": True}
        seen["back"] = time.monotonic()
        await asyncio.to_thread(back)
        await asyncio.to_thread(double.post, "/double/breach", {})
        await asyncio.to_thread(wait_until, lambda: bool(audited(double, "auto_pause")), "audited pause")
        seen["again"] = time.monotonic()
        await asyncio.sleep(1)
        load.stop = True
        await reading

    asyncio.run(run())

    assert {status for _, status, _, _ in load.answers} == {200}
    assert {mock for _, mock, _ in load.between(0, seen["away"] - 1.5)} == {False}
    during = load.between(seen["away"] + 0.1, seen["back"])
    assert {mock for _, mock, _ in during} == {True}
    for began, _, _, took in load.answers:  # none hangs for as long as the executor does
        assert not seen["away"] < began < seen["back"] - 2.5 or began + took < seen["back"]
    assert {mock for _, mock, _ in load.between(seen["again"], float("inf"))} == {False}
    assert live(double) == 5


def test_without_s3_evidence_goes_to_the_executor_and_comes_back(
    double: Process, processes: contextlib.ExitStack
) -> None:
    service = app(double, processes)
    body = b"PK\x05\x06" + os.urandom(300_000)

    grant = service.post("/api/evidence/zip", {"runId": "run-1"})
    put = httpx.put(grant["uploadUrl"], content=body, headers={"content-type": "application/zip"}, trust_env=False)
    archived = service.post("/api/evidence/archive", {"key": grant["key"], "runId": "run-1"})

    assert grant["_mock"] is True
    assert grant["uploadUrl"].startswith(double.url)
    assert put.status_code == 200
    assert httpx.get(grant["downloadUrl"], trust_env=False).content == body
    assert (archived["_mock"], archived["sizeBytes"]) == (True, len(body))
    assert "signature" not in double.log + service.log


def test_a_double_killed_under_load_has_every_entry_that_it_accepted_once(double: Process) -> None:
    async def run() -> Pushes:
        async with Pushes.on(double.url) as pushes:
            for _ in range(3):
                await asyncio.sleep(1)
                await asyncio.to_thread(double.kill)
                await asyncio.to_thread(double.start)
        return pushes

    pushes = asyncio.run(run())

    keys = [key for key, _ in journal(double)]
    assert len(pushes.accepted) > 20, "the load was on"
    assert sorted(keys) == sorted(set(keys))
    assert pushes.accepted <= set(keys) <= pushes.tried


def test_the_double_ends_promptly_and_takes_up_where_it_was(double: Process) -> None:
    double.post("/double/breach", {})
    before = double.get("/guardrails").json()
    assert double.running
    double.signal(signal.SIGTERM)

    assert double.running.wait(5) in (0, -signal.SIGTERM)
    double.start()

    assert double.get("/guardrails").json() == before
