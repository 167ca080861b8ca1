"""`cutover bootstrap --preview` through the real engine: the account's own stack is declared, and nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bootstrap.roles import ROLES, SHARED
from cutover import aws
from cutover.prerequisites import bootstrap

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


class NothingYet:
    """S3 of an account in which nothing has been made."""

    class exceptions:  # noqa: N801 - boto3's own name
        class NoSuchBucket(Exception):  # noqa: N818
            pass

        NoSuchKey = NoSuchBucket

    def get_object(self, **_: str) -> Any:
        raise self.exceptions.NoSuchBucket


def test_the_accounts_stack_is_previewed_whole_and_nothing_is_written(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bootstrap"
    shutil.copytree(bootstrap.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "Pulumi.account.yaml"
    file.write_text(file.read_text().replace("111122223333", "123456789012"))
    before = file.read_bytes()
    monkeypatch.setattr(bootstrap, "FOLDER", folder)
    monkeypatch.setattr(aws, "client", lambda *_: NothingYet())
    monkeypatch.setenv("PULUMI_HOME", str(installed))
    told = bootstrap.AccountFile(account="123456789012", region="eu-central-1", repository="ours/cutover")

    bootstrap.Bootstrap(told, tmp_path / "home").preview()

    said = capsys.readouterr().out
    for role in ROLES:
        assert f"aws:iam:Role {role} " in said
    for policy in (*SHARED, "bounds", "boundary"):
        assert f"aws:iam:Policy {policy} " in said
    assert "aws:s3:Bucket state " in said
    assert file.read_bytes() == before
    assert not (tmp_path / "home").exists()
