"""A Pulumi project of its own, driven by the real CLI, and the clone's emulator seen by one account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session

from offline.emulator.served import SERVED
from outputs.emulator import secret

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted({"cloudwatch_logs": "logs"}.get(name, name) for name in SERVED if name != "imds")
"""What the emulator answers, by the names that the provider's endpoints have."""


@dataclass(frozen=True)
class Emulator:
    """The running emulator, seen by one account."""

    url: str
    account: str

    @cache  # noqa: B019  (a client takes most of a second to make, and an emulator lasts as long as the run)
    def client(self, service: str):  # type: ignore[no-untyped-def]
        """A client that does what the program didn't: drift."""
        return botocore.session.Session().create_client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.url,
            aws_access_key_id=self.account,
            aws_secret_access_key=secret(),
        )

    @property
    def provider(self) -> str:
        """The program text that makes `opts`, the options of a resource on this emulator."""
        return textwrap.dedent(f"""
            import json, pulumi, pulumi_aws as aws
            provider = aws.Provider("aws", region="eu-central-1", access_key="{self.account}", secret_key="{secret()}",
                endpoints=[{{name: "{self.url}" for name in {SERVICES}}}], s3_use_path_style=True,
                skip_credentials_validation=True, skip_requesting_account_id=True, skip_metadata_api_check=True,
                default_tags={{"tags": {{"project": "web-next"}}}})
            opts = pulumi.ResourceOptions(provider=provider)
            """)


@dataclass
class Done:
    """A finished command."""

    code: int
    text: str


@dataclass
class Project:
    """One project and stack in a folder of its own."""

    folder: Path
    environment: dict[str, str]
    attached: str = ""

    def write(self, *parts: str) -> None:
        """Sets the program."""
        (self.folder / "__main__.py").write_text("\n".join(textwrap.dedent(part) for part in parts))

    def run(self, *arguments: str, code: int | None = 0) -> Done:
        """Runs the CLI; any other exit code than `code` fails the test with what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment | ({"PULUMI_DEBUG_PROVIDERS": self.attached} if self.attached else {}),
            capture_output=True,
            text=True,
            timeout=300,
        )
        text = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"pulumi {' '.join(arguments)}: {done.returncode}\n{text}"
        return Done(done.returncode, text)

    def up(self, *, code: int = 0) -> str:
        return self.run("up", "--yes", "--skip-preview", "--diff", code=code).text

    def preview(self, *arguments: str, code: int = 0) -> str:
        """The plan in one line, whose columns are no longer aligned."""
        return " ".join(self.run("preview", "--diff", *arguments, code=code).text.split())

    def repair(self) -> str:
        return self.run("up", "--yes", "--skip-preview", "--refresh", "--diff").text

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview").text

    def unchanged(self) -> None:
        """Fails if the program or the world differ from the state."""
        self.run("preview", "--expect-no-changes", "--refresh", "--diff")

    def outputs(self) -> dict[str, object]:
        return dict(json.loads(self.run("stack", "output", "--json", "--show-secrets").text))

    def state(self) -> str:
        """The state as it lies on disk, backups and history included."""
        return "\n".join(path.read_text() for path in (self.folder / "state").rglob("*.json*"))

    def resources(self) -> list[dict[str, object]]:
        exported = json.loads(self.run("stack", "export").text)
        return list(exported["deployment"].get("resources", []))


def make_project(folder: Path, home: Path, attached: str = "") -> Project:
    """An empty project with a stack `test`, whose state is beside it."""
    (folder / "state").mkdir()
    (folder / "Pulumi.yaml").write_text("name: standins\nruntime: python\n")
    hidden = ("AWS_", "PULUMI_", "PGHOST", "DOCKER_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    made = Project(
        folder,
        environment
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "engine tests",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_PYTHON_CMD": sys.executable,
        },
        attached,
    )
    made.run("stack", "init", "test")
    return made


def clean(project: Project) -> None:
    """Destroys whatever the project still holds."""
    if project.resources():
        project.run("destroy", "--yes", "--skip-preview", "--refresh", code=None)
