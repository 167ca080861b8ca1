"""What makes a review red: dangers until somebody names them, migrations, what fails, and what was not approved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cutover.commands.app import main
from cutover.errors import CutoverError
from cutover.review import dangers, engine, migrations, review
from cutover.review.dangers import STATEFUL
from cutover.review.engine import compared
from cutover.review.migrations import locks, loses
from cutover.review.steps import Preview, Step, read
from cutover.review.verdict import verdict
from cutover.stacks.outputs import Outputs
from cutover.stacks.preflight import Preflight
from cutover.stacks.project import PROJECT
from tests.support.recorded_reviews import NAMES, events, reviewed
from tests.unit.policy import captured
from tests.unit.policy.changes import hide
from tests.unit.policy.told import reports

ADDRESS = "address/network-eu-central-1b@bcde0751"
SOUND = [
    name
    for name in NAMES
    if name not in ("broken", "log-days", "migration", "new-log-group", "one-nat", "protected", "unencrypted")
]


def step(kind: str, op: str, new: dict[str, Any] | None = None, **others: Any) -> Step:
    urn = f"urn:pulumi:prod::web-next::{kind}::one"
    old = None if op == "create" else {"name": "a"}
    return Step(op=op, urn=urn, type=kind, old=old, new=None if op == "delete" else new or {"name": "b"}, **others)


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stack prod whose preview is the one that `recorded` names."""
    (tmp_path / "recorded").write_text("nothing")
    monkeypatch.setattr(engine, "has_state", lambda _: True)
    monkeypatch.setattr(engine, "preview", lambda _: read(events((tmp_path / "recorded").read_text())))
    monkeypatch.setattr(review, "PROJECT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SOUND)
def test_a_change_that_takes_nothing_away_is_green(prod: Path, name: str) -> None:
    (prod / "recorded").write_text(name)
    assert main(["review", "-s", "prod"]) == 0


@pytest.mark.parametrize("kind", STATEFUL)
@pytest.mark.parametrize("op", ["delete", "replace"])
def test_whatever_holds_something_is_a_danger_when_it_is_deleted_or_replaced(kind: str, op: str) -> None:
    (one,) = dangers.dangers([step(kind, op, keys=("name",))], [])
    assert one.name.startswith(f"{STATEFUL[kind][0]}/one@")
    assert not dangers.dangers([step(kind, "update"), step(kind, "create")], [])


def test_what_the_program_protects_is_a_danger_whatever_it_is() -> None:
    kind = "aws:lb/loadBalancer:LoadBalancer"
    (one,) = dangers.dangers([step(kind, "replace", protected=True), step(kind, "replace")], [])
    assert one.name.startswith("protected/one@")


def test_a_danger_is_red_until_it_is_named_on_the_line_or_in_the_change(
    prod: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (prod / "recorded").write_text("one-nat")
    assert main(["review", "-s", "prod"]) == 19
    assert capsys.readouterr().err == f"cutover: {ADDRESS} is not acknowledged\n"
    assert main(["review", "-s", "prod", "--acknowledge", "address/network-eu-central-1b@00000000"]) == 19
    assert main(["review", "-s", "prod", "--acknowledge", ADDRESS]) == 0
    assert f"- [x] `{ADDRESS}` is deleted" in capsys.readouterr().out

    (prod / "Pulumi.prod.acknowledged").write_text(
        f"# who reviewed\n\n{ADDRESS} the drill of 2026-11-29 makes it anew\n"
    )
    assert main(["review", "-s", "prod"]) == 0
    (prod / "Pulumi.prod.acknowledged").write_text(f"{ADDRESS}\n")
    with pytest.raises(CutoverError, match="without a reason: write it behind the name"):
        dangers.written(prod, "prod")


def test_an_acknowledgement_is_of_one_change_and_says_nothing_about_the_next() -> None:
    kind = "aws:rds/instance:Instance"
    names = {
        dangers.dangers([one], [])[0].name
        for one in (
            step(kind, "replace", keys=("name",)),
            step(kind, "replace", keys=("name",), new={"name": "c"}),
            step(kind, "replace", keys=("engine",)),
            step(kind, "delete"),
        )
    }
    assert len(names) == 4


def test_a_preview_that_fails_is_red_and_says_why(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (prod / "recorded").write_text("broken")
    assert main(["review", "-s", "prod"]) == 19
    assert 'web-next:domain = ""' in capsys.readouterr().out
    assert read([]).errors == ("the preview did not come to its end; run pulumi preview to see why",)


def test_a_terminal_shows_what_fits_a_screen_and_a_file_all_of_it(
    prod: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (prod / "recorded").write_text("replicas")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["review", "-s", "prod", "--comment", str(prod / "comment.md")]) == 0
    shown = capsys.readouterr().out
    assert "numCacheClusters" in shown
    assert shown.endswith("\nevery property: --comment FILE\n")
    assert "<details>" not in shown
    assert "<details>" in (prod / "comment.md").read_text()


def test_another_review_than_the_approved_one_is_red(prod: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (prod / "recorded").write_text("replicas")
    written = prod / "review.json"
    assert main(["review", "-s", "prod", "--json", str(written), "--comment", str(prod / "comment.md")]) == 0
    document = json.loads(written.read_text())
    assert (prod / "comment.md").read_text() == capsys.readouterr().out
    assert main(["review", "-s", "prod", "--expect", document["digest"]]) == 0
    (prod / "recorded").write_text("larger-database")
    assert main(["review", "-s", "prod", "--expect", document["digest"]]) == 19
    assert f"{document['digest']} was approved: have it reviewed again" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--drift"], ["--expect", "36aae3baf49e956e"]])
def test_drift_and_what_was_approved_are_never_judged_by_an_offline_shape(
    prod: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    monkeypatch.setattr(engine, "has_state", lambda _: False)
    assert main(["review", "-s", "prod", *options]) == 6
    assert "the state of prod cannot be opened here, and nothing else will do" in capsys.readouterr().err


def test_drift_is_looked_for_while_the_database_is_in_reach(prod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    @contextmanager
    def reaching(known: Preflight) -> Iterator[None]:
        seen.append(f"reaches {known.stack}'s, {known.config['web-next:database']['access']}")
        yield
        seen.append("leaves it")

    def looked(*_: object) -> list[Any]:
        seen.append("looks")
        return events("nothing")

    monkeypatch.setattr(Preflight, "reaching_the_database", reaching)
    monkeypatch.setattr(engine, "outputs", lambda stack: Outputs(stack, {}))
    monkeypatch.setattr(engine, "config", lambda _: {"web-next:database": {"access": "tunnel"}})
    monkeypatch.setattr(engine, "_events", looked)

    assert main(["review", "-s", "prod", "--drift"]) == 0
    assert seen == ["reaches prod's, tunnel", "looks", "leaves it"]


def test_a_pending_migration_is_linted_and_its_locks_are_named() -> None:
    said = reviewed(read(events("migration")))
    (line,) = said.red
    assert line.startswith("007_outbox_note.sql: line 2: ")
    assert line.endswith("(require-concurrent-index-creation)")
    assert "`007_outbox_note.sql`: alert_outbox: ACCESS EXCLUSIVE, which stops reads and writes" in said.comment
    assert "the schema stays, and the release before runs on it" in said.comment


def test_a_migration_that_was_applied_with_another_content_is_red() -> None:
    each = json.loads(json.dumps(events("migration")))
    for event in each:
        metadata = event.get("resourcePreEvent", {}).get("metadata", {})
        if metadata.get("type", "").endswith(":Schema"):
            metadata["old"]["inputs"]["checksums"]["007_outbox_note.sql"] = "0" * 64
    assert "007_outbox_note.sql was applied with another content: write the next migration" in reviewed(read(each)).red


def test_a_migration_that_takes_rows_away_is_a_danger_until_it_is_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "007_outbox_note.sql"
    file.write_text("DROP TRIGGER audit_append_only ON audit_log;\nDELETE FROM audit_log;\n")
    said = reviewed(read(events("migration")), folder=tmp_path)
    (line,) = (line for line in said.red if "acknowledged" in line)
    name = line.partition(" ")[0]
    assert name.startswith("rows/007_outbox_note.sql@")
    assert f"- [ ] `{name}`: by DELETE, DROP TRIGGER; what was there is in a backup alone" in said.comment
    assert "Nothing that holds data" not in said.comment
    assert "**Way back**: none for rows/007_outbox_note.sql" in said.comment
    assert name not in " ".join(reviewed(read(events("migration")), name, folder=tmp_path).red)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("WITH gone AS (DELETE FROM a RETURNING 1) SELECT count(*) FROM gone;", ["DELETE"]),
        ("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE;", ["DELETE"]),
        ("UPDATE ONLY a AS b SET c = 1;", ["UPDATE"]),
        ("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET b = 1;", ["UPDATE"]),
        ("TRUNCATE a, b;", ["TRUNCATE"]),
        ("drop table if exists a;", ["DROP TABLE"]),
        ("DROP SCHEMA a CASCADE;", ["DROP SCHEMA"]),
        ("DROP OWNED BY r;", ["DROP OWNED"]),
        ("ALTER TABLE a ADD b int, DROP COLUMN c;", ["DROP COLUMN"]),
        ("ALTER TABLE a DROP c;", ["DROP COLUMN"]),
        ("DROP FUNCTION f(int) CASCADE;", ["DROP CASCADE"]),
        ("ALTER TABLE a DISABLE TRIGGER ALL;", ["DISABLE TRIGGER"]),
        ("SET LOCAL session_replication_role = replica;", ["DISABLE TRIGGER"]),
        ('SELECT public."drop_audit_partitions"(1);', ["a call that drops or prunes"]),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE a'; DELETE FROM b; END $$;", ["DELETE", "DROP TABLE"]),
        ("ALTER TABLE a ALTER b DROP NOT NULL, DROP CONSTRAINT c, ALTER d DROP DEFAULT;", []),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c ON UPDATE SET NULL ON DELETE CASCADE;", []),
        ("CREATE TRIGGER t BEFORE UPDATE OR DELETE OR TRUNCATE ON a EXECUTE FUNCTION f();", []),
        ("GRANT SELECT, UPDATE, DELETE, TRUNCATE ON a TO r; SELECT 1 FROM a FOR UPDATE;", []),
        ("REVOKE ALL ON FUNCTION drop_audit_partitions(INTEGER) FROM PUBLIC; DROP INDEX i; -- DELETE FROM a", []),
    ],
)
def test_by_what_a_migration_takes_data_away(sql: str, expected: list[str]) -> None:
    assert loses(sql) == expected


def test_no_migration_of_ours_takes_data_away() -> None:
    files = sorted((PROJECT / "migrations").glob("*.sql"))
    assert files
    assert {file.name: loses(file.read_text()) for file in files} == {file.name: [] for file in files}


ALL, ROWS = "ACCESS EXCLUSIVE, which stops reads and writes", "SHARE ROW EXCLUSIVE, which stops writes"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE a (id int); CREATE INDEX i ON a (id); ALTER TABLE a ADD COLUMN b int;", []),
        ("CREATE INDEX i ON a (id);", ["a: SHARE, which stops writes"]),
        (
            "CREATE INDEX i ON a (id); ALTER TABLE ONLY a ADD b int;",
            ["a: ACCESS EXCLUSIVE, which stops reads and writes"],
        ),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id);", []),
        ("ALTER TABLE a VALIDATE CONSTRAINT c;", []),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (id);", [f"a: {ROWS}", f"c: {ROWS}"]),
        ("CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f();", ["a: SHARE ROW EXCLUSIVE, which stops writes"]),
        ("DROP TABLE IF EXISTS a;", ["a: ACCESS EXCLUSIVE, which stops reads and writes"]),
        ("TRUNCATE a;", ["a: ACCESS EXCLUSIVE, which stops reads and writes"]),
        ("INSERT INTO a VALUES (1); GRANT SELECT ON a TO r;", []),
        ("LOCK TABLE a IN SHARE MODE;", ["a: SHARE, which stops writes"]),
        ("CREATE TABLE a_1 PARTITION OF a FOR VALUES FROM (1) TO (2); DROP TABLE a_1;", [f"a: {ALL}"]),
        ("CREATE TABLE a (id int) PARTITION BY RANGE (id); CREATE TABLE b PARTITION OF a DEFAULT;", []),
        ("ALTER TABLE a ATTACH PARTITION b DEFAULT;", [f"b: {ALL}"]),
        ("ALTER TABLE a DETACH PARTITION b;", [f"a: {ALL}", f"b: {ALL}"]),
        ("CREATE TABLE a (b int REFERENCES c (id), d int REFERENCES public.e);", [f"c: {ROWS}", f"public.e: {ROWS}"]),
        ("CREATE TABLE a (id int, up int, FOREIGN KEY (up) REFERENCES a (id));", []),
        ("ALTER TABLE a ADD b int REFERENCES c (id);", [f"a: {ALL}", f"c: {ROWS}"]),
        ("ALTER TABLE a VALIDATE CONSTRAINT c, ADD FOREIGN KEY (b) REFERENCES a (id), ADD d int;", [f"a: {ALL}"]),
        ("GRANT REFERENCES ON a TO r;", []),
        ("REINDEX TABLE a;", ["a: SHARE with ACCESS EXCLUSIVE on its indexes, which stops reads and writes"]),
        ("REINDEX (VERBOSE) INDEX i;", [f"i: {ALL}"]),
        ("REINDEX TABLE CONCURRENTLY a;", []),
        ("CREATE OR REPLACE RULE r AS ON INSERT TO a DO INSTEAD NOTHING;", [f"a: {ALL}"]),
        ("DROP RULE r ON a; ALTER POLICY p ON b USING (true);", [f"a: {ALL}", f"b: {ALL}"]),
        ("DROP TABLE a, b CASCADE; TRUNCATE ONLY c, d;", [f"{one}: {ALL}" for one in "abcd"]),
        (
            "LOCK a; LOCK TABLE ONLY b, c IN EXCLUSIVE MODE NOWAIT;",
            [f"a: {ALL}", "b: EXCLUSIVE, which stops writes", "c: EXCLUSIVE, which stops writes"],
        ),
        ("CLUSTER a USING i; VACUUM FULL b; REFRESH MATERIALIZED VIEW c;", [f"{one}: {ALL}" for one in "abc"]),
        ("DO $$ BEGIN PERFORM 1; END $$;", ["what its DO blocks and calls lock cannot be read here"]),
    ],
)
def test_the_locks_of_a_migration_are_those_that_postgres_takes(sql: str, expected: list[str]) -> None:
    assert locks(sql) == expected


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("echo 'a panic' >&2; exit 101", "squawk ended with 101 and named nothing (a panic)"),
        ("echo '[{'; exit 1", "squawk ended with 1 and named nothing"),
        ("echo '[]'; exit 1", "squawk ended with 1 and named nothing"),
        ("exit 0", "squawk ended with 0 and named nothing"),
        ("exec sleep 60", "squawk has not read the migrations in 0.2 s"),
    ],
)
def test_a_linter_that_breaks_or_hangs_is_no_linter_that_finds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, why: str
) -> None:
    (tmp_path / "squawk").write_text(f"#!/bin/sh\n{says}\n")
    (tmp_path / "squawk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(migrations, "LINT_SECONDS", 0.2)

    with pytest.raises(CutoverError) as refused:
        reviewed(read(events("migration")))
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    ("name", "base", "way"),
    [
        (
            "log-days",
            None,
            "none for log/90d-to-30d, objects/90d-to-30d: what is lost comes from a snapshot or a copy, "
            "if there is one",
        ),
        ("tags", None, "revert the commit, `cutover up -s prod`; 3 min, reckoned"),
        ("release", None, "revert the commit, `cutover up -s prod`; 10 min, reckoned"),
        ("larger-database", None, "revert the commit, `cutover up -s prod`; 30 min, reckoned"),
        ("release", "prod", "`cutover rollback -s prod` gives stable all of the traffic; 10 s, measured"),
        ("unencrypted", None, "none for database/audit: what is lost comes from a snapshot or a copy, if there is one"),
    ],
)
def test_the_way_back_and_its_time_are_those_of_the_slowest_part(name: str, base: str | None, way: str) -> None:
    assert f"- **Way back**: {way}\n" in reviewed(read(events(name)), base=base).comment


