"""TraceId copy: the deployed page in a real browser. A click on a trace id copies it, and a limit is counted down.

What the page asks of /api/ is answered by `STOOD_IN` and then by 429, and its clock is put on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutover.edge import resolver_rules
from cutover.smoke.browser import NoBrowserError, chromium
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe
from cutover.smoke.tab import STEP_SECONDS, Tab, verified_key
from outputs.smoke import Criterion

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
    options = ["--no-proxy-server", *resolver_rules(edge)]
    if edge.authority:
        options.append(f"--ignore-certificate-errors-spki-list={verified_key(edge)}")
    try:
        with chromium(*options) as browser:
            for _ in range(TRIES - 1):
                tab = Tab.open(browser, probe, STOOD_IN)
                try:
                    return visit(tab)
                except CheckFailedError:
                    if not tab.cut_off:
                        raise
                    probe.retried = True
            return visit(Tab.open(browser, probe, STOOD_IN))
    except NoBrowserError as missing:
        raise NotRunError(str(missing)) from None


def visit(tab: Tab) -> str:
    """What the page did. Raises CheckFailedError with what is wrong."""
    tab.page.clock.install()
    tab.load("/dashboard")
    copy(tab)
    count_down(tab)
    tab.require_sound()
    files = f"{len(tab.files)} files of track {tab.probe.target.track}"
    return f"copied and said so, {RETRY_AFTER} s counted down; {files}"


def copy(tab: Tab) -> None:
    """Raises CheckFailedError unless a click on a trace id copies it and the page says so."""
    chip = tab.page.get_by_text(TRACE_ID, exact=True).or_(tab.page.get_by_title(TRACE_ID, exact=True)).first
    with tab.must("show the trace id of the newest action"):
        chip.wait_for()
    with tab.must("let a trace id be clicked"):
        before = tab.page.evaluate(_SAID)
        chip.click()
    with tab.must("say that a trace id is copied"):
        tab.page.wait_for_function(_SAYS_MORE, arg=before)
    with tab.must("leave anything on the clipboard"):
        held = tab.page.wait_for_function(_CLIPBOARD).json_value()["text"]
    if held != TRACE_ID:
        raise CheckFailedError(f"a click on the trace id {TRACE_ID} leaves {held[:80]!r} on the clipboard")


def count_down(tab: Tab) -> None:
    """Raises CheckFailedError unless the page, limited, shows for how many seconds, and they get fewer."""
    tab.retry_after = RETRY_AFTER
    with tab.must(f"show that it is limited for {RETRY_AFTER} s"):
        tab.page.clock.fast_forward(1000 * ASKS_AGAIN)
        tab.page.wait_for_function(_COUNTED, arg=[RETRY_AFTER - STEP_SECONDS, RETRY_AFTER])
    with tab.must(f"count down from {RETRY_AFTER} s"):
        tab.page.clock.fast_forward(1000 * 2 * STEP_SECONDS)
        tab.page.wait_for_function(_COUNTED, arg=[RETRY_AFTER // 2, RETRY_AFTER - STEP_SECONDS - 1])


CHECK = Check(
    name="trace id copy",
    criterion=Criterion.TRACE_COPY,
    did="opened the deployed page in Chromium with answers of /api/ that stood in, clicked a trace id, read the "
    "clipboard, then limited the page's calls and put its clock on",
    look=look,
)
