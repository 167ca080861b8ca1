"""Build SHA: what answers, and what runs behind it, is the release that was deployed."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """The commit and the version."""
    answer = probe.ask("GET", "/api/healthz")
    target = probe.target
    for key, expected in (("buildSha", target.build_sha), ("version", target.version)):
        if answer.get(key) != expected:
            raise CheckFailedError(f"healthz {key} is {answer.get(key)!r}, {expected!r} expected")
    return f"build {target.build_sha}, version {target.version}"


CHECK = Check(name="build", criterion=Criterion.BUILD, did="asked /api/healthz for commit and version", look=look)
