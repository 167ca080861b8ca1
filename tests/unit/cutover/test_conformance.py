"""The addresses that `cutover contract` takes, its table of metrics against the service's, and its page against all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase
from typer import BadParameter

from cutover.commands.contract import metrics_url, origin
from cutover.conformance.image import HEADERS, BrokenError, Image, typed
from cutover.conformance.metrics import BOUNDS, METRICS, Metric, Page
from cutover.conformance.suite import RULES
from webnext import metrics, tracing
from webnext.app import OPENAPI, create_app
from webnext.assembly import services_for
from webnext.settings import Settings

ROOT = Path(__file__).parents[3]
CONTRACT = (ROOT / "docs" / "contract.md").read_text()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3003", "https://localhost:8452/", "http://[::1]:3003", "http://host"]
)
def test_an_origin_is_taken_without_its_slash(url: str) -> None:
    assert origin(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:3003",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://user:pass@host",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://host/api",
        "http://host?x=1",
        "http://host#x",
        "http://host\n",
    ],
)
def test_what_is_no_origin_is_refused_and_named(url: str) -> None:
    with pytest.raises(BadParameter, match=r"is no http or https address|has more than scheme"):
        origin(url)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://host:9464", "http://host:9464/metrics"),
        ("http://host:9464/", "http://host:9464/metrics"),
        ("http://host:9464/app/metrics", "http://host:9464/app/metrics"),
    ],
)
def test_metrics_are_at_their_usual_path_unless_another_is_given(given: str, asked: str) -> None:
    assert metrics_url(given) == asked


@pytest.mark.parametrize(
    ("value", "strict"),
    [
        ("max-age=31536000", True),
        ("max-age=31536000; includeSubDomains", True),
        ("max-age=63072000", True),
        ("max-age=100000000", True),
        ("max-age=31535999", False),
        ("max-age=300", False),
        ("max-age=0", False),
        ("includeSubDomains", False),
    ],
)
def test_a_year_of_strict_transport_is_the_least(value: str, strict: bool) -> None:
    assert bool(re.fullmatch(HEADERS["strict-transport-security"], value)) is strict


@pytest.mark.parametrize(("value", "kind"), [(True, int), (1, bool), ("1", int), (None, str), ({}, list)])
def test_a_value_of_another_kind_is_named(value: object, kind: type) -> None:
    with pytest.raises(BrokenError, match=r"answer: key is"):
        typed({"key": value}, "answer", key=kind)


def test_an_answer_that_does_not_come_is_what_breaks_the_rule() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone", request=request)

    with (
        httpx.Client(base_url="http://image", transport=httpx.MockTransport(refuse)) as http,
        pytest.raises(BrokenError, match=r"GET /healthz: no answer \(ConnectError\)"),
    ):
        Image(http=http).send("GET", "/healthz")


def test_a_limit_is_waited_for_as_the_edge_says_and_not_for_ever() -> None:
    waits = iter(["7", "3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
    slept: list[float] = []

    def limit(_: httpx.Request) -> httpx.Response:
        wait = next(waits, None)
        return httpx.Response(429, headers={"retry-after": wait}) if wait else httpx.Response(200)

    with httpx.Client(base_url="http://image", transport=httpx.MockTransport(limit)) as http:
        assert Image(http=http, sleep=slept.append).send("GET", "/healthz").status_code == 200
    assert slept == [7, 10, 1]


def test_a_scrape_is_read_whatever_stands_in_its_labels() -> None:
    page = Page('# HELP a_b A.\n# TYPE a_b gauge\na_b{x="}",y="\\"q\\" \\\\"} 1.0\na_b 2\n')

    assert page.kinds == {"a_b": "gauge"}
    assert page.labels("a_b") == [{"x": "}", "y": '\\"q\\" \\\\'}, {}]


def service_metrics() -> Iterator[tuple[str, Metric]]:
    """The service's own, by the names that a scrape has."""
    for made in vars(metrics).values():
        if isinstance(made, MetricWrapperBase):
            (family,) = made.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield name, Metric(family.type, tuple(made._labelnames))


def test_the_metrics_that_are_asked_for_are_the_services_own() -> None:
    own = dict(service_metrics())

    assert len(own) == 15
    assert {name: own.get(name) for name in METRICS} == METRICS
    assert metrics.SECONDS == BOUNDS


# The page


