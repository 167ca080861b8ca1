"""The console's name is moved after a GO, in one change that keeps what was, and comes back as it was."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody

from cutover.commands.app import main
from cutover.dns.zone import Zone
from cutover.errors import UnreachableError
from tests.support.first_day import ANSWERS, OUTPUTS, FirstDay

DOMAIN = "console.web-next.test"
OLD = {"Name": f"{DOMAIN}.", "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": "old.web-next.test"}]}
OURS = {
    "Name": f"{DOMAIN}.",
    "Type": "A",
    "AliasTarget": {"HostedZoneId": "Z0LB", "DNSName": "lb.test.", "EvaluateTargetHealth": True},
}
OTHERS = {"Name": "other.web-next.test.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.9"}]}
TEXT = {"Name": f"{DOMAIN}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"verified"'}]}
GONE = OURS | {"AliasTarget": {**OURS["AliasTarget"], "DNSName": "gone.test."}}  # type: ignore[dict-item]
"""By what the name led to a balancer that was replaced."""
KEPT = f"dns/Z0123456789ABCDEFGHIJ/{DOMAIN}.json"
CHANGE = {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": "2026-11-29T00:00:00Z"}


def listed(*records: Mapping[str, Any]) -> dict[str, Any]:
    return {"ResourceRecordSets": [*records, OTHERS], "IsTruncated": False, "MaxItems": "300"}


def stored(*records: Mapping[str, Any], ours: Sequence[Mapping[str, Any]] = (OURS,)) -> dict[str, Any]:
    content = json.dumps({"before": records, "ours": ours}).encode()
    return {"Body": StreamingBody(io.BytesIO(content), len(content)), "ETag": '"e1"'}


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstDay:
    """A stack after GO, whose name leads to an old host."""
    made = FirstDay(tmp_path, monkeypatch)
    made.outputs = {**OUTPUTS, "records_bucket": "records"}
    made.answers = ANSWERS | {
        "route53 list_resource_record_sets": [listed(OLD, TEXT), listed(OLD, TEXT), listed(OURS, TEXT)],
        "route53 change_resource_record_sets": [{"ChangeInfo": CHANGE}],
        "route53 get_change": [{"ChangeInfo": {**CHANGE, "Status": "INSYNC"}}],
        "s3 get_object": ["NoSuchKey"],
        "s3 put_object": [{"ETag": '"e2"'}],
    }
    made.write()
    return made


def asked(day: FirstDay, operation: str) -> list[Mapping[str, Any]]:
    return [parameters for name, parameters in day.asked if name == operation]


def changed(day: FirstDay) -> list[tuple[str, Mapping[str, Any]]]:
    (batch,) = asked(day, "route53 change_resource_record_sets")
    return [(each["Action"], each["ResourceRecordSet"]) for each in batch["ChangeBatch"]["Changes"]]


def test_a_move_keeps_what_was_and_then_changes_both_at_once(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dns", "move", "-s", "prod"]) == 0

    assert changed(day) == [("DELETE", OLD), ("CREATE", OURS)], "the TXT of the name and other names stay"
    (kept,) = asked(day, "s3 put_object")
    assert json.loads(kept["Body"]) == {"before": [OLD], "ours": [OURS]}
    assert (kept["Key"], kept["IfNoneMatch"]) == (KEPT, "*")
    names = [name for name, _ in day.asked]
    assert names.index("s3 put_object") < names.index("route53 change_resource_record_sets")
    said = capsys.readouterr().out
    assert f"{DOMAIN} led to CNAME old.web-next.test; Route 53 has taken the change" in said
    assert f"{DOMAIN} leads to the balancer, A lb.test" in said
    assert "resolvers may keep the old answer for 300 s; cutover dns back -s prod takes it back" in said


def test_a_name_that_leads_nowhere_yet_is_made(day: FirstDay) -> None:
    day.answers["route53 list_resource_record_sets"] = [listed(), listed(), listed(OURS)]

    assert main(["dns", "move", "-s", "prod"]) == 0
    assert changed(day) == [("CREATE", OURS)]


@pytest.mark.parametrize("written", ["lb.test.", "dualstack.LB.test."])
def test_what_leads_here_already_is_left(day: FirstDay, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    ours = OURS | {"AliasTarget": {**OURS["AliasTarget"], "DNSName": written}}  # type: ignore[dict-item]
    day.answers["route53 list_resource_record_sets"] = [listed(ours)]

    assert main(["dns", "move", "-s", "prod"]) == 0
    assert "leads to the balancer, A lb.test already" in capsys.readouterr().out
    assert not asked(day, "route53 change_resource_record_sets")
    assert not asked(day, "s3 put_object"), "what was before is not forgotten"


def test_back_is_what_was_before_as_it_was(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    day.answers["s3 get_object"] = [stored(OLD)]
    day.answers["route53 list_resource_record_sets"] = [listed(OURS), listed(OURS), listed(OLD)]

    assert main(["dns", "back", "-s", "prod"]) == 0
    assert changed(day) == [("DELETE", OURS), ("CREATE", OLD)]
    assert "resolvers may keep the old answer for 60 s" in capsys.readouterr().out


def test_after_a_balancer_was_replaced_the_way_back_is_still_what_was_before_the_first(day: FirstDay) -> None:
    day.answers["s3 get_object"] = [stored(OLD, ours=[GONE])]
    day.answers["route53 list_resource_record_sets"] = [listed(GONE), listed(GONE), listed(OURS)]

    assert main(["dns", "move", "-s", "prod"]) == 0
    assert changed(day) == [("DELETE", GONE), ("CREATE", OURS)]
    (kept,) = asked(day, "s3 put_object")
    assert json.loads(kept["Body"]) == {"before": [OLD], "ours": [GONE, OURS]}
    assert (kept["Key"], kept["IfMatch"]) == (KEPT, '"e1"')


def test_what_somebody_else_made_of_the_name_since_is_what_the_next_move_keeps(day: FirstDay) -> None:
    day.answers["s3 get_object"] = [stored({**OLD, "TTL": 60, "ResourceRecords": [{"Value": "older.web-next.test"}]})]

    assert main(["dns", "move", "-s", "prod"]) == 0
    (kept,) = asked(day, "s3 put_object")
    assert json.loads(kept["Body"]) == {"before": [OLD], "ours": [OURS]}


@pytest.mark.parametrize("how", ["deleted", "replaced", "never there"])
def test_back_asks_for_no_balancer(day: FirstDay, how: str) -> None:
    day.answers["elbv2 describe_load_balancers"] = ["LoadBalancerNotFound"]
    day.answers["s3 get_object"] = [stored(OLD, ours=[GONE, OURS])]
    there = GONE if how == "replaced" else OURS
    day.answers["route53 list_resource_record_sets"] = [listed(there), listed(there), listed(OLD)]
    if how == "never there" and day.outputs:
        del day.outputs["traffic"]

    assert main(["dns", "back", "-s", "prod"]) == 0
    assert changed(day) == [("DELETE", there), ("CREATE", OLD)]


def test_a_name_that_the_stack_had_before_is_no_way_back_of_the_one_that_it_has(day: FirstDay) -> None:
    day.settings["domain"] = "other.web-next.test"
    day.write()

    assert main(["dns", "back", "-s", "prod"]) == 13
    assert [each["Key"] for each in asked(day, "s3 get_object")] == [KEPT.replace(DOMAIN, "other.web-next.test")]


def test_of_two_moves_at_once_one_says_that_the_other_goes_on(
    day: FirstDay, capsys: pytest.CaptureFixture[str]
) -> None:
    day.answers["s3 put_object"] = ["PreconditionFailed"]

    assert main(["dns", "move", "-s", "prod"]) == 1
    assert capsys.readouterr().err == f"cutover: s3://records/{KEPT}: somebody else has written it: look at it\n"
    assert not asked(day, "route53 change_resource_record_sets")


@pytest.mark.parametrize("verb", ["status", "move"])
def test_a_balancer_that_may_not_be_looked_at_is_a_line(
    day: FirstDay, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    day.answers["elbv2 describe_load_balancers"] = ["AccessDenied"]

    assert main(["dns", verb, "-s", "prod"]) == 1
    said = capsys.readouterr().err
    assert "(AccessDenied) when calling the DescribeLoadBalancers operation: not for you)" in said
    assert said.count("\n") == 1


def test_back_where_it_is_already_changes_nothing(day: FirstDay) -> None:
    day.answers["s3 get_object"] = [stored(OLD)]

    assert main(["dns", "back", "-s", "prod"]) == 0
    assert not asked(day, "route53 change_resource_record_sets")


REFUSED: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "a release without a GO": ("move", {}, "has no deployment record: its release has no GO"),
    "a routing policy": (
        "move",
        {"route53 list_resource_record_sets": [listed({**OLD, "SetIdentifier": "a", "Weight": 10})]},
        "among which a routing policy chooses",
    ),
    "a record that changed meanwhile": (
        "move",
        {"route53 change_resource_record_sets": ["InvalidChangeBatch"]},
        "somebody may have changed it meanwhile",
    ),
    "a way back without a move": ("back", {}, "was never moved by cutover"),
    "a way back over somebody else's change": (
        "back",
        {
            "s3 get_object": [stored(OLD)],
            "route53 list_resource_record_sets": [listed({**OLD, "ResourceRecords": [{"Value": "third.test"}]})],
        },
        "leads to CNAME third.test by now",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(day: FirstDay, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    verb, answers, why = REFUSED[name]
    day.answers |= {key: list(value) for key, value in answers.items()}
    if "GO" in name and day.outputs:
        del day.outputs["deployment_record"]

    assert main(["dns", verb, "-s", "prod"]) == 13
    assert why in capsys.readouterr().err
    assert len(asked(day, "route53 change_resource_record_sets")) == ("meanwhile" in name)


def test_a_zone_that_is_not_the_stacks_is_not_asked_for(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    day.settings["fargate"] = {"certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1"}
    day.write()

    assert main(["dns", "move", "-s", "prod"]) == 13
    assert "names no fargate.hostedZoneId" in capsys.readouterr().err
    assert day.asked == []


@pytest.mark.parametrize("how", ["deleted", "never there"])
def test_a_stack_without_a_balancer_has_nothing_to_lead_to(
    day: FirstDay, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "deleted":
        day.answers["elbv2 describe_load_balancers"] = ["LoadBalancerNotFound"]
    else:
        day.outputs = {"records_bucket": "records"}

    assert main(["dns", "move", "-s", "prod"]) == 5
    assert "prod has no balancer" in capsys.readouterr().err
    assert main(["dns", "status", "-s", "prod"]) == 0
    assert capsys.readouterr().out == f"  {DOMAIN} leads to CNAME old.web-next.test\n"


def test_status_says_both_and_machines_get_the_records(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    day.answers["s3 get_object"] = [stored(OLD), stored(OLD)]
    day.answers["route53 list_resource_record_sets"] = [listed(OURS)]

    assert main(["dns", "status", "-s", "prod"]) == 0
    said = capsys.readouterr().out
    assert f"{DOMAIN} leads to the balancer, A lb.test" in said
    assert "before the move it led to CNAME old.web-next.test" in said
    assert main(["dns", "status", "-s", "prod", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"domain": DOMAIN, "here": True, "now": [OURS], "before": [OLD]}


def test_servers_that_do_not_agree_are_waited_for_and_then_it_goes_on_by_itself() -> None:
    class Slow:
        asked = 0

        def get_change(self, Id: str) -> dict[str, Any]:  # noqa: N803
            self.asked += 1
            return {"ChangeInfo": {"Status": "PENDING"}}

    time = [0.0]
    slow = Slow()
    zone = Zone("Z1", DOMAIN, slow, now=lambda: time[0], sleep=lambda seconds: time.__setitem__(0, time[0] + seconds))

    assert zone.settle("C1") is False
    assert (slow.asked, time[0]) == (62, 122.0)


def test_without_an_answer_nothing_is_said_to_have_changed(day: FirstDay, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    class Away:
        def get_change(self, Id: str) -> dict[str, Any]:  # noqa: N803
            raise EndpointConnectionError(endpoint_url="https://route53")

    with pytest.raises(UnreachableError, match="Route 53 does not answer"):
        Zone("Z1", DOMAIN, Away()).settle("C1")
