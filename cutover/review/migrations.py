"""The migrations that an update would apply: what a linter says of each, and the locks that it takes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.errors import CutoverError, NotPreparedError
from cutover.review.steps import Step
from cutover.schema.statements import outside_parentheses, statements
from outputs.schema import applied_checksums

_NAME = r"(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<table>\S+)"
_NAMES = r"(?:IF EXISTS )?(?P<table>(?:ONLY )?\S+(?: , (?:ONLY )?\S+)*)"
_INDEXES = "SHARE with ACCESS EXCLUSIVE on its indexes"
_MODES = (
    (re.compile(rf"ALTER TABLE {_NAME} .*\bFOREIGN KEY\b"), "SHARE ROW EXCLUSIVE"),
    (
        re.compile(rf"ALTER TABLE {_NAME} (VALIDATE|ATTACH|DETACH .*CONCURRENTLY|CLUSTER|ALTER .*SET STATISTICS)\b"),
        "SHARE UPDATE EXCLUSIVE",
    ),
    (re.compile(rf"ALTER TABLE {_NAME}"), "ACCESS EXCLUSIVE"),
    (re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY .*?\bON (?:ONLY )?(?P<table>\S+)"), "SHARE UPDATE EXCLUSIVE"),
    (re.compile(r"CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?(?P<table>\S+)"), "SHARE"),
    (re.compile(r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*?\bON (?P<table>\S+)"), "SHARE ROW EXCLUSIVE"),
    (re.compile(r"CREATE (?:OR REPLACE )?RULE \S+ AS ON \w+ TO (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
    (re.compile(rf"DROP (?:TABLE|VIEW|MATERIALIZED VIEW) {_NAMES}"), "ACCESS EXCLUSIVE"),
    (re.compile(r"(?:DROP INDEX|REINDEX \w+) CONCURRENTLY (?:IF EXISTS )?(?P<table>\S+)"), "SHARE UPDATE EXCLUSIVE"),
    (re.compile(r"REINDEX INDEX (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
    (re.compile(r"REINDEX \w+ (?P<table>\S+)"), _INDEXES),
    (re.compile(rf"DROP INDEX {_NAMES}"), "ACCESS EXCLUSIVE"),
    (
        re.compile(r"(?:DROP|ALTER) (?:TRIGGER|RULE|POLICY) (?:IF EXISTS )?\S+ ON (?P<table>\S+)"),
        "ACCESS EXCLUSIVE",
    ),
    (re.compile(rf"TRUNCATE (?:TABLE )?{_NAMES}"), "ACCESS EXCLUSIVE"),
    (re.compile(rf"LOCK (?:TABLE )?{_NAMES} IN (?P<mode>[A-Z ]+) MODE"), ""),
    (re.compile(rf"LOCK (?:TABLE )?{_NAMES}"), "ACCESS EXCLUSIVE"),
    (re.compile(rf"(?:CLUSTER|VACUUM FULL|REFRESH MATERIALIZED VIEW(?! CONCURRENTLY)) {_NAME}"), "ACCESS EXCLUSIVE"),
    (re.compile(r"CREATE POLICY \S+ ON (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
)
"""The table-level lock of each statement, after chapter 13.3 of Postgres 17's manual; the first that fits."""
_OTHERS = (
    (re.compile(r"\bREFERENCES (?P<table>\S+)"), "SHARE ROW EXCLUSIVE"),
    (re.compile(r"\bPARTITION OF (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
    (re.compile(r"\b(?:ATTACH|DETACH) PARTITION (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
)
"""The locks that CREATE TABLE and ALTER TABLE take on tables beside their own."""
_STOPS = {
    "ACCESS EXCLUSIVE": "reads and writes",
    _INDEXES: "reads and writes",
    "EXCLUSIVE": "writes",
    "SHARE ROW EXCLUSIVE": "writes",
    "SHARE": "writes",
}
"""What waits behind each lock, the strongest first."""
_MAKES = re.compile(r"CREATE (?:UNLOGGED |TEMP |TEMPORARY )?TABLE (?:IF NOT EXISTS )?(?P<table>\S+)")
_OPAQUE = re.compile(r"(DO|CALL|SELECT) ")
_LOSES = (
    ("DELETE", re.compile(r"\bDELETE FROM\b|\bTHEN DELETE\b")),
    ("UPDATE", re.compile(r"\bUPDATE (?:ONLY )?\S+ (?:\* )?(?:(?:AS )?\S+ )?SET\b|\b(?:DO|THEN) UPDATE SET\b")),
    ("TRUNCATE", re.compile(r"\bTRUNCATE (?!ON\b|OR\b|,)")),
    ("DROP TABLE", re.compile(r"\bDROP (?:FOREIGN )?TABLE\b")),
    ("DROP SCHEMA", re.compile(r"\bDROP (?:SCHEMA|DATABASE)\b")),
    ("DROP OWNED", re.compile(r"\bDROP OWNED\b")),
    (
        "DROP COLUMN",
        re.compile(r"\bALTER (?:FOREIGN )?TABLE .*\bDROP (?!(?:CONSTRAINT|DEFAULT|EXPRESSION|IDENTITY|NOT)\b)"),
    ),
    ("DROP CASCADE", re.compile(r"\bDROP (?:DOMAIN|EXTENSION|FUNCTION|ROUTINE|TYPE)\b.*\bCASCADE\b")),
    ("DROP TRIGGER", re.compile(r"\bDROP TRIGGER\b")),
    (
        "DISABLE TRIGGER",
        re.compile(r"\b(?:DISABLE|ENABLE REPLICA) (?:TRIGGER|RULE)\b|\bSESSION_REPLICATION_ROLE\b"),
    ),
    (
        "a call that drops or prunes",
        re.compile(r'(?<!FUNCTION )(?<!\S)[\w".]*(?:DROP_AUDIT_PARTITIONS|PRUNE_\w+)"? \(', re.IGNORECASE),
    ),
)
"""What takes rows away or writes over them, or takes away the trigger that keeps them, and how it is said."""
_BLOCK = re.compile(
    r"\bDO\s+(?:LANGUAGE\s+\w+\s+)?\$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$", re.IGNORECASE | re.DOTALL
)
_QUOTE = re.compile(r"'|\$\w*\$")
LINT_SECONDS = 30.0
"""A file takes squawk milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A migration that the update applies. `locks` has a line for each lock that somebody may wait behind, `lint` one
    for each thing that the linter has against it, and `loses` says by what it takes data away; `edited` if it was
    applied already, with another content."""

    file: str
    checksum: str
    locks: tuple[str, ...]
    lint: tuple[str, ...]
    loses: tuple[str, ...] = ()
    edited: bool = False


def pending(steps: Iterable[Step], folder: Path) -> list[Pending]:
    """What the preview would apply of the folder's files. Raises what `lint` does."""
    each = list(steps)
    before, after = (
        applied_checksums({"type": step.type, "inputs": getattr(step, side)} for step in each if getattr(step, side))
        for side in ("old", "new")
    )
    files = [file for file, checksum in after.items() if before.get(file) != checksum and (folder / file).exists()]
    said = lint([folder / file for file in files])
    return [
        Pending(
            file=file,
            checksum=after[file],
            locks=tuple(locks(sql)),
            lint=tuple(said.get(file, ())),
            loses=tuple(loses(sql)),
            edited=file in before,
        )
        for file, sql in ((file, (folder / file).read_text()) for file in sorted(files))
    ]


def lint(files: list[Path]) -> dict[str, list[str]]:
    """What squawk has against the files, by their names. Raises NotPreparedError where there is no squawk, CutoverError
    where it does not come to a finding."""
    if not files:
        return {}
    try:
        done = subprocess.run(
            ["squawk", "--reporter", "json", *map(str, files)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LINT_SECONDS,
        )
    except FileNotFoundError:
        raise NotPreparedError(
            "squawk is not installed, which reads migrations: pip install -r requirements.txt"
        ) from None
    except subprocess.TimeoutExpired:
        raise CutoverError(
            f"squawk has not read the migrations in {LINT_SECONDS:g} s: try tests/lint squawk, which reads them all"
        ) from None
    found = _found(done.stdout)
    if found is None or (done.returncode and not found):
        why = f" ({said})" if (said := done.stderr.strip().partition("\n")[0]) else ""
        raise CutoverError(f"squawk ended with {done.returncode} and named nothing{why}: try tests/lint squawk")
    against: dict[str, list[str]] = {}
    for one in found:
        line = f"line {int(one['line']) + 1}: {one['message']} ({one['rule_name']})"
        against.setdefault(Path(one["file"]).name, []).append(line)
    return against


def _found(text: str) -> list[Mapping[str, Any]] | None:
    try:
        return list(json.loads(text))
    except ValueError:
        return None


def locks(sql: str) -> list[str]:
    """The locks that somebody may wait behind, by table. A table that the same file makes is nobody's yet, and what a
    function or a DO block does cannot be read: that is said."""
    new: set[str] = set()
    strongest: dict[str, str] = {}
    opaque = False
    for words in statements(sql):
        if made := _MAKES.match(" ".join(words)):
            new.add(made["table"])
        opaque = opaque or bool(_OPAQUE.match(" ".join(words)))
        for table, mode in _locks(words):
            if mode in _STOPS and table not in new:
                strongest[table] = min(strongest.get(table, mode), mode, key=list(_STOPS).index)
    lines = [f"{table.lower()}: {mode}, which stops {_STOPS[mode]}" for table, mode in strongest.items()]
    return [*lines, *(["what its DO blocks and calls lock cannot be read here"] if opaque else [])]


def loses(sql: str) -> list[str]:
    """By what a migration takes data away, each once. A DO block is read with what it executes as text; what a function
    does is not."""
    blocks = [_QUOTE.sub(" ", block["body"]) for block in _BLOCK.finditer(sql)]
    texts = [" ".join(words) for each in (sql, *blocks) for words in statements(each)]
    return [said for said, pattern in _LOSES if any(pattern.search(text) for text in texts)]


def _locks(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each table that a statement locks, and how."""
    text = " ".join(outside_parentheses(words))
    altered = re.match(rf"ALTER TABLE {_NAME} ", text)
    first, *more = text.split(" , ") if altered else [text]
    for action in (first, *(f"{altered[0]}{each}" for each in more if altered)):
        for pattern, mode in _MODES:
            if found := pattern.match(action):
                yield from ((one.removeprefix("ONLY "), mode or found["mode"]) for one in found["table"].split(" , "))
                break
    if altered or _MAKES.match(text):
        for pattern, mode in _OTHERS:
            yield from ((found["table"], mode) for found in pattern.finditer(" ".join(words)))
