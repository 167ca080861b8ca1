"""TraceId copy: the deployed page in a real browser. A click on a trace id copies it, and a limit is counted down.

The page, its scripts and its styles come through the edge. What the page asks of /api/ is answered here, so that the
check takes nothing of the edge's limit: with what the suite has fetched, else with `STOOD_IN`.
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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cutover.smoke.browser import chromium
from cutover.smoke.probe import TRACK_HEADER, USER_AGENT, CheckFailedError

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Response, Route

DID = "opened /dashboard in Chromium twice: clicked a trace id and read the clipboard; answered its API calls by 429"
PAGE = "/dashboard"
LOAD_SECONDS = 8
STEP_SECONDS = 3
WAIT = 47
"""Seconds of the Retry-After: a figure that nothing else on a page shows."""

LIST = "/api/audit/list"
_ENTRY = {"id": 1, "version": "1.0", "ts": "2026-03-02T09:30:00Z", "action": "smoke", "result": "ok"}
_ADAPTER = {"ok": True, "adapter": "production"}
STOOD_IN: Mapping[str, Any] = {
    LIST: {"_mock": False, "items": [{**_ENTRY, "traceId": "smoke-5f0c2a41-trace-copy"}]},
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

_SEEN = (
    "(part) => part.checkVisibility() && part.getBoundingClientRect().height > 4"  # what only readers hear is 1px high
)
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


def trace_copy(url: str, authority: str | None, track: str, answers: Mapping[str, Any]) -> str:
    """Returns what the page of a track did, in a line. `answers` are bodies that the suite has fetched, by path.

    Raises CheckFailedError with what is wrong, NoBrowserError where no browser is to be had.
    """
    from playwright.sync_api import Error

    trusted = [f"--ignore-certificate-errors-spki-list={verified_key(url, authority)}"] if authority else []
    with chromium("--no-proxy-server", *trusted) as browser:
        context = browser.new_context(
            user_agent=USER_AGENT,
            extra_http_headers={TRACK_HEADER: track},
            permissions=["clipboard-read", "clipboard-write"],
            service_workers="block",
        )
        limited = Visit(context.new_page(), url, track)
        open_to = Visit(context.new_page(), url, track, {**STOOD_IN, **answers})
        try:
            seconds = limited.seconds_shown()
            copied = open_to.copy()
            limited.require_fewer_than(seconds)
        except Error as error:
            raise CheckFailedError(f"GET {PAGE}: {error.message.splitlines()[0].removeprefix('Page.goto: ')}") from None
    files = f"{len(open_to.files)} files of track {track} are the deployed ones"
    return f"{copied} copied and said so, a limit of {WAIT} s counted down; {files}, answers of /api/ stood in"


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
    """The page in a tab of its own. `answers` by path are given to its API calls; without any it is limited.

    `files` are the paths that the edge has answered, `wrong` what was wrong with that, `complaints` the browser's.
    """

    page: Page
    url: str
    track: str
    answers: Mapping[str, Any] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * STEP_SECONDS)
        self.page.route(lambda address: urlsplit(address).path.startswith("/api/"), self._answer)
        self.page.on("response", self._look)
        self.page.on("requestfailed", self._miss)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def copy(self) -> str:
        """Clicks a trace id and returns it. Raises CheckFailedError unless it is copied and the page says so."""
        self._open()
        trace = next(str(item["traceId"]) for item in self.answers[LIST]["items"] if item.get("traceId"))
        chip = self.page.get_by_text(trace, exact=True).or_(self.page.get_by_title(trace, exact=True)).first
        with self._must(f"show the trace id {trace} of the newest action"):
            chip.wait_for()
        before = self.page.evaluate(_SAID)
        with self._must(f"let the trace id {trace} be clicked"):
            chip.click()
        with self._must("say that a trace id is copied"):
            self.page.wait_for_function(_SAYS_MORE, arg=before)
        held = self.page.wait_for_function(_CLIPBOARD).json_value()["text"]
        if held != trace:
            raise CheckFailedError(f"a click on the trace id {trace} leaves {held[:80]!r} on the clipboard")
        self._require_sound()
        return trace

    def seconds_shown(self) -> int:
        """Returns how long the limit lasts by the page. Raises CheckFailedError where it does not say so."""
        self._open()
        with self._must(f"show that it is limited for {WAIT} s"):
            return int(self.page.wait_for_function(_COUNTED, arg=[WAIT - STEP_SECONDS, WAIT]).json_value())

    def require_fewer_than(self, seconds: int) -> None:
        """Raises CheckFailedError unless the page has counted down."""
        with self._must(f"count down from {seconds} s"):
            self.page.wait_for_function(_COUNTED, arg=[WAIT // 2, seconds - 1])
        self._require_sound()

    def _open(self) -> None:
        self.page.goto(f"{self.url}{PAGE}", timeout=1000 * LOAD_SECONDS)
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

    def _answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        trace = route.request.headers.get("x-trace-id", "smoke-trace-copy")
        headers = {"X-Trace-Id": trace}
        if not self.answers:
            body = {"_err": "rate limited", "traceId": trace}
            route.fulfill(status=429, headers={**headers, "Retry-After": str(WAIT)}, json=body)
        elif path in self.answers:
            route.fulfill(headers=headers, json=self.answers[path])
        else:
            route.fulfill(status=404, headers=headers, json={"_err": "not found", "traceId": trace})

    def _look(self, response: Response) -> None:
        address = urlsplit(response.url)
        if not response.url.startswith(f"{self.url}/") or address.path.startswith("/api/"):
            return
        self.files.add(address.path)
        track = response.headers.get("x-edge-track", "none")
        if track != self.track:
            self.wrong.append(f"GET {address.path} was answered by track {track}, {self.track} was asked for")
        elif response.status >= 400:
            self.wrong.append(f"GET {address.path}: {response.status}")

    def _miss(self, request: Request) -> None:
        if request.failure and "ERR_ABORTED" not in request.failure:
            self.complaints.append(f"{urlsplit(request.url).path}: {request.failure}")
