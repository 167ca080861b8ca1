"""The command `cutover contract`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import typer

from cutover.commands.command import AsJson, Command, absolute, print_json, verbatim
from cutover.errors import ContractError, CutoverError

SECONDS = 10.0
"""For one answer."""


def origin(text: str) -> str:
    """The address without a trailing slash. Raises BadParameter unless it is scheme, host and port alone."""
    parts = _address(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise typer.BadParameter(f"{text!r} has more than scheme, host and port: paths are the contract's")
    return text.rstrip("/")


def metrics_url(text: str) -> str:
    """The address, with the path /metrics where it has none. Raises BadParameter unless it is http or https."""
    return text if _address(text).path not in ("", "/") else f"{text.rstrip('/')}/metrics"


def _address(text: str) -> SplitResult:
    import httpx

    try:
        parts = urlsplit(text)
        usable = httpx.URL(text).scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        usable = usable and parts.port != 0  # which raises ValueError above 65535
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise typer.BadParameter(
            f"{text!r} is no http or https address without credentials, such as http://127.0.0.1:3003"
        )
    return parts


def _lines(files: list[Path]) -> list[str]:
    try:
        return [line for file in files for line in file.read_text(errors="replace").splitlines()]
    except OSError as error:
        raise CutoverError(f"the log cannot be read ({error}): --log takes what docker logs NAME wrote") from None


def add_to(app: typer.Typer) -> None:
    """Adds `contract` to the command line."""
    example = "cutover contract http://127.0.0.1:3003 --metrics http://127.0.0.1:9464"
    app.command(cls=Command, epilog=verbatim("Example", example))(contract)


def contract(
    url: Annotated[str, typer.Argument(parser=origin, help="where it listens, such as http://127.0.0.1:3003")],
    metrics: Annotated[
        str | None,
        typer.Option(parser=metrics_url, metavar="URL", help="its metrics, such as http://127.0.0.1:9464"),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(parser=absolute, metavar="FILE", help="a private authority's certificate, PEM")
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(parser=absolute, metavar="FILE", help="a minute or more of its log; of its worker's, once more"),
    ] = None,
    write_alert: Annotated[bool, typer.Option("--write-alert", help="post one alert, which will be delivered")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a running image keeps the contract.

    docs/contract.md has it; what the image is written in does not matter.
    The check writes: two audit entries (action contract), and with --write-alert one alert, which the image delivers to
    wherever it delivers. What an image must refuse and does not, it keeps too. Every request says that it is smoke, by
    X-Web-Next-Traffic and User-Agent, so that gates leave it out where the caller is believed.
    """
    import httpx

    from cutover.conformance.image import Image
    from cutover.conformance.suite import RULES, check
    from cutover.smoke.pin import USER_AGENT

    try:
        trust = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise CutoverError(f"{ca} is no certificate authority ({error}): --ca takes a PEM file") from None
    lines = _lines(log) if log else None
    agent = {"user-agent": USER_AGENT, "x-web-next-traffic": "smoke"}
    with httpx.Client(base_url=url, verify=trust, timeout=SECONDS, headers=agent, trust_env=False) as http:
        try:
            http.get("/healthz")
        except httpx.HTTPError as error:
            raise CutoverError(
                f"{url} gave no answer ({' '.join(str(error).split()) or type(error).__name__}): "
                "start the image and give the address it listens on; for a private authority add --ca FILE"
            ) from None
        report = check(Image(http=http, metrics_url=metrics, log=lines, write_alert=write_alert), url)
    if as_json:
        print_json(report.document())
    else:
        print(report.table())
    if report.broken:
        raise ContractError(
            f"{url} breaks {len(report.broken)} of {len(RULES)} rules: {', '.join(report.broken)}; "
            "docs/contract.md says what each asks"
        )
