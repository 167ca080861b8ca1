"""pack.json: what was observed, the rules, and the verdict that follows; a pack's pages are made from it.

Run as a module, this prints the JSON Schema of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from cutover.smoke.decision import Decision
from cutover.smoke.finding import Finding
from cutover.smoke.report import Report
from outputs.shape import Shape
from outputs.smoke import SmokeTarget


@dataclass(frozen=True, kw_only=True)
class AppChecks(Shape):
    """What the app's own CI says of the commit `build_sha`."""

    build_sha: str
    typescript_errors: int
    build_clean: bool


@dataclass(frozen=True, kw_only=True)
class Rehearsal(Shape):
    """The last rehearsal of a rollout, ended `at` (UTC): the release, and the seconds that its rollback took."""

    at: datetime
    release: str
    rollback_seconds: float


@dataclass(frozen=True, kw_only=True)
class RestoreDrill(Shape):
    """The last restore of the audit database from a backup, ended `at` (UTC): the seconds until the copy answered, the
    entries and the schema's version that it was to have, and what it had otherwise, a line each."""

    at: datetime
    seconds: float
    rows: int
    schema_version: int
    differences: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Supplied(Shape):
    """What the approval record asks and no check can see; None is 'not supplied'. `version_before` is what the stable
    track was deployed with before."""

    version_before: str | None = None
    app_checks: AppChecks | None = None
    rehearsal: Rehearsal | None = None
    drill: RestoreDrill | None = None


@dataclass(frozen=True, kw_only=True)
class Document(Shape):
    """A report without its samples, and what was supplied. `renderer` is the digest of what made the other pages."""

    schema: Literal[2]
    """The revision of this form: one with a field more, less or renamed has another."""
    renderer: str
    target: SmokeTarget
    at: datetime
    findings: Sequence[Finding]
    decision: Decision
    supplied: Supplied

    @classmethod
    def of(cls, report: Report, supplied: Supplied, *, renderer: str) -> Self:
        return cls(
            schema=2,
            renderer=renderer,
            target=report.target,
            at=report.at,
            findings=report.findings,
            decision=report.decision,
            supplied=supplied,
        )

    @property
    def report(self) -> Report:
        """The report, without samples."""
        return Report(target=self.target, at=self.at, findings=self.findings, decision=self.decision)

    @property
    def key(self) -> str:
        """Where the pack lies in the records bucket, and under .local/: by release, and by the verdict's second."""
        return f"packs/{self.target.digest}/{self.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    def text(self) -> str:
        """The canonical text: the same observations give the same bytes."""
        return json.dumps(self.output(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """The document that a text is. Raises ValueError when it is none, or is not in its canonical form."""
        document = cls.from_output(json.loads(text))
        if document.text() != text:
            raise ValueError("it is not in the form in which packs are written: a field more, or another order")
        return document


def json_schema() -> dict[str, Any]:
    """The JSON Schema of pack.json, as docs/pack.schema.json publishes it."""
    made = TypeAdapter(Document).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "pack.json"}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
