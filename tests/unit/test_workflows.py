"""The workflows at GitHub: each step is a target of the Makefile, and runs here with doubles of AWS and GitHub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support import fence
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


RUNS = [step for step in STEPS if step.run]


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


GIVEN = {
    "vars.PULUMI_BACKEND_URL": "s3://states",
    "matrix.stack": "prod",
    "inputs.stack": "prod",
    "inputs.reviewed": "36aae3baf49e956e",
    "inputs.verb": "staged",
    "inputs.why": "it's slow; $(touch stolen)",
    "inputs.version": "1.5.2",
    "github.actor": "ada",
    "github.token": "token",
    "github.sha": "9a8b7c6",
    "github.event.pull_request.number": "7",
    "github.event.pull_request.base.sha": "main",
    "needs.push.outputs.app": "registry/web-next-prod@sha256:" + "b" * 64,
    "needs.push.outputs.edge": "registry/web-next-prod-edge@sha256:" + "c" * 64,
}
"""What GitHub puts into the environment of a step."""
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
PYTHON = """\
#!/bin/sh
echo "$*" >>called
case "$*" in
  *images.build*) printf 'web-next  web-next-cutover:a sha256:1\\nnginx     web-next-cutover:n sha256:2\\n' ;;
  *'image push'*) printf '  web-next:image: %s\\n  web-next:edge:\\n    image: %s\\n' "$APP" "$EDGE_IMAGE" ;;
esac
"""


NONE: dict[str, Any] = {"imageScanFindings": {"findings": []}}
AWS = f"""\
#!{sys.executable}
import json, pathlib, sys, jmespath
with open("called", "a") as called:
    print("aws", " ".join(sys.argv[1:]).partition(" --output")[0], file=called)
if "--query" in sys.argv:
    answer = pathlib.Path("findings")
    found = jmespath.search(sys.argv[sys.argv.index("--query") + 1], json.loads(answer.read_text()))
    print("None" if found is None else "\\t".join(found))
"""
"""AWS' command line, which says of what is not there None in text."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose commands are doubles: they write down how they are called."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / ".github" / "steps", tmp_path / ".github" / "steps")
    doubles = {
        ".venv/bin/python": PYTHON,
        "bin/gh": '#!/bin/sh\necho "gh $*" >>called\ncase "$*" in *--paginate*) cat there 2>/dev/null ;; esac\n',
        "bin/aws": AWS,
        "bin/cutover": '#!/bin/sh\necho "cutover $*" >>called\n',
        "offline/bootstrap.sh": '#!/bin/sh\necho "bootstrap $*" >>called\n',
        "findings": json.dumps(NONE),
        ".local/env": 'PATH="$PWD/bin:$PATH"\n',
        ".local/review/prod.md": "<!-- cutover review prod -->\n**prod** nothing changes.\n",
    }
    for name, text in doubles.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(step: Step, clone: Path, errors: IO[str] | int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Runs a step as GitHub does, with what the doubles need beside."""
    beside = {"APP": GIVEN["needs.push.outputs.app"], "EDGE_IMAGE": GIVEN["needs.push.outputs.edge"]}
    environment = fence.ENVIRONMENT | {
        "PATH": f"{clone / 'bin'}:{os.environ['PATH']}",
        "HOME": str(clone),
        **beside,
        **step.environment(GIVEN),
    }
    command = (step.run or "").removeprefix("sudo ").removeprefix("-E ")
    return subprocess.run(
        ["/bin/sh", "-ec", command],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
    )


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


def test_what_a_release_says_is_added_to_a_log_and_never_cuts_it(clone: Path) -> None:
    log = clone / "log"
    log.write_text("what was said before\n")
    step = one("release", "sudo -E make release")
    with log.open("a") as errors:
        done = run(step, clone, errors)

    assert done.returncode == 0
    assert log.read_text().startswith("what was said before\n")
    assert "@sha256:" in log.read_text()


def typed(clone: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    """Runs make as a person does."""
    environment = fence.ENVIRONMENT | {"PATH": f"{clone / 'bin'}:{path}", "HOME": str(clone)}
    return subprocess.run(["make", *words], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def one(workflow: str, command: str) -> Step:
    return next(step for step in RUNS if step.workflow == workflow and step.run == command)


def test_a_second_review_edits_the_comment_of_the_first(clone: Path) -> None:
    (clone / "there").write_text("41\n42\n")
    assert run(one("review", "make comment"), clone).returncode == 0
    assert (clone / "called").read_text().splitlines()[-1] == (
        "gh api --silent --method PATCH repos/{owner}/{repo}/issues/comments/41 --field body=@.local/review/prod.md"
    )


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
    done = run(one("release", "sudo -E make release"), clone)
    assert done.returncode != 0
    assert said in done.stderr
    assert "digest=" not in done.stdout


@pytest.mark.parametrize("by", ["findings", "enhancedFindings"])
def test_an_image_of_which_a_scan_says_nothing_bad_is_released_whoever_scans(clone: Path, by: str) -> None:
    (clone / "findings").write_text(json.dumps({"imageScanFindings": {by: [{"title": "CVE-2", "severity": "LOW"}]}}))
    done = run(one("release", "sudo -E make release"), clone)
    assert done.returncode == 0, done.stderr
    assert "digest=sha256:bbbb" in done.stdout


def test_a_deployment_without_an_approved_digest_and_a_verb_that_is_none_are_refused(clone: Path) -> None:
    deploy, rollout = one("deploy", "make deploy"), one("rollout", "make rollout")
    empty = Step(deploy.workflow, deploy.job, deploy.step, {**deploy.env, "REVIEWED": ""})
    wrong = Step(rollout.workflow, rollout.job, rollout.step, {**rollout.env, "VERB": "canary; true"})
    assert "REVIEWED is empty" in run(empty, clone).stderr
    assert "VERB is 'canary; true'" in run(wrong, clone).stderr
    assert not (clone / "called").exists()


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
    propose = one("release", "make propose")
    done = run(Step(propose.workflow, propose.job, propose.step, {**propose.env, name: value}), repository)
    assert done.returncode != 0
    assert f"{name} is '{value}': it must be " in done.stderr
    assert not (repository / "stolen").exists()
    assert not (repository / "called").exists()


def test_the_change_that_is_opened_sets_the_release_and_nothing_else(repository: Path) -> None:
    clone = repository
    done = run(one("release", "make propose"), clone)
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
