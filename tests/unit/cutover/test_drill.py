"""A restore is compared with what was marked before it; RDS is asked for a copy that costs nothing once it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cutover.commands.app import main
from cutover.drill import restore
from cutover.drill.mark import Mark
from cutover.drill.rds_backup import RdsBackup
from cutover.errors import CutoverError, MigrationError
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.document import RestoreDrill
from cutover.evidence.places import last_drill
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from tests.support.memory_bucket import Memory
from tests.support.packs import TARGET

AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
MARK = Mark(up_to=900, rows=850, hashes="123", began=AT - timedelta(days=9), at=AT)
COPY = replace(MARK, began=AT + timedelta(minutes=9))


def test_a_copy_with_the_same_entries_has_no_differences() -> None:
    assert MARK.differences(COPY) == []


@pytest.mark.parametrize(
    ("copy", "says"),
    [
        (replace(COPY, rows=849), "849 entries up to number 900, 850 were backed up"),
        (replace(COPY, hashes="124"), "of 850 entries up to number 900 some have another content"),
        (replace(COPY, began=MARK.began), "it is not the copy"),
    ],
)
def test_what_a_copy_has_otherwise_is_named(copy: Mark, says: str) -> None:
    (said,) = MARK.differences(copy)

    assert says in said


SOURCE = {
    "DBInstanceIdentifier": "web-next-prod-audit",
    "DBInstanceStatus": "available",
    "DBInstanceClass": "db.t4g.medium",
    "DBSubnetGroup": {"DBSubnetGroupName": "web-next-prod-audit"},
    "DBParameterGroups": [{"DBParameterGroupName": "web-next-prod-audit-postgres17"}],
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "LatestRestorableTime": AT + timedelta(minutes=1),
}
NAME = "web-next-prod-audit-drill-20261129120000"


def instances(*found: dict[str, Any]) -> dict[str, Any]:
    return {"DBInstances": list(found)}


def copy_is(status: str) -> dict[str, Any]:
    return instances(
        {"DBInstanceIdentifier": NAME, "DBInstanceStatus": status, "Endpoint": {"Address": "copy.rds.test"}}
    )


@pytest.fixture
def rds() -> Iterator[Stubber]:
    with Stubber(
        boto3.client("rds", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    ) as it:
        yield it


def backup(rds: Stubber, clock: list[datetime] | None = None) -> RdsBackup:
    time = clock or [AT]

    def sleep(seconds: float) -> None:
        time[0] += timedelta(seconds=seconds)

    return RdsBackup("web-next-prod-audit", rds.client, now=lambda: time[0], sleep=sleep)


def asked_for_copy(rds: Stubber) -> None:
    rds.add_response("describe_db_instances", instances(SOURCE), {})
    rds.add_response("describe_db_instances", instances(SOURCE), {"DBInstanceIdentifier": "web-next-prod-audit"})
    rds.add_response(
        "restore_db_instance_to_point_in_time",
        {},
        {
            "SourceDBInstanceIdentifier": "web-next-prod-audit",
            "TargetDBInstanceIdentifier": NAME,
            "UseLatestRestorableTime": True,
            "DBInstanceClass": "db.t4g.medium",
            "DBSubnetGroupName": "web-next-prod-audit",
            "DBParameterGroupName": "web-next-prod-audit-postgres17",
            "VpcSecurityGroupIds": ["sg-1"],
            "CACertificateIdentifier": "rds-ca-rsa2048-g1",
            "PubliclyAccessible": False,
            "MultiAZ": False,
            "DeletionProtection": False,
            "Tags": ANY,
        },
    )


def deleted(rds: Stubber, name: str = NAME) -> None:
    asked = {"DBInstanceIdentifier": name, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    rds.add_response("delete_db_instance", {}, asked)


def test_the_copy_has_the_instances_settings_and_is_deleted_after_the_block(rds: Stubber) -> None:
    asked_for_copy(rds)
    rds.add_response("describe_db_instances", copy_is("creating"))
    rds.add_response("describe_db_instances", copy_is("available"))
    deleted(rds)
    said: list[str] = []

    with backup(rds).restored(AT, say=said.append) as endpoint:
        assert endpoint == "copy.rds.test:5432"

    rds.assert_no_pending_responses()
    assert said == [f"{NAME} is creating", f"{NAME} is being deleted"]


def test_a_copy_that_cannot_be_deleted_takes_nothing_from_what_was_compared(rds: Stubber) -> None:
    asked_for_copy(rds)
    rds.add_response("describe_db_instances", copy_is("available"))
    rds.add_client_error("delete_db_instance", "Throttling")
    said: list[str] = []

    with backup(rds).restored(AT, say=said.append):
        pass

    assert said[-1].startswith(f"{NAME} is left and costs money")


def test_a_failure_in_the_block_deletes_the_copy_too(rds: Stubber) -> None:
    asked_for_copy(rds)
    rds.add_response("describe_db_instances", copy_is("available"))
    deleted(rds)

    with pytest.raises(KeyError), backup(rds).restored(AT, say=print):
        raise KeyError

    rds.assert_no_pending_responses()


def test_a_copy_that_a_killed_drill_left_is_deleted_and_one_that_goes_is_left(rds: Stubber) -> None:
    left, going = f"{NAME[:-1]}7", f"{NAME[:-1]}8"
    others = [
        {"DBInstanceIdentifier": left, "DBInstanceStatus": "available"},
        {"DBInstanceIdentifier": going, "DBInstanceStatus": "deleting"},
        {"DBInstanceIdentifier": "web-next-prod-audit-dr", "DBInstanceStatus": "available"},
    ]
    rds.add_response("describe_db_instances", instances(SOURCE, *others), {})
    deleted(rds, left)
    rds.add_client_error("describe_db_instances", "AccessDenied")

    with pytest.raises(CutoverError, match="RDS refuses"), backup(rds).restored(AT, say=print):
        pass

    rds.assert_no_pending_responses()


def test_a_backup_that_is_older_than_the_mark_is_waited_for_and_not_used(rds: Stubber) -> None:
    rds.add_response("describe_db_instances", instances(), {})
    for _ in range(62):
        rds.add_response("describe_db_instances", instances({**SOURCE, "LatestRestorableTime": AT}))
    said: list[str] = []

    with (
        pytest.raises(CutoverError, match="can be restored to 2026-11-29 12:00:00"),
        backup(rds).restored(AT, say=said.append),
    ):
        pass

    assert said == ["waits for RDS to have the log of the last minutes, some five minutes"]


def test_a_restore_that_does_not_end_is_given_up_and_its_copy_deleted(rds: Stubber) -> None:
    asked_for_copy(rds)
    for _ in range(362):
        rds.add_response("describe_db_instances", copy_is("creating"))
    deleted(rds)

    with pytest.raises(CutoverError, match="is creating after 90 min"), backup(rds).restored(AT, say=lambda _: None):
        pass


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Where a stack's drills are noted."""
    memory = Memory()
    monkeypatch.setattr(RecordsBucket, "of", classmethod(lambda _cls, places: memory.bucket))
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"smoke_target": TARGET.output()}))
    monkeypatch.setattr(Outputs, "read", lambda self, name, of: TARGET)
    monkeypatch.setattr(restore, "backup_of", lambda access: None)
    return memory


@pytest.mark.parametrize(
    ("differences", "code", "says"),
    [
        ([], 0, "850 entries and schema 8 restored, and the same"),
        (["2 entries are missing"], MigrationError.exit_code, "2 entries are missing"),
    ],
)
@pytest.mark.parametrize("refusal", ["AccessDenied", "PreconditionFailed", ""])
def test_what_a_drill_found_is_said_whether_it_can_be_noted_or_not(
    records: Memory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    differences: list[str],
    code: int,
    says: str,
    refusal: str,
) -> None:
    done = RestoreDrill(at=AT, seconds=1800, rows=850, schema_version=8, differences=differences)
    monkeypatch.setattr(restore, "drill", lambda *_: done)
    records.s3.refuses = refusal

    assert main(["drill", "restore", "-s", "prod"]) == code
    said = capsys.readouterr()
    assert says in said.out
    assert ("not noted in the records bucket: s3://records/drills/restore.json" in said.err) == bool(refusal)
    assert (last_drill(records.bucket) == done) if not refusal else not records.s3.objects
