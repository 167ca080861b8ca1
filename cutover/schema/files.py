"""Migration files: plain SQL, numbered, never edited once applied, and the rules that hold before any is run."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from cutover.errors import MigrationError
from cutover.schema.statements import outside_parentheses, statements

_FILE = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")
_DIRECTIVE = re.compile(r"--\s*cutover:\s*(.*?)\s*")
NO_TRANSACTION = "no transaction"
CONTRACT = "contract"

_TRANSACTION = re.compile(
    r"(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE TRANSACTION)\b"
)
_SESSION = re.compile(r"(SET (?!LOCAL\b)|RESET\b|DISCARD\b)")
_REPEATABLE = re.compile(
    r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS |DROP INDEX CONCURRENTLY IF EXISTS |REINDEX \w+ CONCURRENTLY "
)
_KINDS = r"(TABLE|VIEW|MATERIALIZED VIEW|SCHEMA|SEQUENCE|TYPE)"
_DROP = re.compile(rf"DROP {_KINDS}\b")
_ALTER = re.compile(rf"ALTER {_KINDS} (IF EXISTS )?(ONLY )?\S+ (\* )?(?P<actions>.*)")
_NARROWS = (
    (re.compile(r"RENAME (?!CONSTRAINT )"), "renames"),
    (re.compile(r"DROP (?!CONSTRAINT )"), "drops a column"),
    (re.compile(r"ALTER (COLUMN )?\S+ (SET DATA )?TYPE "), "changes a type"),
    (re.compile(r"ALTER (COLUMN )?\S+ SET NOT NULL"), "sets NOT NULL"),
    (
        re.compile(r"ADD (?!CONSTRAINT )(?!.*\b(DEFAULT|GENERATED) ).*NOT NULL"),
        "adds a NOT NULL column without default",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its bytes, `transaction` whether it runs inside one, `contract` whether it
    takes away what a release before it uses."""

    version: int
    file: str
    checksum: str
    sql: str
    transaction: bool
    contract: bool


def load(folder: Path) -> list[Migration]:
    """The folder's migrations in order. Raises MigrationError naming every problem that `problems` finds."""
    migrations, found = _read(folder)
    if found:
        raise MigrationError("; ".join(found))
    return migrations


def problems(folder: Path) -> list[str]:
    """What is wrong with the folder's files, a line each; nothing is run.

    Looks at names, numbers, encoding, directives, statements that end or outlive the file's transaction, and at
    statements that take something away from a running app (see `_narrowing`).
    """
    return _read(folder)[1]


def _read(folder: Path) -> tuple[list[Migration], list[str]]:
    if not folder.is_dir():
        return [], [f"{folder} is no folder: migrations are *.sql files in it"]
    migrations: list[Migration] = []
    found: list[str] = []
    expected, before = 1, ""
    for path in sorted(folder.glob("*.sql")):
        name = _FILE.fullmatch(path.name)
        if not name:
            found.append(f"{path.name} is not a migration's name: use 001_what_it_does.sql")
            continue
        version = int(name[1])
        if version != expected:
            taken = f" as {before} has" if version == expected - 1 and before else ""
            found.append(
                f"{path.name} has number {version:03}{taken}, {expected:03} comes next: "
                "migrations are numbered without gaps or doubles"
            )
        expected, before = version + 1, path.name
        content = path.read_bytes()
        try:
            sql = content.decode()
        except UnicodeDecodeError as error:
            found.append(f"{path.name} is not UTF-8 at byte {error.start}: save it as UTF-8")
            continue
        directives, wrong = _directives(sql)
        found += [f"{path.name} {problem}" for problem in wrong or _broken_rules(sql, directives)]
        migrations.append(
            Migration(
                version=version,
                file=path.name,
                checksum=hashlib.sha256(content).hexdigest(),
                sql=sql,
                transaction=NO_TRANSACTION not in directives,
                contract=CONTRACT in directives,
            )
        )
    return migrations, found


def _directives(sql: str) -> tuple[set[str], list[str]]:
    lines = [_DIRECTIVE.fullmatch(line) for line in sql.splitlines()]
    first = [match[1] for match in takewhile(bool, lines) if match]
    wrong = [
        f"has the directive {name!r}: there are {NO_TRANSACTION!r} and {CONTRACT!r}"
        for name in first
        if name not in (NO_TRANSACTION, CONTRACT)
    ]
    if len(first) != sum(map(bool, lines)):
        wrong.append("has a directive below its first lines, where it does nothing: move it to the top")
    return set(first), wrong


def _broken_rules(sql: str, directives: set[str]) -> list[str]:
    broken = []
    each = [(words, " ".join(words)) for words in statements(sql)]
    for words, text in each:
        if "BEGIN ATOMIC" in text:
            return ["has a BEGIN ATOMIC body, which the checks cannot read: write it between $$"]
        if _TRANSACTION.match(text):
            broken.append(f"has the statement {words[0]}: the migrator begins and ends the transaction, leave it out")
        if _SESSION.match(text):
            broken.append(f"has the statement {words[0]}, which outlives the file: use SET LOCAL")
        narrowing = _narrowing(words, text)
        if narrowing and CONTRACT not in directives:
            broken.append(
                f"{narrowing}, which breaks the release that still runs: expand first; once nothing uses it, put it "
                f"into a file that begins with -- cutover: {CONTRACT}"
            )
    if NO_TRANSACTION in directives and (len(each) != 1 or not _REPEATABLE.match(each[0][1])):
        broken.append(
            "runs in no transaction and must be one statement that can be repeated: CREATE INDEX CONCURRENTLY "
            "IF NOT EXISTS, DROP INDEX CONCURRENTLY IF EXISTS or REINDEX … CONCURRENTLY"
        )
    return broken


def _narrowing(words: list[str], text: str) -> str | None:
    """What the statement takes away from an app that knows only the schema before it, if anything.

    It reads statements as they are written. What a DO block or a called function does, what a new constraint
    forbids, or what a replaced function no longer returns, it does not see: that stays with the reviewer.
    """
    if dropped := _DROP.match(text):
        return f"drops a {dropped[1].lower()}"
    altered = _ALTER.match(" ".join(outside_parentheses(words)))
    if not altered:
        return None
    for action in altered["actions"].split(" , "):
        for pattern, what in _NARROWS:
            if pattern.match(action):
                return what
    return None
