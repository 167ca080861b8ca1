"""Exceptions, levels and what is told of a verdict."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from policy.exceptions import KEPT, Allowance, ExceptionsError, read
from policy.verdict import Enforcement, EnforcementError, judge
from tests.unit.policy import captured
from tests.unit.policy.changes import gone, hide, put

TODAY = date(2026, 11, 29)
OPEN = put("BucketPublicAccessBlock evidence", "blockPublicAcls", False)
RULE = "s3-public-access-blocked"


def allowance(**changes: object) -> Allowance:
    told = {"rule": RULE, "resource": "evidence", "stacks": "prod", "reason": "asked for", "owner": "platform"}
    return Allowance(**{**told, "expires": TODAY, **changes})  # type: ignore[arg-type]


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


def test_an_exception_without_a_reason_or_an_owner_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.toml"
    file.write_text(
        '[[exception]]\nrule = "s3-tls-only"\nresource = "x"\nstacks = "*"\nreason = ""\nexpires = 2027-01-01\n'
    )

    with pytest.raises(
        ExceptionsError, match="entry 1 has rule, resource, stacks, reason, expires; each has expires, o"
    ):
        read(file)


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
