"""The guard rails on the real engine: what would take a release from its users fails before anything is touched."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cutover import aws
from cutover.evidence.bucket import RecordsBucket
from cutover.rollout.record import KEY, Record, State
from cutover.traffic.docker import EdgeTraffic
from outputs.guard import Guarded
from outputs.traffic import DockerTraffic
from tests.support.containers import container, docker
from tests.support.engine import ROOT, Emulator, Project
from tests.support.rollouts import RECORD

pytestmark = pytest.mark.engine

PROGRAM = """
import pulumi, pulumi_docker as docker
from infra.guard import RemovalGuard, UpdateGuard, guarding
told = {told}
class Release(pulumi.ComponentResource):
    def __init__(self, name, opts):
        super().__init__("test:Release", name, None, opts)
        for part in ("app", "worker"):
            docker.Container(part, name=f"{name}-{{part}}", image="{image}", command=["sleep", "1000"],
                envs=["VERSION={version}"], destroy_grace_seconds=0, must_run=True,
                opts=pulumi.ResourceOptions(parent=self))
release = Release("{name}", pulumi.ResourceOptions(
    providers=[docker.Provider("docker")], transformations=[guarding(told)]))
after = docker.Volume("after", name="{name}", opts=pulumi.ResourceOptions(
    provider=docker.Provider("other"), depends_on=[release]))
RemovalGuard("traffic", told, pulumi.ResourceOptions(depends_on=[release, after]))
"""
BASE = """
import pulumi, pulumi_docker as docker
from infra.guard import UpdateGuard
guard = UpdateGuard("release", {told})
docker.Volume("data", name="{name}-{version}", opts=pulumi.ResourceOptions(
    provider=docker.Provider("docker"), depends_on=[guard]))
"""


@dataclass
class Stack:
    """A project with a release in it, what routes to it, and where its record is."""

    project: Project
    name: str
    image: str
    guarded: Guarded
    split: EdgeTraffic
    program: str = PROGRAM

    def write(self, version: str = "1", **told: Any) -> None:
        """The program of a version; the release's digest is `digest-<version>`."""
        guarded = replace(self.guarded, release=f"digest-{version}", **told)
        made = {"told": guarded.output(), "image": self.image, "name": self.name, "version": version}
        self.project.write(self.program.format(**made))

    def records(self, *records: Record) -> None:
        """Writes revisions of the record, the newest last."""
        bucket = RecordsBucket(self.guarded.records_bucket, aws.client("s3", self.guarded))
        for number, record in enumerate(records, start=1):
            there = bucket.read(KEY)
            bucket.replace(KEY, replace(record, revision=number).text().encode(), there[1] if there else None)

    def running(self) -> str:
        """The ids of the release's containers."""
        return docker("ps", "--no-trunc", "--quiet", "--filter", f"name=^{self.name}-")

    def refuses(self, *arguments: str, why: str) -> None:
        """Runs Pulumi, which must fail for that reason, and with everything as it was."""
        before = self.running(), self.made()
        done = self.project.run(*arguments, code=None)

        assert done.code, done.text
        assert why in done.text
        assert (self.running(), self.made()) == before

    def made(self) -> dict[str, object]:
        """The ids of what the state has, by URN, without the providers."""
        ids = {str(each["urn"]): each.get("id") for each in self.project.resources()}
        return {urn: identity for urn, identity in ids.items() if ":providers:" not in urn}


UP, PREVIEW, DESTROY = ("up", "--yes", "--skip-preview"), ("preview",), ("destroy", "--yes", "--skip-preview")


@pytest.fixture
def stack(project: Project, emulator: Emulator, image: str, unique: Callable[[str], str]) -> Iterator[Stack]:
    name = unique("web-next-guard")
    project.environment["PYTHONPATH"] = str(ROOT)
    bucket = f"records-{secrets.token_hex(4)}"
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with container(image, command=("sh", "-c", "mkdir /weights && exec sleep 1000")) as edge:
        guarded = Guarded(
            stack="test",
            base="base",
            track="candidate",
            release="",
            account=emulator.account,
            region="eu-central-1",
            emulator=emulator.url,
            records_bucket=bucket,
            traffic=DockerTraffic(container=edge, folder="/weights"),
        )
        split = EdgeTraffic(container=edge, folder="/weights")
        yield Stack(project, name, image, guarded, split)
        split.set(0)
        if project.resources():
            project.run(*DESTROY, "--skip-preview")
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def test_a_candidate_with_traffic_is_neither_replaced_nor_removed_and_without_traffic_both_is_plain(
    stack: Stack,
) -> None:
    has = "the candidate has 50 % of the traffic: take it back first, cutover traffic -s base 0"
    stack.write()
    stack.project.up()
    stack.split.set(50)
    stack.project.run(*UP, "--expect-no-changes")

    stack.write("2")
    stack.refuses(*PREVIEW, why=has)
    stack.refuses(*UP, why=has)
    stack.refuses(*DESTROY, why=has)

    stack.split.set(0)
    before = stack.running()
    stack.project.up()
    assert len(stack.running().split()) == 2
    assert not set(stack.running().split()) & set(before.split()), "both are replaced, by deletion first"
    stack.project.run(*DESTROY)
    assert stack.running() == ""


def test_what_is_named_is_let_through(stack: Stack) -> None:
    stack.write()
    stack.project.up()
    stack.split.set(50)

    stack.write("2", may_replace="digest-1")
    stack.refuses(*UP, why="the candidate has 50 %")
    stack.write("2", may_replace="digest-2")
    stack.project.up()
    stack.project.run(*DESTROY)


def test_a_candidate_that_is_gone_is_made_again_at_any_weight(stack: Stack) -> None:
    stack.write()
    stack.project.up()
    stack.split.set(50)
    docker("rm", "--force", f"{stack.name}-app")

    assert len(stack.running().split()) == 1
    stack.project.repair()
    assert len(stack.running().split()) == 2


def test_while_the_candidate_delivers_what_it_has_accepted_it_stays(stack: Stack) -> None:
    stack.write()
    stack.project.up()
    stack.records(replace(RECORD, state=State.ROLLED_BACK, draining=True))
    stack.refuses(*DESTROY, why="the candidate's worker still delivers what it has accepted")

    stack.records(replace(RECORD, state=State.ROLLED_BACK))
    stack.project.run(*DESTROY)


def test_a_base_keeps_the_release_that_a_rollout_returns_to_and_gets_none_that_is_superseded(stack: Stack) -> None:
    stack.program = BASE
    as_base = {"track": "stable", "base": "test", "traffic": None}
    stack.write("1.5.0", **as_base)
    stack.project.up()
    stack.records(RECORD)

    stack.write("1.5.2", **as_base)
    stack.refuses(*PREVIEW, why="rollout r7 is canary, and returns to 1.5.0, which this would replace")
    stack.refuses(*UP, why="rollout r7 is canary, and returns to 1.5.0, which this would replace")
    stack.records(RECORD, replace(RECORD, state=State.FINISHING), replace(RECORD, state=State.FINISHED))
    stack.write("1.5.1", **as_base)
    stack.project.up()
    stack.write("1.5.0", **as_base)
    stack.refuses(*UP, why="release 1.5.0 (digest-1.5.0) is superseded: rollout r7 was finished after it with 1.5.1")
    stack.write("1.5.0", **as_base, may_replace="digest-1.5.0")
    stack.project.up()
