"""Whom the emulator answers, and for what: nobody may have it run code, ruin it, or read it from a web page."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import botocore.exceptions
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from offline.machine import Machine
from outputs.emulator import secret
from tests.support.built import images
from tests.support.containers import container, docker, network
from tests.support.engine import Emulator

pytestmark = pytest.mark.engine

CONSOLE = "https://localhost:8443"
FUNCTION = json.dumps(
    {
        "FunctionName": "anybodys",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Handler": "code.handler",
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
    }
)
ASK = """
import http.client, json, sys
place, method, path, body = sys.argv[1:]
connection = http.client.HTTPConnection(place, timeout=10)
headers = {} if path.startswith("/latest/") else {"Authorization": "AWS4-HMAC-SHA256 anybody"}
connection.request(method, path, body or None, headers)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


@dataclass
class Answer:
    """An answer to a request of which every byte was chosen here."""

    status: int
    text: str
    headers: Mapping[str, str]


@pytest.fixture(scope="module")
def place(emulator: Emulator) -> str:
    """The emulator's host:port."""
    return urlsplit(emulator.url).netloc


@pytest.fixture
def ask(place: str) -> Callable[..., Answer]:
    """Sends a request from this machine: ask(method, path, body, **headers)."""

    def send(method: str, path: str, body: str = "", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(place, timeout=10)
        try:
            connection.request(
                method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, answer.read().decode(), told)
        finally:
            connection.close()

    return send


def by_the_key(emulator: Emulator, method: str, path: str, body: str = "") -> dict[str, str]:
    """The headers by which the holder of the clone's key signs, for a service that is not there."""
    request = AWSRequest(method=method, url=emulator.url + path, data=body)
    SigV4Auth(Credentials(emulator.account, secret()), "lambda", "eu-central-1").add_auth(request)
    return dict(request.headers)


@contextmanager
def neighbour(place: str, where: str) -> Iterator[Callable[..., Answer]]:
    """The same from a process of the service on the network `where`."""
    marks = ("--label", Machine.load().label, "--label", "web-next.role=stable")
    with container(images()["web-next"], "--network", where, *marks, "--entrypoint", "sleep", command=("300",)) as name:

        def send(method: str, path: str, body: str = "") -> Answer:
            status, text = json.loads(docker("exec", name, "python3", "-c", ASK, place, method, path, body))
            return Answer(status, text, {})

        yield send


@pytest.fixture(scope="module")
def inside(place: str) -> Iterator[Callable[..., Answer]]:
    """The same from a container of this clone."""
    with neighbour(place, Machine.load().network) as send:
        yield send


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/2015-03-31/functions", FUNCTION),
        ("POST", "/2015-03-31/functions/anybodys/invocations", "{}"),
        ("GET", "/_aws/lambda-url/0123456789abcdef/", ""),
        ("GET", "/_ministack/lambda-code/anybodys", ""),
        ("POST", "/_ministack/reset", ""),
        ("POST", "/_ministack/config", '{"LAMBDA_EXECUTOR": "docker"}'),
        ("GET", "/_localstack/health", ""),
        ("GET", "/health", ""),
        ("GET", "/restapis/abc/prod/_user_request_/", ""),
        ("GET", "/v2/_catalog", ""),
        ("POST", "/Execute", "{}"),
        ("POST", "/v2/email/outbound-emails", "{}"),
        ("GET", "/oauth2/userInfo", ""),
    ],
)
def test_nobody_reaches_what_local_stacks_do_not_use(
    emulator: Emulator, ask: Callable[..., Answer], inside: Callable[..., Answer], method: str, path: str, body: str
) -> None:
    answer = ask(method, path, body, **by_the_key(emulator, method, path, body))
    assert answer.status >= 400
    assert "is not answered" in answer.text, answer.text
    assert inside(method, path, body).status >= 400


@pytest.mark.parametrize(("method", "path"), [("GET", "/evidence/one"), ("PUT", "/evidence/one"), ("POST", "/")])
def test_what_is_not_signed_is_refused(ask: Callable[..., Answer], method: str, path: str) -> None:
    answer = ask(method, path)

    assert answer.status == 403
    assert f"{method} '{path}' is not signed: a stranger gets nothing" in answer.text


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("lambda", "list_functions", {}),
        ("ecs", "create_cluster", {"clusterName": "any"}),
        ("stepfunctions", "list_state_machines", {}),
        ("cloudformation", "list_stacks", {}),
        ("codebuild", "list_projects", {}),
        ("events", "list_rules", {}),
        ("sqs", "list_queues", {}),
    ],
)
def test_a_signed_request_to_another_service_is_refused_by_name(
    emulator: Emulator, service: str, operation: str, parameters: dict[str, str]
) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="is not answered: local stacks need"):
        getattr(emulator.client(service), operation)(**parameters)


