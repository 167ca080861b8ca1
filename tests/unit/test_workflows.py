"""The workflows at GitHub: each step is a target of the Makefile, and runs here with doubles of AWS and GitHub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import fence
from tests.support.workflow_doubles import RUNS, run, step_of, typed
from tests.support.workflows import FOLDER, ROOT, STEPS, Step, jobs, workflows

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
WRITES = {
    ("release", "push"): {"id-token", "attestations"},
    ("release", "propose"): {"contents", "pull-requests"},
    ("review", "review"): {"id-token", "pull-requests"},
    **{(name, name): {"id-token"} for name in ("deploy", "drift", "rollback", "rollout")},
}
"""What a job may write at GitHub. With id-token it takes on a role of AWS."""


def test_there_is_a_workflow_for_each_thing_and_none_that_destroys() -> None:
    assert set(workflows()) == {"deploy", "drift", "release", "review", "rollback", "rollout", "tests"}
    said = "".join(path.read_text() for path in FOLDER.parent.rglob("*") if path.is_file())
    assert "destroy" not in said
    assert "pull_request_target" not in said
    assert "secrets." not in said, "roles are taken on by OIDC: no secret of AWS lies at GitHub"


@pytest.mark.parametrize("step", RUNS, ids=lambda step: f"{step.workflow} {step.job}: {step.run}")
def test_a_step_is_one_target_of_the_makefile_and_nothing_of_a_person_s_is_in_its_text(step: Step) -> None:
    found = re.fullmatch(r"(?:sudo (?:-E )?)?make ([a-z-]+)", step.run or "")
    assert found, step.run
    assert found[1] in TARGETS
    assert "${{" not in str(step.run)


def test_actions_are_pinned_by_commit_each_by_one_and_with_their_version() -> None:
    used = {line for path in FOLDER.glob("*.yml") for line in re.findall(r"uses: (.*)", path.read_text())}
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one
    assert len({one.partition("@")[0] for one in used}) == len(used)


def test_a_job_may_write_what_it_is_listed_with_and_reads_the_repository() -> None:
    for name, job, what in jobs():
        granted = dict(what["permissions"])
        writes = {scope for scope, level in granted.items() if level == "write"}
        assert writes == WRITES.get((name, job), set()), (name, job)
        assert set(granted) - writes <= {"contents"}, (name, job)
    assert all(workflow["permissions"] == {} for workflow in workflows().values())


def test_whoever_changes_a_stack_waits_in_an_environment_and_for_no_job_of_hours() -> None:
    for name, job, what in jobs():
        assert what["timeout-minutes"] <= 120, "GitHub ends a job after six hours: a phase is watched by the controller"
        if "id-token" in WRITES.get((name, job), set()) and name != "review":
            assert what["environment"], (name, job)
    assert "production" in workflows()["rollout"]["jobs"]["rollout"]["environment"]
    assert workflows()["deploy"]["jobs"]["deploy"]["environment"] == "production"


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step.step for step in STEPS if str(step.step.get("uses")).startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


SCAN = "--repository-name web-next-prod{} --image-id imageDigest=sha256:{}"
DOES = {
    "drift drift: make drift": ["-m cutover review -s prod --drift", "-m cutover policy -s prod"],
    "deploy deploy: make deploy": ["-m cutover review -s prod --expect 36aae3baf49e956e", "-m cutover up -s prod"],
    "rollout rollout: make rollout": ["-m cutover staged -s prod --by ada"],
    "rollback rollback: make rollback": ["-m cutover rollback -s prod --by ada --why it's slow; $(touch stolen)"],
    "review review: make review": [
        "-m cutover review -s prod --comment .local/review/prod.md --json .local/review/prod.json"
    ],
    "review review: make comment": [
        'gh api --paginate repos/{owner}/{repo}/issues/7/comments --jq .[] | select(.user.type == "Bot" and '
        '(.body | startswith("<!-- cutover review prod -->"))) | .id',
        "gh api --silent --method POST repos/{owner}/{repo}/issues/7/comments --field body=@.local/review/prod.md",
    ],
    "review shape: make review": [
        "bootstrap tools",
        "cutover review -s prod --against main --comment .local/review/prod.md --json .local/review/prod.json",
    ],
    "review shape: make summary": [],
    "release push: sudo -E make release": [
        "-m offline.images.build web-next nginx",
        "-m cutover image push -s canary web-next-cutover:a --edge web-next-cutover:n --tag 1.5.2",
        *(
            f"aws ecr {verb} {SCAN.format(part, digest * 64)}"
            for part, digest in (("", "b"), ("-edge", "c"))
            for verb in ("wait image-scan-complete", "describe-image-scan-findings")
        ),
    ],
}
"""By step, the commands that it runs; what is not listed here runs whole in tests of its own."""
ELSEWHERE = {"make check", "sudo make test", "sudo make up", "make propose"}


@pytest.mark.parametrize(
    "step",
    [step for step in RUNS if step.run not in ELSEWHERE],
    ids=lambda step: f"{step.workflow} {step.job}: {step.run}",
)
def test_a_step_runs_the_commands_that_it_is_listed_with(step: Step, clone: Path) -> None:
    done = run(step, clone)
    assert done.returncode == 0, done.stdout + done.stderr
    called = (clone / "called").read_text().splitlines() if (clone / "called").exists() else []
    assert called == DOES[f"{step.workflow} {step.job}: {step.run}"]
    assert not (clone / "stolen").exists(), "what a person gives is no command"
    if step.run == "make summary":
        assert "**prod** nothing changes." in done.stdout


ASSIGNED = set(re.findall(r"^([A-Z_]+) :?= ", MAKEFILE, re.MULTILINE))
USED = set(re.findall(r"\$\$?[({]?([A-Z_]{2,})", MAKEFILE)) - ASSIGNED - {"PATH", "MAKEFILE_LIST"}
"""What a person may give to a target."""
STEALS = 'x"; touch stolen; $(shell touch stolen) `touch stolen` $5'


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_nothing_that_a_person_gives_is_text_of_a_command(target: str, clone: Path) -> None:
    assert {"STACK", "OPTIONS", "WHY"} <= USED
    done = subprocess.run(
        ["make", "--dry-run", target, *(f"{name}={STEALS}" for name in sorted(USED))],
        cwd=clone,
        env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "stolen" not in done.stdout
    assert not (clone / "stolen").exists()


@pytest.mark.parametrize("target", ["smoke", "outputs", "preview", "review", "drift", "rollback"])
def test_what_a_person_gives_to_a_target_comes_as_it_was_typed(target: str, clone: Path) -> None:
    (clone / "Pulumi.local.yaml").touch()

    done = typed(clone, target, f"STACK={STEALS}", "WHY=costs $5; touch stolen")

    assert f"-s {STEALS}" in (clone / "called").read_text(), done.stderr
    assert target != "rollback" or "--why costs $5; touch stolen" in (clone / "called").read_text()
    assert not (clone / "stolen").exists()


@pytest.mark.parametrize(("review", "policy", "ended"), [(19, 18, 19), (19, 0, 19), (0, 18, 18)])
def test_the_policy_is_asked_on_a_morning_with_drift_too(clone: Path, review: int, policy: int, ended: int) -> None:
    text = f'echo "$2 $3 $4" >>called\ncase "$*" in *review*) exit {review} ;; *policy*) exit {policy} ;; esac\n'
    (clone / ".venv/bin/python").write_text(f'#!/bin/sh\nset -- "" "$3" "$4" "$5"\n{text}')

    done = typed(clone, "drift", "STACK=prod", "PULUMI_BACKEND_URL=s3://states")

    assert (clone / "called").read_text() == "review -s prod\npolicy -s prod\n"
    assert f"Error {ended}\n" in done.stderr


def called_on_aws(clone: Path) -> list[str]:
    """The commands of a rollback in a shell with a bucket of states."""
    (clone / "called").unlink(missing_ok=True)
    typed(clone, "rollback", "STACK=prod", "PULUMI_BACKEND_URL=s3://states")
    return (clone / "called").read_text().splitlines()


INSTALL = ["python3 -m venv .venv", "pip install -q --require-hashes -r requirements.txt"]
ROLLBACK = "-m cutover rollback -s prod"


def test_packages_on_aws_are_installed_for_each_pins_once_and_again_after_an_install_that_failed(clone: Path) -> None:
    assert called_on_aws(clone) == [ROLLBACK]

    (clone / "requirements.txt").write_text("boto3==2\n")
    (clone / "unreachable").touch()
    assert called_on_aws(clone) == INSTALL, "nothing is run with half of the packages"
    (clone / "requirements.txt").write_text("boto3==1\n")
    assert called_on_aws(clone) == INSTALL, "what failed has changed the packages of before"
    (clone / "unreachable").unlink()
    assert called_on_aws(clone) == [*INSTALL, ROLLBACK]
    assert called_on_aws(clone) == [ROLLBACK]


def test_on_aws_the_packages_of_a_prepared_clone_are_left_to_what_prepares_it(clone: Path) -> None:
    (clone / ".venv" / "requirements.txt").unlink()
    (clone / ".venv").rename(clone / "cache")
    (clone / ".venv").symlink_to("cache")

    assert called_on_aws(clone) == ["bootstrap tools", ROLLBACK], "other clones have the same"


@pytest.mark.parametrize("target", ["smoke", "preview", "rollback", "propose"])
def test_an_empty_stack_is_said_to_be_empty(target: str, clone: Path) -> None:
    done = typed(clone, target, "STACK=")

    assert done.returncode
    assert "STACK is empty: name a stack, such as STACK=local" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (clone / "called").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["propose"], "VERSION is '': it must be three numbers, such as 1.5.2"),
        (["propose", "VERSION=1.5.2"], "BUILD_SHA is '': it must be a commit"),
        (["comment"], "there is no .local/review/local.md: run make review STACK=local first"),
        (["comment", "STACK=prod"], "PR is empty: name the pull request by its number, such as PR=7"),
        (["summary"], "there is no .local/review/local.md: run make review STACK=local first"),
    ],
)
def test_a_step_that_a_person_runs_by_hand_says_in_a_line_what_it_lacks(
    words: list[str], line: str, clone: Path
) -> None:
    done = typed(clone, *words)

    assert done.returncode
    assert done.stderr.splitlines()[0] == line
    assert len(done.stderr.splitlines()) == 2, "the other is make's"
    assert not (clone / "called").exists()


@pytest.mark.parametrize("target", ["comment", "propose"])
def test_a_machine_without_githubs_cli_is_told_so_before_anything_is_changed(target: str, clone: Path) -> None:
    (clone / "bin" / "gh").unlink()
    tools = clone / "tools"
    tools.mkdir()
    for name in ("make", "sh", "grep", "tr", "head"):
        (tools / name).symlink_to(shutil.which(name) or "")

    digest = "@sha256:" + "0" * 64
    given = ["VERSION=1.5.2", "BUILD_SHA=36aae3b", f"APP=app{digest}", f"EDGE=edge{digest}", "PR=7", "STACK=prod"]
    done = typed(clone, target, *given, path=str(tools))

    assert done.stderr.splitlines()[0] == "gh is not on PATH: install GitHub's CLI and log in"


def test_a_second_review_edits_the_comment_of_the_first(clone: Path) -> None:
    (clone / "there").write_text("41\n42\n")
    assert run(step_of("review", "make comment"), clone).returncode == 0
    assert (clone / "called").read_text().splitlines()[-1] == (
        "gh api --silent --method PATCH repos/{owner}/{repo}/issues/comments/41 --field body=@.local/review/prod.md"
    )


def test_a_deployment_without_an_approved_digest_and_a_verb_that_is_none_are_refused(clone: Path) -> None:
    deploy, rollout = step_of("deploy", "make deploy"), step_of("rollout", "make rollout")
    empty = Step(deploy.workflow, deploy.job, deploy.step, {**deploy.env, "REVIEWED": ""})
    wrong = Step(rollout.workflow, rollout.job, rollout.step, {**rollout.env, "VERB": "canary; true"})
    assert "REVIEWED is empty" in run(empty, clone).stderr
    assert "VERB is 'canary; true'" in run(wrong, clone).stderr
    assert not (clone / "called").exists()
