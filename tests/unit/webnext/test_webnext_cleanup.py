from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.support.memory_audit import MemoryAudit
from webnext import metrics
from webnext.audit.row import UnstorableError
from webnext.bucket import MAX_BYTES
from webnext.dependency import AwayError
from webnext.evidence import cleanup
from webnext.evidence.cleanup import Cleaned, clean
from webnext.flags import POLL_SECONDS, Flags
from webnext.processes import cleanup as process
from webnext.settings import Adapters, FlagValues, Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SETTINGS = Settings(s3_bucket="evidence-test", retention_days=30, flags_parameter="/web-next/flags")
PAGE = 4


class Store:
    """An S3 client over a dictionary of key: (age in days, bytes), with pages of PAGE objects."""

    def __init__(self, objects: dict[str, tuple[float, int]]) -> None:
        self.objects = objects
        self.deletes: list[list[str]] = []
        self.refused: set[str] = set()
        self.breaks_after: int | None = None

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        MaxKeys: int,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        assert Bucket == "evidence-test"
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        page = [
            {"Key": key, "Size": self.objects[key][1], "LastModified": NOW - timedelta(days=self.objects[key][0])}
            for key in keys[:PAGE]
        ]
        return {
            "Contents": page,
            "IsTruncated": len(keys) > PAGE,
            "NextContinuationToken": page[-1]["Key"] if page else "",
        }

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        if self.breaks_after == len(self.deletes):
            raise ConnectTimeoutError(endpoint_url="http://s3")
        keys = [entry["Key"] for entry in Delete["Objects"]]
        self.deletes.append(keys)
        for key in keys:
            if key not in self.refused:
                del self.objects[key]
        return {"Errors": [{"Key": key, "Code": "AccessDenied"} for key in keys if key in self.refused]}


