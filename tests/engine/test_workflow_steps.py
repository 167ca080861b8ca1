"""The steps of the workflows that are about AWS, by the real commands and with what a step has in its environment, and
no more: AWS is moto, a runner's home is a folder, and Pulumi has stand-ins where it would fetch its providers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cutover.rollout.record import KEY, Record, State
from cutover.traffic.fargate import ListenerTraffic
from cutover.traffic.split import Mark
from infra.naming import Names
from outputs.smoke import CLOUDWATCH, FargateProcesses
from outputs.traffic import FargateTraffic
from tests.support import fence
from tests.support.answering import Sink, sink
from tests.support.edge_double import TARGET
from tests.support.loopback_aws import ACCOUNT, REGION, LoopbackAws, loopback_aws
from tests.support.rollouts import RECORD
from tests.support.workflows import ROOT, STEPS, Step

CLONED = (
    *(
        "Makefile",
        "Pulumi.yaml",
        "Pulumi.prod.yaml",
        "Pulumi.canary.yaml",
        "__main__.py",
        "infra",
        "cutover",
        "outputs",
    ),
    *("policy", "templates", "migrations", "requirements.txt"),
)
PULUMI, CREDENTIALS = "pulumi/actions", "aws-actions/configure-aws-credentials"
GIVEN = {
    "vars.PULUMI_BACKEND_URL": f"s3://states?region={REGION}&s3ForcePathStyle=true",
    "matrix.stack": "prod",
    "inputs.stack": "prod",
    "inputs.verb": "staged",
    "inputs.why": "it's slow",
    "github.actor": "ada",
}
NAMES = Names(stack="prod", account=ACCOUNT, region=REGION)


def step(workflow: str, command: str) -> Step:
    return next(one for one in STEPS if (one.workflow, one.run) == (workflow, command))


@dataclass(frozen=True)
class Runner:
    """A runner of GitHub's, whose clone is in `folder`; what it takes for AWS is `aws`."""

    folder: Path
    aws: LoopbackAws

    def run(self, step: Step, given: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a step as GitHub does after the actions before it."""
        path = [*([str(self.folder / "bin")] if PULUMI in step.before else []), "/usr/bin", "/bin"]
        return self.type(step.run or "", path, step.environment({**GIVEN, **(given or {})}), CREDENTIALS in step.before)

    def type(
        self, command: str, path: list[str], environment: Mapping[str, str], credentials: bool
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the clone."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        session = {**dict.fromkeys(names, "a"), "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        return subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=self.folder / "clone",
            env={
                **fence.ENVIRONMENT,
                "AWS_ENDPOINT_URL": self.aws.url,
                "PATH": ":".join(path),
                "HOME": str(self.folder),
                **(session if credentials else {}),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def aws() -> Iterator[LoopbackAws]:
    with loopback_aws() as made:
        yield made


@pytest.fixture(scope="module")
def traffic(aws: LoopbackAws) -> FargateTraffic:
    """Where the split is set: a listener as an up makes it."""
    network, balancing = aws.client("ec2"), aws.client("elbv2")
    vpc = network.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        network.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    ]
    (balancer,) = balancing.create_load_balancer(
        Name="web-next-prod", Subnets=[each["Subnet"]["SubnetId"] for each in subnets]
    )["LoadBalancers"]
    groups = [
        balancing.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip")[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for name in ("stable", "candidate")
    ]
    weights = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(groups, (100, 0), strict=True)]
    (listener,) = balancing.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=443,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
    )["Listeners"]
    return FargateTraffic(region=REGION, listener=listener["ListenerArn"], stable=groups[0], candidate=groups[1])


@pytest.fixture(scope="module")
def channel() -> Iterator[Sink]:
    with sink() as made:
        yield made


@pytest.fixture(scope="module")
def record(aws: LoopbackAws, traffic: FargateTraffic, channel: Sink) -> Record:
    """A rollout in canary, as the records bucket has it; its edge is at a port where nobody listens."""
    places = replace(
        TARGET.places,
        environment="prod",
        account=ACCOUNT,
        region=REGION,
        emulator=None,
        records_bucket="records",
        metrics_url=f"{CLOUDWATCH}web-next/prod",
    )
    edge = replace(TARGET.edge, url="https://console.example.com:9", address="127.0.0.1")
    secret = aws.client("secretsmanager").create_secret(
        Name="web-next-prod/SLACK_WEBHOOK_URL", SecretString=channel.url
    )["ARN"]
    targets = replace(
        RECORD.targets, traffic=traffic, flags=NAMES.flags_parameters, places=places, edge=edge, webhook_secret=secret
    )
    services = FargateProcesses(
        cluster="web-next-prod", app="stable", worker="stable-worker", app_definition="a:1", worker_definition="w:1"
    )
    made = replace(
        RECORD,
        stack="prod",
        state=State.CANARY,
        targets=targets,
        releases=replace(
            RECORD.releases,
            stable=replace(RECORD.releases.stable, processes=services),
            candidate=replace(RECORD.releases.candidate, processes=services),
        ),
    )
    for bucket in ("states", "records"):
        aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.client("s3").put_object(Bucket="records", Key=KEY, Body=made.text().encode())
    for name in (targets.flags.stable, targets.flags.candidate):
        aws.client("ssm").put_parameter(Name=name, Value="{}", Type="String")
    ListenerTraffic.of(traffic).set(made.weight, Mark(rollout=made.id, revision=made.revision))
    return made


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, installed: Path, aws: LoopbackAws, record: Record) -> Runner:
    """A runner with the project as it was committed after the first day: the stack is there, and has put out what an
    up puts out."""
    folder = tmp_path_factory.mktemp("runner")
    clone = folder / "clone"
    clone.mkdir()
    for name in CLONED:
        if (ROOT / name).is_dir():
            (clone / name).symlink_to(ROOT / name)
        else:
            shutil.copy(ROOT / name, clone)
    (clone / ".venv").mkdir()
    for part in (*(ROOT / ".venv").iterdir(), ROOT / "requirements.txt"):
        (clone / ".venv" / part.name).symlink_to(part)
    shutil.copytree(installed, folder / ".pulumi", symlinks=True)
    # Pulumi takes its home from the machine's list of people, and not from HOME, which are the same on a runner.
    (folder / "bin").mkdir()
    real = Path(shutil.which("pulumi") or "")
    for program in real.parent.iterdir():
        (folder / "bin" / program.name).symlink_to(program)
    (folder / "bin" / "pulumi").unlink()
    (folder / "bin" / "pulumi").write_text(
        f'#!/bin/sh\nPULUMI_HOME="${{PULUMI_HOME:-$HOME/.pulumi}}" exec {real} "$@"\n'
    )
    (folder / "bin" / "pulumi").chmod(0o755)
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    aws.client("kms").create_alias(AliasName="alias/web-next-state", TargetKeyId=key)
    target = replace(
        TARGET,
        stack="prod",
        edge=record.targets.edge,
        places=record.targets.places,
        processes=record.releases.stable.processes,
    )
    outputs = {
        "smoke_target": target.output(),
        "traffic": record.targets.traffic.output(),
        "flags_parameters": record.targets.flags.output(),
        "vault": {"SLACK_WEBHOOK_URL": record.targets.webhook_secret},
    }
    urn = "urn:pulumi:prod::web-next::pulumi:pulumi:Stack::web-next-prod"
    root = {"urn": urn, "custom": False, "type": "pulumi:pulumi:Stack", "outputs": outputs}
    (folder / "state.json").write_text(json.dumps({"version": 3, "deployment": {"resources": [root]}}))
    made = Runner(folder, aws)
    person = {"PULUMI_BACKEND_URL": GIVEN["vars.PULUMI_BACKEND_URL"]}
    for command in (
        f"pulumi stack init prod --secrets-provider 'awskms://alias/web-next-state?region={REGION}'",
        f"pulumi stack import -s prod --file {shlex.quote(str(folder / 'state.json'))}",
    ):
        done = made.type(command, [str(folder / "bin"), os.environ["PATH"]], person, True)
        assert done.returncode == 0, done.stderr
    return made


def ended(done: subprocess.CompletedProcess[str]) -> str:
    """How a step's command ended, in its own line."""
    return done.stderr.partition("\nmake: ")[0].strip()


def test_a_review_compares_with_the_state_and_its_digest_is_taken_by_the_deployment(runner: Runner) -> None:
    done = runner.run(step("review", "make review"))
    assert (done.returncode, ended(done)) == (0, "")
    assert "OFFLINE SHAPE" not in done.stdout
    digest = json.loads((runner.folder / "clone/.local/review/prod.json").read_text())["digest"]

    done = runner.run(step("deploy", "make deploy"), {"inputs.reviewed": digest})
    assert 'this stack\'s settings: web-next:access.clients = ["203.0.113.0/24"]: a placeholder' in ended(done), (
        "nothing but the values of the committed file is in the way of the update"
    )


def test_drift_is_looked_for_and_the_policy_judges(runner: Runner) -> None:
    done = runner.run(step("drift", "make drift"))
    assert (done.returncode, ended(done)) == (0, "")
    assert done.stdout.endswith("62 of 62 rules hold, of 1 resources\n")


def test_a_phase_is_judged_by_its_gates(runner: Runner) -> None:
    done = runner.run(step("rollout", "make rollout"))
    assert ended(done).startswith("cutover: the gates of canary have not passed: errors: CloudWatch has nothing of ")


def test_the_button_gives_stable_all_of_the_traffic(runner: Runner, traffic: FargateTraffic) -> None:
    done = runner.run(step("rollback", "make rollback"))
    assert "rolled_back: 1.5.1 has 0 % of prod" in done.stdout, done.stderr
    assert ended(done) == ""
    assert ListenerTraffic.of(traffic).get().weight == 0


def test_what_aws_and_pulumi_are_needed_for_is_run_here() -> None:
    asked = {(one.workflow, one.run) for one in STEPS if one.run and PULUMI in one.before}
    assert asked == {
        ("review", "make review"),
        ("review", "make comment"),
        ("drift", "make drift"),
        ("deploy", "make deploy"),
        ("rollout", "make rollout"),
        ("rollback", "make rollback"),
    }
