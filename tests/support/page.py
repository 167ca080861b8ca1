"""The dashboard as a person meets it: what is on it, and what the browser had to say about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import ConsoleMessage, Error, Locator, Page

Panel = Literal["actions", "guardrails", "letters", "queue"]

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""What the page's clock shows when a test takes it."""

_WATCH = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
});
window.underWay = 0;
const fetchReally = fetch;
window.fetch = async (...request) => {
  underWay += 1;
  try {
    const answer = await fetchReally(...request);
    await answer.clone().text();
    return answer;
  } finally {
    underWay -= 1;
  }
};
"""


@dataclass
class Dashboard:
    """The page over one tab. `complaints` are exceptions, policy violations and errors of the page's own script.

    What Chromium itself notes of an answer that failed ("Failed to load resource") no page can prevent: it is kept
    apart, in `failed_loads`.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    failed_loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(_WATCH)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        kept = self.failed_loads if message.text.startswith("Failed to load resource") else self.complaints
        kept.append(message.text)

    def open(self) -> Dashboard:
        """Load the page; its script has started when this returns.

        Chromium gives up on what it loads while a container comes or goes: then it is loaded again. Raises
        playwright's Error, or AssertionError after half a minute of that.
        """
        deadline = time.monotonic() + 30
        while not self._starts():
            assert time.monotonic() < deadline, f"the page's script does not start: {self.failed_loads}"
        return self

    def _starts(self) -> bool:
        earlier = len(self.failed_loads)
        try:
            self.page.goto(f"{self.url}/dashboard")
            self.page.locator("#boot").wait_for(state="detached", timeout=10_000)
        except Error as error:
            if not any("ERR_NETWORK_CHANGED" in said for said in (str(error), *self.failed_loads[earlier:])):
                error.add_note(f"loads that failed: {self.failed_loads}")
                raise
            return False
        return True

    def settle(self) -> None:
        """Return when what the page has asked is answered and shown. Raises TimeoutError after ten seconds."""
        deadline = time.monotonic() + 10
        idle = 0
        while idle < 2:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.page.evaluate('underWay')} requests of the page are not answered")
            idle = 0 if self.page.evaluate("underWay") else idle + 1

    def hold_clock(self) -> None:
        """Take the page's clock, before it is opened: from now on time passes by pass_seconds alone.

        Playwright's performance.timeOrigin is 0 until performance.now() is first called in a document.
        """
        self.page.clock.install(time=NOW - timedelta(minutes=1))
        self.page.clock.pause_at(NOW)

    def pass_seconds(self, seconds: int) -> None:
        """Let seconds pass one by one, answers having the time they need after each."""
        for _ in range(seconds):
            self.page.clock.run_for(1000)
            self.settle()

    def panel(self, name: Panel) -> Locator:
        return self.page.locator(f"#{name}")

    def mock_chip(self, name: Panel) -> Locator:
        return self.panel(name).get_by_text("_mock", exact=True)

    def mocked(self) -> set[str]:
        """The panels that show a `_mock` chip."""
        shown: list[str] = self.page.locator(".mock:visible").evaluate_all(
            "chips => chips.map(chip => chip.closest('section').id)"
        )
        return set(shown)

    @property
    def rows(self) -> Locator:
        """The recent actions, without the heading's row."""
        return self.page.locator("#actions-rows").get_by_role("row")

    def trace_chip(self, trace_id: str) -> Locator:
        return self.page.get_by_role("button", name=f"Copy trace id {trace_id}", exact=True)

    @property
    def toast(self) -> Locator:
        return self.page.locator("#toast")

    @property
    def announcer(self) -> Locator:
        """What is said to those who do not see the page."""
        return self.page.locator("#announcer")

    @property
    def notice(self) -> Locator:
        """The countdown."""
        return self.page.locator("#notice")

    def stale(self, name: Panel | Literal["process"]) -> Locator:
        return self.page.locator(f"#{name}-stale")

    @property
    def refresh(self) -> Locator:
        return self.page.get_by_role("button", name="Refresh")

    def clipboard(self) -> str:
        """What is on the clipboard; the context needs the right to read it."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return overflow(self.page)

    def set_hidden(self, hidden: bool) -> None:
        """Tell the page that its tab is hidden, or visible again: headless windows are never covered."""
        self.page.evaluate(
            """(hidden) => {
              Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
              const state = hidden ? "hidden" : "visible";
              Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    def violations(self) -> list[dict[str, Any]]:
        """What axe-core finds wrong: best practices included."""
        return violations(self.page)


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe-core finds wrong on a page: best practices included."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [{"rule": violation["id"], "nodes": [node["html"] for node in violation["nodes"]]} for violation in found]