@pytest.mark.parametrize(("key", "old", "new"), [("allocatedStorage", 100, 200), ("engineVersion", "17.4", "17.5")])
def test_what_a_database_never_takes_back_has_no_way_back_by_a_revert(key: str, old: object, new: object) -> None:
    kind = "aws:rds/instance:Instance"
    change = Step(op="update", urn=f"urn:pulumi:prod::web-next::{kind}::one", type=kind, old={key: old}, new={key: new})
    said = reviewed(Preview(steps=(change,)))
    assert f"- **Way back**: none for {key}: forward, or a restore of the snapshot\n" in said.comment
    assert json.loads(said.json)["back"]["seconds"] is None
    assert said.red == []


def test_two_shapes_are_compared_without_a_state() -> None:
    kind = "aws:cloudwatch/logGroup:LogGroup"
    same, gone, more = (
        Step(op="create", urn=f"u::{name}", type=kind, old=None, new={"name": name})
        for name in ("same", "gone", "more")
    )
    before = Step(op="create", urn="u::one", type=kind, old=None, new={"retentionInDays": 90})
    after = Step(op="create", urn="u::one", type=kind, old=None, new={"retentionInDays": 30})
    found = compared(Preview(steps=(same, gone, before)), Preview(steps=(same, more, after)))
    assert {(each.name, each.op) for each in found.steps} == {("gone", "delete"), ("more", "create"), ("one", "update")}
    assert found.same == 1
    said = reviewed(found, shape="OFFLINE SHAPE: compared with what main declares.")
    assert "> OFFLINE SHAPE: compared with what main declares." in said.comment
    assert "`retentionInDays` | 90 → 30" in said.comment


