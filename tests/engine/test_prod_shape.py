"""prod without an account: what the real CLI previews of it, and what one setting changes there."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from offline.standins.values import UNKNOWN
from tests.support.prod import ROOT, Steps, changes, make_prod, shape, without_credentials
from tests.support.prod_changes import CHANGES, Change
from tests.support.setting_keys import leaves

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


HOLDS = ("web-next:data:", "web-next:security:", "web-next:storage:", "web-next:deploy:", "web-next:network:")
"""The components that hold data, secrets and records, or carry them, by the start of their types."""
OTHER_STACK = {"track", "base", "runtime", "account", "region"}
"""Settings that make another stack of this one: nothing stays as it is."""
APART = ("machine.", "network.", "adapters.", "fargate.hostedZoneId", "fargate.certificateArn")
"""Sections and keys of which not each is changed here, or, as the machine, none."""


UNKNOWN_BEFORE_UP = {
    "Alias": "targetKeyId",
    "BucketObjectv2": "bucket content",
    "CertificateValidation": "certificateArn validationRecordFqdns",
    "Database": "owner",
    "DefaultPrivileges": "database owner role",
    "DefaultSecurityGroup": "vpcId",
    "Grant": "database role",
    "Instance": "finalSnapshotIdentifier kmsKeyId performanceInsightsKmsKeyId vpcSecurityGroupIds",
    "InternetGateway": "vpcId",
    "Listener": "certificateArn defaultActions[0].forward.targetGroups[0].arn "
    "defaultActions[0].forward.targetGroups[1].arn loadBalancerArn",
    "LoadBalancer": "securityGroups subnets",
    "MetricAlarm": "alarmActions dimensions.LoadBalancer dimensions.TargetGroup okActions",
    "NatGateway": "allocationId subnetId",
    "Policy": "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.resourceLabel",
    "Record": "aliases[0].name aliases[0].zoneId name records type",
    "ReplicationGroup": "kmsKeyId securityGroupIds",
    "RolePolicy": "role",
    "Route": "gatewayId natGatewayId routeTableId",
    "RouteTable": "vpcId",
    "RouteTableAssociation": "routeTableId subnetId",
    "Schema": "access.endpoint access.secret_arn",
    "Secret": "kmsKeyId",
    "SecretPolicy": "secretArn",
    "SecretVersion": "secretId",
    "SecurityGroup": "vpcId",
    "SecurityGroupEgressRule": "referencedSecurityGroupId securityGroupId",
    "SecurityGroupIngressRule": "referencedSecurityGroupId securityGroupId",
    "Service": "cluster loadBalancers[0].targetGroupArn networkConfiguration.securityGroups "
    "networkConfiguration.subnets taskDefinition",
    "Subnet": "vpcId",
    "SubnetGroup": "subnetIds",
    "TargetGroup": "vpcId",
    "TaskDefinition": "executionRoleArn taskRoleArn",
    "TopicPolicy": "arn",
    "TopicSubscription": "topic",
    "VpcEndpoint": "routeTableIds securityGroupIds subnetIds vpcId",
    "WebAclAssociation": "resourceArn webAclArn",
    "postgresql": "host port",
}
"""By type, the inputs that only an up can tell. Names, policies, encryption, ports and ranges are not among them, so
that a person and a policy pack judge them before anything is changed; the two exceptions name an ARN inside."""


@pytest.fixture(scope="module")
def shapes(
    tmp_path_factory: pytest.TempPathFactory, installed: Path, attached: str
) -> Iterator[dict[str, Future[Steps]]]:
    """A preview with each change's settings, before and after, by the settings; two run at a time."""
    prod = make_prod(tmp_path_factory.mktemp("prod"), installed, attached)
    with ThreadPoolExecutor(2) as pool:
        wanted = {key(settings): settings for change in CHANGES for settings in (change.base, after(change))}
        yield {name: pool.submit(lambda each: prod.preview(**each), each) for name, each in wanted.items()}
        pool.shutdown(cancel_futures=True)


def after(change: Change) -> dict[str, Any]:
    return {**change.base, **change.settings}


