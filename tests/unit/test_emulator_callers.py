"""Whom the emulator knows: holders of the clone's key and sessions that it issued, by signatures that hold."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest

from offline.emulator import served
from offline.emulator.admission import DATABASES, HEALTH, MOST_STATED, Admission
from offline.emulator.refusal import NotAdmittedError
from offline.emulator.rights import Rights
from offline.emulator.sessions import Caller, Credentials, Session, Sessions
from tests.support.machines import MACHINE
from webnext.bucket import MAX_BYTES

KEY = secrets.token_hex(16)
SESSIONS = Sessions(KEY)
FAR = 2**32  # in the year 2106
DEPLOYER = Credentials(MACHINE.account, KEY, None)
REGION = "eu-central-1"
APP = Session(role=f"arn:aws:iam::{MACHINE.account}:role/app", name="task", expires=FAR)
VAULT = {"x-amz-target": "secretsmanager.GetSecretValue", "content-type": "application/x-amz-json-1.1"}
INSIDE, OTHERS, NEXT_DOOR, ONESELF = "10.213.7.9", "10.213.7.64", "172.17.0.3", "127.0.0.1"


@dataclass
class Sent:
    """A request as it is on its way."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    peer: str = INSIDE
    more: list[tuple[bytes, bytes]] = field(default_factory=list)

    def arrives(self) -> tuple[int, str, Caller | None]:
        """What the gate answers, and whom the emulator behind it then serves."""
        url = urlsplit(self.url)
        scope = {
            "type": "http",
            "method": self.method,
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "client": (self.peer, 40000),
            "headers": [(b"host", MACHINE.emulator.removeprefix("http://").encode()), *self.more]
            + [(name.lower().encode(), value.encode()) for name, value in self.headers.items()],
        }
        known: list[Caller | None] = []
        answer: list[Any] = []

        async def emulator(_: Any, receive: Any, send: Any) -> None:
            known.append(served.caller.get())
            assert (await receive())["body"] == self.body
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"served"})

        async def receive() -> Any:
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: Any) -> None:
            answer.append(message)

        asyncio.run(
            Admission(MACHINE, SESSIONS, lambda address: address == INSIDE, lambda _: [], emulator)(
                scope, receive, send
            )
        )
        names = [name for name, _ in answer[0]["headers"]]
        assert len({*names}) == len(names), "a header is answered twice"
        return answer[0]["status"], answer[1]["body"].decode(), known[0] if known else None


def signed(
    credentials: Credentials = DEPLOYER,
    service: str = "secretsmanager",
    method: str = "POST",
    path: str = "/",
    body: bytes = b"{}",
    headers: Mapping[str, str] = VAULT,
    signer: Any = None,
    **options: Any,
) -> Sent:
    request = AWSRequest(method=method, url=MACHINE.emulator + path, headers=dict(headers), data=body)
    by = signer or (S3SigV4Auth if service == "s3" else SigV4Auth)
    by(credentials, service, REGION, **options).add_auth(request)
    return Sent(method, request.url, dict(request.headers), body)


def presigned(credentials: Credentials = DEPLOYER, path: str = "/evidence/a%20b", **options: Any) -> Sent:
    return signed(credentials, "s3", "GET", path, b"", {}, S3SigV4QueryAuth, **options)


def at(monkeypatch: pytest.MonkeyPatch, moved: timedelta) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) + moved)


def session(**changed: Any) -> Credentials:
    return SESSIONS.issue(replace(APP, **changed))


@pytest.mark.parametrize("make", [signed, presigned])
def test_whoever_signs_with_the_clones_key_is_the_account_of_his_access_key(make: Callable[..., Sent]) -> None:
    assert make().arrives() == (200, "served", Caller(account=MACHINE.account))
    assert make(Credentials("111111111111", KEY, None)).arrives()[2] == Caller(account="111111111111")


@pytest.mark.parametrize("make", [signed, presigned])
def test_a_session_is_known_by_what_it_was_issued_and_by_nothing_that_was_kept(make: Callable[..., Sent]) -> None:
    of_a_restarted_emulator = Sessions(KEY).issue(APP)

    assert make(of_a_restarted_emulator).arrives() == (200, "served", Caller(account=MACHINE.account, session=APP))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_signatures_of_s3_hold_with_and_without_a_body(method: str) -> None:
    body = secrets.token_bytes(3_000_000) if method == "PUT" else b""

    assert signed(service="s3", method=method, path="/b/k%20y?versionId=x", body=body, headers={}).arrives()[0] == 200


