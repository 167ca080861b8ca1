"""What Postgres reads for a question about the audit log: by its own count of rows, whatever else the log holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.schema import migrator
from tests.support.postgres import Database, Server, new_database
from webnext.audit import log

pytestmark = pytest.mark.engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
LIMIT = 50
# One trace has a tenth of the log, and all of it is older than the other entries: by time they all come first.
FILL = """
INSERT INTO audit_log (ts, action, result, trace_id)
SELECT date_trunc('month', now()) + each * interval '1 millisecond', 'deploy', 'ok',
    CASE WHEN each <= 20000 THEN 'the-trace' ELSE 'trace-' || each END
FROM generate_series(1, 200000) AS each;
ANALYZE audit_log"""


@pytest.fixture(scope="module")
def filled(server: Server) -> Iterator[Database]:
    with new_database(server) as made:
        with migrator.connect(made.owner_url) as connection:
            migrator.apply(connection, migrator.load(MIGRATIONS))
            connection.execute(FILL)
        yield made


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that any node of the plan gave or threw away."""
    own: float = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max(own, *(most_rows(each) for each in plan.get("Plans", [])), 0)


def most_read(database: Database, query: str, values: tuple[Any, ...]) -> float:
    with database.connect() as connection:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode()
        [([explained],)] = connection.execute(explain, values).fetchall()
    return most_rows(explained["Plan"])


@pytest.mark.parametrize(("query", "values"), [(log._TRACE, ("the-trace", LIMIT)), (log._NEWEST, (LIMIT,))])
def test_a_list_reads_no_more_rows_than_it_shows(filled: Database, query: Any, values: tuple[Any, ...]) -> None:
    assert most_read(filled, query, values) <= LIMIT + 1


def test_a_list_that_goes_on_reads_none_of_what_came_before_nor_of_another_trace(filled: Database) -> None:
    with filled.connect() as connection:
        [place] = connection.execute("SELECT ts, ts, id FROM audit_log ORDER BY ts OFFSET 9000 LIMIT 1").fetchall()

    assert most_read(filled, log._NEWEST_AFTER, (*place, LIMIT)) <= LIMIT + 2
    assert most_read(filled, log._TRACE_AFTER, ("the-trace", *place, LIMIT)) <= 9000
