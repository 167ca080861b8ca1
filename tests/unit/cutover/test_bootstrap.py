"""`cutover bootstrap`: what it refuses, what it makes and keeps, and that a preview changes nothing."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pulumi import automation as auto

from bootstrap.roles import ROLES
from cutover import aws
from cutover.commands import bootstrap as command
from cutover.commands.app import main
from cutover.errors import INTERRUPTED, CutoverError, NotPreparedError, NotReadyError
from cutover.prerequisites import bootstrap
from cutover.stacks.project import PROJECT
from tests.unit.infra.parts import bootstrap as declared

ACCOUNT, REGION = "123456789012", "eu-central-1"
MADE = declared().outputs
FILE = {
    "web-next:account": ACCOUNT,
    "web-next:region": REGION,
    "web-next:repository": "ours/cutover",
    "web-next:githubProvider": True,
    "web-next:hostedZones": [],
    "web-next:evidenceBuckets": ["spark-evidence-prod"],
}


class NoSuchKeyError(Exception):
    pass


class NoSuchBucketError(Exception):
    pass


def state(time: str) -> dict[str, Any]:
    """A state as Pulumi exports it, written at that time."""
    return {"version": 3, "deployment": {"manifest": {"time": time}, "resources": []}}


@dataclass
class Cloud:
    """An account of AWS: whose the credentials are, and the bucket of the states once it is there. `pulumi` is the
    engine, whose stack has `here` for a state."""

    folder: Path
    account: str = ACCOUNT
    bucket: dict[str, bytes] | None = None
    here: str = ""
    ends: type[BaseException] | None = None
    done: list[str] = field(default_factory=list)
    opened: dict[str, str] = field(default_factory=dict)

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKeyError, NoSuchBucket=NoSuchBucketError)

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        assert Bucket == f"web-next-state-{ACCOUNT}"
        if self.bucket is None:
            raise NoSuchBucketError
        if Key not in self.bucket:
            raise NoSuchKeyError
        return {"Body": io.BytesIO(self.bucket[Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: str) -> None:  # noqa: N803
        assert Bucket == f"web-next-state-{ACCOUNT}"
        if self.bucket is None:
            raise NoSuchBucketError
        self.bucket[Key] = Body

    def open(self, name: str, work_dir: str, opts: auto.LocalWorkspaceOptions) -> Any:
        assert name == "account"
        self.opened = {"work_dir": work_dir, **dict(opts.env_vars or {})}
        Path(work_dir, "Pulumi.account.yaml").write_text("encryptionsalt: v1\n")  # as the engine does
        return self

    def export_stack(self) -> auto.Deployment:
        return auto.Deployment(**state(self.here))

    def import_stack(self, kept: auto.Deployment) -> None:
        self.done.append("import")
        self.here = kept.deployment["manifest"]["time"]  # type: ignore[index]

    def preview(self, on_event: Any) -> None:
        self.done.append("preview")

    def up(self, on_event: Any) -> None:
        self.done.append("up")
        self.bucket = {} if self.bucket is None else self.bucket
        self.here = "2026-11-29T12:00:00Z"
        if self.ends is auto.errors.CommandError:
            raise auto.errors.CommandError(auto.CommandResult(stdout="", stderr="error: it failed", code=1))
        if self.ends:
            raise self.ends

    def outputs(self) -> dict[str, Any]:
        return {name: auto.OutputValue(value=value, secret=False) for name, value in MADE.items()}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """An account without anything, and the file of its stack with real values in a copy of the program's folder."""
    program = tmp_path / "bootstrap"
    program.mkdir()
    (program / "Pulumi.account.yaml").write_text(json.dumps({"config": FILE}))
    cloud = Cloud(tmp_path)
    monkeypatch.setattr(bootstrap, "FOLDER", program)
    monkeypatch.setattr(bootstrap, "scratch_copy", lambda _folder: None)
    monkeypatch.setattr(aws, "client", lambda _service, _where: cloud)
    monkeypatch.setattr(auto, "create_or_select_stack", cloud.open)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    return cloud