def test_a_mandatory_finding_is_red_whatever_its_words() -> None:
    event = {"policyName": "p", "message": "about\n  x: unchecked, or so", "enforcementLevel": "mandatory"}
    assert verdict([event]).against == ("x: unchecked, or so; about (p)",)


def test_the_pack_s_verdict_is_in_the_engine_s_events() -> None:
    event = {
        "policyName": "s3-closed",
        "message": "a bucket is closed: close it\n  evidence: open",
        "enforcementLevel": "mandatory",
    }
    summary = {"summaryEvent": {"result": "failed", "resourceChanges": {"same": 3}}}
    (later,) = reports(hide("SecretPolicy REDIS_URL", "policy")(captured.prod()))
    told = {"policyName": later.policyName, "message": later.message, "enforcementLevel": "advisory"}
    others = [event | {"enforcementLevel": "advisory"}, told]
    preview = read([*({"policyEvent": one} for one in (event, *others)), summary])
    assert preview.errors == ()
    found = verdict(preview.policy)
    assert found.against == found.advice == ("evidence: open; a bucket is closed: close it (s3-closed)",)
    (unchecked,) = found.unchecked
    assert unchecked.startswith("REDIS_URL: unchecked, policy of REDIS_URL is not known yet; ")
    assert reviewed(preview, policy=found).red == ["policy: evidence: open (s3-closed)"]
