"""TraceId copy: the deployed page in a real browser. A click on a trace id copies it, and a limit is counted down.

The page, its scripts and its styles come through the edge. Its calls of /api/ are answered here, by `STOOD_IN` and then
by 429: they leave the edge's limit to the others. Images are left out, and the page's clock is put on.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx

from cutover.smoke.browser import NoBrowserError, chromium
from cutover.smoke.check import Check
from cutover.smoke.probe import (
    ANSWERED_BY_EDGE,
    ANSWERED_BY_TRACK,
    LIMITED,
    TRACK_HEADER,
    USER_AGENT,
    CheckFailedError,
    NotRunError,
    Probe,
    Sample,
)
from outputs.smoke import Criterion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Response, Route

PAGE = "/dashboard"
LOAD_SECONDS = 8
STEP_SECONDS = 3
TRIES = 3
ASKS_AGAIN = 60
"""Seconds within which the page must ask for something."""
RETRY_AFTER = 47
"""Seconds: a figure that nothing else on a page shows."""

TRACE_ID = "smoke-5f0c2a41-trace-copy"
_ENTRY = {"id": 1, "version": "1.0", "ts": "2026-03-02T09:30:00Z", "action": "smoke", "result": "ok"}
_ADAPTER = {"ok": True, "adapter": "production"}
STOOD_IN: Mapping[str, Any] = {
    "/api/audit/list": {"_mock": False, "items": [{**_ENTRY, "traceId": TRACE_ID}]},
    "/api/guardrails/read": {"_mock": False, "thresholds": {"maxDrawdown": 0.15}, "lastBreach": None},
    "/api/alerts/queue": {"_mock": False, "pending": 0, "dlq": 0, "waiting": 0, "active": 0, "delayed": 0},
    "/api/healthz": {
        "ok": True,
        "buildSha": "0000000",
        "environment": "smoke",
        "uptimeSec": 1.0,
        "version": "0.0.0",
        "flags": {"FEATURE_AUTO_PAUSE": 0.0},
        "checks": {
            "memory": {"ok": True, "rssMiB": 64.0},
            "uptime": {"ok": True, "seconds": 1.0},
            **dict.fromkeys(("audit", "evidence", "queue", "guardrails"), _ADAPTER),
        },
    },
}
"""Answers in the contract's form, by path."""

_SEEN = "(part) => part.checkVisibility() && part.getBoundingClientRect().height > 4"  # what is only heard is 1px high
_SAID = f"""() => [...document.querySelectorAll("[role=status], [role=alert], [aria-live]")]
  .filter({_SEEN})
  .map((region) => region.innerText.trim())
  .filter((text) => text)"""
_SAYS_MORE = f"(before) => ({_SAID})().some((text) => !before.includes(text))"
_CLIPBOARD = "() => navigator.clipboard.readText().then((text) => ({ text }), (why) => ({ text: String(why) }))"
_COUNTED = rf"""([least, most]) => [...document.querySelectorAll("body *")]
  .filter({_SEEN})
  .map((part) => [...part.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.data : "")).join(""))
  .flatMap((text) => [...text.matchAll(/\b(\d+) ?s(?:ec(?:ond)?s?)?\b/g)].map((found) => Number(found[1])))
  .find((seconds) => least <= seconds && seconds <= most)"""


def look(probe: Probe) -> str:
    """What the page did, and how many of its files were the deployed ones."""
    edge = probe.target.edge
    options = ["--no-proxy-server"]
    if edge.authority:
        options.append(f"--ignore-certificate-errors-spki-list={verified_key(edge.url, edge.authority)}")
    try:
        with chromium(*options) as browser:
            for _ in range(TRIES - 1):
                visit = Visit.begin(browser, probe)
                try:
                    return visit.whole()
                except CheckFailedError:
                    if not visit.cut_off:
                        raise
                    probe.retried = True
            return Visit.begin(browser, probe).whole()
    except NoBrowserError as missing:
        raise NotRunError(str(missing)) from None