def test_the_first_time_it_is_made_and_its_state_is_kept_here_and_in_the_bucket(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bootstrap"]) == 0

    home = cloud.folder / "home" / ".web-next" / ACCOUNT
    assert cloud.done == ["up"]
    assert cloud.opened == {
        "work_dir": str(bootstrap.FOLDER),
        "PULUMI_BACKEND_URL": f"file://{home}",
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    assert home.stat().st_mode & 0o077 == 0
    assert cloud.bucket is not None
    assert json.loads(cloud.bucket["bootstrap.json"]) == state("2026-11-29T12:00:00Z")
    said = capsys.readouterr().out
    assert f"export PULUMI_BACKEND_URL='{MADE['backend']}'" in said
    assert f"pulumi stack init prod --secrets-provider '{MADE['secrets_provider']}'" in said
    assert f"web-next:operatorRoles: [{', '.join(MADE['operators'])}]" in said
    assert f"DEPLOY_ROLE=arn:aws:iam::{ACCOUNT}:role/web-next-deploy" in said


@pytest.mark.parametrize(
    ("here", "copy", "done"),
    [
        ("2026-11-28T12:00:00Z", None, ["up"]),
        ("2026-11-28T12:00:00Z", "2026-11-27T12:00:00Z", ["up"]),
        ("2026-11-28T12:00:00Z", "2026-11-28T12:00:00Z", ["up"]),
        ("2026-11-27T12:00:00Z", "2026-11-28T12:00:00Z", ["import", "up"]),
        ("", "2026-11-28T12:00:00Z", ["import", "up"]),
        ("2026-11-28T10:30:00.123456789+02:00", "2026-11-28T09:00:00.5Z", ["import", "up"]),
        ("2026-11-28T09:00:00.5Z", "2026-11-28T10:30:00.123456789+02:00", ["up"]),
        ("0001-01-01T00:00:00Z", "2026-11-28T10:30:00-05:00", ["import", "up"]),
    ],
)
def test_again_it_goes_on_from_the_newer_state_of_this_machine_and_the_bucket(
    cloud: Cloud, here: str, copy: str | None, done: list[str]
) -> None:
    cloud.here = here
    cloud.bucket = {"bootstrap.json": json.dumps(state(copy)).encode()} if copy else {}

    assert main(["bootstrap"]) == 0
    assert cloud.done == done


def test_a_preview_looks_at_copies_and_writes_neither_the_file_nor_a_state(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (bootstrap.FOLDER / "Pulumi.account.yaml").read_text()

    assert main(["bootstrap", "--preview"]) == 0
    assert cloud.done == ["preview"]
    assert cloud.bucket is None
    assert not (cloud.folder / "home").exists()
    assert (bootstrap.FOLDER / "Pulumi.account.yaml").read_text() == before
    assert not Path(cloud.opened["work_dir"]).exists()
    assert "nothing was changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (auto.errors.CommandError, CutoverError.exit_code, "cutover: stack account: error: it failed\n"),
        (KeyboardInterrupt, INTERRUPTED, "cutover: interrupted; run the same command again to go on\n"),
    ],
)
def test_an_update_that_fails_or_is_interrupted_leaves_its_state_in_the_bucket_and_says_why(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], ends: type[BaseException], code: int, said: str
) -> None:
    cloud.ends = ends

    assert main(["bootstrap"]) == code
    assert capsys.readouterr().err == said
    assert cloud.bucket is not None
    assert json.loads(cloud.bucket["bootstrap.json"]) == state("2026-11-29T12:00:00Z")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"account": "111122223333"}, 'account is "111122223333": the account\'s own stack needs the real one'),
        ({"account": None}, "account is not set"),
        ({"region": None}, "region is not set"),
        ({"region": "cn-north-1"}, "region is cn-north-1: that is partition aws-cn"),
        ({"repository": "example/web-next-cutover"}, 'repository is "example/web-next-cutover"'),
        ({"repository": "example@1/web-next-cutover@2"}, 'repository is "example@1/web-next-cutover@2"'),
        ({"repository": None}, "repository is not set"),
        ({"hostedZones": ["Z00000000000000000000"]}, 'hostedZones is ["Z00000000000000000000"]'),
    ],
)
def test_a_file_without_real_values_is_refused_before_anything_is_asked(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    cloud.account = "asked"
    config = FILE | {f"web-next:{key}": value for key, value in change.items()}
    (bootstrap.FOLDER / "Pulumi.account.yaml").write_text(json.dumps({"config": config}))

    assert main(["bootstrap"]) == NotReadyError.exit_code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert cloud.done == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account", "1234-5678-9012"),
        ("account", "１２３４５６７８９０１２"),
        ("account", ""),
        ("region", "eu-central-1a"),
        ("region", "Frankfurt"),
        ("repository", "ours"),
        ("repository", "ours/*"),
        ("repository", "ours@1/cutover"),
        ("repository", "ours@1/cutover@*"),
        ("repository", "ours/cutover@2"),
        ("repository", "https://github.com/ours/cutover"),
        ("repository", "ours/cutover "),
        ("hostedZones", ["*"]),
        ("hostedZones", "Z0123456789"),
        ("hostedZones", ["/hostedzone/Z0123456789"]),
        ("evidenceBuckets", "spark-evidence-prod"),
        ("evidenceBuckets", ["spark-*"]),
        ("evidenceBuckets", ["arn:aws:s3:::spark-evidence-prod"]),
        ("evidenceBuckets", ["web-next-state-123456789012"]),
        ("githubProvider", "perhaps"),
        ("githubProvider", None),
    ],
)
def test_a_value_of_another_form_is_refused_by_its_key_before_anything_is_asked(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], key: str, value: Any
) -> None:
    cloud.account = "asked"
    said = {**FILE, f"web-next:{key}": value}
    (cloud.folder / "bootstrap" / "Pulumi.account.yaml").write_text(json.dumps({"config": said}))

    assert main(["bootstrap"]) == 17
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cutover: {key} is ")
    assert "bootstrap/Pulumi.account.yaml" in line
    assert cloud.done == []


