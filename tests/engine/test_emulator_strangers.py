"""Strangers at the emulator: the app itself, a container elsewhere, another user, another network. None of them has it
run code, reads another secret than the app's, or finds a way in for administrators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from infra.vault import APP_SECRETS
from outputs.emulator import FILE
from tests.support.built import images
from tests.support.containers import container, docker, network
from tests.support.declared import OWNERS, Declared, declared

pytestmark = pytest.mark.engine

NOBODY = "65534:65534"
ATTACK = """
import http.client, json, sys
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

url, account, role, prefix, bucket, *names = sys.argv[1:]
place = url.removeprefix("http://")
got, told = [], []
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OTHERS = (
    ("lambda", "/2015-03-31/functions", '{"FunctionName": "f"}', {}),
    ("ecs", "/", '{"clusterName": "c"}', {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.CreateCluster"}),
    ("codebuild", "/", "{}", {"X-Amz-Target": "CodeBuild_20161006.ListProjects"}),
    ("rds", "/", "Action=DescribeDBInstances", FORM),
    ("ec2", "/", "Action=DescribeVpcs", FORM),
    ("iam", "/", "Action=PutRolePolicy&PolicyName=rights&PolicyDocument={}&RoleName=" + role.rpartition("/")[2], FORM),
)

def ask(method, path, body="", headers={}):
    try:
        connection = http.client.HTTPConnection(place, timeout=5)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)

def client(service, key, secret, token=None):
    return botocore.session.Session().create_client(service, region_name="eu-central-1", endpoint_url=url,
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5))

def attempt(what, call, **parameters):
    try:
        call(**parameters)
    except (ClientError, BotoCoreError):
        return
    told.append(what)

def everything(who, *key):
    vault = client("secretsmanager", *key)
    for name in names:
        try:
            vault.get_secret_value(SecretId=prefix + name)
            got.append(name)
        except (ClientError, BotoCoreError):
            pass
    attempt(f"{who}: secrets", vault.list_secrets)
    attempt(f"{who}: put", vault.put_secret_value, SecretId=prefix + names[0], SecretString="x")
    for service, path, body, headers in OTHERS:
        request = AWSRequest("POST", url + path, headers=headers, data=body)
        SigV4Auth(Credentials(*key), service, "eu-central-1").add_auth(request)
        status, text = ask("POST", path, body, dict(request.headers))
        if 0 < status < 400:
            told.append(f"{who}: {service} {body}")
    attempt(f"{who}: buckets", client("s3", *key).list_buckets)
    attempt(f"{who}: bucket", client("s3", *key).delete_object, Bucket=bucket, Key="elsewhere")

for secret in ("test", "emulator"):
    everything(f"account with {secret!r}", account, secret)
target = {"X-Amz-Target": "secretsmanager.GetSecretValue", "Content-Type": "application/x-amz-json-1.1"}
for path in ("/", "/latest/", "/latest/meta-data/"):
    for headers in (target, target | {"Authorization": f"AWS4-HMAC-SHA256 Credential={account}/20261129/eu-central-1/"
            "secretsmanager/aws4_request, SignedHeaders=host, Signature=" + "0" * 64}):
        status, text = ask("POST", path, json.dumps({"SecretId": prefix + names[-1]}), headers)
        if "SecretString" in text:
            got.append(f"{names[-1]} by {path}")
for method, path in (("GET", "/_emulator/databases"), ("POST", "/_ministack/reset"), ("POST", "/_ministack/config"),
        ("GET", "/_ministack/lambda-code/f"), ("GET", "/_ministack/iot/ca.pem"), ("GET", "/_localstack/health"),
        ("PUT", f"/v20180820/tags/arn:aws:s3:::{bucket}"), ("POST", "/2015-03-31/functions"), ("GET", f"/{bucket}")):
    status, text = ask(method, path, "{}")
    if 0 < status < 400:
        told.append(f"{method} {path}")
base = "/latest/meta-data/iam/security-credentials/"
status, name = ask("GET", base)
metadata = status == 200
if metadata:
    given = json.loads(ask("GET", base + name)[1])
    key = given["AccessKeyId"], given["SecretAccessKey"], given["Token"]
    everything("metadata", *key)
    assert not got, got
    taken = client("sts", *key).assume_role(RoleArn=role, RoleSessionName="stranger")["Credentials"]
    everything("the app's role", taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
print(json.dumps({"metadata": metadata, "secrets": got, "told": told}))
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Declared]:
    with declared() as made:
        yield made


def attacked(stack: Declared, *options: str) -> dict[str, object]:
    """What a container of the app's image gets out of the emulator."""
    names = stack.names
    with container(images()["web-next"], *options, "--entrypoint", "sleep", command=("300",)) as stranger:
        text = docker(
            *("exec", stranger, "python3", "-c", ATTACK, stack.machine.emulator, names.account, names.app_role_arn),
            *(names.vault_prefix, names.bucket("evidence"), *APP_SECRETS, OWNERS),
        )
    return dict(json.loads(text.splitlines()[-1]))


@pytest.mark.parametrize("user", [(), ("--user", NOBODY)], ids=["as it is", "as another user"])
def test_the_apps_container_gets_the_apps_three_secrets(stack: Declared, user: tuple[str, ...]) -> None:
    app = ("--label", stack.machine.label, "--label", "web-next.role=stable")
    found = attacked(stack, "--network", stack.machine.network, *app, *user)

    assert found == {"metadata": True, "secrets": list(APP_SECRETS), "told": []}


@pytest.mark.parametrize("role", ["edge", None])
def test_whoever_else_is_on_the_clones_network_gets_nothing(stack: Declared, role: str | None) -> None:
    marks = ("--label", stack.machine.label, "--label", f"web-next.role={role}") if role else ()
    found = attacked(stack, "--network", stack.machine.network, *marks)

    assert found == {"metadata": False, "secrets": [], "told": []}


def test_another_user_of_this_machine_gets_no_more(stack: Declared) -> None:
    found = attacked(stack, "--network", "host", "--user", NOBODY)

    assert found == {"metadata": True, "secrets": list(APP_SECRETS), "told": []}


@pytest.mark.parametrize("where", ["bridge", "another network"])
def test_a_container_elsewhere_gets_nothing(stack: Declared, where: str) -> None:
    with ExitStack() as made:
        place = where if where == "bridge" else made.enter_context(network())
        found = attacked(stack, "--network", place)

    assert found == {"metadata": False, "secrets": [], "told": []}


def test_the_key_is_for_this_user_and_in_nothing_that_is_kept() -> None:
    assert FILE.stat().st_mode & 0o077 == 0
    for file in FILE.parent.rglob("*"):
        assert file == FILE or not file.is_file() or FILE.read_bytes() not in file.read_bytes(), file