class Parameters:
    """An SSM client with one parameter, None where it is away."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        if self.value is None:
            raise ConnectTimeoutError(endpoint_url="http://ssm")
        return {"Parameter": {"Value": self.value}}


def flags(value: str | None = '{"EVIDENCE_CLEANUP_DRY_RUN": false}', settings: Settings = SETTINGS) -> Flags:
    return Flags(settings, Parameters(value))


def cleaned(store: Any, audit: MemoryAudit, given: Flags | None = None, settings: Settings = SETTINGS) -> Cleaned:
    return asyncio.run(clean(settings, given or flags(), audit, client=store, now=NOW))


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


def test_what_is_past_retention_goes_and_the_rest_stays(audit: MemoryAudit) -> None:
    store = Store(
        {
            "evidence/a/1.zip": (31, 10),
            "evidence/a/2.zip": (29, 20),
            "evidence/b/3.zip": (40, 30),
            "evidence/c/4.zip": (30, 40),
            "evidence/d/5.zip": (30.5, 50),
            "spool/audit/6": (400, 60),
        }
    )
    before = metrics.CLEANED.labels("deleted")._value.get()

    done = cleaned(store, audit)

    assert sorted(store.objects) == ["evidence/a/2.zip", "evidence/c/4.zip", "spool/audit/6"]
    assert (done.objects, done.bytes, done.oldest, done.dry_run, done.more) == (
        3,
        90,
        NOW - timedelta(days=40),
        False,
        False,
    )
    assert metrics.CLEANED.labels("deleted")._value.get() == before + 3


def test_metadata_shares_the_fate_of_its_evidence_even_on_the_next_page(audit: MemoryAudit) -> None:
    store = Store(
        {
            "evidence/a/1.zip": (31, 1),
            "evidence/a/1.zip.json": (29, 1),
            "evidence/b/2.zip": (29, 1),
            "evidence/b/2.zip.json": (31, 1),
            "evidence/c/alone.zip.json": (31, 1),
            "evidence/c/young.zip.json": (1, 1),
            "evidence/d/a.zip": (1, 1),
            "evidence/d/b.zip": (31, 1),
            "evidence/d/b.zip.json": (1, 1),
        }
    )
    assert sorted(store.objects).index("evidence/d/b.zip.json") % PAGE == 0, "it is the first of its page"

    cleaned(store, audit)

    assert sorted(store.objects) == [
        "evidence/b/2.zip",
        "evidence/b/2.zip.json",
        "evidence/c/young.zip.json",
        "evidence/d/a.zip",
    ]


def test_what_is_larger_than_evidence_may_be_goes_however_young_and_is_audited(audit: MemoryAudit) -> None:
    store = Store(
        {
            "evidence/a/1.zip": (0, MAX_BYTES + 1),
            "evidence/a/1.zip.json": (0, 1),
            "evidence/a/2.zip": (0, MAX_BYTES),
            "evidence/a/3.zip": (31, 1),
            "spool/audit/4": (0, MAX_BYTES + 1),
        }
    )

    cleaned(store, audit)

    assert sorted(store.objects) == ["evidence/a/2.zip", "spool/audit/4"]
    [row] = audit.rows
    assert (row.details["objects"], row.details["tooLarge"], row.actor) == (3, 1, "web-next")


def test_a_dry_run_counts_and_deletes_nothing(audit: MemoryAudit) -> None:
    store = Store({"evidence/a/1.zip": (31, 10)})
    before = metrics.CLEANED.labels("dry_run")._value.get()

    done = cleaned(store, audit, flags('{"EVIDENCE_CLEANUP_DRY_RUN": true}'))

    assert (done.dry_run, done.objects, done.bytes) == (True, 1, 10)
    assert store.deletes == []
    assert metrics.CLEANED.labels("dry_run")._value.get() == before + 1


@pytest.mark.parametrize("value", [None, "not json", "[]", '{"EVIDENCE_CLEANUP_DRY_RUN": 7}'])
def test_where_the_flag_cannot_be_read_nothing_is_deleted(audit: MemoryAudit, value: str | None) -> None:
    store = Store({"evidence/a/1.zip": (31, 10)})

    assert cleaned(store, audit, flags(value)).dry_run is True
    assert store.deletes == []


@pytest.mark.parametrize("dry", [True, False])
def test_without_a_parameter_the_environments_flag_is_in_force(audit: MemoryAudit, dry: bool) -> None:
    settings = SETTINGS.model_copy(update={"flags_parameter": None, "flags": FlagValues(EVIDENCE_CLEANUP_DRY_RUN=dry)})

    assert cleaned(Store({}), audit, Flags(settings), settings).dry_run is dry


def test_a_run_is_bounded_and_the_next_one_goes_on(audit: MemoryAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "MOST", 5)
    monkeypatch.setattr(cleanup, "BATCH", 2)
    store = Store({f"evidence/a/{number:03}.zip": (31, 1) for number in range(7)})

    first = cleaned(store, audit)
    second = cleaned(store, audit)

    assert (first.objects, first.more) == (5, True)
    assert [len(batch) for batch in store.deletes] == [2, 2, 1, 2]
    assert (second.objects, second.more, store.objects) == (2, False, {})


def test_what_was_done_is_audited_and_logged(audit: MemoryAudit, caplog: pytest.LogCaptureFixture) -> None:
    store = Store({"evidence/a/1.zip": (31, 10), "evidence/a/2.zip": (31, 10)})
    store.refused = {"evidence/a/2.zip"}
    caplog.set_level(logging.INFO)

    done = cleaned(store, audit)

    assert (done.objects, done.failed) == (1, 1)
    [row] = audit.rows
    assert (row.action, row.result) == ("evidence.cleanup", "err")
    assert row.details == {
        "dryRun": False,
        "objects": 1,
        "bytes": 10,
        "oldest": (NOW - timedelta(days=31)).isoformat(),
        "tooLarge": 0,
        "failed": 1,
        "more": False,
        "refusals": ["AccessDenied"],
        "retentionDays": 30,
    }
    [line] = [record for record in caplog.records if record.message == "evidence clean-up"]
    assert line.__dict__["fields"] == row.details
    assert json.dumps(row.details)


def test_when_s3_goes_away_midway_what_was_deleted_is_audited(
    audit: MemoryAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "BATCH", 1)
    store = Store({f"evidence/a/{number}.zip": (31, 1) for number in range(3)})
    store.breaks_after = 2

    with pytest.raises(AwayError, match="s3"):
        cleaned(store, audit)

    [row] = audit.rows
    assert (row.result, row.details["objects"]) == ("err", 2)
    assert "s3" in row.details["error"]


def test_a_refused_listing_is_away(audit: MemoryAudit) -> None:
    class Refusing(Store):
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")

    with pytest.raises(AwayError, match="AccessDenied"):
        cleaned(Refusing({}), audit)


@pytest.mark.parametrize("failure", [AwayError("postgres", "gone"), UnstorableError("no column holds it")])
def test_without_an_audit_log_the_line_says_what_was_done(
    audit: MemoryAudit, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    audit.failure = failure

    assert cleaned(Store({"evidence/a/1.zip": (31, 10)}), audit).objects == 1

    [line] = [record for record in caplog.records if record.message == "not audited: evidence.cleanup"]
    assert line.__dict__["fields"]["details"]["objects"] == 1


def test_a_run_that_is_stopped_says_what_it_had_done(
    audit: MemoryAudit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(cleanup._Run, "through", stopped)

    with pytest.raises(asyncio.CancelledError):
        cleaned(Store({}), audit)

    assert "not audited: evidence.cleanup" in caplog.messages


def test_the_schedule_goes_on_after_a_run_that_failed(monkeypatch: pytest.MonkeyPatch, audit: MemoryAudit) -> None:
    runs = 0

    async def fail(*given: Any) -> Cleaned:
        nonlocal runs
        assert given == (SETTINGS, in_force, audit)
        runs += 1
        if runs == 3:
            raise asyncio.CancelledError
        raise AwayError("s3", "connection refused")

    in_force = flags()
    monkeypatch.setattr(cleanup, "clean", fail)
    monkeypatch.setattr(cleanup, "EVERY_SECONDS", 0)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cleanup.clean_daily(SETTINGS, in_force, audit))

    assert runs == 3


def test_the_schedule_of_a_worker_that_rests_waits_until_it_works(
    monkeypatch: pytest.MonkeyPatch, audit: MemoryAudit
) -> None:
    resting = flags()
    resting.now = FlagValues(ALERTS_CONSUME=False)
    looks: list[float] = []

    async def look(seconds: float) -> None:
        looks.append(seconds)
        resting.now = FlagValues(ALERTS_CONSUME=len(looks) == 2)

    async def ends(*_: Any) -> Cleaned:
        assert looks == [POLL_SECONDS] * 2
        raise asyncio.CancelledError

    monkeypatch.setattr(cleanup, "clean", ends)
    monkeypatch.setattr(asyncio, "sleep", look)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cleanup.clean_daily(SETTINGS, resting, audit))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Cleaned(dry_run=False, objects=1), 0),
        (Cleaned(dry_run=True), 0),
        (Cleaned(dry_run=False, failed=1), 1),
        (AwayError("s3", "connection refused"), 1),
    ],
)
def test_the_command_ends_with_0_when_it_is_done_and_1_when_s3_was_away_or_refused(
    monkeypatch: pytest.MonkeyPatch, outcome: Cleaned | AwayError, code: int
) -> None:
    async def outcome_of(*_: Any) -> Cleaned:
        if isinstance(outcome, AwayError):
            raise outcome
        return outcome

    monkeypatch.setattr(process, "clean", outcome_of)
    settings = SETTINGS.model_copy(update={"adapters": Adapters(evidence="production")})

    assert process.run(settings) == code


def test_the_command_has_nothing_to_do_on_a_mock() -> None:
    assert process.run(Settings()) == 0
