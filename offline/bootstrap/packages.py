"""The Debian packages that the other steps call."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from offline.bootstrap import docker
from offline.bootstrap.runner import Job, State, Step, StepError

COMMANDS = ("git", "make", "openssl", "debootstrap")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class Packages(Step):
    """git, make, openssl, debootstrap, and Docker where no engine answers."""

    name = "packages"

    def check(self) -> State:
        missing = missing_packages()
        return State(not missing, f"missing: {' '.join(missing)}" if missing else "all there")

    def act(self, job: Job) -> str:
        missing = missing_packages()
        command = f"apt-get install --no-install-recommends {' '.join(missing)}"
        if shutil.which("apt-get") is None:
            raise StepError(
                f"{' '.join(missing)}: not found, and there is no apt-get to install them with; install them by hand"
            )
        if os.geteuid() != 0:
            raise StepError(
                f"{' '.join(missing)}: not installed; that takes root: run `sudo {command}`, then `make up`"
            )
        job.say(f"installs {' '.join(missing)}")
        update(job)
        install(job, *missing)
        if rest := missing_packages():
            install(job, *rest)
        return f"installed {' '.join([*missing, *rest])}"


def update(job: Job) -> None:
    """Reads the lists of packages, as root. StepError if apt cannot."""
    job.phase = "package lists"
    _apt(job, "update")


def install(job: Job, *names: str) -> None:
    """Installs packages, as root. StepError if apt cannot."""
    job.phase = "install"
    _apt(job, "install", "-y", "--no-install-recommends", *names)


def _apt(job: Job, *arguments: str) -> None:
    options = ("-o", "DPkg::Lock::Timeout=120")
    job.run("apt-get", *options, *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def missing_packages() -> list[str]:
    """Returns the names of the packages to install, none on a machine that has the commands."""
    missing = [name for name in COMMANDS if shutil.which(name, path=SEARCH) is None]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if docker.engine_version() is None:
        if not all(shutil.which(name, path=SEARCH) for name in ("dockerd", "iptables")):
            missing += ["docker.io", "iptables"]
        elif shutil.which("docker", path=SEARCH) is None:
            missing.append("docker-cli")  # from Debian 13 on docker.io is the engine alone
    return missing
