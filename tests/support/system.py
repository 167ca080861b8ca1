"""A whole system of its own: a copy of the program and a stack, on an emulator and a network of their own."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import docker
import httpx
import psycopg
import pytest
from docker.models.containers import Container

from cutover.review.shape import scratch_copy
from offline import stackfile
from offline.emulator.launcher import Emulator
from offline.images.build import Images
from offline.machine import Machine
from outputs import emulator as credentials
from tests.support.clones import clone


@dataclass
class Done:
    """A finished command."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        return self.text.strip().splitlines()[-1]

    @property
    def verdict(self) -> str:
        """The last line of the report's table, without its indentation."""
        return next(line for line in reversed(self.text.splitlines()) if "  web-next " in line).strip()


@dataclass
class System:
    """One stack in the folder of a clone of its own."""

    emulator: Emulator
    stack: str
    passphrase: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def folder(self) -> Path:
        return self.emulator.root

    @property
    def machine(self) -> Machine:
        return self.emulator.machine

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, code: int | None = 0) -> Done:
        """Runs a command in the system's folder; any other exit code than `code` fails the test."""
        process = self.start(*command)
        try:
            text, _ = process.communicate(timeout=300)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert code is None or process.returncode == code, f"{' '.join(command)}: {process.returncode}\n{text}"
        return Done(process.returncode, text)

    @property
    def up_command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "cutover", "up", "-s", self.stack)

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    @property
    def locks(self) -> list[Path]:
        return list((self.folder / "state" / ".pulumi" / "locks").rglob("*.json"))

    def resources(self) -> list[dict[str, Any]]:
        exported = json.loads(self.pulumi("stack", "export").text)
        return [each for each in exported["deployment"].get("resources", []) if each["type"] != "pulumi:pulumi:Stack"]

    def up(self, *options: str, code: int | None = 0) -> Done:
        return self.run(*self.up_command, *options, code=code)

    def smoke(self, *options: str, code: int = 0) -> Done:
        return self.run(sys.executable, "-m", "cutover", "smoke", "-s", self.stack, *options, code=code)

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.pulumi("stack", "output", "--json").text))

    def pulumi(self, *arguments: str, code: int | None = 0) -> Done:
        return self.run("pulumi", *arguments, "--stack", self.stack, "--non-interactive", code=code)

    def setting(self, key: str) -> Any:
        """What the stack's file says."""
        return stackfile.read(self.folder, self.stack)["config"][f"web-next:{key}"]

    def set(self, key: str, value: Any) -> None:
        """Changes a setting in the stack's file, the way a commit would."""
        content = stackfile.read(self.folder, self.stack)
        content["config"][f"web-next:{key}"] = value
        stackfile.write(self.folder, self.stack, content)

    def unset(self, key: str) -> None:
        content = stackfile.read(self.folder, self.stack)
        del content["config"][f"web-next:{key}"]
        stackfile.write(self.folder, self.stack, content)

    def update(self, *options: str) -> Done:
        """Brings the stack up by Pulumi alone: where the verdict is no part of a test, no suite is waited for."""
        self.set("smoke", {"run": False})
        try:
            return self.pulumi("up", "--yes", "--skip-preview", *options)
        finally:
            self.unset("smoke")

    def container(self, part: str) -> Container:
        """This stack's container whose name has `part` in it."""
        name = re.compile(rf"web-next-{self.stack}-{part}\b(?!-files)")
        known = docker.from_env().containers.list(all=True, ignore_removed=True)
        found = [each for each in known if name.search(each.name) and self.machine.clone in each.name]
        assert len(found) == 1, f"{len(found)} containers match {name.pattern}"
        return found[0]

    def client(self, service: str) -> Any:
        """An AWS service, seen by the account."""
        return boto3.client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.machine.emulator,
            aws_access_key_id=self.machine.account,
            aws_secret_access_key=self.emulator.key.read_text(),
        )

    @contextmanager
    def signing(self) -> Iterator[None]:
        """In the block this process signs with the key of the system's clone, as the clone's own commands do."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(credentials, "FILE", self.emulator.key)
            yield

    def vault(self) -> Any:
        """Secrets Manager, seen by the account."""
        return self.client("secretsmanager")

    def secret(self, name: str) -> str:
        text: str = self.vault().get_secret_value(SecretId=f"web-next-{self.stack}/{name}")["SecretString"]
        return text

    def connect(self, entry: str) -> psycopg.Connection:
        """A connection by the URL in a vault entry."""
        return psycopg.connect(self.secret(entry), autocommit=True, client_encoding="utf8")

    @property
    def app(self) -> str:
        """The app's own address: the edge would limit a load."""
        return f"http://{self.setting('machine')['stableAddress']}:3003"

    @property
    def executor(self) -> str:
        """The address of the executor's double."""
        return f"http://{self.setting('machine')['executorAddress']}:3010"

    def well(self) -> bool:
        """Whether no route answers from a fallback."""
        with httpx.Client(base_url=self.app, timeout=10, trust_env=False) as http:
            answers = [
                http.post("/api/audit/list", json={}).json(),
                http.post("/api/evidence/zip", json={"runId": "r"}).json(),
                http.get("/api/alerts/queue").json(),
                http.get("/api/guardrails/read").json(),
            ]
        return [answer.get("_mock") for answer in answers] == [False] * 4

    def state_text(self) -> str:
        """The state as it lies on disk, backups and history included."""
        return "\n".join(path.read_text() for path in (self.folder / "state").rglob("*.json*"))

    def template(self, change: Callable[[str], str]) -> None:
        """Edits the edge's template in this copy."""
        path = self.folder / "templates" / "nginx.conf.j2"
        text = path.read_text()
        changed = change(text)
        assert changed != text
        path.write_text(changed)


@contextmanager
def new_system() -> Iterator[System]:
    """A system of which nothing is up yet; with its clone goes all that was."""
    with clone() as emulator:
        system = System(emulator, f"e2e-{secrets.token_hex(3)}")
        machine = emulator.machine
        facts = stackfile.facts(
            machine,
            Images().present(),
            block=10,
            edge_port=machine.edge_port,
            prometheus_port=machine.prometheus_port,
        )
        stackfile.write(system.folder, system.stack, stackfile.merged({}, facts))
        scratch_copy(system.folder)
        (system.folder / "state").mkdir()
        (system.folder / "passphrase").write_text(system.passphrase)
        yield system


def candidate_of(base: System) -> System:
    """A stack beside the base's, in the same folder, that stands on it."""
    made = replace(base, stack=f"{base.stack}-canary")
    content = stackfile.read(base.folder, base.stack)
    content["config"] |= {"web-next:track": "candidate", "web-next:base": base.stack, "web-next:version": "1.5.2"}
    stackfile.write(made.folder, made.stack, {"config": content["config"]})
    return made


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
