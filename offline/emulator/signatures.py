"""Signatures of AWS' version 4, in a request's header or in its address: recomputed by botocore's own signers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest

from offline.emulator.refusal import NotAdmittedError
from offline.emulator.sessions import Caller, Credentials, Sessions

SKEW = timedelta(minutes=15)
LONGEST_SECONDS = 7 * 24 * 3600
"""How long an address may be good for, as AWS has it."""
ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
"""In the place of a hash: S3 alone takes a body that is not signed."""
_CREDENTIAL = re.compile(
    r"(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request"
)
_HEADER = re.compile(
    ALGORITHM
    + r" Credential=(?P<Credential>[^,\s]+), *SignedHeaders=(?P<SignedHeaders>[^,\s]+), *Signature=(?P<Signature>\w+)"
)
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a request says of its signature. `payload` is the hash that it says of its body, None where the body has to
    be hashed; `query` is what of the address is signed."""

    credential: re.Match[str]
    token: str | None
    signed: list[str]
    signature: str
    stamp: str
    seconds: int | None
    payload: str | None
    query: str

    @classmethod
    def of(cls, headers: Mapping[str, str], query: str) -> Claim | None:
        """None for a request that is not signed. Raises NotAdmittedError for one that is half."""
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        in_query = "X-Amz-Signature" in asked
        if "authorization" not in headers and not in_query:
            return None
        if not in_query:  # the same, by the same names
            stated = _HEADER.fullmatch(headers["authorization"])
            told = {name.title(): value for name, value in headers.items() if name.startswith("x-amz-")}
            asked = told | {f"X-Amz-{name}": value for name, value in stated.groupdict().items()} if stated else {}
        credential = _CREDENTIAL.fullmatch(asked.get("X-Amz-Credential", ""))
        if not credential or ("authorization" in headers and in_query):
            raise NotAdmittedError(f"the signature is not of {ALGORITHM}", "IncompleteSignature")
        of_s3 = credential["service"] == "s3"
        if in_query and not (of_s3 and asked.get("X-Amz-Algorithm") == ALGORITHM):
            raise NotAdmittedError("an address is signed for S3 alone", "IncompleteSignature")
        payload = UNSIGNED if in_query else asked.get("X-Amz-Content-Sha256")
        if payload and not re.fullmatch("[0-9a-f]{64}", payload) and not (of_s3 and payload == UNSIGNED):
            raise NotAdmittedError(
                f"x-amz-content-sha256 is {payload[:40]!r}: a hash of the body", "IncompleteSignature"
            )
        return cls(
            credential=credential,
            token=asked.get("X-Amz-Security-Token"),
            signed=asked.get("X-Amz-SignedHeaders", "").split(";"),
            signature=asked["X-Amz-Signature"],
            stamp=asked.get("X-Amz-Date", ""),
            seconds=int(re.sub(r"\D.*", "", asked.get("X-Amz-Expires", "")[:6]) or 0) if in_query else None,
            payload=payload,
            query="&".join(pair for pair in query.split("&") if not pair.startswith("X-Amz-Signature=")),
        )

    def require_timely(self) -> None:
        """Raises NotAdmittedError for a signature of another time than now, or than the address is good for."""
        try:
            signed_at = datetime.strptime(self.stamp, _STAMP).replace(tzinfo=UTC)
        except ValueError:
            raise NotAdmittedError(f"X-Amz-Date is {self.stamp[:20]!r}", "IncompleteSignature") from None
        past = datetime.now(UTC) - signed_at
        if self.credential["day"] != self.stamp[:8] or past < -SKEW or (self.seconds is None and past > SKEW):
            raise NotAdmittedError(f"signed at {self.stamp}, which is not now", "RequestTimeTooSkewed")
        if self.seconds is not None and past > timedelta(seconds=min(self.seconds, LONGEST_SECONDS)):
            raise NotAdmittedError("Request has expired")


def signed(url: str, account: str, key: str) -> dict[str, str]:
    """The headers by which the holder of the clone's key asks the emulator itself, and no service."""
    request = AWSRequest(method="GET", url=url)
    SigV4Auth(Credentials(account, key, None), "emulator", "eu-central-1").add_auth(request)
    return dict(request.headers)


def verify(
    claim: Claim, sessions: Sessions, *, method: str, path: str, headers: Mapping[str, str], payload: str
) -> Caller:
    """Who has signed; `payload` is the body's hash. Raises NotAdmittedError for what the clone's key does not vouch
    for, and for a header of AWS' that is not signed."""
    caller, credentials = sessions.of(claim.credential["key"], claim.token)
    claim.require_timely()
    if loose := [name for name in headers if name.startswith("x-amz-") or name == "host" if name not in claim.signed]:
        raise NotAdmittedError(f"header {loose[0]} is not signed", "SignatureDoesNotMatch")
    service = claim.credential["service"]
    signer: Any = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, claim.credential["region"])
    signer.payload = lambda _: payload
    request = AWSRequest(
        method=method,
        url=f"http://{headers['host']}{path}?{claim.query}",
        headers={name: headers[name] for name in claim.signed if name in headers},
    )
    request.context["timestamp"] = claim.stamp
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if not hmac.compare_digest(signature.encode(), claim.signature.encode()):
        raise NotAdmittedError(
            f"the signature of {method} {path[:80]!r} is by another secret than this clone gave",
            "SignatureDoesNotMatch",
        )
    return caller
