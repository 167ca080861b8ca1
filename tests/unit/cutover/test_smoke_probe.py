"""The client of the checks: pinned, marked, remembered, patient with a limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cutover.errors import NotPreparedError
from cutover.smoke.check import Check
from cutover.smoke.pin import USER_AGENT
from cutover.smoke.probe import CheckFailedError, Probe, Samples
from outputs.release import Track
from outputs.smoke import Criterion
from tests.support.edge_double import TARGET, Edge, target


def check(name: str, criterion: Criterion | None = None, look: object = None) -> Check:
    return Check(name=name, criterion=criterion, did="looks", look=look or (lambda _probe: "fine"))  # type: ignore[arg-type]


def test_a_missing_authority_is_said_in_a_line(tmp_path: Path) -> None:
    private = target(authority=str(tmp_path / "ca.pem"))

    with (
        pytest.raises(NotPreparedError, match=r"ca\.pem is no certificate authority .* make up"),
        Probe.of(private, Samples()),
    ):
        pass


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_every_request_asks_for_the_track_that_is_smoked_and_is_marked(
    monkeypatch: pytest.MonkeyPatch, track: Track
) -> None:
    seen: list[tuple[str | None, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("x-web-next-track"), request.headers["user-agent"]))
        return httpx.Response(200, json={}, headers={"x-edge-id": "e", "x-edge-track": track})

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **given: client(**{**given, "transport": httpx.MockTransport(answer), "verify": True})
    )
    with Probe.of(replace(TARGET, track=track), Samples()) as probe:
        probe.send("GET", "/healthz")

    assert seen == [(track, USER_AGENT)]


def test_an_answer_of_another_track_is_a_failure_that_names_it() -> None:
    edge = Edge(target=replace(TARGET, track="candidate"))

    with pytest.raises(CheckFailedError, match=r"GET /healthz: answered by stable, candidate was asked for: .*trusted"):
        edge.probe().send("GET", "/healthz")


def test_an_answer_that_no_edge_gave_is_a_failure() -> None:
    edge = Edge(named={})

    with pytest.raises(CheckFailedError, match=r"without an X-Edge-Id: it did not come through the edge"):
        edge.probe().send("GET", "/healthz")


def test_no_answer_is_a_failure_and_no_sample() -> None:
    edge = Edge()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    edge.answers["/healthz"] = refuse
    probe = edge.probe()

    with pytest.raises(CheckFailedError, match=r"no answer \(ConnectError: connection refused\)"):
        probe.send("GET", "/healthz")
    assert probe.samples.taken == []


def test_a_429_waits_and_goes_on() -> None:
    edge = Edge()
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    assert edge.probe().ask("GET", "/api/healthz")["ok"] is True
    assert 1 <= edge.clock() - began < 2, "it waits what Retry-After says"


def test_a_429_that_never_ends_fails() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"_err": "rate limited"}, status=429)

    with pytest.raises(CheckFailedError, match="429"):
        edge.probe().ask("GET", "/api/healthz")


@pytest.mark.parametrize("document", [[], "up", None, 1])
def test_json_that_is_no_object_fails(document: object) -> None:
    edge = Edge()
    edge.answer("/api/healthz", document)

    with pytest.raises(CheckFailedError, match="GET /api/healthz: not a JSON object"):
        edge.probe().ask("GET", "/api/healthz")


def test_a_page_instead_of_json_fails() -> None:
    edge = Edge()
    edge.answers["/api/healthz"] = lambda _: httpx.Response(200, text="<html>maintenance</html>")

    with pytest.raises(CheckFailedError, match="not a JSON object: '<html>maintenance"):
        edge.probe().ask("GET", "/api/healthz")


def test_a_500_fails_with_its_body() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"_err": "internal error"}, status=500)

    with pytest.raises(CheckFailedError, match=r"GET /api/healthz: 500 '.*internal error.*', 200 expected"):
        edge.probe().ask("GET", "/api/healthz")


def test_the_samples_of_a_run_are_of_all_its_checks_in_the_order_of_sending() -> None:
    edge = Edge()
    probe = edge.probe()
    probe.for_check("one").send("GET", "/api/healthz")
    probe.for_check("two").send("GET", "/healthz")
    probe.for_check("two").send("GET", "/api/healthz")

    assert [(each.check, each.path) for each in probe.samples.limited_paths()] == [
        ("one", "/api/healthz"),
        ("two", "/api/healthz"),
    ]
