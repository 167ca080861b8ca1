"""Keeping what a whole run of the suite found: its pack on this machine, and in the records bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cutover.errors import CutoverError
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.document import AppChecks, Supplied
from cutover.evidence.pack import Pack
from cutover.evidence.places import LOCAL, last_drill, last_rehearsal, upload, version_before
from cutover.smoke.kept import note_pack
from cutover.smoke.redaction import redacted
from cutover.smoke.report import Report
from outputs.shape import Shape
from outputs.smoke import SmokeTarget


@dataclass(frozen=True, kw_only=True)
class KeptPack(Shape):
    """Where a pack lies on this machine, and its id; `problem` is why it lies nowhere, or is not in the bucket."""

    folder: str | None = None
    id: str | None = None
    problem: str | None = None

    @property
    def line(self) -> str:
        """The same for a terminal, the id as far as it tells packs apart."""
        if self.folder is None or self.id is None:
            return f"there is none: {self.problem}; mend that and run the suite again"
        return f"{self.folder}  id {self.id[:12]}" + (f"; on this machine only: {self.problem}" if self.problem else "")


def keep_pack(report: Report, app_checks: AppChecks | None = None, root: Path = LOCAL) -> KeptPack:
    """Makes the pack of a report below a folder and uploads it. What goes wrong there changes no verdict."""
    kept = _kept(report, app_checks, root)
    note_pack(report.target.stack, kept.line)
    return kept


def _kept(report: Report, app_checks: AppChecks | None, root: Path) -> KeptPack:
    bucket = RecordsBucket.of(report.target.places)
    supplied, problem = _supplied(bucket, report.target, app_checks)
    pack = Pack.of(report, supplied)
    try:
        folder = pack.write(root)
    except OSError as error:
        return KeptPack(problem=f"{error.strerror} ({error.filename})")
    if not problem:
        try:
            upload(bucket, pack)
        except CutoverError as error:
            problem = str(error)
    return KeptPack(folder=str(folder), id=pack.id, problem=redacted(problem) if problem else None)


def _supplied(bucket: RecordsBucket, target: SmokeTarget, app_checks: AppChecks | None) -> tuple[Supplied, str]:
    """What the bucket has of the approval record's lines; or why it cannot be asked."""
    try:
        before, rehearsal, drill = version_before(bucket, target.digest), last_rehearsal(bucket), last_drill(bucket)
    except CutoverError as error:
        return Supplied(app_checks=app_checks), str(error)
    return Supplied(version_before=before, app_checks=app_checks, rehearsal=rehearsal, drill=drill), ""
