"""Which process a role is, and what the worker composes."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest
from starlette.applications import Starlette

from webnext import __main__ as command
from webnext import logs, metrics
from webnext.processes import worker
from webnext.settings import Adapters, Settings


@pytest.mark.parametrize("role", command.ROLES)
def test_a_role_is_a_module_that_runs(
    role: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Settings] = []
    module = importlib.import_module(f"webnext.processes.{role}")

    def run(settings: Settings) -> int:
        ran.append(settings)
        return 7

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(logs, "configure", lambda: None)

    assert command.main([role]) == 7
    assert len(ran) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["nobody"], ["app", "worker"], ["../app"]])
def test_what_is_no_role_is_refused_with_those_that_are(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "configure", lambda: None)

    assert command.main(arguments) == 2
    assert "it is one of app, worker, executor, cleanup" in capsys.readouterr().err


class Deliveries:
    """An AlertWorker that notes when it starts and stops."""

    seen: list[str]

    def __init__(self, *_: Any) -> None:
        self.hung: list[str] = []

    async def start(self) -> None:
        self.seen.append("delivering")

    async def stop(self) -> None:
        self.seen.append("delivered")

    def stuck(self) -> list[str]:
        return self.hung


@pytest.mark.parametrize(
    ("adapters", "expected"),
    [
        ({}, []),
        ({"queue": "production"}, ["delivering", "delivered"]),
        ({"evidence": "production"}, ["cleaning", "cleaned"]),
        (
            {"queue": "production", "evidence": "production"},
            ["delivering", "cleaning", "cleaned", "delivered"],
        ),
    ],
)
def test_the_worker_does_what_the_real_adapters_leave_to_do(
    adapters: Any, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    served: list[Starlette] = []

    async def clean_daily(*_: Any) -> None:
        seen.append("cleaning")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned")

    monkeypatch.setattr(Deliveries, "seen", seen, raising=False)
    monkeypatch.setattr(worker, "AlertWorker", Deliveries)
    monkeypatch.setattr(worker, "clean_daily", clean_daily)
    monkeypatch.setattr(worker, "serve", lambda app, _: served.append(app))
    monkeypatch.setattr(metrics, "serve", lambda *_: None)

    async def live(app: Starlette) -> None:
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0.01)

    assert worker.run(Settings(adapters=Adapters(**adapters), s3_bucket="b", vault_prefix="test/")) == 0
    asyncio.run(live(served[0]))
    assert seen == expected
