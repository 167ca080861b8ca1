"""Check that a running image keeps the contract of docs/contract.md, whatever it is written in.

It writes: two audit entries (action contract), and with --write-alert one alert, which the image delivers to
wherever it delivers. What an image must refuse and does not, it keeps too. Every request has the User-Agent
web-next-smoke, so that gates leave it out.
"""

from __future__ import annotations

import argparse
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpx

from cutover.contract import answers, metrics, routes
from cutover.contract.image import BrokenError, Image, SkippedError
from cutover.errors import ContractError, CutoverError
from cutover.smoke import USER_AGENT

SECONDS = 10.0
"""For one answer."""

RULES: dict[str, Callable[[Image], str]] = {
    "healthz": answers.healthz,
    "api-healthz": answers.api_healthz,
    "security-headers": answers.security_headers,
    "home": answers.home,
    "dashboard": answers.dashboard,
    "trace-kept": answers.trace_kept,
    "trace-replaced": answers.trace_replaced,
    "errors": answers.errors,
    "invalid-json": answers.invalid_json,
    "body-limit": answers.body_limit,
    "audit-push": routes.audit_push,
    "audit-details": routes.audit_details,
    "audit-idempotency": routes.audit_idempotency,
    "audit-list": routes.audit_list,
    "evidence": routes.evidence,
    "queue": routes.queue,
    "queue-action": routes.queue_action,
    "webhook": routes.webhook,
    "guardrails": routes.guardrails,
    "snapshot": routes.snapshot,
    "metric-names": metrics.metric_names,
    "metric-labels": metrics.metric_labels,
    "metric-bounds": metrics.metric_bounds,
}
"""The rules by name, in the order in which they are checked: later ones look at what earlier ones wrote."""


class Result(NamedTuple):
    """One rule's outcome; `seen` is what was seen, in a line."""

    rule: str
    outcome: Literal["pass", "fail", "skip"]
    seen: str


@dataclass(frozen=True)
class Report:
    """What was found of the image at `url`."""

    url: str
    results: tuple[Result, ...]

    @property
    def broken(self) -> list[str]:
        """The rules that do not hold."""
        return [result.rule for result in self.results if result.outcome == "fail"]

    def table(self) -> str:
        """The report for a terminal: a line for each rule."""
        return "\n".join(f"  {outcome.upper()}  {rule:<18} {seen}" for rule, outcome, seen in self.results)

    def document(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "url": self.url,
            "holds": not self.broken,
            "rules": [result._asdict() for result in self.results],
        }


def check(image: Image, url: str) -> Report:
    """Every rule's outcome; one that fails does not stop the others."""
    return Report(url, tuple(_result(name, rule, image) for name, rule in RULES.items()))


def _result(name: str, rule: Callable[[Image], str], image: Image) -> Result:
    try:
        return Result(name, "pass", rule(image))
    except BrokenError as broken:
        return Result(name, "fail", str(broken))
    except SkippedError as skipped:
        return Result(name, "skip", str(skipped))


def run(options: argparse.Namespace) -> None:
    """Prints the report; raises ContractError when a rule does not hold, CutoverError when nothing answers."""
    try:
        trust = ssl.create_default_context(cafile=options.ca)
    except OSError as error:
        raise CutoverError(f"{options.ca} is no certificate authority ({error}): --ca takes a PEM file") from None
    agent = {"user-agent": USER_AGENT}
    with httpx.Client(base_url=options.url, verify=trust, timeout=SECONDS, headers=agent, trust_env=False) as http:
        try:
            http.get("/healthz")
        except httpx.HTTPError as error:
            raise CutoverError(
                f"{options.url} gave no answer ({' '.join(str(error).split()) or type(error).__name__}): "
                "start the image and give the address it listens on; for a private authority add --ca FILE"
            ) from None
        report = check(Image(http=http, metrics_url=options.metrics, write_alert=options.write_alert), options.url)
    print(json.dumps(report.document(), indent=2) if options.json else report.table())
    if report.broken:
        raise ContractError(
            f"{options.url} breaks {len(report.broken)} of {len(RULES)} rules: {', '.join(report.broken)}; "
            "docs/contract.md says what each asks"
        )


def add_to(commands: Any) -> None:
    """Adds `contract` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "contract", help="check that a running image keeps the contract", description=__doc__
    )
    parser.set_defaults(command=run)
    parser.add_argument("url", type=origin, metavar="URL", help="where it listens, such as http://127.0.0.1:3003")
    parser.add_argument("--metrics", type=metrics_url, metavar="URL", help="its metrics, such as http://127.0.0.1:9464")
    parser.add_argument("--ca", type=_absolute, metavar="FILE", help="a private authority's certificate, PEM")
    parser.add_argument("--write-alert", action="store_true", help="post one alert, which will be delivered")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def origin(text: str) -> str:
    """The address without a trailing slash. Raises ArgumentTypeError unless it is scheme, host and port alone."""
    parts = _address(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} has more than scheme, host and port: paths are the contract's")
    return text.rstrip("/")


def metrics_url(text: str) -> str:
    """The address, with the path /metrics where it has none. Raises ArgumentTypeError unless it is http or https."""
    return text if _address(text).path not in ("", "/") else f"{text.rstrip('/')}/metrics"


def _address(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = httpx.URL(text).scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        usable = usable and parts.port != 0  # which raises ValueError above 65535
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no http or https address without credentials, such as http://127.0.0.1:3003"
        )
    return parts


def _absolute(text: str) -> Path:
    return Path(text).absolute()
