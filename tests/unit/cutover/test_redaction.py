"""A secret that an answer or an error repeats is in no finding, and so in no report, pack or terminal."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from cutover.smoke import suite
from cutover.smoke.check import Check, Suite
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe
from cutover.smoke.redaction import redacted
from tests.support.edge_double import Edge

PLANTED = {
    "a presigned URL": "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2Fs3&X-Amz-Signature=Hushsig",
    "a presigned URL's token": "PUT /k?X-Amz-Security-Token=IQoJHushtoken%3D&X-Amz-Expires=60",
    "an old presigned URL": "/k?AWSAccessKeyId=ASIAHUSHHUSHHUSHHUSH&Signature=Hush%3D&Expires=1",
    "an encoded presigned URL": "next=https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3DHushsig",
    "a password in a URL": "https://admin:Hushpw@grafana/api failed",
    "a password with an at and a slash": "https://admin:Hush@Hush/Hush@grafana/api failed",
    "a URL cut off in its password": "https://admin:Hushp",
    "a Postgres URL": "could not connect to postgresql://audit_writer:Hush@10.0.0.2:5432/audit?sslmode=require",
    "a Postgres URL cut off": "'postgres://audit_writer:Hush'",
    "a Postgres URL of a driver": "postgresql+psycopg://audit_writer:Hush@db/audit",
    "a Redis URL": "rediss://:Hushtoken@redis:6379/0 timed out",
    "a Redis URL with its token as the name": "redis://Hushtoken@redis:6379/0",
    "a webhook of Slack": "POST https://hooks.slack.com/services/T0Hush/B0Hush/xHush answered 404",
    "an access key": "InvalidAccessKeyId: AKIAHUSHHUSHHUSH2345",
    "a secret key": "signed with 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",
    "a bearer token": "sent authorization: Bearer eyHush.eyHush",
    "a header of a request": "{'Authorization': 'Basic YTpTRUNSRVQHush'}",
    "a password of a connection string": 'host=db password=Hush user="audit_writer"',
    "a password in JSON": '{"masterPassword": "Hush", "port": 5432}',
    "a password in JSON in JSON": r'{"_err": "{\"token\": \"Hush\"}"}',
    "a password of words": 'SMTP_PASSWORD = "correct Hush battery"',
    "a password with a quote": r'"password": "correct\" Hush", "port": 5432',
    "a password of words in JSON in JSON": r'{"_err": "{\"token\": \"correct Hush, battery; (Hush)\"}"}',
    "a password of words cut off": "password: 'correct Hush",
    "a password with every mark": "password=a&Hush,Hush;Hush)Hush}Hush next",
    "a variable": "AWS_SECRET_ACCESS_KEY=Hush",
    "a token of GitHub": "PARTNER ghp_hush0123456789abcdefghijklmnopqrstuv",
    "a fine token of GitHub": "github_pat_11HUSH0123456789_abcdefghij",
    "a token of GitLab": "glpat-hush0123456789abcdef",
    "a token of npm": "npm_hush0123456789abcdefghijklmnopqrstuv",
    "a token of Slack": "xoxb-hush-1234567890",
    "a key of Stripe": "sk_live_hush51HxAbCdEfGh",
    "a key of a model's API": "sk-proj-hush0123456789abcdef",
    "a key of Google": "AIzahush0123456789abcdefghijklmnopqrstu",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.hushsignature",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nhushhush\n-----END RSA PRIVATE KEY-----",
    "a private key cut off": "-----BEGIN PRIVATE KEY-----\nhushhush",
}

HARMLESS = [
    'POST /api/audit/push: 503 \'{"_err": "nothing kept it"}\', 200 expected',
    "GET /api/healthz: no answer (ConnectError: [Errno 111] Connection refused)",
    "http://10.0.0.2:3003/api/healthz and https://localhost:8452 answered",
    'FATAL: password authentication failed for user "audit_writer"',
    "secret arn:aws:secretsmanager:eu-central-1:123456789012:secret:web-next-local/AUDIT_DB_URL cannot be read",
    "build 240266080655aaaabbbbccccddddeeeeffff0000, sha256:" + "a1" * 32,
    "trace smoke-1f0c7a3c0e4f3a9a431d2f6c7b8a90 copied, countdown shown",
    "11 of 65 passed, the rest 429; refills at 60/min",
    "type=aws:secretsmanager/secret:Secret",
    "metadataOptions httpTokens=required, and httpTokens: optional",
]


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_a_secret_is_taken_out_of_a_text(text: str) -> None:
    assert "hush" in text.lower()
    assert "hush" not in redacted(text).lower()
    assert "[redacted]" in redacted(text)


def test_what_stands_beside_a_secret_stays() -> None:
    beside = r'{"token": "Hush hush", "port": 5432} and (password=Hush), {\"pwd\": \"Hush hush\", \"port\": 6379}'

    assert redacted(beside) == (
        r'{"token": "[redacted]", "port": 5432} and (password=[redacted]), {\"pwd\": \"[redacted]\", \"port\": 6379}'
    )


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_what_is_redacted_stays_as_it_is() -> None:
    for text in PLANTED.values():
        assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("leak", PLANTED.values(), ids=PLANTED)
@pytest.mark.parametrize("way", ["failed", "did not run", "broke", "passed", "answered"])
def test_no_way_in_which_a_check_speaks_lets_a_secret_out(way: str, leak: str) -> None:
    edge = Edge()
    edge.answers["/api/leak"] = lambda _: httpx.Response(500, text="x" * 60 + " " + leak, headers={"x-edge-id": "e"})

    def speak(probe: Probe) -> str:
        raised: dict[str, Callable[[], Exception]] = {
            "failed": lambda: CheckFailedError(leak),
            "did not run": lambda: NotRunError(leak),
            "broke": lambda: RuntimeError(leak),
        }
        if way in raised:
            raise raised[way]()
        if way == "answered":
            probe.ask("GET", "/api/leak")
        return leak

    check = Check(name="leak", criterion=None, did="leaked", look=speak)
    report = suite.run(Suite(together=(check,)), edge.probe())

    assert report.findings[0].saw
    assert "hush" not in (report.text() + report.table()).lower()


def test_the_path_of_a_request_is_kept_without_its_signature() -> None:
    edge = Edge()
    probe = edge.probe()
    probe.send("GET", "/api/healthz?X-Amz-Signature=Hush&x=1")

    assert [each.path for each in probe.samples.taken] == ["/api/healthz?X-Amz-Signature=[redacted]&x=1"]