def verified_key(url: str, authority: str) -> str:
    """Returns the hash of the edge's public key, for Chromium, which takes no file of an authority.

    The certificate is verified by the authority here. Raises CheckFailedError where it is another's.
    """
    address = urlsplit(url)
    try:
        trust = ssl.create_default_context(cafile=authority)
        with (
            socket.create_connection((address.hostname, address.port or 443), STEP_SECONDS) as plain,
            trust.wrap_socket(plain, server_hostname=address.hostname) as secured,
        ):
            certificate = secured.getpeercert(binary_form=True)
        command = ["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"]
        printed = subprocess.run(command, input=certificate, capture_output=True, check=True).stdout
    except OSError as error:
        raise CheckFailedError(f"{url}: {error}") from None
    key = base64.b64decode(b"".join(printed.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@dataclass
class Visit:
    """The page in a tab. Once it is `limited`, its calls are answered by 429. `sent` is when each file was asked for,
    `files` are those that the edge has answered, `wrong` is what was wrong with these, `complaints` are the page's.
    `cut_off`: Chromium gave a request up because a network of this machine came or went, as a container's does."""

    page: Page
    probe: Probe
    limited: bool = False
    cut_off: bool = False
    sent: dict[str, float] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, browser: Browser, probe: Probe) -> Self:
        """A tab of its own, pinned to the track, that may use the clipboard."""
        context = browser.new_context(
            user_agent=USER_AGENT,
            extra_http_headers={TRACK_HEADER: probe.target.track},
            permissions=["clipboard-read", "clipboard-write"],
            service_workers="block",
        )
        return cls(context.new_page(), probe)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * STEP_SECONDS)
        self.page.clock.install()
        self.page.route("**", self._route)
        self.page.on("response", self._note)
        self.page.on("requestfailed", self._miss)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def whole(self) -> str:
        """What the page did. Raises CheckFailedError with what is wrong."""
        from playwright.sync_api import Error

        try:
            self.copy()
            self.count_down()
        except Error as error:
            said = error.message.splitlines()[0].removeprefix("Page.goto: ")
            raise CheckFailedError(f"GET {PAGE}: {said}") from None
        files = f"{len(self.files)} files of track {self.probe.target.track}"
        return f"copied and said so, {RETRY_AFTER} s counted down; {files}"

    def copy(self) -> None:
        """Raises CheckFailedError unless a click on a trace id copies it and the page says so."""
        self.page.goto(f"{self.probe.target.edge.url}{PAGE}", timeout=1000 * LOAD_SECONDS)
        self._require_sound()
        chip = self.page.get_by_text(TRACE_ID, exact=True).or_(self.page.get_by_title(TRACE_ID, exact=True)).first
        with self._must("show the trace id of the newest action"):
            chip.wait_for()
        before = self.page.evaluate(_SAID)
        with self._must("let a trace id be clicked"):
            chip.click()
        with self._must("say that a trace id is copied"):
            self.page.wait_for_function(_SAYS_MORE, arg=before)
        held = self.page.wait_for_function(_CLIPBOARD).json_value()["text"]
        if held != TRACE_ID:
            raise CheckFailedError(f"a click on the trace id {TRACE_ID} leaves {held[:80]!r} on the clipboard")

    def count_down(self) -> None:
        """Raises CheckFailedError unless the page, limited, shows for how many seconds, and they get fewer."""
        self.limited = True
        self.page.clock.fast_forward(1000 * ASKS_AGAIN)
        with self._must(f"show that it is limited for {RETRY_AFTER} s"):
            self.page.wait_for_function(_COUNTED, arg=[RETRY_AFTER - STEP_SECONDS, RETRY_AFTER])
        self.page.clock.fast_forward(1000 * 2 * STEP_SECONDS)
        with self._must(f"count down from {RETRY_AFTER} s"):
            self.page.wait_for_function(_COUNTED, arg=[RETRY_AFTER // 2, RETRY_AFTER - STEP_SECONDS - 1])
        self._require_sound()

    def _require_sound(self) -> None:
        if self.wrong:
            raise CheckFailedError("; ".join(self.wrong[:3]))

    @contextmanager
    def _must(self, what: str) -> Iterator[None]:
        from playwright.sync_api import TimeoutError as TooLateError

        try:
            yield
        except TooLateError:
            self._require_sound()
            heard = f": {self.complaints[0]}" if self.complaints else ""
            raise CheckFailedError(f"the page does not {what} within {STEP_SECONDS} s{heard}") from None

    def _route(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if not path.startswith(LIMITED):
            if route.request.resource_type in ("image", "font", "media"):  # a firewall counts each request
                route.abort()
            else:
                self.sent[route.request.url] = round(self.probe.clock(), 6)
                route.continue_()
            return
        trace = route.request.headers.get("x-trace-id", TRACE_ID)
        headers = {"X-Trace-Id": trace}
        if self.limited:
            body = {"_err": "rate limited", "traceId": trace}
            route.fulfill(status=429, headers={**headers, "Retry-After": str(RETRY_AFTER)}, json=body)
        elif path in STOOD_IN:
            route.fulfill(headers=headers, json=STOOD_IN[path])
        else:
            route.fulfill(status=404, headers=headers, json={"_err": "not found", "traceId": trace})

    def _miss(self, request: Request) -> None:
        self.cut_off = self.cut_off or "ERR_NETWORK_CHANGED" in (request.failure or "")

    def _note(self, response: Response) -> None:
        address = urlsplit(response.url)
        if address.path.startswith(LIMITED) or not response.url.startswith(f"{self.probe.target.edge.url}/"):
            return
        track = response.headers.get(ANSWERED_BY_TRACK)
        received = round(self.probe.clock(), 6)
        sample = Sample(
            check=self.probe.check,
            method=response.request.method,
            path=address.path,
            sent=self.sent.get(response.url, received),
            received=received,
            status=response.status,
            track=track,
            edge=response.headers.get(ANSWERED_BY_EDGE),
        )
        self.probe.samples.add(sample, httpx.Headers(response.headers))
        self.files.add(address.path)
        if track != self.probe.target.track:
            self.wrong.append(
                f"GET {address.path}: answered by {track or 'no track'}, {self.probe.target.track} was asked for"
            )
        elif response.status >= 400:
            self.wrong.append(f"GET {address.path}: {response.status}")


CHECK = Check(
    name="trace id copy",
    criterion=Criterion.TRACE_COPY,
    did="opened the deployed page in Chromium with answers of /api/ that stood in, clicked a trace id, read the "
    "clipboard, then limited the page's calls and put its clock on",
    look=look,
)
