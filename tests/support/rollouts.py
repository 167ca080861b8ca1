"""A rollout's record, as a machine's stack has it in the phase canary."""

from __future__ import annotations

from datetime import UTC, datetime

from cutover.rollout.phases import PHASES, FlagValues
from cutover.rollout.record import Last, Record, Releases, RolledRelease, State, Targets
from outputs.flags import FlagsParameters
from outputs.release import Track
from outputs.smoke import DockerProcesses
from outputs.traffic import DockerTraffic
from tests.support.edge_double import TARGET


def release(track: Track, version: str, stack: str) -> RolledRelease:
    """A release of the rollout, all of whose adapters are real."""
    return RolledRelease(
        track=track,
        image=f"sha256:{version}",
        build_sha=f"build-{version}",
        version=version,
        adapters={"audit": "production", "queue": "production"},
        digest=f"digest-{version}",
        stack=stack,
        schema_version=6,
        processes=DockerProcesses(app=f"web-next-{stack}-{track}", worker=f"web-next-{stack}-worker"),
    )


TARGETS = Targets(
    traffic=DockerTraffic(container="edge", folder="/weights"),
    flags=FlagsParameters(stable="/web-next-local/flags/stable", candidate="/web-next-local/flags/candidate"),
    edge=TARGET.edge,
    places=TARGET.places,
    webhook_secret="arn:aws:secretsmanager:eu-central-1:123456789012:secret:web-next-local/SLACK_WEBHOOK_URL-AbCdEf",
)
RECORD = Record(
    revision=4,
    id="r7",
    stack="local",
    state=State.CANARY,
    since=datetime(2026, 11, 29, 12, tzinfo=UTC),
    releases=Releases(
        stable=release("stable", "1.5.0", "local"), candidate=release("candidate", "1.5.1", "local-canary")
    ),
    phases=PHASES,
    targets=TARGETS,
    stable_flags=FlagValues(),
    last=Last(by="ada", verb="canary"),
)
