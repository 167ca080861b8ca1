"""The Docker engine: the one there is, or one that is started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from offline.bootstrap.artifact import locked
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import cache_folder

ENGINE_SECONDS = 30.0
OWN = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")
"""Where this machine's own engine is."""
NEEDED = "and the local stack needs this machine's own engine, at /var/run/docker.sock"
SYSTEMD = Path("/run/systemd/system")
SERVICE = Path("/etc/init.d/docker")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a docker command and returns what it said; exit code 127 without a client."""
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "there is no docker command")


def engine_version() -> str | None:
    """Returns the version of the engine that answers, None if none does."""
    asked = docker("version", "--format", "{{.Server.Version}}")
    return asked.stdout.strip() if asked.returncode == 0 else None


def elsewhere() -> str | None:
    """Returns what names another engine than this machine's own, and the way out; None if nothing does.

    Another one cannot be used, though it answers: the emulator listens on the gateway of the clone's network, which
    has to be an address of this machine, and the provider asks the socket by its path.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return None if host in OWN else f"DOCKER_HOST is {host}, {NEEDED}: unset DOCKER_HOST"
    context = docker("context", "show").stdout.strip()
    asked = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", context)
    if context in ("", "default") or docker(*asked).stdout.strip() in OWN:
        return None
    if os.environ.get("DOCKER_CONTEXT"):
        return f"DOCKER_CONTEXT is {context}, {NEEDED}: unset DOCKER_CONTEXT"
    return f"docker's context is {context}, {NEEDED}: run docker context use default"


def started_engine() -> int | None:
    """Returns the process id of the engine that `make up` started by hand, if it still runs."""
    try:
        process = int(_pid_file().read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0]
    except (OSError, ValueError):
        return None
    return process if command.endswith(b"dockerd") else None


class Engine(Step):
    """This machine's Docker engine: the one that answers, else the service, else started by hand."""

    name = "docker"
    needs = ("packages",)

    def check(self) -> State:
        if named := elsewhere():
            return State(False, named)
        version = engine_version()
        return State(version is not None, f"engine {version}" if version else "the engine does not answer")

    def act(self, job: Job) -> str:
        if named := elsewhere():
            raise StepError(named)
        if os.geteuid() != 0:
            last = (docker("version").stderr.strip().splitlines() or ["no answer"])[-1]
            raise StepError(
                f"Docker does not answer ({last}); the local stack needs an engine this user may use: "
                "start it, join the docker group, or run `make up` as root"
            )
        with locked(cache_folder() / "dockerd.lock", job):
            return self._start(job)

    def _start(self, job: Job) -> str:
        if version := engine_version():
            return f"engine {version}, started by another clone"
        if SYSTEMD.is_dir() or SERVICE.exists():
            service = ("systemctl", "start", "docker") if SYSTEMD.is_dir() else ("service", "docker", "start")
            job.phase = " ".join(service)
            try:
                job.run(*service)
                return f"engine {_wait(job)}, service started"
            except StepError:
                job.phase = "the service does not start, by hand"
        return self._start_by_hand(job)

    def _start_by_hand(self, job: Job) -> str:
        if shutil.which("dockerd") is None:
            raise StepError("dockerd is not on PATH; the engine is in Debian's package docker.io: install it")
        log = cache_folder() / "dockerd.log"
        with log.open("w") as output:
            engine = subprocess.Popen(
                ["dockerd", "--storage-driver=overlay2"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            version = _wait(job, engine)
        except StepError as error:
            engine.send_signal(signal.SIGTERM)
            last = (log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]
            raise StepError(f"{error}: {last} (log: {log}); repair what it names and run `make up`") from None
        _pid_file().write_text(f"{engine.pid}\n")
        return f"engine {version}, started by hand (pid {engine.pid}, log {log})"


def _wait(job: Job, engine: subprocess.Popen[bytes] | None = None) -> str:
    deadline = time.monotonic() + ENGINE_SECONDS
    while time.monotonic() < deadline:
        job.breathe()
        if version := engine_version():
            return version
        if engine is not None and engine.poll() is not None:
            raise StepError(f"dockerd exited with {engine.returncode}")
        time.sleep(0.2)
    raise StepError(f"the engine did not answer within {ENGINE_SECONDS:.0f} s")


def _pid_file() -> Path:
    return cache_folder() / "dockerd.pid"
