"""The policy pack, asked as Pulumi's engine asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as proto

from policy import pack
from policy.resources import UNKNOWN, Stack
from policy.rules import ALL
from tests.support.prod import ROOT
from tests.unit.policy import captured
from tests.unit.policy.changes import hide, put

NOT_KNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def as_told(value: Any) -> Any:
    """A value as the engine tells it, with its own mark for what is not known."""
    if value is UNKNOWN:
        return NOT_KNOWN
    if isinstance(value, Mapping):
        return {key: as_told(inner) for key, inner in value.items()}
    return [as_told(inner) for inner in value] if isinstance(value, list) else value


def reports(stack: Stack) -> list[Any]:
    """What the pack says of a stack whose outputs a preview does not know."""
    analyzer = pack.Analyzer()
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack=stack.name, config=stack.config), None)
    shown = []
    for one in stack.resources:
        told = as_told(one.inputs)
        inputs = {key: {**SECRET, "value": value} if key in one.secrets else value for key, value in told.items()}
        properties = ParseDict(inputs, Struct())
        analyzer.Analyze(proto.AnalyzeRequest(type=one.type, urn=one.urn, name=one.name, properties=properties), None)
        outputs = ParseDict({**told, "id": NOT_KNOWN, "ingress": NOT_KNOWN}, Struct())
        made_of = {key: proto.AnalyzerPropertyDependencies(urns=sorted(urns)) for key, urns in one.refers.items()}
        shown.append(
            proto.AnalyzerResource(
                type=one.type, urn=one.urn, name=one.name, properties=outputs, propertyDependencies=made_of
            )
        )
    return list(analyzer.AnalyzeStack(proto.AnalyzeStackRequest(resources=shown), None).diagnostics)


def test_the_pack_has_a_policy_for_each_rule_under_its_name() -> None:
    info = pack.Analyzer().GetAnalyzerInfo(None, None)
    written = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text())

    assert [one.name for one in info.policies] == [*(one.id for one in ALL), "exceptions-kept"]
    assert (info.name, info.version) == (written["name"], written["version"])


@pytest.mark.parametrize("stack", [captured.prod, captured.local, captured.canary], ids=lambda one: one.__name__)
def test_the_pack_has_nothing_against_a_stack_of_ours_by_what_is_declared(stack: Callable[[], Stack]) -> None:
    """Of outputs a preview knows little, and AWS adds to them."""
    assert [one.message for one in reports(stack())] == []


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


def test_an_input_that_is_secret_is_one_for_the_rules_too() -> None:
    stack = captured.prod()
    secret = [
        replace(one, secrets=frozenset({"containerDefinitions"})) if one.urn.endswith("TaskDefinition::worker") else one
        for one in stack.resources
    ]
    (report,) = reports(replace(stack, resources=secret))

    assert report.policyName == "containers-without-secrets"
