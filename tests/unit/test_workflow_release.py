"""The workflow that releases: what it says, which images it refuses, and the change that it opens."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.workflow_doubles import GIVEN, run, step_of
from tests.support.workflows import ROOT, Step


def test_what_a_release_says_is_added_to_a_log_and_never_cuts_it(clone: Path) -> None:
    log = clone / "log"
    log.write_text("what was said before\n")
    step = step_of("release", "sudo -E make release")
    with log.open("a") as errors:
        done = run(step, clone, errors)

    assert done.returncode == 0
    assert log.read_text().startswith("what was said before\n")
    assert "@sha256:" in log.read_text()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"findings": [{"name": "CVE-2026-0001", "severity": "CRITICAL"}, {"name": "CVE-2", "severity": "LOW"}]},
            "has what ECR calls critical or high: CVE-2026-0001; mend the image",
        ),
        (
            {"enhancedFindings": [{"title": "CVE-2026-0001 - openssl", "severity": "HIGH"}]},
            "has what ECR calls critical or high: CVE-2026-0001 - openssl; mend the image",
        ),
        (None, "ECR does not say what it has found in registry/web-next-prod@sha256:bbbb"),
    ],
    ids=["by ECR", "by Inspector", "by nobody"],
)
def test_an_image_with_a_critical_finding_or_without_a_scan_is_not_released(
    clone: Path, found: dict[str, Any] | None, said: str
) -> None:
    (clone / "findings").write_text(json.dumps({"imageScanFindings": found}))
    done = run(step_of("release", "sudo -E make release"), clone)
    assert done.returncode != 0
    assert said in done.stderr
    assert "digest=" not in done.stdout


@pytest.mark.parametrize("by", ["findings", "enhancedFindings"])
def test_an_image_of_which_a_scan_says_nothing_bad_is_released_whoever_scans(clone: Path, by: str) -> None:
    (clone / "findings").write_text(json.dumps({"imageScanFindings": {by: [{"title": "CVE-2", "severity": "LOW"}]}}))
    done = run(step_of("release", "sudo -E make release"), clone)
    assert done.returncode == 0, done.stderr
    assert "digest=sha256:bbbb" in done.stdout


@pytest.fixture
def repository(clone: Path) -> Path:
    """The clone as a repository of git, whose origin is beside it and in which nobody has a name."""
    (clone / "Pulumi.canary.yaml").write_text((ROOT / "Pulumi.canary.yaml").read_text())
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (
        ["init", "-q", "--bare", "origin.git"],
        ["init", "-q"],
        ["config", "user.useConfigOnly", "true"],
        ["remote", "add", "origin", "origin.git"],
        ["add", "Pulumi.canary.yaml"],
        ["commit", "-qm", "one"],
    ):
        subprocess.run([*git, *words], cwd=clone, check=True)
    return clone


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VERSION", "1.5.2|e; touch stolen; #"),
        ("VERSION", "1.5.2\n1.5.2"),
        ("VERSION", "1.5.&"),
        ("VERSION", ""),
        ("APP", "registry/app@sha256:" + "b" * 64 + "|w stolen"),
        ("EDGE", "registry/edge:1.5.2"),
        ("BUILD_SHA", '0a1b2c3"; x: "'),
        ("STACK", "../canary"),
    ],
)
def test_a_change_is_not_opened_for_what_sed_would_run_or_a_file_would_not_take(
    repository: Path, name: str, value: str
) -> None:
    propose = step_of("release", "make propose")
    done = run(Step(propose.workflow, propose.job, propose.step, {**propose.env, name: value}), repository)
    assert done.returncode != 0
    assert f"{name} is '{value}': it must be " in done.stderr
    assert not (repository / "stolen").exists()
    assert not (repository / "called").exists()


def test_the_change_that_is_opened_sets_the_release_and_nothing_else(repository: Path) -> None:
    clone = repository
    done = run(step_of("release", "make propose"), clone)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        ["git", "--git-dir=origin.git", "show", "--format=%s", "-U0", "release/canary-1.5.2"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.splitlines()[0] == "canary is to run 1.5.2, built from 9a8b7c6"
    assert re.findall(r"^\+ +(.*)$", shown, re.MULTILINE) == [
        f"web-next:image: {GIVEN['needs.push.outputs.app']}",
        'web-next:buildSha: "9a8b7c6"',
        "web-next:version: 1.5.2",
        f"image: {GIVEN['needs.push.outputs.edge']}",
    ]
    assert (clone / "called").read_text().splitlines()[-1] == "gh pr create --head release/canary-1.5.2 --fill"