def key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "+".join(change.settings))
def test_a_setting_changes_what_it_is_for_and_nothing_else(shapes: dict[str, Future[Steps]], change: Change) -> None:
    before = shapes[key(change.base)].result()

    assert changes(shape(before), shape(shapes[key(after(change))].result())) == change.lines


def test_every_setting_is_among_those() -> None:
    changed = {name for change in CHANGES for name in change.settings}

    assert {name for name in changed if not name.startswith(APART)} | OTHER_STACK == {
        name for name in leaves() if not name.startswith(APART)
    }
    assert {"network.nat", "adapters.audit"} <= changed, "each of their own kind has a test of its own"


def test_another_runtime_touches_neither_data_nor_secrets(tmp_path: Path, installed: Path) -> None:
    prod = make_prod(tmp_path, installed)
    authority = tmp_path / "tls" / "ca.pem"
    authority.parent.mkdir()
    authority.write_text("")
    image = f"sha256:{'a' * 64}"
    fargate, docker = prod.preview(), prod.preview(runtime="docker", image=image, machine=machine(image))
    before, after = shape(fargate), shape(docker)
    differences = changes(before, after)

    assert held(fargate) == held(docker)
    assert len(held(fargate)) > 100
    assert {line for line in differences if line[0] not in "+-" and not line.startswith("aws aws: ")} == {
        "BucketCorsConfiguration evidence: corsRules[0].allowedOrigins",
        "Role app: assumeRolePolicy",
        "Schema schema: access.emulator",
    }, "the console's port, who takes the role on, and where the vault is asked"
    assert "- Service stable" in differences
    assert "+ Container stable" in differences


def held(steps: Steps) -> set[str]:
    """What a preview declares of the parts that a runtime stands on, but for the way from the load balancer."""
    urns = {step["urn"] for step in steps}
    return {
        urn
        for urn in urns
        if urn.split("::")[2].startswith(HOLDS) and "network-balancer" not in urn and "from-balancer" not in urn
    }


def machine(image: str) -> dict[str, Any]:
    parts = ("edge", "stable", "executor", "candidate", "reader", "prometheus")
    return {
        "clone": "0a1b2c3d",
        "emulator": "http://127.0.0.1:9",
        "network": "web-next",
        "edgePort": 8443,
        "prometheusPort": 9090,
        "tlsFolder": "tls",
        **{f"{part}Address": f"10.213.7.{10 + index}" for index, part in enumerate(parts)},
        **{f"{part}Image": image for part in ("edge", "prometheus", "reader")},
    }


def test_a_third_zone_moves_no_subnet(shapes: dict[str, Future[Steps]]) -> None:
    three = next(change for change in CHANGES if "zones" in change.settings)
    before, now = (shape(shapes[key(settings)].result()) for settings in (three.base, three.settings))
    subnets = [label for label in before if label.startswith("Subnet ")]

    assert len(subnets) == 6
    assert [before[label]["cidrBlock"] for label in subnets] == [now[label]["cidrBlock"] for label in subnets]


def test_what_a_preview_cannot_know_is_only_what_refers_to_other_resources(shapes: dict[str, Future[Steps]]) -> None:
    found: dict[str, set[str]] = {}
    for label, inputs in shape(shapes[key({})].result()).items():
        for path, value in inputs.items():
            if UNKNOWN in json.dumps(value):
                found.setdefault(label.partition(" ")[0], set()).add(path)

    assert found == {kind: set(paths.split()) for kind, paths in UNKNOWN_BEFORE_UP.items()}


