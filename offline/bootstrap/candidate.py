"""Starts a candidate that `make down` stopped: it may have a share of the traffic, and alerts to deliver."""

from __future__ import annotations

from offline.bootstrap.docker import docker
from offline.bootstrap.runner import Job, State, Step
from offline.machine import ROOT, clone_id


class Candidate(Step):
    """The containers of a placed candidate. It belongs to another stack than the one that `make up` brings up."""

    name = "candidate"
    needs = ("emulator",)

    def check(self) -> State:
        stopped = self._stopped()
        return State(not stopped, f"{' '.join(stopped)} is stopped" if stopped else "none stopped")

    def act(self, job: Job) -> str:
        stopped = self._stopped()
        job.run("docker", "start", *stopped)
        return f"{' '.join(stopped)} started"

    def _stopped(self) -> list[str]:
        clone = clone_id(ROOT)
        asked = docker(
            "ps", "--all", "--format", "{{.Names}}", "--filter", "status=exited",
            "--filter", f"label=web-next.clone={clone}", "--filter", "label=web-next.track=candidate",
        )  # fmt: skip
        return asked.stdout.split()
