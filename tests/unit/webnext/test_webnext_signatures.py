"""The addresses of evidence, signed by botocore without a network, and the credentials that they stand on."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError

from webnext import aws
from webnext.bucket import GRANT_SECONDS, REFUSED_REFRESH_SECONDS, BrokenError, Bucket

KEY = "evidence/run-1/20260101T000000000000Z-0a1b2c3d.zip"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, of this test only, and the address that AWS' own endpoint is."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + secrets.token_hex(8).upper())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))


@pytest.mark.usefixtures("credentials")
def test_put_and_get_are_signed_apart_for_the_buckets_own_host_with_type_size_and_that_it_is_new() -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    grant = Bucket("evidence-test", "eu-central-1").sign(KEY, 7)

    put, get = urlsplit(grant.put), urlsplit(grant.get)
    assert put.netloc == get.netloc == "evidence-test.s3.eu-central-1.amazonaws.com"
    assert put.path == get.path == f"/{KEY}"
    signed = {name: parse_qs(part.query) for name, part in (("put", put), ("get", get))}
    assert signed["put"]["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match"]
    assert signed["get"]["X-Amz-SignedHeaders"] == ["host"]
    assert signed["put"]["X-Amz-Signature"] != signed["get"]["X-Amz-Signature"]
    assert {signed[name]["X-Amz-Expires"][0] for name in signed} == {str(GRANT_SECONDS)}
    assert before <= grant.ends - timedelta(seconds=GRANT_SECONDS) <= datetime.now(UTC)


@pytest.mark.usefixtures("credentials")
def test_without_a_size_the_type_is_signed_all_the_same_and_that_it_is_new() -> None:
    grant = Bucket("evidence-test", "eu-central-1").sign(KEY)

    assert parse_qs(urlsplit(grant.put).query)["X-Amz-SignedHeaders"] == ["content-type;host;if-none-match"]


@pytest.mark.parametrize(
    ("left", "renewable", "seconds"),
    [
        (3600, False, GRANT_SECONDS),
        (14 * 60, False, REFUSED_REFRESH_SECONDS),
        (14 * 60, True, GRANT_SECONDS),
        (60, True, GRANT_SECONDS),
    ],
)
def test_no_address_is_promised_to_outlive_the_roles_credentials(
    monkeypatch: pytest.MonkeyPatch, left: int, renewable: bool, seconds: int
) -> None:
    def issued(after: float) -> dict[str, str]:
        ends = datetime.now(UTC) + timedelta(seconds=after)
        keys = {"access_key": "AS" + secrets.token_hex(8), "secret_key": secrets.token_hex(20)}
        return {**keys, "token": secrets.token_hex(8), "expiry_time": ends.isoformat()}

    def renew() -> dict[str, str]:
        if not renewable:
            raise ConnectTimeoutError(endpoint_url="http://sts")
        return issued(3600)

    held = RefreshableCredentials.create_from_metadata(issued(left), renew, "test")
    session = boto3.session.Session()
    session._session._credentials = held
    monkeypatch.setattr(aws, "session", lambda: session)

    grant = Bucket("evidence-test", "eu-central-1").sign(KEY)

    assert parse_qs(urlsplit(grant.put).query)["X-Amz-Expires"] == [str(seconds)]
    assert grant.ends <= held._expiry_time


def test_a_role_that_is_refused_does_not_pass_for_an_answer_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    def renew() -> dict[str, str]:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")

    keys = {"access_key": "AS" + secrets.token_hex(8), "secret_key": secrets.token_hex(20), "token": ""}
    ended = {**keys, "expiry_time": (datetime.now(UTC) + timedelta(seconds=60)).isoformat()}
    session = boto3.session.Session()
    session._session._credentials = RefreshableCredentials.create_from_metadata(ended, renew, "test")
    monkeypatch.setattr(aws, "session", lambda: session)

    with pytest.raises(BrokenError, match="no credentials"):
        Bucket("evidence-test", "eu-central-1").probe()


def test_a_client_is_not_made_without_credentials_and_is_made_once_they_are_there(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = Bucket("evidence-test", "eu-central-1")
    with pytest.raises(BotoCoreError):
        bucket.sign(KEY)

    request.getfixturevalue("credentials")

    assert bucket.sign(KEY).put.startswith("https://")
