"""Exceptions, levels and what is told of a verdict."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from policy.exceptions import KEPT, ExceptionsError, read
from policy.rules import ALL
from policy.verdict import Enforcement, EnforcementError, judge
from tests.unit.policy import captured
from tests.unit.policy.allowances import RULE, SEEN, TODAY, allowance
from tests.unit.policy.changes import gone, hide, put

OPEN = put("BucketPublicAccessBlock evidence", "blockPublicAcls", False)


def test_an_exception_lets_its_rule_stand_until_its_date() -> None:
    verdict = judge(OPEN(captured.prod()), TODAY, allowances=[allowance()])

    assert verdict.findings == []
    assert [(one.rule.id, why.owner) for one, why in verdict.stands] == [(RULE, "platform")]
    assert "until 2026-11-29, by platform: asked for" in verdict.table()


def test_an_exception_past_its_date_is_a_finding_beside_what_it_let_stand() -> None:
    verdict = judge(OPEN(captured.prod()), TODAY, allowances=[allowance(expires=date(2026, 11, 28))])

    assert [one.rule.id for one in verdict.against] == [RULE, KEPT.id]
    assert "ended on 2026-11-28" in str(verdict.against[1])


def test_an_exception_that_nothing_needs_is_a_finding() -> None:
    assert [one.rule.id for one in judge(captured.prod(), TODAY, allowances=[allowance()]).against] == [KEPT.id]


@pytest.mark.parametrize("other", [{"stacks": "canary"}, {"resource": "records"}, {"rule": "s3-tls-only"}])
def test_an_exception_is_for_one_rule_resource_and_stack(other: dict[str, str]) -> None:
    verdict = judge(OPEN(captured.prod()), TODAY, allowances=[allowance(**other)])

    assert RULE in [one.rule.id for one in verdict.against]


def test_an_exception_lets_stand_what_it_names_and_nothing_else_of_its_rule_and_resource() -> None:
    worse = put("BucketOwnershipControls evidence", "rule.objectOwnership", "ObjectWriter")
    verdict = judge(worse(OPEN(captured.prod())), TODAY, allowances=[allowance()])

    assert [one.seen for one in verdict.against] == ["objectOwnership ObjectWriter"]
    assert [one.seen for one, _ in verdict.stands] == [SEEN]


def test_the_edge_of_a_machine_that_has_more_rights_than_it_needs_is_a_finding() -> None:
    for worse in (put("Container edge", "privileged", True), put("Container edge", "readOnly", False)):
        assert [one.rule.id for one in judge(worse(captured.local()), TODAY).against] == ["containers-unprivileged"]


def test_an_exception_that_excuses_more_than_there_is_is_a_finding() -> None:
    (finding,) = judge(OPEN(captured.prod()), TODAY, allowances=[allowance(excuses=[SEEN, "no policy"])]).against

    assert finding.rule.id == KEPT.id
    assert f"an exception from {RULE} excuses 'no policy'" in str(finding)


def test_a_rule_that_cannot_be_told_is_not_counted_as_one_that_holds() -> None:
    verdict = judge(hide("TaskDefinition stable", "containerDefinitions")(captured.prod()), TODAY)
    unchecked = len({one.rule.id for one in verdict.unchecked})

    assert unchecked > 1
    assert verdict.table().endswith(
        f" {len(ALL) - unchecked} of {len(ALL)} rules hold, {unchecked} unchecked, of {verdict.resources} resources"
    )


ENTRY = (
    '[[exception]]\nrule = "s3-tls-only"\nresource = "evidence"\nexcuses = ["open"]\nstacks = "prod"\n'
    'reason = "asked for"\nowner = "platform"\nexpires = 2027-01-01\n'
)
MALFORMED = {
    "another table": ("[rule]\n", "has rule; it has a list"),
    "one table": (ENTRY.replace("[[exception]]", "[exception]"), "a list of [[exception]] alone"),
    "no owner": (ENTRY.replace('owner = "platform"\n', ""), "expires; each has excuses, expires, owner, "),
    "a key more": (ENTRY + 'ticket = "1"\n', "ticket; each has excuses, expires, owner, "),
    "an empty reason": (ENTRY.replace("asked for", ""), "entry 1 has reason = ''; it is one line that says something"),
    "a blank reason": (ENTRY.replace("asked for", "  "), "entry 1 has reason = '  '; it is one line"),
    "a reason of two lines": (ENTRY.replace("asked for", "a\\nb"), "entry 1 has reason = 'a\\nb'; it is one line"),
    "an owner that is a number": (ENTRY.replace('"platform"', "7"), "entry 1 has owner = 7; it is one line"),
    "a list of stacks": (ENTRY.replace('"prod"', '["prod"]'), "entry 1 has stacks = ['prod']; it is one line"),
    "an excuse in no list": (
        ENTRY.replace('["open"]', '"open"'),
        "excuses = 'open'; it is a list of what a finding says",
    ),
    "no excuse": (ENTRY.replace('["open"]', "[]"), "excuses = []; it is a list of what a finding says"),
    "an excuse that is none": (ENTRY.replace('["open"]', "[7]"), "excuses = [7]; it is a list of what a finding says"),
    "a rule that is none": (ENTRY.replace("tls-only", "tls"), "rule = 's3-tls'; name a rule of docs/policy.md"),
    "a runtime that is none": (ENTRY.replace('"prod"', '"runtime:fargat"'), "name stacks, or one of runtime:docker"),
    "a day in quotes": (ENTRY.replace("2027-01-01", '"2027-01-01"'), "it is a day, such as 2027-01-31, without quotes"),
    "a moment": (ENTRY.replace("2027-01-01", "2027-01-01T00:00:00"), "it is a day, such as 2027-01-31"),
    "one twice": (ENTRY * 2, "entry 2 has s3-tls-only of evidence once more"),
}


@pytest.mark.parametrize(("text", "said"), MALFORMED.values(), ids=MALFORMED)
def test_an_exception_that_says_too_little_or_nothing_that_is_meant_is_refused_in_a_line(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(text)

    with pytest.raises(ExceptionsError) as refused:
        read(file)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_without_exceptions_has_none(tmp_path: Path) -> None:
    (tmp_path / "exceptions.toml").write_text("")

    assert read(tmp_path / "exceptions.toml") == []


def test_an_exception_for_more_than_a_year_is_a_finding() -> None:
    stack = OPEN(captured.prod())

    assert judge(stack, TODAY, allowances=[allowance(expires=date(2027, 11, 30))]).against == []
    (finding,) = judge(stack, TODAY, allowances=[allowance(expires=date(2027, 12, 1))]).against
    assert str(finding).startswith(f"evidence: the exception from {RULE} ends on 2027-12-01, and 366 days are the most")


def test_an_exception_for_what_is_not_in_its_stack_is_a_finding() -> None:
    (finding,) = judge(captured.prod(), TODAY, allowances=[allowance(resource="evidnce")]).against

    assert f"an exception from {RULE} is for evidnce, which is not here" in str(finding)
    assert judge(captured.canary(), TODAY, allowances=[allowance(resource="evidnce")]).against == []
    assert judge(captured.prod(), TODAY, allowances=[allowance(resource="evidnce", stacks="*")]).against == []


def test_a_rule_that_less_is_asked_of_on_aws_is_told_and_on_a_machine_is_not(tmp_path: Path) -> None:
    file = tmp_path / "enforcement.toml"
    file.write_text(f'[stack.prod]\n{RULE} = "disabled"\n')
    (told,) = judge(OPEN(captured.prod()), TODAY, enforcement=Enforcement.read(file)).findings

    assert (told[0].rule, told[0].seen, told[1]) == (KEPT, f"enforcement.toml has {RULE} disabled", "advisory")
    assert judge(captured.local(), TODAY).findings == []


def test_a_level_is_a_stacks_own_or_its_runtimes_or_mandatory(tmp_path: Path) -> None:
    file = tmp_path / "enforcement.toml"
    file.write_text(f'[runtime.fargate]\n{RULE} = "advisory"\n[stack.prod]\n{RULE} = "disabled"\n')
    levels = Enforcement.read(file)

    assert levels.level(RULE, captured.prod()) == "disabled"
    assert levels.level(RULE, captured.canary()) == "advisory"
    assert levels.level("s3-tls-only", captured.prod()) == "mandatory"
    assert RULE not in [one.rule.id for one, _ in judge(OPEN(captured.prod()), TODAY, enforcement=levels).findings]


@pytest.mark.parametrize("wrong", ['s3-tls = "mandatory"', f'{RULE} = "off"'])
def test_a_level_of_no_rule_and_no_level_are_refused(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "enforcement.toml"
    file.write_text(f"[runtime.docker]\n{wrong}\n")

    with pytest.raises(EnforcementError, match=r"name a rule of docs/policy.md"):
        Enforcement.read(file)


@pytest.mark.parametrize("wrong", ["[stacks.prod]\n", "stack = 1\n", '[stack]\nprod = "disabled"\n'])
def test_a_file_of_levels_in_another_form_is_refused(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "enforcement.toml"
    file.write_text(wrong)

    with pytest.raises(EnforcementError):
        Enforcement.read(file)


def test_an_advisory_finding_is_told_and_stands_against_nothing(tmp_path: Path) -> None:
    file = tmp_path / "enforcement.toml"
    file.write_text(f'[stack.prod]\n{RULE} = "advisory"\n')
    verdict = judge(OPEN(captured.prod()), TODAY, enforcement=Enforcement.read(file))

    assert verdict.against == []
    assert verdict.document()["findings"][0]["level"] == "advisory"


def test_the_verdict_as_json_has_what_is_seen_and_what_to_do() -> None:
    stack = gone("WebAclAssociation firewall")(hide("Key vault", "enableKeyRotation")(captured.prod()))
    told = json.loads(json.dumps(judge(stack, TODAY).document()))

    assert told["ok"] is False
    (finding,), (unchecked,) = told["findings"], told["unchecked"]
    assert (finding["rule"], finding["name"], finding["seen"]) == (
        "waf-before-balancer",
        "balancer",
        "no WebAclAssociation",
    )
    assert finding["todo"].startswith("declare a WebAclAssociation")
    assert (unchecked["rule"], unchecked["unknown"]) == ("kms-rotated-and-kept", "vault.enableKeyRotation")
    assert "wait  kms-rotated-and-kept" in judge(stack, TODAY).table()
