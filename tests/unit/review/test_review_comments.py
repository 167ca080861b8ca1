"""The comment of a review: recorded changes as a person has looked at them, short, and without a secret."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from typing import Any

import pytest

from cutover.review.drift import Drifted, drifted
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
    assert row == '| update | BucketPolicy | one | `policy.Statement[Allow].Action` | `["s3:PutObject"]` → — |'


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
    assert "| update | Instance | one | `password` | `[secret]` → `[secret]` |" in text


WORDS = 'correct & horse, (hunter2secret); "staple" \'it'


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://owner:hunter2secret@db/audit",
        "https://hooks.slack.com/services/T0/B0/hunter2secret",
        json.dumps([{"name": "DB_PASSWORD", "value": "x", "password": "hunter2secret"}]),
        json.dumps([{"name": "DB_PASSWORD", "value": "hunter2secret"}]),
        {"token": "hunter2secret"},
        {"token": WORDS},
        {"tokens": ["x", WORDS]},
        json.dumps({"pwd": 1234, "password": WORDS}),
        json.dumps([{"name": "SMTP_PASSWORD", "value": WORDS}]),
        [f"SMTP_PASSWORD={WORDS}"],
        f"one\nSMTP_PASSWORD={WORDS}",
        ["--redis-password", WORDS],
        [{"command": ["x", "--redis-password", "hunter2secret"]}],
        ["sh", "-c", "x --redis-password hunter2secret"],
        SECRET | {"plaintext": '"hunter2secret"'},
    ],
    ids=[
        "url",
        "webhook",
        "json",
        "variable",
        "key",
        "words",
        "list",
        "json words",
        "variable words",
        "assigned",
        "line",
        "option",
        "option in a command",
        "option in a word",
        "plaintext",
    ],
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


def test_a_secret_that_drifted_is_in_neither_comment_nor_json() -> None:
    def inputs(words: str) -> dict[str, Any]:
        variables = json.dumps([{"name": "SMTP_PASSWORD", "value": words}])
        return {"inputs": {"containerDefinitions": variables, "token": words, "envs": [f"SMTP_PASSWORD={words}"]}}

    metadata = {"op": "update", "type": "aws:ecs/t:T", "urn": "urn::t", "old": inputs(WORDS), "new": inputs("hunter2")}
    found = drifted([{"resOutputsEvent": {"metadata": metadata}}])
    said = reviewed(read(events("nothing")), found=found)
    assert "hunter2" not in said.comment + said.json
    assert "containerDefinitions[SMTP_PASSWORD].value: [redacted] → [redacted]" in said.comment


HOSTILE = [
    "@everyone look",
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "https://evil.example/login",
    "<!-- cutover review canary -->",
    "x | **y** | `z`",
    "x \\| @everyone",
    "```\n</details>\n# @everyone",
    "x\n\n**Dangers**: none\n- [x] ok",
    "closes #1",
    "GH-1",
    "\u202edrowssap\u202c @everyone",
    "<details>",
]
"""What does something in a comment, wherever it stands."""


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("where", ["name", "key", "value", "tag", "danger", "error", "policy", "type", "drift"])
def test_foreign_text_is_code_wherever_it_comes_from_and_ends_no_line_cell_or_fence(where: str, text: str) -> None:
    change = update(
        {"a": "b", "tags": {}},
        {"a": text if where == "value" else "c"}
        | ({text: "d"} if where == "key" else {})
        | ({"tags": {"t": text}} if where == "tag" else {}),
        type=f"aws:x/y:{text}" if where == "type" else "aws:x/y:Kind",
    )
    if where == "name":
        change = replace(change, urn=f"urn:pulumi:prod::web-next::k::{text}")
    if where == "danger":
        kind = "aws:s3/bucket:Bucket"
        change = replace(change, op="replace", type=kind, keys=(text,), urn=f"urn:pulumi:prod::web-next::k::{text}")
    verdict = Verdict(against=(f"{text}; about (rule)",)) if where == "policy" else None
    drift = [Drifted(name=text, kind=text, gone=False, differs=(text, text))] if where == "drift" else None
    said = reviewed(
        Preview(steps=(change,), errors=(text,) if where == "error" else ()), policy=verdict, found=drift
    ).comment
    prose = re.sub(r"(?ms)^```.*?^```$", "", said)
    prose = re.sub(r"(?<!`)`(?!`)[^`\n]+`(?!`)", "", prose.partition("\n")[2])
    assert not re.search(r"@\w|<(?!/?details|/?summary|/?code)|\]\(|://|#\d|(?<!/)GH-|\[x\]|\u202e", prose), prose
    assert prose.count("<details>") == prose.count("</details>") <= 1
    assert prose.count("**Dangers**") == (where == "danger")
    assert "".join(said.split("\n")).isprintable()
    for row in said.splitlines():
        assert not row.startswith("|") or row.count("|") == 6, row


def test_what_is_too_much_for_a_screen_is_folded_and_the_dangers_go_first() -> None:
    buckets = [
        replace(update({"a": 1}, {}, op="delete", type="aws:s3/bucket:Bucket"), new=None, urn=f"u::b{number}")
        for number in range(60)
    ]
    groups = [update({f"a{n}": 1}, {f"a{n}": 2}, type=f"aws:x/y:K{n}") for n in range(40)]
    verdict = Verdict(against=tuple(f"one {n}; about (rule-{n})" for n in range(40)))
    drift = [Drifted(name=f"d{n}", kind="Kind", gone=False, differs=("a", "b")) for n in range(40)]
    errors = tuple(f"line {n}\nand {n}" for n in range(40))
    for preview in (Preview(steps=(*buckets, *groups)), Preview(steps=(*buckets, *groups), errors=errors)):
        said = reviewed(preview, policy=verdict, found=drift)
        visible, _, folded = said.comment.partition("\n<details>")
        assert len(visible.splitlines()) <= SCREEN
        assert len(said.comment) < GITHUB
        names = [one["name"] for one in json.loads(said.json)["dangers"]]
        assert len(names) == 60
        assert all(f"`{name}` is deleted" in visible or f"danger {name}: " in folded for name in names)
    (few,) = [line for line in shown(*buckets).splitlines() if "Way back" in line]
    assert "b2 and 57 more: what is lost" in few


def test_a_policy_that_was_not_come_to_is_not_said_to_hold() -> None:
    change = update({"a": 1}, {"a": 2})
    failed = reviewed(Preview(steps=(change,), errors=("the pack cannot be read",)), policy=Verdict()).comment
    assert "- **Policy**: not judged, since the preview fails\n" in failed
    assert "- **Policy**: holds\n" in reviewed(Preview(steps=(change,)), policy=Verdict()).comment


def test_what_the_policy_lets_stand_is_part_of_what_was_approved_in_any_order() -> None:
    preview = read(events("log-days"))
    told = [Verdict(), Verdict(advice=("a", "b")), Verdict(advice=("b", "a")), Verdict(advice=("a",))]
    none, one, same, less = (reviewed(preview, policy=each).digest for each in told)
    assert one == same
    assert len({none, one, less}) == 3


def test_an_option_s_secret_alone_is_another_change_and_not_shown() -> None:
    old, new = ([{"command": ["x", "--redis-password", word]}] for word in ("hunter2secret", "hunter3secret"))
    said = reviewed(Preview(steps=(update({"containers": old}, {"containers": new}),)))
    assert "--redis-password=[redacted]" in said.json
    assert "secret" not in said.comment + said.json


def test_a_value_that_is_not_shown_makes_another_change_all_the_same() -> None:
    one, other = (reviewed(Preview(steps=(update({"token": "a"}, {"token": value}),))) for value in ("b", "c"))
    assert one.comment.partition("<details>")[0] == other.comment.partition("<details>")[0]
    assert one.digest != other.digest


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
