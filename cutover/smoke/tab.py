"""A tab of the browser: a page of the edge, pinned to the track that is smoked, its files among the samples.

The page, its scripts and its styles come through the edge; its calls of /api/ are answered here, so that they leave the
edge's limit to others. Images are left out: a firewall counts each request.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx

from cutover.edge import connected
from cutover.smoke.pin import ANSWERED_BY_EDGE, ANSWERED_BY_TRACK, TRACK_HEADER, USER_AGENT
from cutover.smoke.probe import LIMITED, CheckFailedError, Probe, Sample
from outputs.smoke import EdgeSummary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Response, Route

LOAD_SECONDS = 10
STEP_SECONDS = 5


def verified_key(edge: EdgeSummary) -> str:
    """Returns the hash of the edge's public key, for Chromium, which takes no file of an authority.

    The certificate is verified by the authority here. Raises CheckFailedError where it is another's.
    """
    try:
        with connected(edge.url, edge.address, edge.authority, STEP_SECONDS) as secured:
            certificate = secured.getpeercert(binary_form=True)
        command = ["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"]
        printed = subprocess.run(command, input=certificate, capture_output=True, check=True).stdout
    except OSError as error:
        raise CheckFailedError(f"{edge.url}: {error}") from None
    key = base64.b64decode(b"".join(printed.splitlines()[1:-1]))
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@dataclass
class Tab:
    """The page's calls are answered by `answers`, path → body, and by 429 once there is a `retry_after`, in seconds.

    `sent` is when each file was asked for, `files` are those that the edge has answered, `wrong` is what was wrong with
    these, `complaints` are the page's. `cut_off`: Chromium gave a request up because a network of this machine came or
    went, as a container's does.
    """

    page: Page
    probe: Probe
    answers: Mapping[str, Any]
    retry_after: int | None = None
    cut_off: bool = False
    sent: dict[str, float] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Browser, probe: Probe, answers: Mapping[str, Any]) -> Self:
        """An empty tab with a profile of its own, which may use the clipboard."""
        context = browser.new_context(
            user_agent=USER_AGENT,
            extra_http_headers={TRACK_HEADER: probe.target.track},
            permissions=["clipboard-read", "clipboard-write"],
            service_workers="block",
        )
        return cls(context.new_page(), probe, answers)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(1000 * STEP_SECONDS)
        self.page.route("**", self._route)
        self.page.on("response", self._note)
        self.page.on("requestfailed", self._miss)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def load(self, path: str) -> None:
        """Loads a page of the edge. Raises CheckFailedError unless its files come, from the track asked for."""
        from playwright.sync_api import Error

        try:
            self.page.goto(f"{self.probe.target.edge.url}{path}", timeout=1000 * LOAD_SECONDS)
        except Error as error:
            said = error.message.splitlines()[0].removeprefix("Page.goto: ")
            raise CheckFailedError(f"GET {path}: {said}") from None
        self.require_sound()

    def require_sound(self) -> None:
        """Raises CheckFailedError where the edge has answered for a file by an error or by another track."""
        if self.wrong:
            raise CheckFailedError("; ".join(self.wrong[:3]))

    @contextmanager
    def must(self, what: str) -> Iterator[None]:
        """Raises CheckFailedError where the block waits in vain for what the page must do."""
        from playwright.sync_api import Error
        from playwright.sync_api import TimeoutError as TooLateError

        try:
            yield
        except TooLateError:
            self.require_sound()
            heard = f": {self.complaints[0]}" if self.complaints else ""
            raise CheckFailedError(f"the page does not {what} within {STEP_SECONDS} s{heard}") from None
        except Error as error:
            raise CheckFailedError(f"the page does not {what}: {error.message.splitlines()[0]}") from None

    def _route(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith(LIMITED):
            self._answer(route, path)
        elif route.request.resource_type in ("image", "font", "media"):
            route.abort()
        else:
            self.sent[route.request.url] = round(self.probe.clock(), 6)
            route.continue_()

    def _answer(self, route: Route, path: str) -> None:
        trace = route.request.headers.get("x-trace-id", "smoke-without-trace-id")
        headers = {"X-Trace-Id": trace}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
            route.fulfill(status=429, headers=headers, json={"_err": "rate limited", "traceId": trace})
        elif path in self.answers:
            route.fulfill(headers=headers, json=self.answers[path])
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
