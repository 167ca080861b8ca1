"""The command line's contract with scripts: exit codes, one line on stderr, no traceback."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import typer
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.core import TyperCommand, TyperGroup

from cutover import errors
from cutover.commands.app import app, main
from cutover.errors import (
    CutoverError,
    MigrationError,
    NoGoError,
    NotPreparedError,
    StackLockedError,
    StackMissingError,
)
from cutover.schema import migrator
from cutover.stacks import project
from tests.support.fake_stack import Fake

COMMANDS = (["up", "-s", "test"], ["smoke", "-s", "test"], ["outputs", "-s", "test"])


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = {error.__name__: error.exit_code for error in errors.errors()}

    assert len(set(codes.values())) == len(codes), codes
    assert codes["NoGoError"] == 3
    assert not {errors.DONE, errors.WRONG_USAGE, errors.INTERRUPTED} & set(codes.values())


def test_the_tree_of_errors_has_each_below_its_kind_with_its_code() -> None:
    def drawn(error: type[CutoverError], prefix: str = "", branch: str = "") -> list[str]:
        lines = [f"{prefix}{branch}{error.__name__:<{26 - len(prefix + branch)}}{error.exit_code:>2}"]
        below = prefix + {"": "", "├── ": "│   ", "└── ": "    "}[branch]
        kinds = [kind for kind in error.__subclasses__() if "exit_code" in vars(kind)]
        for kind in kinds:
            lines += drawn(kind, below, "└── " if kind is kinds[-1] else "├── ")
        return lines

    tree = textwrap.dedent(re.findall(r"(?:^    .*\n)+", errors.__doc__ or "", re.MULTILINE)[0])
    assert tree.splitlines() == drawn(CutoverError)


@pytest.mark.parametrize("error", errors.errors(), ids=lambda error: error.__name__)
def test_every_error_says_in_a_line_of_its_own_what_its_exit_code_means(error: type[CutoverError]) -> None:
    lines = (error.__doc__ or "").split("\n")

    assert len(lines[0]) > 10
    assert lines[1:2] in ([], [""]), "what follows is another paragraph"


def test_help_ends_with_every_exit_code_and_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    table = capsys.readouterr().out.partition("Exit codes:\n")[2]

    assert {int(code): means for code, means in (line.split(maxsplit=1) for line in table.strip().splitlines())} == (
        errors.exit_codes()
    )


@pytest.mark.parametrize(
    "error",
    [CutoverError, NoGoError, StackLockedError, StackMissingError, NotPreparedError, MigrationError],
)
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_an_error_is_its_exit_code_and_one_line(
    fake: Fake, capsys: pytest.CaptureFixture[str], arguments: list[str], error: type[CutoverError]
) -> None:
    fake.failure = error("what happened: the way out")

    assert main(arguments) == error.exit_code
    assert capsys.readouterr().err == "cutover: what happened: the way out\n"


def test_an_error_that_nobody_foresaw_is_one_line_which_names_where_its_traceback_is(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = (
        "cutover: an error of cutover's own: KeyError: 'devops'; its traceback is the last of .local/log/cutover.log\n"
    )
    for failure in (ValueError("one\nafter\nanother"), KeyError("devops")):
        fake.failure = failure
        assert main(["up", "-s", "test"]) == 1
    assert capsys.readouterr().err.splitlines(keepends=True)[1:] == [line]
    kept = (tmp_path / ".local/log/cutover.log").read_text()
    assert kept.count("Traceback (most recent call last):") == 2
    assert kept.endswith("KeyError: 'devops'\n\n")


def test_a_traceback_that_cannot_be_kept_is_printed(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".local").write_text("no folder")
    fake.failure = KeyError("devops")

    assert main(["up", "-s", "test"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert said.endswith("\ncutover: an error of cutover's own: KeyError: 'devops'\n")


@pytest.mark.parametrize(
    "refused",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "not for\nyou"}}, "DescribeLoadBalancers"),
        EndpointConnectionError(endpoint_url="https://elb"),
    ],
)
def test_what_aws_refuses_is_one_line_in_its_words(
    fake: Fake, tmp_path: Path, refused: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failure = refused

    assert main(["up", "-s", "test"]) == 1
    said = " ".join(str(refused).split())
    line = f"cutover: AWS does not do it ({said}); the credentials are those of the environment\n"
    assert capsys.readouterr().err == line
    assert not (tmp_path / ".local").exists(), "the words say it all"


def test_whoever_reads_no_further_is_no_error(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failure = BrokenPipeError(errno.EPIPE, "Broken pipe")

    assert main(["up", "-s", "test"]) == 1
    assert capsys.readouterr().err == ""


def test_an_interrupt_is_130_and_one_line(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failure = KeyboardInterrupt()

    assert main(["up", "-s", "test"]) == 130
    assert capsys.readouterr().err == "cutover: interrupted; run the same command again to go on\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up"], ["smoke", "-s", "test", "--fast"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: cutover" in capsys.readouterr().err


def test_the_stack_is_the_one_that_was_named(fake: Fake) -> None:
    main(["outputs", "-s", "prod"])

    assert fake.named == "prod"


def test_outputs_are_json_with_secrets_on_request_only(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"edge_url": "https://localhost:8443", "audit_db_endpoint": "db:5432"}

    assert main(["outputs", "-s", "test"]) == 0
    assert json.loads(capsys.readouterr().out) == fake.values | {"hidden": "[secret]"}
    assert main(["outputs", "-s", "test", "--show-secrets"]) == 0
    assert json.loads(capsys.readouterr().out) == fake.values | {"hidden": "shown"}


def test_the_working_folder_is_the_callers_again_afterwards(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    main(["smoke", "-s", "test"])

    assert Path.cwd() == elsewhere


def test_the_project_is_this_repository() -> None:
    assert (project.PROJECT / "Pulumi.yaml").exists()


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    ours = tomllib.loads((project.PROJECT / "pyproject.toml").read_text())["project"]

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cutover {ours['version']}\n"


VERBS = [
    *(["up"], ["outputs"], ["smoke"], ["verify"], ["approve"], ["approvals"], ["traffic"], ["contract"]),
    *(["canary"], ["staged"], ["production"], ["finish"], ["rollback"], ["hold"], ["resume"], ["tick"], ["status"]),
    *(["flags"], ["watch"]),
    *(["migrate", verb] for verb in ("plan", "apply", "verify", "status")),
    ["gates", "plan"],
    ["gates", "replay"],
    ["image", "push"],
    *(["bootstrap"], ["preflight"], ["policy"], ["review"], ["preview"]),
    ["drill", "restore"],
    *(["dns", verb] for verb in ("status", "move", "back")),
]


def test_the_verbs_are_all_that_there_are() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    below = {name: verb for name, verb in group.commands.items() if isinstance(verb, TyperGroup)}
    known = [[name] for name in group.commands if name not in below]
    known += [[name, verb] for name, group in below.items() for verb in group.commands]

    assert sorted(known) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_help_of_each_verb_has_an_example_that_is_understood(
    verb: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(TyperCommand, "invoke", lambda _self, ctx: asked.append(ctx.command_path))
    main([*verb, "--help"])
    examples = re.findall(r"^ +(cutover .*)$", capsys.readouterr().out.partition("Example")[2], re.MULTILINE)

    assert examples
    for example in examples:
        assert main(shlex.split(example.partition(" | ")[0])[1:]) == 0
    assert asked == [" ".join(["cutover", *verb])] * len(examples)


def test_the_patience_of_migrate_apply_is_the_migrators(capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate", "apply", "--help"])

    assert f"{migrator.DEADLINE:g} if not given" in " ".join(capsys.readouterr().out.split())


HEAVY = ("boto3", "docker", "httpx", "jinja2", "psycopg", "pulumi", "rich", "yaml")
"""What costs a command more to import than most commands do."""


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], []),
        (["--version"], []),
        (["migrate", "apply", "--help"], []),
        (["up"], []),
        (["outputs", "-s", "prod"], ["yaml"]),
        (["traffic", "-s", "prod"], ["docker", "yaml"]),
    ],
    ids=" ".join,
)
def test_a_command_imports_what_it_needs_and_nothing_heavy_beside(
    arguments: list[str], allowed: list[str], tmp_path: Path
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("""#!/bin/sh\necho '{"traffic": {"runtime": "docker", "container": "none", "folder": "/"}}'\n""")
    pulumi.chmod(0o755)
    script = "import sys; from cutover.commands.app import main; main(sys.argv[1:]); print(*sys.modules)"
    prepared = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PULUMI_HOME": "/", "PULUMI_BACKEND_URL": "/"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | prepared,
        cwd=project.PROJECT,
        check=True,
    )

    imported = set(done.stdout.split())
    assert "cutover.commands.app" in imported
    assert imported & set(HEAVY) <= set(allowed)