def test_prod_as_committed_is_previewed_with_a_word_on_what_is_missing_and_leaves_nothing(installed: Path) -> None:
    before = content()
    done = subprocess.run(
        [sys.executable, "-m", "offline.preview", "prod"],
        cwd=ROOT,
        env=without_credentials()
        | {"PULUMI_HOME": str(installed), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("OFFLINE SHAPE of prod")
    assert (
        "warning: up will refuse this stack's placeholders, put the real values there: "
        "account, domain, executorUrl, image, buildSha, edge.image, fargate.hostedZoneId, alarmTargets, operatorRoles\n"
    ) in done.stdout
    assert "warning: database.access is later: the audit database gets NO roles, rights or schema" in done.stdout
    assert "postgresql:index" not in done.stdout
    assert content() == before


def content() -> dict[Path, bytes]:
    """The repository's files, those that git ignores left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {path: path.read_bytes() for path in map(ROOT.joinpath, listed.stdout.splitlines()) if path.is_file()}


def test_a_preview_of_what_is_up_connects_to_no_database(tmp_path: Path, installed: Path) -> None:
    prod = make_prod(tmp_path, installed)
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = str(database.getsockname()[1])
        # The rights' state is made up and fits nothing: without protection they are replaced, which asks for more.
        settings = {"database.access": "tunnel", "database.tunnelPort": port, "mayDestroy": ["audit"]}
        (tmp_path / "up.json").write_text(state_of(prod.preview(**settings)))
        assert prod.pulumi("stack", "import", "--file", "up.json").returncode == 0

        again = {step["urn"].rpartition("::")[2]: step for step in prod.preview(**settings, auditRetentionMonths="84")}

        assert again["schema"]["op"] == "update"
        assert "audit_owner" not in again, "compared with its state, and the same"
        database.setblocking(False)
        with pytest.raises(BlockingIOError):
            database.accept()


def state_of(steps: Steps) -> str:
    """A state in which all that was previewed is up; what was unknown or secret, and each id, is `known`."""
    outputs: dict[str, dict[str, Any]] = {
        "aws:rds/instance:Instance": {"address": "127.0.0.1", "port": 1, "endpoint": "127.0.0.1:1"},
        "random:index/randomPassword:RandomPassword": {"result": "known"},
    }
    default = "pulumi:providers:pulumi-python"  # the one provider that is never a step of a preview
    resources = [
        {"urn": f"urn:pulumi:prod::web-next::{default}::default", "custom": True, "id": "known", "type": default}
    ]
    for step in steps:
        one = {name: value for name, value in step["newState"].items() if name != "stackTrace"}
        if one["custom"]:
            one |= {"id": "known", "outputs": {**one["inputs"], **outputs.get(one["type"], {}), "arn": "known"}}
        resources.append(one)
    deployment = {"manifest": {"time": "2025-06-01T12:00:00Z", "magic": "", "version": ""}, "resources": resources}
    return json.dumps({"version": 3, "deployment": deployment}).replace(UNKNOWN, "known").replace("[secret]", "known")


def test_all_that_is_wrong_is_refused_at_once_before_anything_is_declared(tmp_path: Path, installed: Path) -> None:
    prod = make_prod(tmp_path, installed)
    shutil.copy(tmp_path / "migrations" / "003_audit_idempotency.sql", tmp_path / "migrations" / "003_again.sql")
    wrong = prod.file(
        evidenceBucket="Bad_Name",
        retentionDays="0",
        database={"class": "db.m9.huge"},
        network={
            "appSubnets": ["10.42.0.0/24", "10.42.0.0/25"],
            "dataSubnets": ["10.42.2.0/24", "10.42.3.0/24"],
            "publicSubnets": ["10.42.4.0/24", "10.42.5.0/24"],
        },
    )
    done = prod.pulumi("up", "--yes", "--skip-preview", "--config-file", wrong)

    assert done.returncode != 0
    _, _, told = done.stdout.rpartition("error: 5 problem(s) in this stack's settings:\n")
    for number, problem in enumerate(
        [
            "003_audit_idempotency.sql has number 003 as 003_again.sql has, 004 comes next",
            "web-next: evidenceBucket is 'Bad_Name'",
            "web-next: network.appSubnets[1] is 10.42.0.0/25: it overlaps network.appSubnets[0], 10.42.0.0/24",
            'web-next:database.class = "db.m9.huge"',
            'web-next:retentionDays = "0"',
        ]
    ):
        assert told.splitlines()[number].strip().startswith(problem)
    state = json.loads(prod.pulumi("stack", "export").stdout)
    assert [one["type"] for one in state["deployment"]["resources"]] == ["pulumi:pulumi:Stack"]
