"""A tick on no machine of anybody's: it finds the rollout in the records bucket, and what the tick before it could not
reach; all that it leaves elsewhere is its line."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from cutover.rollout.journal import BucketJournal
from cutover.rollout.opening import opened, records_in, status_of
from cutover.rollout.record import Targets
from cutover.rollout.status import Status
from cutover.rollout.store import Store

BY = "the schedule"


def tick(stack: str, bucket: str) -> str:
    """Ticks once as the record in `bucket` says, and returns the line of JSON for the log: `ticked` is true, and of a
    rollout its status is there too, and whether it is `held`. Whoever counts such lines knows that somebody watches.

    Raises NotPreparedError without a region in the environment, and what a tick does; then there is no line.
    """
    records = records_in(bucket)
    kept = Store(records).read()
    status = _ticked(stack, kept.record.targets, BucketJournal(records)) if kept else None
    of_rollout = {"held": status.held, **status.output()} if status else {}
    return json.dumps({"ticked": True, "stack": stack, **of_rollout})


def _ticked(stack: str, targets: Targets, journal: BucketJournal) -> Status | None:
    with TemporaryDirectory() as folder:
        control = opened(stack, by=BY, targets=targets, folder=Path(folder), journal=journal)
        ticked = control.tick()
        if ticked.record is None:
            return None
        return status_of(control, ticked.record, ticked.judgement, ticked.left)
