"""How many processes a container may have, which Pulumi's Docker provider has no argument for."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

MOST = 256
"""Of any container of a stack. The app under load has some 50 with its threads, which count."""


class PidsError(Exception):
    """Docker does not set a container's limit. One line."""


class _PidsProvider(ResourceProvider):
    """Tells Docker the limit, which the container then has until it is removed; another one has to be told again."""

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(name) != news[name] for name in ("container", "most")))

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        _docker("update", "--pids-limit", str(int(props["most"])), str(props["container"]))
        return CreateResult("pids", dict(props))

    def update(self, _id: str, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        return UpdateResult(self.create(news).outs)

    def read(self, id_: str, props: Mapping[str, Any]) -> ReadResult:
        try:
            said = _docker("inspect", "--format", "{{.HostConfig.PidsLimit}}", str(props["container"]))
        except PidsError:
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "most": int(said) if said.isdecimal() else 0})

    def delete(self, _id: str, _props: Mapping[str, Any]) -> None:
        """The limit goes with its container."""


class Pids(Resource, module="web-next", name="Pids"):
    """The limit of a container, by its id: it is set once the container runs, so that it bounds what comes later."""

    def __init__(self, name: str, container: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__(_PidsProvider(), name, {"container": container, "most": MOST}, opts)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PidsError(f"`docker {' '.join(arguments)}` failed: {said}; run up again")
    return done.stdout.strip()
