"""The workflows at GitHub, read: their jobs, and the steps with the environment that each has there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"


@dataclass(frozen=True)
class Step:
    """A step of a job, with the environment that it has there."""

    workflow: str
    job: str
    step: Mapping[str, Any]
    env: Mapping[str, str]
    before: tuple[str, ...] = ()
    """The actions that the job has used until then, by their names without a version."""

    @property
    def run(self) -> str | None:
        return self.step.get("run")

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """What it has in its environment, where GitHub's expressions have the values that are `given`."""
        return {
            name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: given[found[1]], str(value))
            for name, value in self.env.items()
        }


def workflows() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, workflow in workflows().items():
        for job, what in workflow["jobs"].items():
            yield name, job, what


def _actions(steps: list[dict[str, Any]]) -> Iterator[str]:
    return (str(step["uses"]).partition("@")[0] for step in steps if "uses" in step)


STEPS = [
    Step(name, job, step, {**what.get("env", {}), **step.get("env", {})}, tuple(_actions(what["steps"][:number])))
    for name, job, what in jobs()
    for number, step in enumerate(what["steps"])
]