STRANGERS = {
    "another secret": Credentials(MACHINE.account, "emulator", None),
    "no secret": Credentials(MACHINE.account, "", None),
    "an access key of nobody": Credentials("AKIAIOSFODNN7EXAMPLE", KEY, None),
    "a session without its token": session()._replace(token=None),
    "a session with the clone's key": session()._replace(secret_key=KEY),
    "a session with another's secret": session()._replace(secret_key=session(name="other").secret_key),
    "a session with another's token": session()._replace(token=session(name="other").token),
    "a session with a token of its own making": session()._replace(token="e30=." + "0" * 64),
    "a token without a key": session()._replace(access_key=""),
    "a session of another clone": Sessions(KEY[::-1]).issue(APP),
    "an account with a session's token": DEPLOYER._replace(token=session().token),
    "a session that has expired": session(expires=int(time.time()) - 1),
}


@pytest.mark.parametrize("make", [signed, presigned])
@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_gets_nothing(make: Callable[..., Sent], who: str) -> None:
    status, text, known = make(STRANGERS[who]).arrives()

    assert (status, known) == (403, None), text


def changes() -> dict[str, Callable[[], Sent]]:
    """Requests that somebody else has changed on their way."""
    vault, put = signed(), signed(service="s3", method="PUT", path="/b/k", body=b"evidence", headers={})
    link = presigned()
    return {
        "the body": lambda: replace(vault, body=b'{"SecretId": "another"}'),
        "the body of an object": lambda: replace(put, body=b"EVIDENCE"),
        "the method": lambda: replace(put, method="DELETE"),
        "the path": lambda: replace(put, url=f"{MACHINE.emulator}/b/other"),
        "the query": lambda: replace(put, url=f"{put.url}?acl"),
        "the operation": lambda: replace(
            vault, headers=vault.headers | {"x-amz-target": "secretsmanager.DeleteSecret"}
        ),
        "the date": lambda: replace(vault, headers=vault.headers | {"X-Amz-Date": "20300101T000000Z"}),
        "a header of AWS' that was not signed": lambda: replace(
            put, headers=put.headers | {"x-amz-acl": "public-read"}
        ),
        "a header twice": lambda: replace(vault, more=[(b"x-amz-target", b"secretsmanager.DeleteSecret")]),
        "a hash that is none": lambda: signed(headers=VAULT | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        "a body in signed pieces": lambda: signed(
            service="s3", headers={"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, signer=SigV4Auth
        ),
        "the object of an address": lambda: replace(link, url=link.url.replace("a%20b", "other")),
        "an address into a put": lambda: replace(link, method="PUT", body=b"x"),
        "how long an address is good for": lambda: replace(link, url=link.url.replace("Expires=3600", "Expires=86400")),
        "both signatures": lambda: replace(link, headers=vault.headers),
        "an address for another service": lambda: signed(method="GET", body=b"", headers={}, signer=SigV4QueryAuth),
        "the older signature": lambda: Sent(
            "GET", f"{MACHINE.emulator}/b/k?AWSAccessKeyId=1&Signature=x&Expires=2", {}
        ),
        "no signature": lambda: Sent("POST", f"{MACHINE.emulator}/", VAULT, b"{}"),
        "half a signature": lambda: Sent(
            "POST", f"{MACHINE.emulator}/", VAULT | {"authorization": "AWS4-HMAC-SHA256 x"}
        ),
        "a body without a hash, larger than anybody needs": lambda: signed(body=bytes(2**20 + 1)),
    }


@pytest.mark.parametrize("what", changes())
def test_what_was_changed_or_is_not_whole_is_refused(what: str) -> None:
    status, text, known = changes()[what]().arrives()

    assert (status, known) == (403, None), text


def put(size: int, signer: Any = S3SigV4QueryAuth, headers: Mapping[str, str] = {}) -> Sent:
    """By an address the body is nobody's word, in a header its hash is signed."""
    body = bytes(size)
    return replace(
        signed(DEPLOYER, "s3", "PUT", "/evidence/a", b"" if signer is S3SigV4QueryAuth else body, headers, signer),
        body=body,
    )


def test_a_body_of_two_lengths_is_nobodys_to_guess() -> None:
    """An address that is signed for five bytes took a mebibyte in chunks."""
    address = put(5, headers={"Content-Length": "5"})
    status, text, known = replace(address, body=bytes(2**20), more=[(b"transfer-encoding", b"chunked")]).arrives()

    assert address.arrives()[0] == 200
    assert (status, known) == (400, None)
    assert "<Code>InvalidRequest</Code>" in text


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, S3SigV4Auth])
def test_what_is_larger_than_the_emulator_takes_is_not_read_to_its_end(
    signer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offline.emulator.admission.MOST_STATED", 1000)
    status, text, known = put(1001, signer).arrives()

    assert put(1000, signer).arrives()[0] == 200
    assert (status, known) == (400, None)
    assert "<Code>EntityTooLarge</Code>" in text


def test_the_emulator_takes_more_than_evidence_may_have() -> None:
    assert 1.2 * MAX_BYTES < MOST_STATED <= 2**27


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_of_another_time_is_refused(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    at(monkeypatch, timedelta(minutes=minutes))

    assert signed().arrives()[0] == 403
    assert "which is not now" in signed().arrives()[1]


def test_an_address_is_good_for_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, timedelta(minutes=-59))
    assert presigned(expires=3600).arrives()[0] == 200
    at(monkeypatch, timedelta(minutes=-61))
    assert "Request has expired" in presigned(expires=3600).arrives()[1]
    at(monkeypatch, timedelta(days=-8))
    assert presigned(expires=30 * 24 * 3600).arrives()[0] == 403


def test_refusals_are_in_the_words_that_the_client_reads() -> None:
    assert replace(signed(), body=b"").arrives()[1].startswith('{"__type": "SignatureDoesNotMatch')
    assert "<Code>SignatureDoesNotMatch</Code>" in replace(presigned(), method="PUT").arrives()[1]


def test_without_a_signature_there_is_metadata_and_for_this_machine_whether_it_runs() -> None:
    metadata = Sent("GET", f"{MACHINE.emulator}/latest/meta-data/", {})
    health = Sent("GET", MACHINE.emulator + HEALTH, {}, peer=ONESELF)

    assert metadata.arrives() == (200, "served", None)
    assert replace(metadata, peer=ONESELF).arrives()[0] == 200
    assert "10.213.7.64 is no process of the service" in replace(metadata, peer=OTHERS).arrives()[1]
    assert health.arrives()[0] == 200
    assert replace(health, peer=INSIDE).arrives()[0] == 403


def test_databases_are_told_to_the_keys_holder_on_this_machine_alone() -> None:
    asked = replace(signed(path=DATABASES, method="GET", body=b"", headers={}), peer=ONESELF)
    session_asks = signed(session(), path=DATABASES, method="GET", body=b"", headers={})

    assert asked.arrives()[0] == 200
    assert replace(asked, peer=INSIDE).arrives()[0] == 403
    assert replace(session_asks, peer=ONESELF).arrives()[0] == 403
    assert replace(asked, headers={}).arrives()[0] == 403


def test_another_network_gets_nothing_for_the_best_of_signatures() -> None:
    assert "is not of this clone" in replace(signed(), peer=NEXT_DOOR).arrives()[1]


def test_what_is_not_signed_is_served_by_no_service_whichever_way_it_came() -> None:
    async def handler(*_: Any) -> Any:
        raise AssertionError("the service was asked")

    status, _, body = asyncio.run(
        served._judged(
            Rights(SimpleNamespace(_get_module=None)), "secretsmanager", handler, "POST", "/latest/", VAULT, b"{}", {}
        )
    )

    assert (status, b"is not signed" in body) == (403, True)


def test_a_refusal_says_its_code_in_xml_and_json() -> None:
    refusal = NotAdmittedError("a <b>", "Code")

    assert refusal.answer()[2] == (
        b"<ErrorResponse><Error><Type>Sender</Type><Code>Code</Code><Message>a &lt;b&gt;</Message></Error>"
        b"</ErrorResponse>\n"
    )
    assert refusal.answer(as_json=True)[2] == b'{"__type": "CodeException", "message": "a <b>"}'
