"""vault-exec against the emulator's Secrets Manager: what its child gets, and what it says where it cannot.

Every test points the program at a loopback address; its credentials are the emulator's account.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.runtime.docker.files import aws_config
from infra.vault import APP_SECRETS
from offline.bootstrap import programs
from offline.bootstrap.console import Console
from offline.bootstrap.programs import Entrypoint
from offline.bootstrap.runner import Job
from outputs.emulator import secret
from tests.support import fence
from tests.support.containers import free_port, wait_until
from tests.support.declared import OWNERS, declared
from tests.support.engine import Emulator

pytestmark = pytest.mark.engine

SECRETS = {
    "AUDIT_DB_URL": "postgresql://writer:" + "pass word'$X" + "@db:5432/audit",
    "REDIS_URL": "rediss://:" + "tökén" + "@redis:6379/0",
    "SLACK_WEBHOOK_URL": "https://hooks.example.com/line\none",
}
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program: from the cache, or built now."""
    log = tmp_path_factory.mktemp("entrypoint") / "build.log"
    with fence.installing():
        return Entrypoint().build(Job("entrypoint", log, Console()))


@pytest.fixture(scope="module")
def vault(emulator: Emulator) -> Iterator[str]:
    """The prefix of a vault that holds SECRETS."""
    prefix = f"entrypoint-{uuid.uuid4().hex[:8]}/"
    client = emulator.client("secretsmanager")
    for name, value in SECRETS.items():
        client.create_secret(Name=prefix + name, SecretString=value)
    client.create_secret(Name=f"{prefix}BINARY", SecretBinary=b"\x00\x01")
    yield prefix
    for name in (*SECRETS, "BINARY"):
        client.delete_secret(SecretId=prefix + name, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def environment(emulator: Emulator, vault: str) -> dict[str, str]:
    """All that the program is started with."""
    return fence.ENVIRONMENT | {
        "PATH": os.environ["PATH"],
        "VAULT_PREFIX": vault,
        "S3_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": emulator.account,
        "AWS_SECRET_ACCESS_KEY": secret(),
    }


def run(program: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def refusal(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that a refusal prints; no secret's value is in it."""
    assert (done.returncode, done.stdout) == (status, "")
    line = done.stderr.removesuffix("\n")
    assert line.startswith("vault-exec: "), done.stderr
    assert "\n" not in line, done.stderr
    assert not any(value in line for value in SECRETS.values())
    return line


def test_the_child_has_the_secrets_and_all_else_that_the_program_was_started_with(
    program: Path, environment: dict[str, str]
) -> None:
    environment |= {"KEPT": "yes", "REDIS_URL": "what the vault has wins"}
    done = run(program, environment, "--", sys.executable, "-c", SHOW)

    assert (done.returncode, done.stderr) == (0, "")
    seen = {name: value for name, value in json.loads(done.stdout).items() if name != "LC_CTYPE"}
    assert seen == environment | SECRETS


def test_the_program_becomes_its_child_and_only_there_the_values_are(
    program: Path, environment: dict[str, str]
) -> None:
    with subprocess.Popen([program, "--", "sleep", "60"], env=environment) as process:
        folder = Path(f"/proc/{process.pid}")
        wait_until(lambda: (folder / "comm").read_text() == "sleep\n", "exec")
        shown = (folder / "environ").read_bytes().split(b"\0")
        started_with = folder / "cmdline"
        try:
            assert f"REDIS_URL={SECRETS['REDIS_URL']}".encode() in shown
            assert started_with.read_bytes() == b"sleep\x0060\x00"
        finally:
            process.kill()


def test_the_arguments_are_the_childs_own(program: Path, environment: dict[str, str]) -> None:
    done = run(
        program, environment, "--names", "REDIS_URL", "--", "printf", "%s|", "--names", "a b", "$REDIS_URL", "--"
    )

    assert done.stdout == "--names|a b|$REDIS_URL|--|"


def test_only_the_secrets_that_are_named_are_read(program: Path, environment: dict[str, str]) -> None:
    done = run(program, environment, "--names", "REDIS_URL", "--", sys.executable, "-c", SHOW)

    assert json.loads(done.stdout).keys() & SECRETS.keys() == {"REDIS_URL"}


@pytest.mark.parametrize("status", [0, 7, 255])
def test_the_childs_exit_status_is_the_programs(status: int, program: Path, environment: dict[str, str]) -> None:
    assert run(program, environment, "--", "sh", "-c", f"exit {status}").returncode == status


def test_a_signal_reaches_the_child(program: Path, environment: dict[str, str]) -> None:
    script = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    command = [str(program), "--", "sh", "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "told\n"
    assert process.returncode == 5


def test_a_secret_that_is_not_there_is_named(program: Path, environment: dict[str, str]) -> None:
    line = refusal(run(program, environment, "--names", "REDIS_URL,NOT_THERE", "--", "env"), 1)

    assert f"secret {environment['VAULT_PREFIX']}NOT_THERE cannot be read: ResourceNotFoundException" in line


def test_a_secret_that_is_not_required_may_be_missing(program: Path, environment: dict[str, str]) -> None:
    done = run(
        program, environment, "--names", "REDIS_URL,NOT_THERE", "--require", "REDIS_URL", "--", "printenv", "REDIS_URL"
    )

    assert (done.returncode, done.stdout) == (0, SECRETS["REDIS_URL"] + "\n")
    assert "NOT_THERE cannot be read" in done.stderr
    assert done.stderr.endswith("; the command starts without it\n")


def test_a_required_secret_need_not_be_named_twice(program: Path, environment: dict[str, str]) -> None:
    done = run(
        program, environment, "--names", "REDIS_URL", "--require", "AUDIT_DB_URL", "--", "printenv", "AUDIT_DB_URL"
    )

    assert done.stdout == SECRETS["AUDIT_DB_URL"] + "\n"


def test_a_prefix_of_another_vault_is_a_secret_that_is_not_there(program: Path, environment: dict[str, str]) -> None:
    line = refusal(run(program, environment | {"VAULT_PREFIX": "web-next-other/"}, "--", "env"), 1)

    assert "secret web-next-other/AUDIT_DB_URL cannot be read" in line


def test_a_secret_that_is_no_text_is_named(program: Path, environment: dict[str, str]) -> None:
    line = refusal(run(program, environment, "--names", "BINARY", "--", "env"), 1)

    assert line.endswith("BINARY holds no text: it must be put as SecretString")


def test_a_vault_that_does_not_answer_is_one_line(program: Path, environment: dict[str, str]) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    line = refusal(run(program, environment | {"AWS_ENDPOINT_URL": nowhere}, "--", "env"), 1)

    assert "AUDIT_DB_URL cannot be read: dial tcp 127.0.0.1:" in line
    assert "connection refused" in line


def test_aws_itself_is_behind_the_closed_proxy(program: Path, environment: dict[str, str]) -> None:
    del environment["AWS_ENDPOINT_URL"]
    line = refusal(run(program, environment, "--", "env"), 1)

    assert "AUDIT_DB_URL cannot be read: proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused" in line


def test_the_role_of_a_container_of_the_local_stack_is_enough(
    program: Path, environment: dict[str, str], emulator: Emulator, tmp_path: Path
) -> None:
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    file = tmp_path / "aws.config"
    role = {"AWS_CONFIG_FILE": str(file), "AWS_EC2_METADATA_SERVICE_ENDPOINT": emulator.url}
    with declared() as stack:
        file.write_text(aws_config(stack.names.app_role_arn, "eu-central-1", emulator.url))
        asked = kept | role | {"VAULT_PREFIX": stack.names.vault_prefix}
        done = run(program, asked, "--", sys.executable, "-c", SHOW)
        line = refusal(run(program, asked, "--names", OWNERS, "--", "env"), 1)

    assert f"{OWNERS} cannot be read: api error AccessDeniedException" in line
    assert done.stderr == ""
    shown = json.loads(done.stdout)
    assert {name: shown[name] for name in APP_SECRETS} == {name: f"the {name}" for name in APP_SECRETS}
    assert {name for name in shown if name.startswith("AWS_")} == role.keys()


def test_a_container_without_a_role_is_one_line(program: Path, environment: dict[str, str]) -> None:
    without = {name: value for name, value in environment.items() if "ACCESS_KEY" not in name}
    line = refusal(run(program, without, "--", "env"), 1)

    assert "AUDIT_DB_URL cannot be read" in line
    assert "credentials" in line


@pytest.mark.parametrize(
    ("prefix", "arguments", "status", "words"),
    [
        ("", ("--", "env"), 2, "VAULT_PREFIX is"),
        ("no-slash", ("--", "env"), 2, "must be a name that ends in '/'"),
        (None, (), 2, "no command is given"),
        (None, ("--names", "", "--", "env"), 2, "is no name of a variable"),
        (None, ("--names", "A=B", "--", "env"), 2, "is no name of a variable"),
        (None, ("--", "/etc/passwd"), 127, "permission denied"),
        (None, ("--", "no-such-command"), 127, "executable file not found"),
    ],
)
def test_wrong_usage_is_one_line(
    prefix: str | None, arguments: tuple[str, ...], status: int, words: str, program: Path, environment: dict[str, str]
) -> None:
    if prefix is not None:
        environment["VAULT_PREFIX"] = prefix

    assert words in refusal(run(program, environment, *arguments), status)


def test_what_it_costs_is_in_its_help(program: Path, environment: dict[str, str]) -> None:
    done = run(program, environment, "--help")

    assert done.returncode == 0
    for words in ("/proc/PID/environ", "after a rotation the container must be restarted", "second choice"):
        assert words in done.stderr


def test_it_needs_no_library_of_the_image(program: Path) -> None:
    assert b"/ld-linux" not in program.read_bytes()


def test_the_step_puts_it_where_an_image_s_build_finds_it(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    monkeypatch.setattr(programs, "FOLDER", tmp_path / "bin")
    step = Entrypoint()

    assert not step.check().done
    assert step.act(Job("entrypoint", tmp_path / "log", Console())) == "bin/vault-exec"
    assert step.check().done
    (tmp_path / "bin" / "vault-exec").write_bytes(b"an older one")
    assert not step.check().done
