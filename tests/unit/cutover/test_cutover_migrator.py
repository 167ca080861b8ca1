"""The rules of migration files; what they do to a database is tested on a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import psycopg
import pytest

from cutover.commands.app import main
from cutover.errors import MigrationError, UnreachableError
from cutover.schema import description, migrator
from cutover.schema.migrator import Applied, Migration
from cutover.stacks import outputs

COMMITTED = Path(__file__).parents[3] / "migrations"


def files(folder: Path, *names: str) -> list[Migration]:
    for name in names:
        (folder / name).write_text(f"SELECT '{name}';\n")
    return migrator.load(folder)


def ledger(migrations: list[Migration]) -> list[Applied]:
    return [Applied(version=one.version, file=one.file, checksum=one.checksum) for one in migrations]


def test_files_are_loaded_in_the_order_of_their_numbers_with_the_checksum_of_their_bytes(tmp_path: Path) -> None:
    loaded = files(tmp_path, "002_more.sql", "001_audit_log.sql", "003_a2_b3.sql")

    assert [one.version for one in loaded] == [1, 2, 3]
    assert loaded[0].file == "001_audit_log.sql"
    assert loaded[0].sql == "SELECT '001_audit_log.sql';\n"
    assert loaded[0].checksum == hashlib.sha256(loaded[0].sql.encode()).hexdigest()


def test_an_empty_folder_has_no_migrations(tmp_path: Path) -> None:
    assert migrator.load(tmp_path) == []


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("about")

    assert [one.file for one in files(tmp_path, "001_a.sql")] == ["001_a.sql"]


@pytest.mark.parametrize("name", ["audit.sql", "1_audit.sql", "0001_audit.sql", "001-audit.sql", "001_Audit.sql"])
def test_a_name_without_its_form_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match=rf"{name} is not a migration's name: use 001_what_it_does\.sql"):
        files(tmp_path, name)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("001_a.sql", "003_c.sql"), "003_c.sql has number 003, 002 comes next"),
        (("002_b.sql",), "002_b.sql has number 002, 001 comes next"),
        (("001_a.sql", "001_b.sql"), "001_b.sql has number 001 as 001_a.sql has, 002 comes next"),
        (("000_a.sql",), "000_a.sql has number 000, 001 comes next"),
    ],
)
def test_gaps_and_doubles_are_refused(tmp_path: Path, names: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(MigrationError, match=complaint):
        files(tmp_path, *names)


def test_everything_is_pending_on_a_new_database(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")

    assert migrator.pending(loaded, []) == loaded


def test_only_what_is_new_is_pending(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")

    assert migrator.pending(loaded, ledger(loaded[:1])) == loaded[1:]


def test_nothing_is_pending_when_all_is_applied(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")

    assert migrator.pending(loaded, ledger(loaded)) == []


def test_a_file_edited_after_it_was_applied_is_refused_by_name(tmp_path: Path) -> None:
    done = ledger(files(tmp_path, "001_a.sql"))
    (tmp_path / "001_a.sql").write_text("SELECT 2;\n")

    with pytest.raises(MigrationError, match=r"001_a\.sql was edited after it was applied: restore it"):
        migrator.pending(migrator.load(tmp_path), done)


def test_every_edited_file_is_named_at_once(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql", "003_c.sql")
    checksums = {one.file: one.checksum for one in loaded}
    migrator.require_unedited(tmp_path, checksums)
    migrator.require_unedited(tmp_path, {})

    for name in ("001_a.sql", "003_c.sql"):
        (tmp_path / name).write_text("SELECT 2;\n")
    with pytest.raises(MigrationError, match=r"^001_a\.sql was edited .*; 003_c\.sql was edited") as refused:
        migrator.require_unedited(tmp_path, checksums)
    assert "002_b.sql" not in str(refused.value)


def test_an_applied_file_that_is_gone_is_refused_by_name(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")

    with pytest.raises(MigrationError, match=r"002_b\.sql was applied .* check out a newer revision"):
        migrator.pending(loaded[:1], ledger(loaded))


def test_an_applied_file_that_was_renamed_is_refused(tmp_path: Path) -> None:
    done = ledger(files(tmp_path, "001_a.sql"))
    (tmp_path / "001_a.sql").rename(tmp_path / "001_b.sql")

    with pytest.raises(MigrationError, match=r"001_a\.sql was applied"):
        migrator.pending(migrator.load(tmp_path), done)


def test_files_and_ledger_of_the_same_migrations_have_one_digest(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")

    assert migrator.digest(loaded) == migrator.digest(ledger(loaded))


def test_the_digest_changes_with_a_file_more_an_edit_and_a_name(tmp_path: Path) -> None:
    loaded = files(tmp_path, "001_a.sql", "002_b.sql")
    first, second = ledger(loaded)
    digests = {
        migrator.digest(applied)
        for applied in (
            [first, second],
            [first],
            [],
            [first, Applied(version=2, file=second.file, checksum="0" * 64)],
            [first, Applied(version=2, file="002_c.sql", checksum=second.checksum)],
        )
    }

    assert len(digests) == 5


def test_a_database_that_does_not_answer_is_said_in_one_line_without_the_password() -> None:
    password = "s3" + "cr3t"

    with (
        pytest.raises(UnreachableError, match=r"^the audit database does not answer: ") as refused,
        migrator.connect(f"postgresql://owner:{password}@127.0.0.1:1/audit"),
    ):
        pass
    assert password not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("verb", ["plan", "apply", "verify", "status"])
def test_a_database_that_refuses_the_connection_is_out_of_reach(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "url").write_text("postgresql://owner@127.0.0.1:1/audit")

    assert main(["migrate", verb, "--url-file", str(tmp_path / "url")]) == 8
    assert capsys.readouterr().err.startswith("cutover: the audit database does not answer: ")


def test_what_was_applied_before_the_upkeep_was_out_of_reach_is_not_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def opened(database: str | None = None) -> Iterator[Any]:
        if database:
            raise UnreachableError("the audit database does not answer: too many clients")
        yield SimpleNamespace(info=SimpleNamespace(dbname="audit"))

    access = SimpleNamespace(open=opened, retention_months=None)
    monkeypatch.setattr(outputs, "outputs", lambda _stack: SimpleNamespace(read=lambda *_: access))
    monkeypatch.setattr(migrator, "apply", lambda *_, **__: [])

    assert main(["migrate", "apply", "-s", "local"]) == 7
    assert "too many clients" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:cor@rect@127.0.0.1:1/audit",
        "postgresql://owner:1,cor/rect@127.0.0.1:1/audit",
        "postgresql://owner:a@127.0.0.1/b?sslmode=rect@127.0.0.1:1/audit",
        "postgresql://owner:cor%rect@127.0.0.1:1/audit",
        "mysql://owner:correct@127.0.0.1:1/audit",
    ],
    ids=["an at", "a comma and a slash", "a question", "a percent", "another server's"],
)
def test_a_url_that_its_password_takes_apart_is_refused_without_any_of_it(url: str) -> None:
    with pytest.raises(MigrationError) as refused, migrator.connect(url):
        pass
    assert str(refused.value) == (
        "the audit database's secret is not a PostgreSQL URL, or its password has a mark that is not percent-encoded: "
        "postgresql://USER:PASSWORD@HOST/audit"
    )


@pytest.mark.parametrize(
    ("months", "missing"),
    [
        ([-1, 0, 1, 2, 3], []),
        ([0, 1, 2, 3], []),
        ([1, 2, 3], [0]),
        ([2, 3], [0, 1]),
        ([-3, -1, 0, 1, 3], [-2, 2]),
        ([-1, 1, 2, 3], [0]),
    ],
)
def test_a_month_without_a_partition_is_named_also_where_it_is_this_one_and_the_first(
    monkeypatch: pytest.MonkeyPatch, months: list[int], missing: list[int]
) -> None:
    today = datetime.now(UTC)

    def name(ahead: int) -> str:
        number = today.year * 12 + today.month - 1 + ahead
        return f"audit_log_{number // 12}_{number % 12 + 1:02}"

    monkeypatch.setattr(description, "describe", lambda _connection, _names: {name(each): {"x"} for each in months})
    found = description.differences(None, "audit_log_YYYY_MM: x")  # type: ignore[arg-type]
    assert found == [f"{name(each)}: there is no such partition, and there are later ones" for each in missing]


def test_the_committed_migrations_load_and_begin_with_the_audit_log() -> None:
    assert migrator.load(COMMITTED)[0].file == "001_audit_log.sql"


class Failing:
    """A connection to an empty database whose server goes away in a COMMIT; nobody knows whether it was done."""

    broken = False

    def execute(self, statement: str | bytes, *_: object) -> Any:
        asks_for_lock = "pg_try_advisory_lock" in str(statement)
        answer = MagicMock()  # without rows, where it is gone through
        answer.fetchone.return_value = (True,) if asks_for_lock else None
        return answer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield
        self.broken = True
        raise psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably means")


def test_of_a_file_whose_commit_was_lost_nobody_says_that_it_was_rolled_back(tmp_path: Path) -> None:
    said = (
        "001_a.sql lost its connection: server closed the connection unexpectedly; "
        "the ledger knows whether it was applied: leave the file as it is and run again"
    )

    with pytest.raises(MigrationError) as refused:
        migrator.apply(cast("psycopg.Connection", Failing()), files(tmp_path, "001_a.sql"))

    assert str(refused.value) == said
