"""The API against its own OpenAPI document: whatever is sent, the answers are those that the document promises.

FUZZ_URL=http://… asks a running web-next instead of one made here, which keeps the entries and alerts that are sent;
FUZZ_EXAMPLES=1000 looks longer than the default. The examples are the same each time.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import CheckContext, CheckFunction, not_a_server_error
from schemathesis.core.failures import FailureGroup, ServerError
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.sabotage import Change, Target, becomes, everywhere, header, refusals, says, status
from tests.support.serving import served
from webnext.app import OPENAPI, create_app
from webnext.assembly import services_for
from webnext.settings import Settings

pytestmark = pytest.mark.engine

RUNNING = os.environ.get("FUZZ_URL")
FIXED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


async def document() -> Any:
    """The document of the API under test."""
    transport = None if RUNNING else httpx.ASGITransport(create_app(services_for(Settings())))
    async with httpx.AsyncClient(base_url=RUNNING or "http://web-next", transport=transport) as client:
        return (await client.get(OPENAPI)).raise_for_status().json()


DOCUMENT = asyncio.run(document())
schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the API under test listens."""
    if RUNNING:
        yield RUNNING
        return
    with served(create_app(services_for(Settings()))) as address:
        yield address


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        yield kept


def no_unpromised_server_error(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """A 5xx is a 503, which the document must promise like every status."""
    if response.status_code >= 500 and response.status_code != 503:
        raise ServerError(operation=case.operation.label, status_code=response.status_code)


def ask(case: Case[Any], url: str, session: requests.Session | None = None) -> None:
    """Send one request; raise FailureGroup where the answer is not as the document says."""
    excluded: list[CheckFunction] = [not_a_server_error]
    if r"\u0000" in json.dumps(case.body, default=str):  # refused wherever it stands, which JSON Schema cannot say
        excluded.append(positive_data_acceptance)
    case.call_and_validate(
        base_url=url,
        session=session,
        headers={"User-Agent": "web-next-smoke fuzz", "X-Web-Next-Traffic": "smoke"},
        excluded_checks=excluded,
        additional_checks=[no_unpromised_server_error],
    )


@schema.parametrize()
@FIXED
def test_every_answer_is_one_that_the_document_promises(case: Case[Any], url: str, session: requests.Session) -> None:
    ask(case, url, session)


def fields(path: str) -> list[str]:
    """What a body of the path is read for."""
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return list(DOCUMENT["components"]["schemas"][body["$ref"].rpartition("/")[2]].get("properties", ()))


TEXT = st.text(st.characters(exclude_categories=()), max_size=5) | st.sampled_from(["\ud800", "\x00", "ok", "retry"])
NUMBERS = st.sampled_from([float("nan"), float("inf"), 1e308, 10**309, -(10**4000), 0.5, 5, 10**18])
VALUES = st.recursive(
    st.none() | st.booleans() | TEXT | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DEPTHS = st.sampled_from([0, 0, 0, 31, 34, 500, 980, 1020, 100_000])


@pytest.mark.parametrize("path", [path for path, ways in DOCUMENT["paths"].items() if "post" in ways])
@FIXED
@given(data=st.data())
def test_no_body_makes_a_500(path: str, data: st.DataObject, url: str, session: requests.Session) -> None:
    named = st.sampled_from([*fields(path), "unknown"])
    body = json.dumps(data.draw(st.dictionaries(named | TEXT, VALUES, min_size=1, max_size=6)))
    if deep := data.draw(DEPTHS):
        body = f'{body[:-1]}, "{data.draw(named)}": {"[" * deep}{"]" * deep}}}'
    content = body.encode()
    if data.draw(st.booleans()):
        content = content.replace(rb"\ud800", "\ud800".encode(errors="surrogatepass"))
    answer = session.post(url + path, data=content, headers={"X-Web-Next-Traffic": "smoke"}, timeout=30)

    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert answer.headers["content-type"].startswith(("application/json", "text/csv"))


@pytest.fixture(scope="module")
def broken() -> Iterator[Target]:
    target = Target(create_app(services_for(Settings())))
    with served(target) as target.url:
        yield target


def list_request(body: Any) -> Case[Any]:
    return schema["/api/audit/list"]["POST"].Case(body=body, media_type="application/json")


def test_an_answer_as_promised_passes(broken: Target) -> None:
    broken.change = None
    ask(list_request({"limit": 1}), broken.url)
    broken.change = everywhere(says({"ok": False, "_err": "away", "_mock": True, "traceId": "t-123456"}, 503))
    ask(schema["/api/audit/push"]["POST"].Case(body={"action": "a", "result": "ok"}), broken.url)


@pytest.mark.parametrize(
    "change",
    [
        status(500),
        status(503),
        status(418),
        says({"ok": True}),
        becomes(items=None),
        becomes(_mock="true"),
        header("content-type", "text/html"),
        header("x-trace-id", None),
        header("x-trace-id", "no id"),
    ],
)
def test_an_answer_that_the_document_does_not_promise_is_found(change: Change, broken: Target) -> None:
    broken.change = everywhere(change)
    with pytest.raises(FailureGroup):
        ask(list_request({"limit": 1}), broken.url)


@pytest.mark.parametrize("change", [status(500), status(409), says({"error": "no"}), header("x-trace-id", None)])
def test_a_refusal_that_the_document_does_not_promise_is_found(change: Change, broken: Target) -> None:
    broken.change = refusals(change)
    with pytest.raises(FailureGroup):
        ask(list_request({"limit": 0}), broken.url)
