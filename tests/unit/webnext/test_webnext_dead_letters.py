"""The routes over dead letters: listed by pages, put back one, some or all, and audited with who did it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.memory_audit import MemoryAudit
from tests.support.switched import SwitchedAlerts
from webnext.alerts import production
from webnext.alerts.letter import Letter
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.settings import Settings

PEER = "127.0.0.1"
FOR_PEER = f"web-next for {PEER}"


class Site:
    """An application with these dead letters, and its audit log."""

    def __init__(self, count: int) -> None:
        self.alerts, self.audit = SwitchedAlerts(), MemoryAudit()
        for number in range(count):
            self.alerts.bury(f"alert {number}")
        services = replace(services_for(Settings()), alerts=self.alerts, audit=self.audit)
        self._app = create_app(services)

    def __call__(self, method: str, path: str, body: Any = None, peer: str = PEER, **headers: str) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, path, json=body, headers=named)

        return asyncio.run(exchange())

    def act(self, **body: Any) -> httpx.Response:
        return self("POST", "/api/alerts/queue", body)

    @property
    def audited(self) -> list[Mapping[str, Any]]:
        return [{"action": row.action, "actor": row.actor, **row.details} for row in self.audit.rows]


@pytest.fixture
def site() -> Site:
    return Site(count=5)


def test_a_page_has_the_newest_first_and_says_how_many_there_are(site: Site) -> None:
    answer = site("GET", "/api/alerts/dlq?limit=2&offset=1")
    assert answer.json()["total"] == 5
    assert answer.json()["_mock"] is False
    assert [item["title"] for item in answer.json()["items"]] == ["alert 3", "alert 2"]
    assert answer.json()["items"][0] == {
        "id": "alert-4",
        "title": "alert 3",
        "attempts": 3,
        "lastError": "answered with status 500",
        "diedAt": "2026-03-02T09:30:04Z",
        "traceId": f"{4:032x}",
    }
    assert len(site("GET", "/api/alerts/dlq").json()["items"]) == 5


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=x", "offset=1000000001"])
def test_a_page_that_there_cannot_be_is_refused(site: Site, query: str) -> None:
    assert site("GET", f"/api/alerts/dlq?{query}").status_code == 422


def test_one_is_put_back_and_the_answer_is_as_it_was(site: Site) -> None:
    assert site.act(action="retry", jobId="alert-2").json() == {
        "ok": True,
        "action": "retry",
        "moved": 1,
        "purged": 0,
    }
    assert site.audited == [{"action": "alerts.retry", "actor": FOR_PEER, "jobIds": ["alert-2"]}]


def test_some_are_put_back_and_who_did_it_is_audited(site: Site) -> None:
    answer = site.act(action="retry_some", jobIds=["alert-2", "alert-4", "gone"], by="Ada")
    assert answer.json()["moved"] == 2
    assert site.audited == [
        {"action": "alerts.retry", "actor": FOR_PEER, "jobIds": ["alert-4", "alert-2"], "by": "Ada"},
    ]


def test_all_are_put_back_and_each_id_is_audited() -> None:
    site = Site(count=250)
    assert site.act(action="retry_all", by="Ada").json() == {
        "ok": True,
        "action": "retry_all",
        "moved": 250,
        "purged": 0,
        "left": 0,
    }
    assert [len(entry["jobIds"]) for entry in site.audited] == [100, 100, 50]
    assert len({one for entry in site.audited for one in entry["jobIds"]}) == 250
    assert site.act(action="retry_all").json()["moved"] == 0, "none is none, and no error"


def test_who_purged_is_audited_too(site: Site) -> None:
    site.act(action="purge_dlq", by="Ada")
    assert site.audited == [{"action": "alerts.purge_dlq", "actor": FOR_PEER, "purged": 5, "by": "Ada"}]


@pytest.mark.parametrize(("peer", "found"), [(PEER, "198.51.100.7"), ("203.0.113.9", "203.0.113.9")])
def test_an_address_is_believed_of_the_edge_alone(site: Site, peer: str, found: str) -> None:
    body = {"action": "retry", "jobId": "alert-1"}
    site("POST", "/api/alerts/queue", body, peer, x_real_ip="198.51.100.7")
    assert site.audited[0]["actor"] == f"web-next for {found}"


@pytest.mark.parametrize(("job_id", "status"), [(7, 200), (7.0, 200), ("7", 200), (7.5, 422), (True, 422), ([], 422)])
def test_an_id_may_be_written_as_a_number_as_nodes_are(job_id: Any, status: int) -> None:
    site = Site(count=0)
    site.alerts.bury("alert")
    site.alerts.letters[0] = site.alerts.letters[0].model_copy(update={"id": "7"})
    assert site.act(action="retry", jobId=job_id).status_code == status
    assert site.act(action="retry_some", jobIds=[job_id]).status_code == (404 if status == 200 else 422)


@pytest.mark.parametrize("ids", [None, [], "alert-1", [""], [None], ["a"] * 101, {"a": 1}])
def test_what_is_no_list_of_ids_is_refused(site: Site, ids: Any) -> None:
    answer = site.act(action="retry_some", jobIds=ids)
    assert (answer.status_code, answer.json()["_err"]) == (
        422,
        "jobIds: a list of 1 to 100 ids of dead letters is needed",
    )
    assert site.audited == []


@pytest.mark.parametrize(("by", "found"), [(7, "7"), ("x" * 200, "x" * 99 + "…"), (["Ada"], '["Ada"]')])
def test_whoever_does_it_is_written_down_in_some_words(site: Site, by: Any, found: str) -> None:
    site.act(action="retry_all", by=by)
    assert site.audited[0]["by"] == found


def test_ids_of_which_none_is_a_dead_letters_are_not_found(site: Site) -> None:
    answer = site.act(action="retry_some", jobIds=["gone"])
    assert (answer.status_code, answer.json()["_err"]) == (404, "no dead letter has that id")


def test_few_dead_letters_are_in_memory_at_a_time_and_a_page_is_whole() -> None:
    asked = []

    async def read(offset: int, limit: int) -> tuple[int, list[Letter]]:
        asked.append((offset, limit))
        return 38, [Letter(str(number), {}, "", [], 5) for number in range(offset, min(offset + limit, 38))]

    async def page(offset: int, limit: int) -> list[str]:
        return [item.id for item in (await production._page(read, offset, limit)).items]

    assert asyncio.run(page(3, 25)) == [str(number) for number in range(3, 28)]
    assert asked == [(3, 10), (13, 10), (23, 5)]
    assert asyncio.run(page(30, 100)) == [str(number) for number in range(30, 38)]
    assert asyncio.run(page(50, 100)) == []