@pytest.mark.parametrize(("repository", "told"), [("ours/cutover", True), ("ours@1/cutover@2", False)])
def test_whoever_names_the_repository_without_its_ids_is_told_how_to_find_them(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], repository: str, told: bool
) -> None:
    said = {**FILE, "web-next:repository": repository}
    (cloud.folder / "bootstrap" / "Pulumi.account.yaml").write_text(json.dumps({"config": said}))

    assert main(["bootstrap"]) == 0
    printed = capsys.readouterr().out
    assert f"  runs of repo:{repository} at GitHub take the roles on" in printed
    assert ("gh api repos/ours/cutover --jq " in printed) is told


def test_the_committed_file_is_one_of_those_until_its_placeholders_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotReadyError, match="account is"):
        bootstrap.AccountFile.read()

    text = (bootstrap.FOLDER / "Pulumi.account.yaml").read_text()
    for placeholder, real in (
        ("111122223333", ACCOUNT),
        ("example@0/web-next-cutover@0", "ours@1/cutover@2"),
        ("Z00000000000000000000", "Z0123456789"),
    ):
        text = text.replace(placeholder, real)
    (tmp_path / "Pulumi.account.yaml").write_text(text)
    monkeypatch.setattr(bootstrap, "FOLDER", tmp_path)
    assert bootstrap.AccountFile.read() == bootstrap.AccountFile(
        account=ACCOUNT, region=REGION, repository="ours@1/cutover@2"
    )


def test_other_credentials_stand_ins_and_a_silent_aws_are_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.account = "999988887777"
    assert main(["bootstrap"]) == NotReadyError.exit_code
    assert "are of account 999988887777, and the file names 123456789012" in capsys.readouterr().err

    def refuses() -> None:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "too old"}}, "GetCallerIdentity")

    monkeypatch.setattr(cloud, "get_caller_identity", refuses)
    assert main(["bootstrap"]) == CutoverError.exit_code
    assert "STS does not do it (" in capsys.readouterr().err

    monkeypatch.setenv("PULUMI_HOME", str(PROJECT / ".local" / "pulumi"))
    assert main(["bootstrap"]) == NotPreparedError.exit_code
    assert "a shell without .local/env" in capsys.readouterr().err
    assert cloud.done == []


def test_the_variables_are_those_that_the_workflows_read_and_each_has_its_role() -> None:
    read = {
        word.partition(" ")[0]
        for file in (PROJECT / ".github" / "workflows").glob("*.yml")
        for word in file.read_text().split("role-to-assume: ${{ vars.")[1:]
    }

    assert command.VARIABLES.keys() == read
    assert set(command.VARIABLES.values()) <= ROLES.keys()
