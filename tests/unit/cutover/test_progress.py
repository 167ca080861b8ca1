"""What a person sees of a running update."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pulumi.automation.events import EngineEvent

from cutover.stacks.progress import Progress


def test_what_pulumi_says_in_several_lines_keeps_them_apart() -> None:
    progress = Progress(write=lambda _: None)
    event = SimpleNamespace(severity="error", message="error: 2 problem(s):\n  a is 1: too few\n  b is 2: too many\n")
    progress.only_problems(SimpleNamespace(policy_event=None, diagnostic_event=event))  # type: ignore[arg-type]

    assert progress.problems == ["2 problem(s): a is 1: too few; b is 2: too many"]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        ("infra.runtime.docker.edge_files.EdgeConfigError: nginx refuses it", 1),
        ("cutover.errors.MigrationError: 002_more.sql failed", 1),
        ("KeyError: 'volume'", 3),
    ],
)
def test_an_error_of_the_projects_own_is_shown_without_its_traceback(error: str, lines: int) -> None:
    shown: list[str] = []
    text = f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n{error}'

    event = SimpleNamespace(severity="error", message=text)
    Progress(write=shown.append).only_problems(SimpleNamespace(policy_event=None, diagnostic_event=event))  # type: ignore[arg-type]

    assert len(shown) == lines
    assert shown[-1] == f"  error    {error}\n"


@pytest.mark.parametrize(("level", "word", "problems"), [("mandatory", "error", 1), ("advisory", "note", 0)])
def test_what_a_policy_says_is_a_line_with_its_name_said_once(level: str, word: str, problems: int) -> None:
    shown: list[str] = []
    progress = Progress(write=shown.append)
    message = "<{%fg 1%}>A bucket has it: declare it<{%reset%}>\n  evidence: nothing  "
    event = SimpleNamespace(message=message, policy_name="s3-has-it", enforcement_level=level)
    for take in (progress.only_problems, progress.only_problems):
        take(SimpleNamespace(policy_event=event, diagnostic_event=None))  # type: ignore[arg-type]

    assert shown == [f"  {word:<8} policy s3-has-it: evidence: nothing; A bucket has it: declare it\n"]
    assert len(set(progress.problems)) == problems


def test_what_was_done_to_resources_is_counted_by_the_updates_own_summary() -> None:
    progress = Progress(write=lambda _: None)
    for counts in ({"same": 9}, {"create": 7, "delete": 0, "same": 2}):
        progress(EngineEvent.from_json({"sequence": 1, "timestamp": 1, "summaryEvent": {"resourceChanges": counts}}))

    assert progress.changes == {"create": 7, "same": 2}


def test_what_fails_once_it_is_interrupted_is_not_told() -> None:
    shown: list[str] = []
    event = SimpleNamespace(severity="error", message="before hook failed: rpc error: code = Unavailable desc = EOF")
    progress = Progress(write=shown.append, interrupted=lambda: True)

    progress.only_problems(SimpleNamespace(policy_event=None, diagnostic_event=event))  # type: ignore[arg-type]

    assert shown == []
