"""A stack prod that was never up: its configuration, and its previews by the real CLI without an account."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cutover.review.shape import scratch_copy

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/deployer", f"arn:aws:iam::{ACCOUNT}:role/on-call"]
SOUND = {
    "account": ACCOUNT,
    "domain": "console.web-next.test",
    "executorUrl": "https://executor.web-next.test",
    "image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod@sha256:{'a' * 64}",
    "edge.image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod-edge@sha256:{'e' * 64}",
    "edge.trustedCallers": ["198.51.100.0/24"],
    "rollout.watchImage": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod-watch@sha256:{'f' * 64}",
    "access.clients": ["198.51.100.0/24"],
    "fargate.hostedZoneId": "Z0123456789ABCDEFGHIJ",
    "buildSha": "4f2c1d9",
    "alarmTargets": ["on-call@web-next.test"],
    "operatorRoles": ROLES,
    "database.access": "direct",
}
"""What takes the place of the committed placeholders."""


Steps = list[dict[str, Any]]
"""What the CLI says a preview would do."""


@dataclass(frozen=True)
class Prod:
    """A scratch copy of the program with a stack prod that was never up."""

    folder: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--stack", "prod", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )

    def file(self, **settings: Any) -> str:
        """A stack file with these settings."""
        path = self.folder / f"variant-{secrets.token_hex(4)}.yaml"
        path.write_text(yaml.safe_dump({"config": sound(**settings)}))
        return str(path)

    def preview(self, **settings: Any) -> Steps:
        """The steps of a preview with these settings."""
        done = self.pulumi("preview", "--json", "--config-file", self.file(**settings))
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return Steps(json.loads(done.stdout)["steps"])


def sound(**settings: Any) -> dict[str, Any]:
    """The committed configuration of prod with sound values and these settings, by their paths."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    for path, value in (SOUND | settings).items():
        key, _, inner = path.partition(".")
        here = config.setdefault(f"web-next:{key}", {}) if inner else config
        here[inner or f"web-next:{key}"] = value
    return config


def texts(**settings: Any) -> dict[str, str]:
    """The same as Pulumi hands it to the program."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in sound(**settings).items()}


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a value by path; lists of texts are leaves, and so is what has nothing in it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(f"{path}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from flat(f"{path}[{index}]", inner)
    else:
        yield path, value


def make_prod(folder: Path, home: Path, attached: str = "") -> Prod:
    """A stack without a state, and an environment without a credential."""
    scratch_copy(folder)
    shutil.copy(ROOT / "Pulumi.prod.yaml", folder)
    (folder / "state").mkdir()
    environment = without_credentials() | {
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "engine tests",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    made = Prod(folder, environment | ({"PULUMI_DEBUG_PROVIDERS": attached} if attached else {}))
    done = made.pulumi("stack", "init")
    assert done.returncode == 0, done.stderr
    return made


def without_credentials() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG", "PULUMI_"))}