def rows(heading: str, page: str) -> dict[str, list[str]]:
    """The table under a column of that heading: its rows by their first cell."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table, heading
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in table[1].splitlines()]
    return {first: rest for first, *rest in cells}


def variables() -> set[str]:
    """Every variable that the service's settings read."""

    class Recording(dict[str, str]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.add(key)
            return default

    asked: set[str] = set()
    Settings.from_environment(Recording())
    return asked


def answered() -> dict[tuple[str, str], set[str]]:
    """The statuses of every operation of the OpenAPI document."""

    async def document() -> Any:
        transport = httpx.ASGITransport(create_app(services_for(Settings())))
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            return (await client.get(OPENAPI)).json()

    return {
        (method.upper(), path): set(operation["responses"])
        for path, operations in asyncio.run(document())["paths"].items()
        for method, operation in operations.items()
    }


def untrue(page: str) -> list[str]:
    """What the page leaves out, or says and is not so."""
    problems = [f"variable {name}" for name in variables() ^ rows("Variable", page).keys()]
    problems += [f"variable {name}" for name in tracing.ENDPOINTS if f"`{name}`" not in page]
    endpoints = rows("Endpoint", page)
    for (method, path), statuses in answered().items():
        said = endpoints.get(f"{method} {path}", [""])[-1]
        if set(said.split(", ")) != statuses:
            problems.append(f"{method} {path}: {said}, not {', '.join(sorted(statuses))}")
    described = rows("Metric", page)
    own = dict(service_metrics())
    problems += [f"metric {name}" for name in own.keys() ^ described.keys()]
    for name, (kind, labels, needed) in described.items():
        plain = re.sub(r" ?\([^)]*\)", "", labels)
        shown = Metric(kind, tuple(plain.split(", ")) if plain else ())
        if shown != own.get(name) or (needed == "yes") != (name in METRICS):
            problems.append(f"metric {name}: {kind}, {labels}, {needed}")
    problems += [f"bound {bound}" for bound in BOUNDS if not re.search(rf"[ \n]{re.escape(str(bound))}[,.]", page)]
    problems += [f"rule {name}" for name in RULES.keys() ^ rows("Rule", page).keys()]
    called = {path for source in executor_callers() for path in re.findall(r'"(/[a-z]+(?:/[a-z]+)?)"', source)}
    requests = " ".join(rows("Request", page))
    problems += [f"executor {path}" for path in called if not re.search(rf"(GET|POST) {path}\b", requests)]
    return problems


def executor_callers() -> Iterator[str]:
    """The sources that ask the executor, as far as paths in them are the executor's."""
    for source in (ROOT / "webnext").rglob("*.py"):
        text = source.read_text()
        if re.search(r"_executor\.(get|post)\(", text):
            yield text


def test_the_page_has_every_variable_route_status_metric_bound_and_rule() -> None:
    assert untrue(CONTRACT) == []


@pytest.mark.parametrize(
    ("told", "changed", "found"),
    [
        ("| METRICS_PORT |", "| METRIC_PORT |", "variable METRICS_PORT"),
        ("| POST /api/signals |", "| POST /api/signal |", "POST /api/signals: "),
        ("zeros | 200 |", "zeros | 200, 500 |", "GET /api/alerts/queue: 200, 500"),
        ("| web_next_flag |", "| web_next_flags |", "metric web_next_flag"),
        ("counter | store (", "counter | where (", "metric web_next_audit_inserts_total"),
        ("| web_next_outbox_pending | gauge | | |", "| web_next_outbox_pending | gauge | | yes |", "outbox_pending"),
        ("1.0, 1.2, 1.5, 2.5", "1.0, 1.5, 2.5", "bound 1.2"),
        ("| trace-kept |", "| trace |", "rule trace-kept"),
        ("| GET /batches |", "| GET /batch |", "executor /batches"),
    ],
)
def test_a_page_that_is_not_true_is_found(told: str, changed: str, found: str) -> None:
    assert told in CONTRACT
    assert any(found in problem for problem in untrue(CONTRACT.replace(told, changed)))


@pytest.mark.parametrize("name", ["AUDIT_DB_URL", "REDIS_URL", "SLACK_WEBHOOK_URL"])
def test_the_page_names_every_secret_that_the_service_and_the_entrypoint_ask_for(name: str) -> None:
    assert name in rows("Name", CONTRACT)
    assert name in (ROOT / "webnext" / "entrypoint" / "main.go").read_text()
