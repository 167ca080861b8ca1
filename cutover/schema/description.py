"""What is in a database and who may do what with it, in lines that can be compared with a file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


# Names come out qualified and times in UTC, whatever the role's settings are.
_PLAIN = "SET LOCAL search_path = pg_catalog; SET LOCAL timezone = 'UTC'"
# What each of the queries after it begins with.
_WANTED = """
WITH wanted AS (
    SELECT c.* FROM pg_class c
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S') AND (relname = ANY (%(names)s)
        OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhparent = to_regclass('public.audit_log'))))"""
_RELATIONS = """
SELECT c.relname, format('column %%s %%s', attname, format_type(atttypid, atttypmod))
    || CASE WHEN attnotnull THEN ' not null' ELSE '' END || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
FROM wanted c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind <> 'S'
UNION ALL SELECT c.relname, format('constraint %%s %%s', conname, pg_get_constraintdef(r.oid))
FROM wanted c JOIN pg_constraint r ON conrelid = c.oid AND contype <> 'n'
UNION ALL SELECT c.relname, pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
FROM wanted c JOIN pg_index ON indrelid = c.oid
UNION ALL SELECT c.relname, pg_get_triggerdef(t.oid) || CASE tgenabled WHEN 'O' THEN '' ELSE ' NOT ALWAYS ENABLED' END
FROM wanted c JOIN pg_trigger t ON tgrelid = c.oid AND NOT tgisinternal
UNION ALL SELECT c.relname, pg_get_ruledef(r.oid) FROM wanted c JOIN pg_rewrite r ON ev_class = c.oid
UNION ALL SELECT c.relname, 'partitioned by ' || pg_get_partkeydef(c.oid) FROM wanted c WHERE relkind = 'p'
UNION ALL SELECT c.relname, format('partition of %%s %%s', inhparent::regclass, pg_get_expr(relpartbound, c.oid))
    || CASE WHEN inhdetachpending THEN ' DETACH PENDING' ELSE '' END
FROM wanted c JOIN pg_inherits ON inhrelid = c.oid
UNION ALL SELECT c.relname, 'row level security' FROM wanted c WHERE relrowsecurity OR relforcerowsecurity
UNION ALL SELECT c.relname, 'unlogged' FROM wanted c WHERE relpersistence <> 'p'
UNION ALL SELECT c.relname, format('%%s by %%s, from %%s to %%s', seqtypid::regtype, seqincrement, seqmin, seqmax)
    || CASE WHEN seqcycle THEN ', in a cycle' ELSE '' END
FROM wanted c JOIN pg_sequence ON seqrelid = c.oid"""
# Whoever migrated is "the owner", whatever the role is called; who owns something else is called by name. What Postgres
# gives the schema's and the database's own owner is no migration's.
_RIGHTS = """
, object (name, acl, what, owner) AS (
    SELECT relname, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)), '',
        NULL::oid
    FROM wanted
    UNION ALL SELECT relname, attacl, format(' (%%s)', attname), NULL
    FROM wanted c JOIN pg_attribute ON attrelid = c.oid AND NOT attisdropped
    UNION ALL SELECT proname, coalesce(proacl, acldefault('f', proowner)),
        format(' (%%s)', pg_get_function_identity_arguments(oid)), NULL
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY (%(names)s)
    UNION ALL SELECT nspname, coalesce(nspacl, acldefault('n', nspowner)), '', nspowner
    FROM pg_namespace WHERE nspname = 'public' AND nspname = ANY (%(names)s)
    UNION ALL SELECT 'the database', coalesce(datacl, acldefault('d', datdba)), '', datdba
    FROM pg_database WHERE datname = current_database() AND 'the database' = ANY (%(names)s))
SELECT name, format('%%s may %%s',
    CASE grantee WHEN 0 THEN 'PUBLIC' WHEN ledger.relowner THEN 'the owner' ELSE pg_get_userbyid(grantee) END,
    string_agg(DISTINCT privilege_type || what || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END, ', '))
FROM object CROSS JOIN aclexplode(acl)
    LEFT JOIN pg_class ledger ON ledger.oid = to_regclass('cutover.schema_migrations')
WHERE grantee IS DISTINCT FROM owner
GROUP BY name, grantee, ledger.relowner"""
_FUNCTIONS = """
SELECT proname, format('(%%s) %%s, %%s, body %%s', pg_get_function_identity_arguments(p.oid),
    CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END, array_to_string(proconfig, ', '), md5(prosrc))
FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND proname = ANY (%(names)s)"""
_MONTH = re.compile(r"audit_log_(\d{4})_(\d{2})")
_ANY_MONTH = "audit_log_YYYY_MM"
_LEAST_RUNWAY = 3  # months


def describe(connection: psycopg.Connection, names: Collection[str]) -> dict[str, set[str]]:
    """Name → lines, of the tables, sequences and functions of schema public so named, and of every partition of
    audit_log; who has rights on `public` and on `the database`, where these are among the names.

    The lines of a month's partition are those of any month: its own name is audit_log_YYYY_MM in them, and its
    bounds are "its month" when they are. Runs inside the caller's transaction.
    """
    connection.execute(_PLAIN)
    found: dict[str, set[str]] = defaultdict(set)
    for query in (_RELATIONS, _FUNCTIONS, _RIGHTS):
        for name, line in connection.execute(_WANTED + query, {"names": list(names)}):
            found[name].add(_of_any_month(name, line))
    return dict(found)


def differences(connection: psycopg.Connection, expected: str) -> list[str]:
    """How the database differs from the text, whose lines are "name: line"; also gaps and a short runway."""
    promised: dict[str, set[str]] = defaultdict(set)
    for entry in expected.splitlines():
        name, _, line = entry.partition(": ")
        if line and not name.startswith("#"):
            promised[name].add(line)
    found = describe(connection, promised)
    months = sorted(name for name in found if _MONTH.fullmatch(name))
    wrong = []
    for name in sorted((promised.keys() - {_ANY_MONTH}) | found.keys()):
        wanted = promised[_ANY_MONTH if name in months else name]
        lines = found.get(name, set())
        wrong += [f"{name}: {line}: is missing" for line in sorted(wanted - lines)]
        wrong += [f"{name}: {line}: is in no migration" for line in sorted(lines - wanted)]
    return wrong + _months(months) if _ANY_MONTH in promised else wrong


def _months(partitions: list[str]) -> list[str]:
    """What is wrong with the row of months: gaps, and less ahead than upkeep must keep."""
    numbers = [int(name[-7:-3]) * 12 + int(name[-2:]) - 1 for name in partitions]
    today = datetime.now(UTC)
    now = today.year * 12 + today.month - 1
    last = max(numbers, default=now)
    missing = sorted(set(range(min([*numbers, now]), last)) - set(numbers))
    ahead = last - now
    wrong = [
        f"audit_log_{number // 12}_{number % 12 + 1:02}: there is no such partition, and there are later ones"
        for number in missing
    ]
    if ahead < _LEAST_RUNWAY:
        wrong.append(f"audit_log: partitions reach {max(ahead, 0)} months ahead, {_LEAST_RUNWAY} are the least")
    return wrong


def _of_any_month(name: str, line: str) -> str:
    month = _MONTH.fullmatch(name)
    if not month:
        return line
    year, number = int(month[1]), int(month[2])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    bounds = f"FROM ('{year:04}-{number:02}-01 00:00:00+00') TO ('{after[0]:04}-{after[1]:02}-01 00:00:00+00')"
    return line.replace(bounds, "its month").replace(name, _ANY_MONTH)
