"""The headers check: every answer of the run has its headers, the edge's own refusals too."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from cutover.smoke.checks import headers
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge

EXECUTOR = "http://executor:3010"
OF_THE_PAGE = f"default-src 'self'; connect-src 'self' {EXECUTOR}"


@pytest.fixture
def edge() -> Edge:
    made = Edge(target=replace(TARGET, places=replace(TARGET.places, executor=EXECUTOR)))
    made.answers["/dashboard"] = lambda _: httpx.Response(200, headers={"content-security-policy": OF_THE_PAGE})
    made.answers["/healthz"] = lambda _: httpx.Response(200, text="ok")
    return made


def test_a_page_and_a_404_pass_with_all_answers_before_them(edge: Edge) -> None:
    probe = edge.probe()
    while edge.limiter.passes(edge.clock()):
        pass
    probe.send("GET", "/api/smoke")

    assert headers.look(probe) == "all there on 4 answers, 1 of them 429; trace ids come back"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("x-content-type-options", None, "x-content-type-options is None, 'nosniff' expected"),
        ("x-frame-options", "SAMEORIGIN", "x-frame-options is 'SAMEORIGIN', 'DENY' expected"),
        ("strict-transport-security", None, "strict-transport-security is None, 'max-age=31536000' expected"),
        ("strict-transport-security", "max-age=3600", "is 'max-age=3600', 'max-age=31536000' expected"),
        ("content-security-policy", None, "content-security-policy is None, one with default-src expected"),
        ("content-security-policy", "script-src 'self'", "one with default-src expected"),
    ],
)
def test_an_answer_of_any_check_without_a_header_fails_by_name(
    edge: Edge, name: str, value: str | None, complaint: str
) -> None:
    probe, sound = edge.probe(), dict(edge.named)
    edge.named = {key: text for key, text in (sound | {name: value}).items() if text is not None}
    probe.send("POST", "/api/audit/list", {"limit": 1})
    edge.named = sound

    with pytest.raises(CheckFailedError, match=f"POST /api/audit/list, 200: .*{complaint}"):
        headers.look(probe)


def test_an_own_trace_id_that_is_replaced_fails(edge: Edge) -> None:
    edge.answers["/healthz"] = lambda _: httpx.Response(200, headers={"x-trace-id": "another-trace"})

    with pytest.raises(CheckFailedError, match="x-trace-id came back as 'another-trace', it was sent as 'smoke-"):
        headers.look(edge.probe())


def test_a_trace_id_that_is_none_fails(edge: Edge) -> None:
    edge.answers["/dashboard"] = lambda _: httpx.Response(200, headers={"x-trace-id": "?"})

    with pytest.raises(CheckFailedError, match=r"GET /dashboard, 200: x-trace-id is '.', 8 to 64 of A-Z a-z 0-9 - exp"):
        headers.look(edge.probe())


@pytest.mark.parametrize(
    ("policy", "missing"), [(f"connect-src {EXECUTOR}", "'self'"), ("connect-src 'self'", EXECUTOR)]
)
def test_a_page_that_may_not_connect_to_the_executor_or_itself_fails(edge: Edge, policy: str, missing: str) -> None:
    allowed = f"default-src 'self'; {policy}"
    edge.answers["/dashboard"] = lambda _: httpx.Response(200, headers={"content-security-policy": allowed})

    with pytest.raises(CheckFailedError, match=f"GET /dashboard, 200: connect-src is .*, without {missing}"):
        headers.look(edge.probe())


def test_a_page_that_is_not_found_has_no_policy_of_a_page(edge: Edge) -> None:
    del edge.answers["/dashboard"]

    with pytest.raises(CheckFailedError, match="GET /dashboard, 404: connect-src is '', without 'self' and http"):
        headers.look(edge.probe())


def test_where_others_use_the_stack_nothing_is_asked_for_that_a_check_has_seen(edge: Edge) -> None:
    edge.target = replace(edge.target, profile="prod")
    probe = edge.probe()
    probe.send("GET", "/dashboard")

    assert headers.look(probe) == "all there on 1 answers, 0 of them 429; trace ids come back"


def test_what_a_firewall_answers_has_headers_of_its_own(edge: Edge) -> None:
    probe = edge.probe()
    edge.answers["/healthz"] = lambda _: httpx.Response(429)
    sound, edge.named = edge.named, {}
    probe.send("GET", "/healthz")
    edge.named = sound

    assert headers.look(probe).startswith("all there on 2 answers, 0 of them 429")
