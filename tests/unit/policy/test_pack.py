"""The policy pack, asked as Pulumi's engine asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
import yaml
from pulumi.runtime.proto import analyzer_pb2 as proto

from policy import exceptions, pack
from policy.resources import Stack
from policy.rules import ALL
from tests.support.prod import ROOT
from tests.unit.policy import captured
from tests.unit.policy.allowances import allowance
from tests.unit.policy.changes import hide, put
from tests.unit.policy.told import reports


def test_the_pack_has_a_policy_for_each_rule_under_its_name() -> None:
    info = pack.Analyzer().GetAnalyzerInfo(None, None)
    written = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text())

    assert [one.name for one in info.policies] == [*(one.id for one in ALL), "exceptions-kept"]
    assert (info.name, info.version) == (written["name"], written["version"])


@pytest.mark.parametrize("stack", [captured.prod, captured.local, captured.canary], ids=lambda one: one.__name__)
def test_the_pack_has_nothing_against_a_stack_of_ours_by_what_is_declared(
    stack: Callable[[], Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of outputs a preview knows little, and AWS adds to them. Our exceptions are judged on a day before their end."""
    monkeypatch.setattr(pack, "date", SimpleNamespace(today=lambda: date(2026, 11, 30)))
    assert [one.message for one in reports(stack()) if "; let stand until " not in one.message] == []


def test_the_pack_reports_a_finding_under_its_rule_at_its_resource() -> None:
    (report,) = reports(put("BucketPublicAccessBlock evidence", "blockPublicAcls", False)(captured.prod()))
    about, seen = report.message.split("\n")

    assert (report.policyName, seen) == ("s3-public-access-blocked", "evidence: blockPublicAcls not true")
    assert about.startswith("A bucket blocks public access in all four ways, and has no ACLs: declare Bucket")
    assert report.urn.endswith("::evidence")
    assert report.enforcementLevel == proto.MANDATORY
    assert report.severity == proto.POLICY_SEVERITY_HIGH


def test_what_is_not_known_yet_is_reported_and_stops_nothing() -> None:
    (report,) = reports(hide("SecretPolicy REDIS_URL", "policy")(captured.prod()))

    assert report.policyName == "secrets-readers-named"
    assert report.message.endswith("\nREDIS_URL: unchecked, policy of REDIS_URL is not known yet")
    assert report.enforcementLevel == proto.ADVISORY


def test_what_an_exception_lets_stand_is_reported_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "read", lambda: [allowance(expires=date.max)])
    let, far = reports(put("BucketPublicAccessBlock evidence", "blockPublicAcls", False)(captured.prod()))[::-1]

    assert (let.policyName, let.enforcementLevel) == ("s3-public-access-blocked", proto.ADVISORY)
    assert let.message.endswith("evidence: blockPublicAcls not true; let stand until 9999-12-31 by platform: asked for")
    assert (far.policyName, far.enforcementLevel) == ("exceptions-kept", proto.MANDATORY)


def test_an_input_that_is_secret_is_one_for_the_rules_too() -> None:
    stack = captured.prod()
    secret = [
        replace(one, secrets=frozenset({"containerDefinitions"})) if one.urn.endswith("TaskDefinition::worker") else one
        for one in stack.resources
    ]
    (report,) = reports(replace(stack, resources=secret))

    assert report.policyName == "containers-without-secrets"
