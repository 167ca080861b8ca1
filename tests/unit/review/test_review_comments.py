"""The comment of a review: recorded changes as a person has looked at them, short, and without a secret."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from cutover.review.drift import drifted
from cutover.review.properties import UNKNOWN
from cutover.review.steps import Preview, Step, read
from cutover.review.verdict import Verdict
from tests.support.recorded_reviews import FOLDER, NAMES, comment, events, reviewed

SCREEN, GITHUB = 40, 65_536
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def update(old: dict[str, Any], new: dict[str, Any], **others: Any) -> Step:
    kind = others.pop("type", "aws:s3/bucketPolicy:BucketPolicy")
    urn = f"urn:pulumi:prod::web-next::{kind}::one"
    return Step(op=others.pop("op", "update"), urn=urn, type=kind, old=old, new=new, **others)


def shown(*steps: Step) -> str:
    return reviewed(Preview(steps=steps)).comment


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_change_has_the_comment_that_was_looked_at(name: str) -> None:
    assert comment(name) == (FOLDER / "recorded" / f"{name}.md").read_text()


def test_the_page_about_reviews_shows_one_of_them() -> None:
    page = (FOLDER.parents[2] / "docs" / "review.md").read_text()
    shown = [line.removeprefix(">").strip() for line in page.splitlines() if line.startswith(">")]
    assert shown == comment("log-days").partition("\n\n<details>")[0].splitlines()[1:]


def test_ten_changes_at_least_are_recorded_and_each_fits_a_screen() -> None:
    assert len(NAMES) >= 10
    for name in NAMES:
        assert len(comment(name).partition("<details>")[0].splitlines()) <= SCREEN, name


def test_an_unchanged_program_is_one_line_below_the_mark() -> None:
    assert comment("nothing") == "<!-- cutover review prod -->\n**prod** nothing changes.\n"


def test_a_change_of_everything_still_fits_a_screen_and_what_github_takes() -> None:
    created = [
        replace(update({}, {"name": "x" * 200, f"key{kind}": kind}), op="create", old=None, urn=f"u::{kind}-{number}")
        for kind in range(40)
        for number in range(50)
    ]
    steps = [replace(step, type=f"aws:kind/k{step.name.partition('-')[0]}:Kind") for step in created]
    text = shown(*steps)
    assert len(text.partition("<details>")[0].splitlines()) <= SCREEN
    assert len(text) < GITHUB
    assert "cut here; the JSON has all of it" in text


def test_of_two_json_documents_only_what_differs_is_said_whatever_their_order_and_spacing() -> None:
    allow = {"Sid": "Allow", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"]}
    deny = {"Sid": "Deny", "Effect": "Deny", "Action": "*"}
    less = allow | {"Action": ["s3:GetObject"]}
    same = update(
        {"policy": json.dumps({"Statement": [allow, deny]})},
        {"policy": json.dumps({"Statement": [deny, allow]}, indent=1)},
    )
    assert "|" not in shown(same)
    changed = shown(
        update(
            {"policy": json.dumps({"Statement": [allow, deny]})}, {"policy": json.dumps({"Statement": [deny, less]})}
        )
    )
    (row,) = [line for line in changed.splitlines() if line.startswith("| update")]
    assert row == '| update | BucketPolicy | one | `policy.Statement[Allow].Action` | ["s3:PutObject"] → — |'


def test_what_is_computed_or_follows_is_folded_and_no_row() -> None:
    text = shown(update({"arn": "a", "tagsAll": {"a": "1"}}, {"arn": UNKNOWN, "tagsAll": {"a": "2"}}))
    visible, _, folded = text.partition("<details>")
    assert visible.startswith("<!-- cutover review prod -->\n**prod** 1 more follow.")
    assert "arn" not in visible
    assert "[known after the update]" in folded
    assert "tagsAll" not in text


def test_a_secret_that_changes_is_named_and_never_told() -> None:
    text = shown(
        update({"password": SECRET}, {"password": SECRET}, type="aws:rds/instance:Instance", touched=("password",))
    )
    assert "| update | Instance | one | `password` | [secret] → [secret] |" in text


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://owner:hunter2secret@db/audit",
        "https://hooks.slack.com/services/T0/B0/hunter2secret",
        json.dumps([{"name": "DB_PASSWORD", "value": "x", "password": "hunter2secret"}]),
        json.dumps([{"name": "DB_PASSWORD", "value": "hunter2secret"}]),
        {"token": "hunter2secret"},
        SECRET | {"plaintext": '"hunter2secret"'},
    ],
    ids=["url", "webhook", "json", "variable", "key", "plaintext"],
)
@pytest.mark.parametrize("op", ["update", "create", "delete"])
def test_a_secret_in_plain_is_in_neither_comment_nor_json(value: Any, op: str) -> None:
    step = update({"value": "before"}, {"value": value})
    sides = {
        "update": step,
        "create": replace(step, op=op, old=None),
        "delete": replace(step, op=op, old=step.new, new=None),
    }
    said = reviewed(Preview(steps=(sides[op],), errors=(f"no way to {value}",) if "://" in str(value) else ()))
    assert "hunter2secret" not in said.comment + said.json
    assert json.loads(said.json)["changes"]


def test_what_was_approved_is_the_same_in_any_order_and_another_for_another_value() -> None:
    each = events("log-days")
    digest = reviewed(read(each)).digest
    shuffled = each[:-1]
    random.Random(7).shuffle(shuffled)
    assert reviewed(read([*shuffled, each[-1]])).digest == digest
    other = json.loads(json.dumps(each).replace('"retentionInDays": 30', '"retentionInDays": 31', 1))
    assert reviewed(read(other)).digest != digest


def test_policy_and_drift_are_said_and_what_is_against_it_is_red() -> None:
    verdict = Verdict(
        against=("evidence: public; a bucket is closed: close it (s3-closed)",),
        advice=("a",),
        unchecked=("u",),
    )
    said = reviewed(read(events("nothing")), policy=verdict)
    assert said.red == ["policy: evidence: public (s3-closed)"]
    assert "- **Policy**: 1 against it, 1 advised, 1 unchecked until the update\n  - evidence: public" in said.comment

    metadata = {"type": "aws:s3/bucket:Bucket", "urn": "urn::evidence", "old": {"inputs": {"tags": {"a": "1"}}}}
    gone = {"resOutputsEvent": {"metadata": metadata | {"op": "delete", "new": None}}}
    other = {"resOutputsEvent": {"metadata": metadata | {"op": "update", "new": {"inputs": {"tags": {"a": "2"}}}}}}
    same = {"resOutputsEvent": {"metadata": metadata | {"op": "same", "new": metadata["old"]}}}
    found = drifted([gone, other, same])
    assert [one.differs for one in found] == [(), ("tags.a: 1 → 2",)]
    said = reviewed(read(events("nothing")), found=found)
    assert said.red == ["drift: Bucket evidence is gone", "drift: Bucket evidence differs"]
    assert "  - Bucket evidence is gone\n  - Bucket evidence tags.a: 1 → 2\n" in said.comment
    assert "- **Drift**: none" in reviewed(read(events("one-nat")), found=[]).comment
