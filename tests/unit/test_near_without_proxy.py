"""Behind a proxy: what is on this machine is asked without it, whether the environment says so or not."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cutover import aws
from cutover.schema.secrets import secret_value
from offline.bootstrap import local
from tests.support import fence

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web-next-local/AUDIT_DB_URL"


class Vault(BaseHTTPRequestHandler):
    """Secrets Manager, as far as a secret is read."""

    def do_POST(self) -> None:
        answer = json.dumps({"ARN": ARN, "SecretString": "postgresql://owner:secret@10.213.7.64/audit"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vault() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Vault) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=[None, "localhost,127.0.0.1", "example.com"])
def behind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment whose proxy does not answer, with and without exceptions from it."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, fence.PROXY)
        monkeypatch.setenv(name.upper(), fence.PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        if request.param is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, request.param)


@pytest.mark.usefixtures("behind")
def test_the_emulator_is_asked_without_the_environments_proxy(vault: str) -> None:
    value = secret_value(ARN, region="eu-central-1", emulator=vault, patience=aws.HURRIED)

    assert value == "postgresql://owner:secret@10.213.7.64/audit"


def test_aws_itself_is_asked_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    client = aws.client("secretsmanager", aws.Account(region="eu-central-1"))

    assert client.meta.config.proxies is None


NEAR = "localhost,127.0.0.1,10.213.0.0/16,10.214.0.0/16"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, NEAR),
        ({"no_proxy": "corp.test"}, f"corp.test,{NEAR}"),
        ({"NO_PROXY": "corp.test"}, f"corp.test,{NEAR}"),
        ({"no_proxy": "", "NO_PROXY": "corp.test"}, f"corp.test,{NEAR}"),
        ({"no_proxy": "*"}, "*"),
        ({"no_proxy": NEAR}, NEAR),
    ],
)
def test_the_prepared_environment_names_who_is_near_beside_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(local, "path_entries", lambda: [tmp_path])
    monkeypatch.setattr(local, "environment", dict)
    (tmp_path / "env").write_text(local.environment_text())
    closed = {name: value for name, value in fence.ENVIRONMENT.items() if name.lower() != "no_proxy"}

    done = subprocess.run(
        ["/bin/sh", "-euc", '. "$0"; . "$0"; echo "$no_proxy|$NO_PROXY"', str(tmp_path / "env")],
        env=closed | {"PATH": "/usr/bin:/bin"} | given,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"{expected}|{expected}\n"
