"""Build SHA: what answers, and what runs behind it, is the release that was deployed."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.running import Process, processes
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """The commit, the version, and the image in how many processes."""
    target = probe.target
    intended = target.image.rpartition("@")[2]
    running = processes(target, probe.sleep)
    for each in running:
        if wrong := each.not_running(target.image):
            raise CheckFailedError(wrong)
    answer = probe.once("/api/healthz")
    for key, expected in (("buildSha", target.build_sha), ("version", target.version)):
        if answer.get(key) != expected:
            raise CheckFailedError(f"healthz {key} is {answer.get(key)!r}, {expected!r} expected")
    for name, check in (answer.get("checks") or {}).items():
        adapter = check.get("adapter") if isinstance(check, dict) else None
        if adapter and adapter != target.adapters.get(name):
            raise CheckFailedError(f"healthz says that {name} is {adapter}, {target.adapters.get(name)} expected")
    parts = " and ".join(f"{sum(each.part == part for each in running)} {part}" for part in _parts(running))
    return f"build {target.build_sha}, version {target.version}; {intended[:19]} runs in {parts}"


def _parts(running: list[Process]) -> list[str]:
    return list(dict.fromkeys(each.part for each in running))


CHECK = Check(
    name="build",
    criterion=Criterion.BUILD,
    did="asked /api/healthz for commit and version, and what runs for its image",
    look=look,
    beside_the_app=True,
)
