"""What is looked at before anything is smoked: whether what runs is what was declared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cutover.errors import NoGoError
from outputs.smoke import SmokeTarget


def require_declared(target: Mapping[str, Any]) -> None:
    """Looks whether each process of a target, the content of a deployment record, is the one that was declared.

    A provider takes a service that ECS has put back for a steady one. Raises NoGoError with the reason.
    """
    from cutover.smoke.probe import CheckFailedError  # with an HTTP client, for which no rollback has the time
    from cutover.smoke.running import processes

    release = SmokeTarget.from_output(target)
    try:
        found = [wrong for each in processes(release, time.sleep) if (wrong := each.not_running(release.image))]
    except CheckFailedError as error:
        found = [str(error)]
    if found:
        raise NoGoError("NO-GO" + "".join(f"\n  {wrong}" for wrong in found))
