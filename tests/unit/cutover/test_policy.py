"""`cutover policy`: what a stack has, judged by the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cutover.commands.app import main
from cutover.errors import PolicyBrokenError
from cutover.stacks import exported, project
from policy.exceptions import ExceptionsError

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}


def key(**inputs: Any) -> Mapping[str, Any]:
    kind = "aws:kms/key:Key"
    return {"urn": f"urn:pulumi:prod::web-next::{kind}::vault", "type": kind, "inputs": inputs, "outputs": {}}


def ask(monkeypatch: pytest.MonkeyPatch, resources: list[Mapping[str, Any]], *more: str) -> int:
    monkeypatch.setattr(exported, "resources", lambda stack: {"prod": resources}[stack])
    monkeypatch.setattr(project, "config", lambda stack: {"prod": {"web-next:runtime": "fargate"}}[stack])
    return main(["policy", "-s", "prod", *more])


def test_a_stack_that_keeps_the_rules_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, [key(enableKeyRotation=True, deletionWindowInDays=30)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("  ok    prod ")
    assert "rules hold, of 1 resources" in line


def test_a_rule_that_is_broken_ends_in_its_exit_code_and_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, [key(enableKeyRotation=False)]) == PolicyBrokenError.exit_code
    told = capsys.readouterr()
    assert "  miss  kms-rotated-and-kept" in told.out
    assert told.err == (
        "cutover: stack prod breaks kms-rotated-and-kept: vault: enableKeyRotation False; a key is changed every year, "
        "and can be had back for a month: set enable_key_rotation and deletion_window_in_days to 30, and leave "
        "is_enabled alone\n"
    )


def test_what_cannot_be_told_is_said_and_stands_against_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, [key(enableKeyRotation=SECRET)]) == 0
    told = capsys.readouterr().out
    assert "  wait  kms-rotated-and-kept" in told
    assert "v1:abc" not in told


def test_the_verdict_is_json_for_machines_with_the_same_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, [key(enableKeyRotation=False)], "--json") == PolicyBrokenError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], [one["rule"] for one in told["findings"]]) == (False, ["kms-rotated-and-kept"])


def test_a_file_of_the_policy_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read() -> None:
        raise ExceptionsError("exceptions.toml: entry 1 has rule; each has reason")

    monkeypatch.setattr("policy.exceptions.read", read)
    assert ask(monkeypatch, [key(enableKeyRotation=True)]) == 1
    assert capsys.readouterr().err == (
        "cutover: the policy's own files cannot be read: exceptions.toml: entry 1 has rule; each has reason; "
        "mend policy/*.toml\n"
    )
