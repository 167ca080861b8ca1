"""That a container is healthy, which its provider would learn of when Docker next looks, and not before."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

PAUSE_SECONDS, ANSWER_SECONDS = 1.0, 5
"""Between two looks, each of which is a process in the container, and what one may take."""
HEALTHY_SECONDS = 60
"""After which a container that is not healthy has failed."""
ENDS = 3
"""How often Docker starts one again before it has failed: what it needs may come a moment later."""


class UnhealthyError(Exception):
    """A container ended, or does not get healthy. One line."""


class _HealthyProvider(ResourceProvider):
    """Waits for a container, and again for one that takes its place."""

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        return DiffResult(changes=olds.get("container") != news["container"])

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        container, until = str(props["container"]), time.monotonic() + HEALTHY_SECONDS
        while wrong := _wrong(container, props["command"]):
            ended = _ended(container)
            if ended or time.monotonic() > until:
                found = ended or f"is not healthy after {HEALTHY_SECONDS} s: {wrong}"
                said = f"container {props['name']} {found}; its last words: {_words(container)}"
                raise UnhealthyError(f"{said}; mend that and run up again")
            time.sleep(PAUSE_SECONDS)
        return CreateResult("healthy", dict(props))

    def update(self, _id: str, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        return UpdateResult(self.create(news).outs)

    def delete(self, _id: str, _props: Mapping[str, Any]) -> None:
        """Nothing was made."""


class Healthy(Resource, module="web-next", name="Healthy"):
    """What is made once the `command` has succeeded in a container. Whoever depends on it finds the container healthy,
    and an update whose container ends, or is not healthy in time, fails with its last words."""

    def __init__(
        self,
        name: str,
        made: pulumi.Input[str],
        called: pulumi.Input[str],
        command: Sequence[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props = {"container": made, "name": called, "command": [*command]}
        super().__init__(_HealthyProvider(), name, props, opts)


def _wrong(container: str, command: Sequence[str]) -> str:
    done = _docker("exec", container, *command)
    if done is None:
        return f"`{command[0]}` takes over {ANSWER_SECONDS} s"
    said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
    return f"`{command[0]}` ends with {done.returncode} and says {said[-1]}" if done.returncode else ""


def _ended(container: str) -> str:
    """How it ended, if it did: Docker starts one that ends again, and says meanwhile that it runs."""
    found = _docker("inspect", "--format", "{{.RestartCount}} {{.State.Running}} {{.State.ExitCode}}", container)
    if found is None or found.returncode:
        gone = found is not None and "no such" in found.stderr.lower()
        return "was removed before it was healthy" if gone else ""
    restarts, running, code = found.stdout.split()
    if running == "true" and int(restarts) < ENDS:
        return ""
    return f"ended {int(restarts) + 1} times before it was healthy, the last time with code {code}"


def _words(container: str) -> str:
    logs = _docker("logs", "--tail", "2", container)
    lines = (logs.stdout + logs.stderr).splitlines() if logs else []
    return " / ".join(line.strip() for line in lines if line.strip()) or "nothing"


def _docker(*arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What the command line said, its two streams apart as it warns on the second; None where it takes too long."""
    try:
        return subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
