"""Evidence: what is put is fetched, byte for byte, and refused to a stranger."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import httpx

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion

BYTES = 4096
SECONDS = 10
CONTENT_TYPE = "application/zip"
"""It is signed with the URL (docs/contract.md)."""


def look(probe: Probe) -> str:
    """How many bytes came back, and what a stranger was answered."""
    granted = probe.ask("POST", "/api/evidence/zip", {"runId": f"smoke-{secrets.token_hex(8)}"})
    if granted.get("_mock") is not False:
        raise CheckFailedError(f"the upload is granted by a fallback: _mock is {granted.get('_mock')!r}")
    content = secrets.token_bytes(BYTES)
    with httpx.Client(timeout=SECONDS, trust_env=False) as store:
        put = _ask(store, "PUT", str(granted.get("uploadUrl")), content)
        if put.status_code != httpx.codes.OK:
            raise CheckFailedError(f"the object was not taken: PUT answered {put.status_code}")
        got = _ask(store, "GET", str(granted.get("downloadUrl")))
        if got.content != content:
            raise CheckFailedError(
                f"{BYTES} bytes were put, and GET answered {got.status_code} with {len(got.content)} others"
            )
        stranger = _ask(store, "GET", urlunsplit(urlsplit(str(granted.get("downloadUrl")))._replace(query="")))
        if stranger.status_code not in (httpx.codes.FORBIDDEN, httpx.codes.UNAUTHORIZED):
            raise CheckFailedError(f"a stranger's GET of the object answered {stranger.status_code}, 403 expected")
    return f"{BYTES} bytes put and fetched, a stranger got {stranger.status_code}"


def _ask(store: httpx.Client, method: str, url: str, content: bytes | None = None) -> httpx.Response:
    try:
        return store.request(method, url, content=content, headers={"content-type": CONTENT_TYPE} if content else {})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        host = urlsplit(url).hostname
        raise CheckFailedError(f"{method} at {host}: no answer ({type(error).__name__}: {error})") from None


CHECK = Check(
    name="evidence",
    criterion=Criterion.EVIDENCE,
    did="put an object by the granted URL, fetched it, and asked for it without a signature",
    look=look,
)
