"""The stage: two stacks beside `local`, a base on mocks and its candidate with real adapters."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline import stackfile
from offline.machine import ROOT, SLOTS, Machine
from outputs.smoke import Criterion

BASE = "rehearsal"
BLOCK = 30
"""The base's first fixed address; `local` begins at 10."""
STABLE, CANDIDATE = "1.5.0", "1.5.1"
CRITERIA = {
    "audit": Criterion.AUDIT,
    "evidence": Criterion.EVIDENCE,
    "queue": Criterion.QUEUE,
    "guardrails": Criterion.GUARDRAILS,
}
"""The adapters in the playbook's order (row 10), each with the criterion that is its acceptance."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stacks `base` and its candidate in the clone at `root`. `holds` are the phases' in seconds; clients give up
    after `patience` seconds."""

    machine: Machine
    images: Mapping[str, str]
    holds: Mapping[str, int]
    patience: float = 5.0
    root: Path = ROOT
    base: str = BASE
    block: int = BLOCK

    @property
    def candidate(self) -> str:
        """The candidate's stack."""
        return f"{self.base}-canary"

    @property
    def crowd(self) -> str:
        """The address of the container that sends the load: the edge believes it whom it speaks for."""
        return self.machine.address(self.block + 6)

    @property
    def crowd_name(self) -> str:
        """That container's name."""
        return f"web-next-{self.base}-crowd-{self.machine.clone}"

    @property
    def edge_port(self) -> int:
        """The edge's port on 127.0.0.1. A clone's own are a slot of 256 from theirs on, and these come after all."""
        return self.machine.edge_port + SLOTS

    @property
    def url(self) -> str:
        """The edge, as a browser of this machine reaches it."""
        return f"https://localhost:{self.edge_port}"

    @property
    def authority(self) -> Path:
        """The file of the authority that signed the edge's certificate."""
        return self.root / ".local" / "tls" / "ca.pem"

    def start(self) -> None:
        """Starts the stage's containers, which `make down` stops."""
        ours = ["--filter", f"label={self.machine.label}", "--filter", f"name=^web-next-{self.base}-"]
        stopped = subprocess.run(
            ["docker", "ps", "--all", "--quiet", "--filter", "status=exited", *ours],
            check=True,
            capture_output=True,
            text=True,
        )
        for container in stopped.stdout.split():
            subprocess.run(["docker", "start", container], check=True, capture_output=True)

    def set(self, version: str, real: Sequence[str], *, candidate: bool, proven: bool = True) -> None:
        """Writes a stack's file: the version, and which adapters are real. A mock is not asked for its criterion; what
        is not to be `proven` yet goes without the smoke suite."""
        adapters = {name: "production" if name in real else "mock" for name in CRITERIA}
        must_pass = [Criterion.HEALTH, Criterion.RATE_LIMIT, *(CRITERIA[name] for name in CRITERIA if name in real)]
        facts = stackfile.facts(
            self.machine,
            self.images,
            block=self.block,
            edge_port=self.edge_port,
            prometheus_port=self.machine.prometheus_port + SLOTS,
            base=self.base if candidate else None,
        )
        own: dict[str, Any] = {
            "web-next:version": version,
            "web-next:adapters": adapters,
            "web-next:smoke": {"run": proven, "mustPass": [each.value for each in must_pass]},
            "web-next:rollout": {"hold": {phase: f"{seconds}s" for phase, seconds in self.holds.items()}},
            "web-next:edge": {"trustedProxies": [f"{self.crowd}/32"]},
        }
        defaults = stackfile.CANDIDATES if candidate else stackfile.DEFAULTS
        content = stackfile.merged({}, {**facts, **own}, defaults)
        stackfile.write(self.root, self.candidate if candidate else self.base, content)
