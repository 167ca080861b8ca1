"""The migrations that an update would apply: what a linter says of each, and the locks that it takes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.errors import NotPreparedError
from cutover.review.steps import Step
from cutover.schema.statements import outside_parentheses, statements
from outputs.schema import applied_checksums

_NAME = r"(?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<table>\S+)"
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
    (re.compile(rf"DROP (?:TABLE|VIEW|MATERIALIZED VIEW) {_NAME}"), "ACCESS EXCLUSIVE"),
    (re.compile(r"DROP INDEX CONCURRENTLY (?:IF EXISTS )?(?P<table>\S+)"), "SHARE UPDATE EXCLUSIVE"),
    (re.compile(r"DROP (?:INDEX|TRIGGER) (?:IF EXISTS )?(?:\S+ ON )?(?P<table>\S+)"), "ACCESS EXCLUSIVE"),
    (re.compile(rf"TRUNCATE (?:TABLE )?{_NAME}"), "ACCESS EXCLUSIVE"),
    (re.compile(r"LOCK (?:TABLE )?(?P<table>\S+) IN (?P<mode>[A-Z ]+) MODE"), ""),
    (re.compile(rf"(?:INSERT INTO|DELETE FROM|UPDATE) {_NAME}"), "ROW EXCLUSIVE"),
    (re.compile(r"CREATE POLICY \S+ ON (?P<table>\S+)"), "ACCESS EXCLUSIVE"),
)
"""The table-level lock of each statement, after chapter 13.3 of Postgres 17's manual; the first that fits."""
_STOPS = {"ACCESS EXCLUSIVE": "reads and writes", "SHARE ROW EXCLUSIVE": "writes", "SHARE": "writes"}
_MAKES = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(?P<table>\S+)")
_OPAQUE = re.compile(r"(DO|CALL|SELECT) ")


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A migration that the update applies. `locks` has a line for each lock that somebody may wait behind, `lint` one
    for each thing that the linter has against it; `edited` if it was applied already, with another content."""

    file: str
    locks: tuple[str, ...]
    lint: tuple[str, ...]
    edited: bool = False


def pending(steps: Iterable[Step], folder: Path) -> list[Pending]:
    """What the preview would apply of the folder's files. Raises NotPreparedError as `lint` does."""
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
            locks=tuple(locks((folder / file).read_text())),
            lint=tuple(said.get(file, ())),
            edited=file in before,
        )
        for file in sorted(files)
    ]


def lint(files: list[Path]) -> dict[str, list[str]]:
    """What squawk has against the files, by their names. Raises NotPreparedError where there is no squawk."""
    if not files:
        return {}
    try:
        done = subprocess.run(
            ["squawk", "--reporter", "json", *map(str, files)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise NotPreparedError(
            "squawk is not installed, which reads migrations: pip install -r requirements.txt"
        ) from None
    found: list[Mapping[str, Any]] = json.loads(done.stdout or "[]")
    said: dict[str, list[str]] = {}
    for one in found:
        line = f"line {int(one['line']) + 1}: {one['message']} ({one['rule_name']})"
        said.setdefault(Path(one["file"]).name, []).append(line)
    return said


def locks(sql: str) -> list[str]:
    """The locks that somebody may wait behind, by table. A table that the same file makes is nobody's yet, and what a
    function or a DO block does cannot be read: that is said."""
    new: set[str] = set()
    strongest: dict[str, str] = {}
    opaque = False
    for words in statements(sql):
        text = " ".join(words)
        if made := _MAKES.match(text):
            new.add(made["table"])
            continue
        opaque = opaque or bool(_OPAQUE.match(text))
        if (found := _lock(" ".join(outside_parentheses(words)))) and found[0] not in new:
            table, mode = found
            modes = (*_STOPS, "SHARE UPDATE EXCLUSIVE", "ROW EXCLUSIVE")
            strongest[table] = min(
                strongest.get(table, mode), mode, key=lambda one: modes.index(one) if one in modes else 9
            )
    lines = [
        f"{table.lower()}: {mode}, which stops {_STOPS[mode]}" for table, mode in strongest.items() if mode in _STOPS
    ]
    return [*lines, *(["what its DO blocks and calls lock cannot be read here"] if opaque else [])]


def _lock(text: str) -> tuple[str, str] | None:
    for pattern, mode in _MODES:
        if found := pattern.match(text):
            return found["table"], mode or found["mode"]
    return None
