"""The smoke check TraceId copy: green on the page as it is, red on every page that a person would complain of."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from cutover.smoke.checks import trace_copy
from cutover.smoke.checks.trace_copy import RETRY_AFTER, STOOD_IN, TRACE_ID
from cutover.smoke.finding import Outcome
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.tab import Tab
from outputs.release import Track
from tests.support.edge_double import target
from tests.support.site import Site
from tests.support.system import wait_for
from webnext.contract.alerts import QueueAnswer
from webnext.contract.audit import ListAnswer
from webnext.contract.base import Answer
from webnext.contract.guardrails import GuardrailsAnswer
from webnext.contract.health import HealthAnswer
from webnext.dashboard.routes import files

pytestmark = pytest.mark.browser


def probe_of(url: str, track: Track = "stable") -> Probe:
    """The probe of a whole run against an edge without TLS."""
    asked = replace(target(url=url), track=track)
    began = time.monotonic()
    return Probe(
        http=httpx.Client(trust_env=False), target=asked, check="trace id copy", clock=lambda: time.monotonic() - began
    )


def check(site: Site, track: Track = "stable") -> str:
    return trace_copy.look(probe_of(site.url, track))


def broken(site: Site, name: str, was: str, now: str) -> None:
    """From now on a script of the page has another text in one place."""
    served = files()[name]
    text = served.content.decode()
    assert text.count(was) == 1, f"{name} has {was!r} {text.count(was)} times"
    site.edge.faults[f"/dashboard/{name}"] = (200, served.media_type, text.replace(was, now).encode())


SCRIPTS = ("api", "dashboard", "letters", "panels", "polling", "view")
FILES = {"", "/dashboard.css", "/logo.svg", *(f"/{name}.js" for name in SCRIPTS)}  # the logo is the tab's icon


def test_the_page_copies_says_so_and_counts_down_and_the_edges_limit_is_left_alone(site: Site) -> None:
    probe = probe_of(site.url)

    assert trace_copy.look(probe) == f"copied and said so, {RETRY_AFTER} s counted down; 9 files of track stable"

    assert site.edge.asked == [], "no request to /api/ leaves the browser"
    samples = probe.samples.taken
    assert {sample.path for sample in samples} == {f"/dashboard{name}" for name in FILES}
    assert len(samples) == 9, "a firewall counts them"
    assert {(sample.check, sample.status, sample.track) for sample in samples} == {("trace id copy", 200, "stable")}
    assert all(0 < sample.sent < sample.received for sample in samples)


@pytest.mark.parametrize(
    ("path", "model"),
    list(zip(STOOD_IN, (ListAnswer, GuardrailsAnswer, QueueAnswer, HealthAnswer), strict=True)),
    ids=list(STOOD_IN),
)
def test_the_answers_that_stand_in_are_the_contracts(path: str, model: type[Answer]) -> None:
    model.model_validate(STOOD_IN[path])


REFUSING = 'Promise.reject(new DOMException("no", "NotAllowedError"))'


def test_a_clipboard_that_refuses_is_red(site: Site) -> None:
    view = files()["view.js"].content.decode()
    sabotaged = view.replace("navigator.clipboard.writeText(text)", REFUSING).replace(
        'document.execCommand("copy")', "false"
    )
    assert sabotaged.count("NotAllowedError") == 1
    site.edge.faults["/dashboard/view.js"] = (200, "text/javascript", sabotaged.encode())

    with pytest.raises(CheckFailedError, match=f"a click on the trace id {TRACE_ID} leaves '' on the clipboard"):
        check(site)


def test_a_page_that_copies_in_the_old_way_where_the_new_one_is_refused_is_green(site: Site) -> None:
    broken(site, "view.js", "navigator.clipboard.writeText(text)", REFUSING)
    assert check(site).startswith("copied and said so")


UNLIMITED = f"does not show that it is limited for {RETRY_AFTER} s"


@pytest.mark.parametrize(
    ("name", "was", "now", "said"),
    [
        pytest.param(*case, id=title)
        for title, *case in (
            (
                "another text is copied",
                *("view.js", "writeText(text)", "writeText(text.slice(1))"),
                f"a click on the trace id {TRACE_ID} leaves '{TRACE_ID[1:]}' on the clipboard",
            ),
            (
                "no toast",
                *("view.js", "    toast(copied", "    if (!copied) toast(copied"),
                "does not say that a trace id is copied",
            ),
            (
                "a click does nothing",
                *("view.js", 'addEventListener("click"', 'addEventListener("dblclick"'),
                "does not say that a trace id is copied",
            ),
            (
                "no trace ids",
                *("panels.js", "traceId ? traceChip(traceId)", "traceId ? element('p')"),
                "does not show the trace id of the newest action within 5 s",
            ),
            (
                "a script ends",
                *("view.js", "export const byId", "throw Error('broken');\nexport const byId"),
                "does not show the trace id of the newest action within 5 s: broken",
            ),
            ("no countdown", *("dashboard.js", "notice.hidden = !held", "notice.hidden = true"), UNLIMITED),
            (
                "a countdown that stands still",
                *("dashboard.js", "`Limited, next try in ${held.seconds} s`,", f'"Next try in {RETRY_AFTER} s",'),
                f"does not count down from {RETRY_AFTER} s",
            ),
            ("Retry-After unread", *("api.js", '"Retry-After"', '"Retry"'), UNLIMITED),
        )
    ],
)
def test_a_broken_page_is_red(site: Site, name: str, was: str, now: str, said: str) -> None:
    broken(site, name, was, now)
    with pytest.raises(CheckFailedError, match=said):
        check(site)


def test_a_script_of_another_track_is_named(site: Site) -> None:
    site.edge.tracks["/dashboard/polling.js"] = "candidate"
    said = "GET /dashboard/polling.js: answered by candidate, stable was asked for"
    with pytest.raises(CheckFailedError, match=said):
        check(site)


def test_a_pin_that_is_not_honoured_is_red(site: Site) -> None:
    with pytest.raises(CheckFailedError, match="GET /dashboard: answered by stable, candidate was asked for"):
        check(site, "candidate")


def test_a_script_that_is_missing_is_named(site: Site) -> None:
    site.edge.faults["/dashboard/api.js"] = (404, "application/json", b"{}")
    with pytest.raises(CheckFailedError, match=r"GET /dashboard/api\.js: 404"):
        check(site)


def test_an_edge_that_is_away_is_red() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(CheckFailedError, match=r"^GET /dashboard: net::ERR_CONNECTION_REFUSED"):
        trace_copy.look(probe_of(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(("lost", "outcome"), [(2, Outcome.RETRIED), (3, Outcome.FAIL)])
def test_a_visit_that_a_network_of_the_machine_cut_off_is_made_again_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch, lost: int, outcome: Outcome
) -> None:
    """Chromium gives requests up while a container comes or goes, which is when a deployment is smoked."""
    visits = iter(range(9))
    whole = trace_copy.visit

    def cut_off(tab: Tab) -> str:
        if next(visits) >= lost:
            return whole(tab)
        tab._miss(SimpleNamespace(failure="net::ERR_NETWORK_CHANGED"))  # type: ignore[arg-type]
        raise CheckFailedError("the page does not show the trace id")

    monkeypatch.setattr(trace_copy, "visit", cut_off)
    assert trace_copy.CHECK.run(probe_of(site.url)).outcome is outcome


def test_without_a_browser_the_check_is_not_run_and_says_how_to_get_one(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = trace_copy.CHECK.run(probe_of(site.url))
    assert finding.outcome is Outcome.NOT_RUN
    assert "apt-get install chromium" in finding.saw


OPENS = (
    "import time\nfrom cutover.smoke.browser import chromium\nwith chromium():\n  print(flush=True)\n  time.sleep(60)"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_browser_goes_with_the_process_that_opened_it(number: signal.Signals) -> None:
    mark = f"OPENED_BY={secrets.token_hex(8)}"
    name, value = mark.split("=")
    process = subprocess.Popen(
        [sys.executable, "-c", OPENS],
        env={**os.environ, name: value},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert len(marked(mark)) > 2

    process.send_signal(number)
    process.wait(20)
    process.stdout.close()
    wait_for(lambda: not marked(mark), 20)


def marked(mark: str) -> list[str]:
    """The processes whose environment has the mark."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append(environ.parent.name)
        except OSError:
            continue
    return found
