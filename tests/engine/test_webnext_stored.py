"""The image within the memory that a stack gives it, over an audit log full of the largest entries, and under bodies of
the most values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.audit import migrated
from tests.support.built import images
from tests.support.containers import address, container, docker, wait_until
from tests.support.postgres import WRITER, Database, Server
from webnext.budget import BYTES
from webnext.contract.base import MAX_DETAILS

pytestmark = pytest.mark.engine

MEMORY = 256 * 2**20
"""What stack `local` gives it."""
TO_SPARE = 0.3
LISTS, EXPORTS = 4, 2
"""How many are read side by side."""
SENDERS, EACH = 16, 6
"""Who send alerts side by side, as many as the edge lets one address, and how many each of them sends."""

# Lists, which take the most memory as objects, and text that takes more bytes than letters, in turn.
FILL = """
INSERT INTO audit_log (ts, action, result, strategy_id, trace_id, actor, details)
SELECT now() - (%(count)s - n) * interval '1 second', repeat('é', 200), 'ok',
    repeat('é', 200), repeat('é', 200), '198.51.100.7',
    CASE n %% 2 WHEN 0 THEN jsonb_build_object('in', array_fill('[]'::jsonb, ARRAY[%(lists)s]))
    ELSE jsonb_build_object('in', repeat('é', %(letters)s)) END
FROM generate_series(1, %(count)s) n"""
APP = """
import sys
from dataclasses import replace
from types import SimpleNamespace
from webnext.alerts.production import ProductionAlerts
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.production import ProductionAudit
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.server import PORT, serve
from webnext.settings import Settings
from webnext.vault import Vault

values = {"test/AUDIT_DB_URL": sys.argv[1], "test/REDIS_URL": "redis://127.0.0.1:1/0"}
secrets = SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": values[SecretId]})
vault = Vault("test/", lambda: secrets)
postgres = Postgres(vault)
audit, alerts = ProductionAudit(postgres, Executor(None), None), ProductionAlerts(Settings(), vault, postgres)
serve(create_app(replace(services_for(Settings()), audit=audit, alerts=alerts)), PORT)
"""


@dataclass(frozen=True)
class App:
    """The container and where it answers."""

    container: str
    url: str

    def post(self, path: str, **body: Any) -> httpx.Response:
        answer = httpx.post(self.url + path, json=body, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer

    def exported(self) -> int:
        """How many rows an export has, read as they come."""
        with httpx.stream("POST", f"{self.url}/api/snapshot/export", json={}, timeout=60, trust_env=False) as answer:
            return sum(not line.startswith("#") for line in answer.iter_lines()) - 1

    def held(self) -> None:
        """Hold that the process never had more bytes than leave the memory TO_SPARE."""
        state = json.loads(docker("inspect", "--format", "{{json .State}}", self.container))
        assert (state["Running"], state["OOMKilled"]) == (True, False)
        status = docker("exec", self.container, "cat", "/proc/1/status")
        most = 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
        assert most <= (1 - TO_SPARE) * MEMORY


@dataclass(frozen=True)
class Full:
    """A database whose log has so many entries."""

    database: Database
    count: int


@pytest.fixture(params=[300, pytest.param(10_000, marks=pytest.mark.soak)])
def full(request: pytest.FixtureRequest, server: Server) -> Iterator[Full]:
    sizes = {"lists": (MAX_DETAILS - 9) // 3, "letters": (MAX_DETAILS - 9) // 2, "count": request.param}
    with migrated(server) as database:
        with database.connect() as owner:
            owner.execute(FILL, sizes)
        yield Full(database, request.param)


@contextmanager
def running(database: Database) -> Iterator[App]:
    """The image with its limit, over the database."""
    options = ("--memory", str(MEMORY), "--memory-swap", str(MEMORY), "--read-only", "--entrypoint", "python3")
    command = ("-c", APP, database.server.url(WRITER, database.name))
    with container(images()["web-next"], *options, command=command) as made:
        app = App(made, f"http://{address(made)}:3003")
        wait_until(lambda: httpx.get(f"{app.url}/healthz", trust_env=False).status_code == 200, "web-next")
        yield app


@pytest.fixture
def app(full: Full) -> Iterator[App]:
    with running(full.database) as app:
        yield app


def test_dashboard_lists_and_exports_of_the_largest_entries_leave_memory_to_spare(full: Full, app: App) -> None:
    assert httpx.get(f"{app.url}/dashboard", trust_env=False).status_code == 200
    ids, pages, after = list[int](), 0, dict[str, str]()
    while pages == 0 or after:
        answer = app.post("/api/audit/list", limit=500, **after)
        assert len(answer.content) < BYTES + MAX_DETAILS
        listed = answer.json()
        assert listed["_mock"] is False
        ids += [item["id"] for item in listed["items"]]
        after, pages = {"after": listed["next"]} if "next" in listed else {}, pages + 1
    assert (len(ids), ids) == (full.count, sorted(set(ids), reverse=True)), "each entry once, in its order"
    assert pages > full.count / (BYTES / MAX_DETAILS)

    with ThreadPoolExecutor(LISTS + EXPORTS) as threads:
        exports = [threads.submit(app.exported) for _ in range(EXPORTS)]
        lists = [threads.submit(app.post, "/api/audit/list", limit=limit) for limit in (20, 500) * 4 * LISTS]
        assert {len(each.result().json()["items"]) for each in lists} <= {*range(10, 20)}
        assert [each.result() for each in exports] == [full.count] * EXPORTS

    app.held()


def test_alerts_of_the_most_values_leave_memory_to_spare(server: Server) -> None:
    bodies = [
        b'{"title":"a","x":[%b]}' % b",".join([value] * count)
        for value, count in ((b'{"":0}', 37_000), (b"{}", 87_000), (b'{"":0}', 5_900), (b'"ab"', 11_900))
    ]
    with migrated(server) as database, running(database) as app, httpx.Client(timeout=60, trust_env=False) as client:

        def send(number: int) -> int:
            while (
                answer := client.post(f"{app.url}/api/alerts/webhook", content=bodies[number % len(bodies)])
            ).status_code == 503:
                assert "retry-after" in answer.headers, "a machine that is busy has it come again"
            return answer.status_code

        with ThreadPoolExecutor(SENDERS) as threads:
            assert set(threads.map(send, range(SENDERS * EACH))) == {202}
        app.held()
