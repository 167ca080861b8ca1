"""Keeping what a whole run of the suite found: its pack on this machine, and in the records bucket."""

from __future__ import annotations

from pathlib import Path

from cutover.errors import CutoverError
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.document import AppChecks, Supplied
from cutover.evidence.pack import Pack
from cutover.evidence.places import LOCAL, last_rehearsal, upload, version_before
from cutover.smoke.kept import note_pack
from cutover.smoke.redaction import redacted
from cutover.smoke.report import Report
from outputs.smoke import SmokeTarget


def keep_pack(report: Report, app_checks: AppChecks | None = None, root: Path = LOCAL) -> str:
    """Makes the pack of a report below a folder and uploads it; a line that says where it lies and by which id.

    What goes wrong is in the line too: a pack that cannot be kept changes no verdict.
    """
    line = _kept(report, app_checks, root)
    note_pack(report.target.stack, line)
    return line


def _kept(report: Report, app_checks: AppChecks | None, root: Path) -> str:
    bucket = RecordsBucket.of(report.target.places)
    supplied, why = _supplied(bucket, report.target, app_checks)
    pack = Pack.of(report, supplied)
    try:
        folder = pack.write(root)
    except OSError as error:
        return f"there is none: {error.strerror} ({error.filename}); mend that and run the suite again"
    if not why:
        try:
            upload(bucket, pack)
        except CutoverError as error:
            why = str(error)
    line = f"{folder}  id {pack.id[:12]}"
    return f"{line}; on this machine only: {redacted(why)}" if why else line


def _supplied(bucket: RecordsBucket, target: SmokeTarget, app_checks: AppChecks | None) -> tuple[Supplied, str]:
    """What the bucket has of the approval record's lines; or why it cannot be asked."""
    try:
        before, rehearsal = version_before(bucket, target.digest), last_rehearsal(bucket)
    except CutoverError as error:
        return Supplied(app_checks=app_checks), str(error)
    return Supplied(version_before=before, app_checks=app_checks, rehearsal=rehearsal), ""
