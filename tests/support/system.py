"""A whole system of its own: a copy of the program, a stack of its own, on the clone's emulator and network."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import docker
import psycopg
from docker.models.containers import Container

from offline import stackfile
from offline.images.build import Images
from offline.machine import ROOT, Machine
from offline.preview import scratch_copy
from tests.support.containers import free_port


@dataclass
class Done:
    """A finished command."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        return self.text.strip().splitlines()[-1]


@dataclass
class System:
    """One stack in a folder of its own."""

    folder: Path
    stack: str
    machine: Machine
    passphrase: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

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

    def smoke(self, *, code: int = 0) -> Done:
        return self.run(sys.executable, "-m", "cutover", "smoke", "-s", self.stack, code=code)

    def outputs(self) -> dict[str, Any]:
        return dict(json.loads(self.run(sys.executable, "-m", "cutover", "outputs", "-s", self.stack).text))

    def pulumi(self, *arguments: str, code: int | None = 0) -> Done:
        return self.run("pulumi", *arguments, "--stack", self.stack, "--non-interactive", code=code)

    def set(self, key: str, value: Any) -> None:
        """Changes a setting in the stack's file, the way a commit would."""
        content = stackfile.read(self.folder, self.stack)
        content["config"][f"web-next:{key}"] = value
        stackfile.write(self.folder, self.stack, content)

    def unset(self, key: str) -> None:
        content = stackfile.read(self.folder, self.stack)
        del content["config"][f"web-next:{key}"]
        stackfile.write(self.folder, self.stack, content)

    def container(self, part: str) -> Container:
        """This stack's container whose name has `part` in it."""
        name = re.compile(rf"web-next-{self.stack}-{part}\b(?!-files)")
        found = [each for each in docker.from_env().containers.list(all=True) if name.search(each.name)]
        assert len(found) == 1, f"{len(found)} containers match {name.pattern}"
        return found[0]

    def vault(self) -> Any:
        """Secrets Manager, seen by the account."""
        return boto3.client(
            "secretsmanager",
            region_name="eu-central-1",
            endpoint_url=self.machine.emulator,
            aws_access_key_id=self.machine.account,
            aws_secret_access_key="local",
        )

    def secret(self, name: str) -> str:
        text: str = self.vault().get_secret_value(SecretId=f"web-next-{self.stack}/{name}")["SecretString"]
        return text

    def connect(self, entry: str) -> psycopg.Connection:
        """A connection by the URL in a vault entry."""
        return psycopg.connect(self.secret(entry), autocommit=True, client_encoding="utf8")

    @property
    def app(self) -> str:
        """The app's own address: the edge would limit a load."""
        return f"http://{self.outputs()['slots']['stable']['address']}"

    @property
    def executor(self) -> str:
        """The address of the executor's double."""
        networks = self.container("executor").attrs["NetworkSettings"]["Networks"]
        return f"http://{networks[self.machine.network]['IPAddress']}:3010"

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


def make_system(folder: Path, block: int) -> System:
    """A copy of the program with a stack file of its own; `block` is the first of its ten fixed addresses."""
    machine = Machine.load()
    stack = f"e2e-{secrets.token_hex(3)}"
    system = System(folder, stack, machine)
    stackfile.write(
        folder,
        stack,
        stackfile.merged(
            {},
            stackfile.facts(
                machine, Images().present(), block=block, edge_port=free_port(), prometheus_port=free_port()
            ),
        ),
    )
    scratch_copy(folder)
    (folder / ".local").mkdir()
    (folder / ".local" / "tls").symlink_to(ROOT / ".local" / "tls")
    (folder / "state").mkdir()
    (folder / "passphrase").write_text(system.passphrase)
    return system


def remove(system: System) -> None:
    """Destroys whatever the system still has."""
    for container in docker.from_env().containers.list(filters={"status": "paused"}):
        if f"web-next-{system.stack}-" in container.name:
            container.unpause()
    if (system.folder / "state" / ".pulumi" / "stacks").exists():
        system.pulumi("cancel", "--yes", code=None)
        system.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates", code=None)
        system.pulumi("destroy", "--yes", "--skip-preview")


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
