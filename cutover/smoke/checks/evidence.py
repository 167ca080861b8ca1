"""Evidence: what is put is fetched, byte for byte, refused to a stranger, and noted in the bucket."""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import urlsplit, urlunsplit

import httpx

from cutover import aws
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion, Places

BYTES = 4096
SECONDS = 10
SIGNED = {"content-type": "application/zip", "if-none-match": "*"}
"""The headers that are signed with the URL (docs/contract.md)."""


def look(probe: Probe) -> str:
    """How many bytes came back, and what a stranger was answered.

    The object stays, under evidence/smoke-…, until the bucket's lifecycle removes it: it is versioned, so a deletion
    would only hide it.
    """
    run, content = f"smoke-{secrets.token_hex(8)}", secrets.token_bytes(BYTES)
    granted = probe.ask("POST", "/api/evidence/zip", {"runId": run})
    if granted.get("_mock") is not False:
        raise CheckFailedError(f"the upload is granted by a fallback: _mock is {granted.get('_mock')!r}")
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
    _archive(probe, run, str(granted.get("key")), hashlib.sha256(content).hexdigest())
    return f"{BYTES} bytes put, fetched and archived, a stranger got {stranger.status_code}"


def _archive(probe: Probe, run: str, key: str, digest: str) -> None:
    body = {"key": key, "runId": run, "sha256": digest, "metadata": {"traffic": "smoke"}}
    answer = probe.ask("POST", "/api/evidence/archive", body)
    if answer.get("_mock") is not False:
        raise CheckFailedError(f"the object is archived by a fallback: _mock is {answer.get('_mock')!r}")
    if answer.get("sizeBytes") != BYTES:
        raise CheckFailedError(f"the archive says that it has {answer.get('sizeBytes')} bytes, {BYTES} were put")
    metadata = str(answer.get("metadataKey"))
    noted = read(probe.target.places, metadata)
    if missing := [said for said in (run, digest) if said not in noted]:
        raise CheckFailedError(f"{metadata}, the archive's note, does not name {' and '.join(missing)}")


def read(places: Places, key: str) -> str:
    """The text of an object, from the bucket itself. Raises CheckFailedError where it cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        content: bytes = aws.client("s3", places).get_object(Bucket=places.evidence_bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise CheckFailedError(f"{key} cannot be read from the bucket ({error})") from None
    return content.decode(errors="replace")


def _ask(store: httpx.Client, method: str, url: str, content: bytes | None = None) -> httpx.Response:
    try:
        return store.request(method, url, content=content, headers=SIGNED if content else {})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        host = urlsplit(url).hostname
        raise CheckFailedError(f"{method} at {host}: no answer ({type(error).__name__}: {error})") from None


CHECK = Check(
    name="evidence",
    criterion=Criterion.EVIDENCE,
    did="put an object by the granted URL, fetched it, asked for it without a signature, archived it",
    look=look,
    adapter="evidence",
)
