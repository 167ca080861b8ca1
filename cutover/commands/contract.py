"""Check that a running image keeps the contract of docs/contract.md, whatever it is written in.

It writes: two audit entries (action contract), and with --write-alert one alert, which the image delivers to
wherever it delivers. What an image must refuse and does not, it keeps too. Every request has the User-Agent
web-next-smoke, so that gates leave it out.
"""

from __future__ import annotations

import argparse
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from cutover.conformance.image import Image
from cutover.conformance.suite import RULES, check
from cutover.errors import ContractError, CutoverError
from cutover.smoke.probe import USER_AGENT

SECONDS = 10.0
"""For one answer."""


def contract(options: argparse.Namespace) -> None:
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
    parser.set_defaults(command=contract)
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
