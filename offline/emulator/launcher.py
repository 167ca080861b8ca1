"""Starts and stops this clone's emulator, and says whether it and its databases answer."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from offline.bootstrap.artifact import is_complete
from offline.bootstrap.python import emulator_folder
from offline.emulator.admission import DATABASES, HEALTH
from offline.emulator.process import Process
from offline.emulator.signatures import signed
from offline.emulator.transit import FILES
from offline.files import replace_text
from offline.images.build import Images
from offline.machine import ROOT, Machine

START_SECONDS = 60.0
DATABASE_SECONDS = 60.0
STOP_SECONDS = 30.0
LOOK_SECONDS = 3.0  # a database that is just being deleted is silent for a moment
LOG_BYTES = 10_000_000
KIND = "web-next.emulator"
CLOSED = "http://127.0.0.1:9"  # a proxy that nobody has


class EmulatorError(Exception):
    """The emulator cannot be started, or does not answer. One line, fit for a person."""


@dataclass(frozen=True)
class Emulator:
    """The emulator of the clone at `root`; its state is in `.local/emulator`."""

    machine: Machine
    root: Path = ROOT
    images: Images = field(default_factory=Images)

    @property
    def folder(self) -> Path:
        """Where its state, log, addresses and process record are."""
        return self.root / ".local" / "emulator"

    @property
    def key(self) -> Path:
        """The secret of every account's access key, and what sessions are issued by; made at the first start."""
        return self.folder / "key"

    @property
    def tls(self) -> Path:
        """Where the clone's authority is, and the certificate that it gave the databases."""
        return self.root / ".local" / "tls"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log"

    def settings(self) -> dict[str, str]:
        """Returns the process's whole environment: nothing of the user's but PATH gets in."""
        machine = self.machine
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": machine.gateway,
            "MINISTACK_HOST": machine.gateway,
            "GATEWAY_PORT": str(machine.emulator_port),
            "DOCKER_NETWORK": machine.network,
            "MINISTACK_REGION": "eu-central-1",
            "MINISTACK_ACCOUNT_ID": machine.account,
            "MINISTACK_IMAGE_PREFIX": self.images.emulator_prefix,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "RDS_PERSIST": "1",
            "S3_PERSIST": "0",  # durable.py keeps objects, with their versions and retention
            "S3_DATA_DIR": str(self.folder / "s3"),
            "RDS_BASE_PORT": str(machine.rds_base_port),
            "ELASTICACHE_BASE_PORT": str(machine.elasticache_base_port),
            "HTTP_PROXY": CLOSED,  # whom a webhook or a function names outside is not asked
            "HTTPS_PROXY": CLOSED,
            "SFTP_ENABLED": "0",  # these two listen on every address of the machine
            "IOT_MTLS_ENABLED": "0",
        }

    @property
    def version(self) -> str:
        """12 hex digits that change with what the process is made of: code, packages, settings, images, certificate."""
        settings = self.settings()
        settings.pop("PATH", None)  # another shell's, which doesn't make it another emulator
        digest = hashlib.sha256(json.dumps([str(emulator_folder()), settings]).encode())
        own = [file for file in (self.key, *(self.tls / name for name in FILES)) if file.exists()]
        code = sorted([*Path(__file__).parent.glob("*.py"), *(ROOT / "policy" / "iam").glob("*.py")])
        for file in [*code, *own]:
            digest.update(file.read_bytes())
        return digest.hexdigest()[:12]

    def start(self) -> str:
        """Returns once the emulator and all its databases answer; restarts it if one does not, or if it is old.

        Raises EmulatorError: environment, network or images missing, port taken, process died, or no answer.
        """
        for name in ("home", "tmp", "state"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            if not self.key.exists():
                replace_text(self.key, secrets.token_hex(32), 0o600)
            process = self._process()
            if process is not None:
                with suppress(EmulatorError):
                    if process.version == self.version:
                        return self._wait(process, LOOK_SECONDS)
                self._stop(process)
            self._check_needs()
            if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
                self.log.unlink()
            python = str(emulator_folder() / "bin" / "python")
            command = (python, "-m", "offline.emulator.serve", str(self.root))
            process = Process.spawn(command, self.settings(), self.log, self.version)
            process.write(self._pid_file)
            return self._wait(process, DATABASE_SECONDS, created=True)

    def stop(self) -> str:
        """Ends the emulator and its containers, and returns what was stopped; data and addresses stay."""
        if not self.folder.exists():
            return "not running"
        with self._lock():
            process = self._process()
            return self._stop(process)

    def status(self) -> str:
        """Returns where the emulator is and how many databases answer. EmulatorError if it or one does not."""
        process = self._process()
        if process is None:
            raise EmulatorError("not running; start it with `python -m offline.emulator start`")
        if process.version != self.version:
            raise EmulatorError(
                "it was started before its code, images or certificate changed; "
                "restart it with `python -m offline.emulator start`"
            )
        try:
            self._ask(HEALTH)
            return self._wait_for_databases(LOOK_SECONDS)
        except OSError as error:
            raise EmulatorError(f"it runs, but {self.machine.emulator} does not answer: {error}") from None

    def databases(self) -> list[dict[str, Any]]:
        """Returns all accounts' databases as `databases.Answer` has them. OSError if the emulator is down."""
        return list(self._ask(DATABASES))

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    def _process(self) -> Process | None:
        process = Process.read(self._pid_file)
        return process if process is not None and process.alive() else None

    def _wait_for_databases(self, seconds: float, created: bool = False) -> str:
        """Waits for the clone's own account; what tests of other accounts break does not concern it."""
        deadline = time.monotonic() + seconds
        while True:
            rows = [row for row in self.databases() if row["account"] == self.machine.account]
            bad = [row for row in rows if row["state"] == "silent" or (created and row["state"] == "creating")]
            if not bad:
                return f"{self.machine.emulator}, {len(rows)} databases answer"
            if time.monotonic() > deadline:
                named = ", ".join(f"{row['name']} ({row['address']}:{row['port']})" for row in bad)
                raise EmulatorError(
                    f"no answer from {named}; "
                    "`python -m offline.emulator start` replaces its container and keeps its data"
                )
            time.sleep(0.2)

    def _wait(self, process: Process, database_seconds: float, created: bool = False) -> str:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if not process.alive():
                raise EmulatorError(f"the emulator died: {self._last_words()} (log: {self.log})")
            try:
                self._ask(HEALTH)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise EmulatorError(
                        f"{self.machine.emulator} did not answer within {START_SECONDS:.0f} s (log: {self.log})"
                    ) from None
                time.sleep(0.1)
        return self._wait_for_databases(database_seconds, created)

    def _stop(self, process: Process | None) -> str:
        by_itself = process is None or process.end(STOP_SECONDS)
        self._pid_file.unlink(missing_ok=True)
        labels = ("--filter", f"label={self.machine.label}", "--filter", f"label={KIND}")
        left = _docker("ps", "--all", "--quiet", *labels).stdout.split()
        if left:
            _docker("stop", "--time", "10", *left)
            _docker("rm", "--volumes", *left)  # anonymous ones; the databases' have names
        if process is None:
            return "not running"
        return "stopped" if by_itself else f"killed: it did not end within {STOP_SECONDS:.0f} s"

    def _check_needs(self) -> None:
        machine = self.machine
        if not is_complete(emulator_folder()):
            raise EmulatorError(
                f"the emulator's packages are not installed in {emulator_folder()}; `make up` installs them"
            )
        if _docker("network", "inspect", machine.network).returncode != 0:
            raise EmulatorError(f"Docker has no network {machine.network}; `make up` creates it")
        if lacking := [name for name in FILES if not (self.tls / name).is_file()]:
            raise EmulatorError(f"{self.tls} has no {lacking[0]}; `make up` writes it")
        missing = {"postgres", "redis"} - self.images.present(("postgres", "redis")).keys()
        if missing:
            raise EmulatorError(f"image {' and '.join(sorted(missing))} missing; run `python -m offline.images.build`")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((machine.gateway, machine.emulator_port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise EmulatorError(
                        f"this machine has no address {machine.gateway}, though Docker has the network: its engine "
                        "runs elsewhere, as Docker Desktop's and a rootless one do; use one that runs on this machine"
                    ) from None
                raise EmulatorError(
                    f"{machine.gateway}:{machine.emulator_port} is not free ({error.strerror}); "
                    "`ss -ltnp` shows who has it: end that. "
                    "Else `make clean` and `make up` take another port, without the data"
                ) from None

    def _ask(self, path: str) -> Any:
        headers = signed(self.machine.emulator + path, self.machine.account, self.key.read_text())
        with closing(HTTPConnection(self.machine.gateway, self.machine.emulator_port, timeout=10)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise OSError(f"{path} is {answer.status}: {answer.read(300)!r}")
            return json.load(answer)

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EmulatorError("there is no docker command; `make up` installs it") from None