@pytest.mark.parametrize("path", ["/_ministack/health", "/_emulator/databases"])
def test_health_and_databases_are_told_to_this_machines_processes_alone(
    emulator: Emulator, ask: Callable[..., Answer], inside: Callable[..., Answer], path: str
) -> None:
    assert ask("GET", path, **by_the_key(emulator, "GET", path)).status == 200
    answer = inside("GET", path)
    assert answer.status == 403
    assert "for processes of this machine" in answer.text


def test_a_container_of_another_network_gets_nothing(inside: Callable[..., Answer], place: str) -> None:
    metadata = "/latest/meta-data/iam/security-credentials/"
    assert inside("GET", metadata).status == 200, "the clone's own containers need it"
    with network() as strange, neighbour(place, strange) as ask:
        answer = ask("GET", metadata)
    assert answer.status == 403
    assert "is not of this clone" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "localhost:{port}", "s3.amazonaws.com", "{place}.evil.example", ""])
def test_another_host_than_its_own_is_refused_so_that_no_name_can_be_rebound_to_it(
    ask: Callable[..., Answer], place: str, host: str
) -> None:
    named = host.format(place=place, port=place.partition(":")[2])
    answer = ask("GET", "/", host=named)
    assert answer.status == 403 or (named == "" and answer.status == 400)
    assert "host is" in answer.text or named == ""


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> Iterator[str]:
    """A bucket that lets the console put and get, as the evidence bucket does."""
    s3 = emulator.client("s3")
    name = f"cors-{emulator.account}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    rule = {
        "AllowedOrigins": [CONSOLE],
        "AllowedMethods": ["GET", "PUT"],
        "AllowedHeaders": ["content-type"],
        "MaxAgeSeconds": 3600,
    }
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    s3.put_object(Bucket=name, Key="a", Body=b"evidence")
    yield name
    s3.delete_object(Bucket=name, Key="a")
    s3.delete_bucket(Bucket=name)


def presigned(emulator: Emulator, bucket: str, key: str = "a") -> str:
    signing = botocore.session.Session().create_client(
        "s3",
        region_name="eu-central-1",
        endpoint_url=emulator.url,
        aws_access_key_id=emulator.account,
        aws_secret_access_key=secret(),
    )
    url = urlsplit(signing.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))
    return f"{url.path}?{url.query}"


def test_a_page_reads_what_a_cors_rule_lets_it_read(
    emulator: Emulator, ask: Callable[..., Answer], bucket: str
) -> None:
    asked = {"origin": CONSOLE, "access_control_request_method": "GET"}
    preflight = ask("OPTIONS", presigned(emulator, bucket), **asked, access_control_request_headers="content-type")
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, CONSOLE)
    assert preflight.headers["access-control-max-age"] == "3600"
    answer = ask("GET", presigned(emulator, bucket), origin=CONSOLE)
    assert (answer.status, answer.text) == (200, "evidence")
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"origin": "https://evil.example"}),
        ("GET", {"origin": "null"}),
        ("GET", {"origin": f"{CONSOLE}.evil.example"}),
        ("DELETE", {"origin": CONSOLE}),
        ("OPTIONS", {"origin": "https://evil.example", "access_control_request_method": "GET"}),
        ("OPTIONS", {"origin": CONSOLE, "access_control_request_method": "DELETE"}),
        (
            "OPTIONS",
            {
                "origin": CONSOLE,
                "access_control_request_method": "PUT",
                "access_control_request_headers": "content-type, x-amz-acl",
            },
        ),
        ("OPTIONS", {}),
    ],
)
def test_a_page_gets_nothing_without_a_rule_that_allows_it(
    emulator: Emulator, ask: Callable[..., Answer], bucket: str, method: str, headers: dict[str, str]
) -> None:
    answer = ask(method, presigned(emulator, bucket), **headers)
    assert answer.status == 403, answer.text
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert emulator.client("s3").head_object(Bucket=bucket, Key="a")["ContentLength"] == len("evidence")


@pytest.mark.parametrize("path", ["/", "/latest/meta-data/iam/security-credentials/"])
def test_no_page_reads_what_is_no_bucket(ask: Callable[..., Answer], bucket: str, path: str) -> None:
    assert ask("GET", path, origin=CONSOLE).status == 403
    assert "access-control-allow-origin" not in ask("GET", path).headers
