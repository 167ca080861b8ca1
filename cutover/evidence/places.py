"""Where packs lie: a folder of this machine, and the records bucket."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cutover.errors import CutoverError, PackError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.evidence.document import Rehearsal, RestoreDrill
from cutover.evidence.manifest import MANIFEST
from cutover.evidence.pack import Pack
from cutover.evidence.verification import verified
from outputs.release import ReleaseSummary
from outputs.shape import Shape
from outputs.smoke import SmokeTarget

T = TypeVar("T", bound=Shape)

LOCAL = Path(".local")
"""Packs lie below it under the keys that they have in the bucket."""
AHEAD = timedelta(minutes=5)
"""What the clock of another machine may be ahead of this one's."""
REHEARSAL, DRILL, STABLE = "rehearsals/latest.json", "drills/restore.json", "deployments/stable.json"


def in_folder(folder: Path) -> dict[str, bytes]:
    """The files in a folder by name, those of folders in it too. Raises CutoverError when there is no such folder."""
    if not folder.is_dir():
        raise CutoverError(f"there is no folder {folder}: name a pack's folder, or its key in the bucket with -s STACK")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def in_bucket(bucket: RecordsBucket, key: str) -> dict[str, bytes]:
    """The files of a pack in the bucket by name. Raises CutoverError when there is none, and what the bucket does."""
    prefix = f"{key.strip('/')}/"
    found = {name.removeprefix(prefix): bucket.get(name) for name in bucket.keys(prefix)}
    if not found:
        raise CutoverError(
            f"{bucket.at(prefix)}: there is no pack; aws s3 ls {bucket.at('packs/')} --recursive lists all"
        )
    return {name: content for name, content in found.items() if content is not None}


def upload(bucket: RecordsBucket, pack: Pack) -> None:
    """Writes a pack that is not in the bucket yet. Raises what the bucket does."""
    bucket.put_files(pack.document.key, pack.files)


def require_own_place(bucket: RecordsBucket, key: str, pack: Pack) -> None:
    """Raises PackError where a pack that was read from a key of the bucket is of another one."""
    if pack.document.key != key:
        raise PackError(f"{bucket.at(key)} is the pack {pack.document.key}: it was moved; take that one")


def newest(bucket: RecordsBucket, target: SmokeTarget, fresh: timedelta, now: datetime) -> Pack | None:
    """The newest pack of a target's release on its stack, if it is fresh. None without, and where it is a NO-GO: an
    older GO says nothing of what has failed since.

    Raises what the bucket does, and PackError when that pack does not verify, was moved, or is still to be made.
    """
    folders = {name.rpartition("/")[0] for name in bucket.keys(f"packs/{target.digest}/") if name.endswith(MANIFEST)}
    for key in sorted(folders, reverse=True):
        pack = verified(in_bucket(bucket, key)).pack
        require_own_place(bucket, key, pack)
        if pack.document.at > now + AHEAD:
            raise PackError(
                f"{bucket.at(key)} was made at {pack.document.at:%Y-%m-%d %H:%M} UTC, which is still to come: look at "
                "this machine's clock, and at who made it"
            )
        if pack.document.at < now - fresh:
            return None
        if pack.document.target.stack == target.stack:
            return None if pack.document.report.no_go else pack
    return None


def require_kept(bucket: RecordsBucket, pack: Pack) -> None:
    """Has the pack in the bucket: one that is not there yet is written. Raises PackError when another lies there, and
    what `upload` does."""
    there = bucket.get(f"{pack.document.key}/{MANIFEST}")
    if there is None:
        upload(bucket, pack)
    elif there != pack.files[MANIFEST]:
        raise PackError(
            f"{bucket.at(pack.document.key)} holds another pack than this one: verify that one with -s STACK"
        )


def last_rehearsal(bucket: RecordsBucket) -> Rehearsal | None:
    """The last rehearsal that a rollout left; None where none can be read. Raises what the bucket does."""
    return _read(bucket, REHEARSAL, Rehearsal)


def note_rehearsal(bucket: RecordsBucket, rehearsal: Rehearsal) -> None:
    """Has the bucket name this as the last rehearsal. Raises what the bucket does, ExistsError when somebody else's
    was noted at the same time."""
    _note(bucket, REHEARSAL, rehearsal)


def last_drill(bucket: RecordsBucket) -> RestoreDrill | None:
    """The last restore drill; None where none can be read. Raises what the bucket does."""
    return _read(bucket, DRILL, RestoreDrill)


def note_drill(bucket: RecordsBucket, drill: RestoreDrill) -> None:
    """Has the bucket name this as the last restore drill. Raises what `note_rehearsal` does."""
    _note(bucket, DRILL, drill)


def version_before(bucket: RecordsBucket, release: str) -> str | None:
    """The version of the stable track's recorded release, if it is another one. Raises what the bucket does."""
    stable = _read(bucket, STABLE, ReleaseSummary)
    return stable.version if stable and stable.digest != release else None


def _read(bucket: RecordsBucket, key: str, shape: type[T]) -> T | None:
    content = bucket.get(key)
    try:
        return shape.from_output(json.loads(content)) if content else None
    except ValueError:
        return None


def _note(bucket: RecordsBucket, key: str, what: Shape) -> None:
    there = bucket.read(key)
    content = json.dumps(what.output(), indent=2, sort_keys=True) + "\n"
    try:
        bucket.replace(key, content.encode(), there[1] if there else None)
    except ExistsError:
        if bucket.get(key) != content.encode():  # else it was stored, and its answer lost
            raise
