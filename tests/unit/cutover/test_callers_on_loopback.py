"""What cutover asks AWS for, held against an account that keeps what it is told: the listener is beside this."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from cutover.dns.name import ConsoleName, alias, leads_to
from cutover.dns.zone import Zone
from cutover.errors import CutoverError, ImageError, RefusedError, StackMissingError, UnreachableError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.images.registry import Kept, Registry
from cutover.prerequisites import account as prerequisites
from cutover.prerequisites import made
from cutover.prerequisites.balancer import Balancer
from cutover.prerequisites.facts import Facts, MissingError
from cutover.rollout.flags import Flags
from cutover.rollout.phases import FlagValues
from cutover.schema.secrets import secret_value
from cutover.schema.tunnel import instance_of
from cutover.smoke.checks import monitoring
from cutover.smoke.probe import CheckFailedError
from cutover.smoke.running import on_fargate
from outputs.log_figures import LogFigure
from outputs.smoke import FargateProcesses
from tests.support.edge_double import TARGET
from tests.support.loopback_aws import ACCOUNT, REGION, LoopbackAws, loopback_aws

CONFIG = {"web-next:account": ACCOUNT, "web-next:region": REGION, "web-next:runtime": "fargate"}
MAIL = "on-call@web-next.test"


def facts(**settings: Any) -> Facts:
    """Facts of a stack whose file has these settings; the rest is asked of AWS."""
    told = Facts("prod")
    told.__dict__["settings"] = {"account": ACCOUNT, "region": REGION, "domain": "console.web-next.test", **settings}
    told.__dict__["file"] = {"config": CONFIG, "secretsprovider": f"awskms://alias/state?region={REGION}"}
    return told


@pytest.fixture(scope="module")
def aws() -> Iterator[LoopbackAws]:
    with loopback_aws() as made:
        yield made


def manifest(config: str) -> str:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 7, "digest": config},
            "layers": [],
        }
    )


def test_a_registry_is_found_once_it_is_there_and_an_image_by_tag_and_by_digest(aws: LoopbackAws) -> None:
    registry = Registry.of("prod", CONFIG)
    with pytest.raises(MissingError, match="web-next-prod-edge and web-next-prod-watch are not all there"):
        made.repositories(facts(image="later", edge={"image": "later"}))
    with pytest.raises(ImageError, match=f"there is no repository web-next-prod in account {ACCOUNT}"):
        registry.find("web-next-prod", imageTag="1")
    ecr = aws.client("ecr")
    names = [f"web-next-prod{part}" for part in ("", "-edge", "-watch")]
    for name in names:
        ecr.create_repository(repositoryName=name)

    assert made.repositories(facts()) == ", ".join(names)
    assert registry.find("web-next-prod", imageTag="1") is None
    with pytest.raises(MissingError, match=r"web-next-prod has no image sha256:a{64}"):
        made.images(facts(image=f"{registry.host}/web-next-prod@sha256:{'a' * 64}"))

    config = "sha256:" + "c" * 64
    pushed = {
        name: ecr.put_image(repositoryName=name, imageManifest=manifest(config), imageTag="1")["image"]["imageId"]
        for name in names
    }
    digest = pushed["web-next-prod"]["imageDigest"]
    found = registry.find("web-next-prod", imageTag="1")
    assert found == registry.find("web-next-prod", imageDigest=digest) == Kept(digest=digest, config=config)
    assert found is not None
    assert found.is_of(config)
    every = facts(
        image=f"{registry.host}/web-next-prod@{digest}",
        edge={"image": f"{registry.host}/web-next-prod-edge@{pushed['web-next-prod-edge']['imageDigest']}"},
        rollout={"watchImage": f"{registry.host}/web-next-prod-watch@{pushed['web-next-prod-watch']['imageDigest']}"},
    )
    assert made.images(every) == "all are there, by digest"


def test_docker_logs_in_with_what_the_registry_grants(aws: LoopbackAws) -> None:
    granted = Registry.of("prod", CONFIG).login()
    assert granted.keys() == {"username", "password"}
    assert granted["username"] == "AWS"

    with pytest.raises(ImageError, match="the stack's file names 999"):
        Registry.of("prod", {**CONFIG, "web-next:account": "999999999999"}).login()


def test_the_state_is_versioned_and_its_key_in_use(aws: LoopbackAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://web-next-state?region={REGION}")
    bucket = aws.client("s3")
    bucket.create_bucket(Bucket="web-next-state", CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(MissingError, match="versioning of web-next-state is never switched on"):
        prerequisites.state_bucket(facts())
    bucket.put_bucket_versioning(Bucket="web-next-state", VersioningConfiguration={"Status": "Enabled"})
    assert prerequisites.state_bucket(facts()) == "web-next-state, versioned"

    keys = aws.client("kms")
    key = keys.create_key()["KeyMetadata"]
    keys.create_alias(AliasName="alias/state", TargetKeyId=key["KeyId"])
    told = facts()
    assert prerequisites.secrets_key(told) == key["Arn"]
    keys.disable_key(KeyId=key["KeyId"])
    with pytest.raises(MissingError, match="key alias/state is Disabled"):
        prerequisites.secrets_key(told)


def test_operators_are_roles_that_exist_and_the_caller_is_one(aws: LoopbackAws) -> None:
    roles = aws.client("iam")
    deployer, on_call = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("deployer", "on-call"))
    roles.create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
    told = facts(operatorRoles=[deployer, on_call])
    told.__dict__["caller"] = {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ada"}
    with pytest.raises(MissingError, match=f"role {on_call} does not exist"):
        prerequisites.operators(told)
    roles.create_role(RoleName="on-call", AssumeRolePolicyDocument="{}", Path="/team/")
    with pytest.raises(MissingError, match="the role is arn:aws:iam::123456789012:role/team/on-call"):
        prerequisites.operators(told)
    roles.delete_role(RoleName="on-call")
    roles.create_role(RoleName="on-call", AssumeRolePolicyDocument="{}")

    assert prerequisites.operators(told) == "2 roles, deployer among them"
    assert facts().caller["Account"] == ACCOUNT


def test_the_consoles_name_has_a_zone_or_a_certificate(aws: LoopbackAws) -> None:
    zones = aws.client("route53")
    own, other = (
        zones.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
        for name in ("web-next.test", "elsewhere.test")
    )
    assert prerequisites.console_name(facts(fargate={"hostedZoneId": own})) == (
        "a certificate can be issued in web-next.test"
    )
    with pytest.raises(MissingError, match="is the public zone elsewhere"):
        prerequisites.console_name(facts(fargate={"hostedZoneId": other}))

    issued = aws.client("acm").request_certificate(DomainName="*.web-next.test", ValidationMethod="DNS")
    given = facts(fargate={"certificateArn": issued["CertificateArn"]})
    with pytest.raises(MissingError, match="the certificate is PENDING_VALIDATION"):
        prerequisites.console_name(given)


def test_whoever_is_on_call_is_subscribed(aws: LoopbackAws) -> None:
    topics = aws.client("sns")
    arn = topics.create_topic(Name="web-next-prod-alarms")["TopicArn"]
    with pytest.raises(MissingError, match=f"not confirmed: {MAIL}"):
        made.on_call(facts(alarmTargets=[MAIL]))
    topics.subscribe(TopicArn=arn, Protocol="email", Endpoint=MAIL)

    assert made.on_call(facts(alarmTargets=[MAIL])) == "1 confirmed"


def test_the_channel_has_a_value_once_it_is_put_and_a_secret_is_read(aws: LoopbackAws) -> None:
    vault = aws.client("secretsmanager")
    vault.create_secret(Name="web-next-prod/SLACK_WEBHOOK_URL")
    with pytest.raises(MissingError, match="SLACK_WEBHOOK_URL has no value"):
        made.channel(facts())
    vault.put_secret_value(SecretId="web-next-prod/SLACK_WEBHOOK_URL", SecretString="https://hooks.test/x")
    assert made.channel(facts()) == "web-next-prod/SLACK_WEBHOOK_URL has a value"

    arn = vault.create_secret(Name="url", SecretString="postgresql://x")["ARN"]
    assert secret_value(arn, region=REGION, emulator=None) == "postgresql://x"
    with pytest.raises(CutoverError, match="ResourceNotFoundException"):
        secret_value(f"{arn}-none", region=REGION, emulator=None)


def test_flags_are_written_beside_what_else_the_parameter_has(aws: LoopbackAws) -> None:
    store = aws.client("ssm")
    flags = Flags(store)
    with pytest.raises(UnreachableError, match="ParameterNotFound"):
        flags.read("/web-next/flags")
    store.put_parameter(Name="/web-next/flags", Value='{"ANOTHER": 1}', Type="String")
    wanted = FlagValues.of_parameter({})

    assert flags.write("/web-next/flags", wanted) is True
    assert flags.write("/web-next/flags", wanted) is False
    assert flags.read("/web-next/flags") == wanted
    assert json.loads(store.get_parameter(Name="/web-next/flags")["Parameter"]["Value"])["ANOTHER"] == 1


def test_a_record_is_written_once_and_replaced_only_as_it_was_read(aws: LoopbackAws) -> None:
    client = aws.client("s3")
    client.create_bucket(Bucket="records", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket="records", VersioningConfiguration={"Status": "Enabled"})
    records = RecordsBucket("records", client)
    assert records.get("rollout.json") is None

    records.put_new("rollout.json", b"1")
    with pytest.raises(ExistsError):
        records.put_new("rollout.json", b"2")
    content, etag = cast(tuple[bytes, str], records.read("rollout.json"))
    newer = records.replace("rollout.json", b"2", etag)
    for stale in (etag, None):
        with pytest.raises(ExistsError):
            records.replace("rollout.json", b"3", stale)
    records.replace("rollout.json", b"4", newer)

    assert content == b"1"
    assert sorted(kept for _, kept in records.versions("rollout.json")) == [b"1", b"2", b"4"]
    assert records.keys("roll") == ["rollout.json"]


def test_the_bastion_is_its_groups_instance(aws: LoopbackAws) -> None:
    machines, groups = aws.client("ec2"), aws.client("autoscaling")
    image = machines.describe_images()["Images"][0]["ImageId"]
    groups.create_launch_configuration(LaunchConfigurationName="bastion", ImageId=image, InstanceType="t4g.nano")
    groups.create_auto_scaling_group(
        AutoScalingGroupName="web-next-prod-bastion",
        LaunchConfigurationName="bastion",
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=[f"{REGION}a"],
    )

    (group,) = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert instance_of("web-next-prod-bastion", groups) == group["Instances"][0]["InstanceId"]


def test_the_consoles_name_goes_to_the_balancer_and_back(aws: LoopbackAws) -> None:
    balancer = web_next(aws)
    told = facts()
    told.__dict__["outputs"] = {"traffic": {"listener": f"{balancer['arn'].replace(':loadbalancer/', ':listener/')}/1"}}
    found = Balancer.of(told)
    assert found == Balancer(address=balancer["address"], zone=balancer["zone"])

    zones = aws.client("route53")
    zone = zones.create_hosted_zone(Name="example.test", CallerReference="moved")["HostedZone"]["Id"]
    old = {"Name": "console.example.test.", "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": "old.test"}]}
    beside = {"Name": "console2.example.test.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.7"}]}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": each} for each in (old, beside)]
    zones.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    aws.client("s3").create_bucket(Bucket="moved", CreateBucketConfiguration={"LocationConstraint": REGION})
    name = ConsoleName(
        stack="prod",
        zone=Zone(zone, "console.example.test", zones),
        bucket=RecordsBucket("moved", aws.client("s3")),
        proven=True,
        balancer=lambda: found,
    )
    assert name.now() == [old]

    change = name.move(ours := name.ours())
    assert change is not None
    assert name.zone.settle(change)
    assert leads_to(name.now(), [ours])
    assert name.move(ours) is None
    replaced = alias("console.example.test", replace(found, address="another.elb.amazonaws.com"))
    assert name.move(replaced)
    assert leads_to(name.now(), [replaced])
    assert name.back(name.kept())
    assert name.now() == [old]
    with pytest.raises(RefusedError, match="Route 53 refuses the change"):
        name.zone.replace([ours], [old])
    aws.client("elbv2").delete_load_balancer(LoadBalancerArn=balancer["arn"])
    with pytest.raises(StackMissingError, match="has no balancer"):
        Balancer.of(told)


def web_next(aws: LoopbackAws) -> dict[str, str]:
    """A balancer's ARN, name and zone."""
    network = aws.client("ec2")
    vpc = network.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        network.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    ]
    (made,) = aws.client("elbv2").create_load_balancer(
        Name="web-next-prod", Subnets=[each["Subnet"]["SubnetId"] for each in subnets]
    )["LoadBalancers"]
    return {"arn": made["LoadBalancerArn"], "address": made["DNSName"], "zone": made["CanonicalHostedZoneId"]}


def test_the_newest_sample_of_each_metric_is_found(aws: LoopbackAws) -> None:
    watch = aws.client("cloudwatch")
    names = [figure.of("stable") for figure in LogFigure]
    at = datetime.now(UTC) - timedelta(minutes=5)
    watch.put_metric_data(Namespace="web-next/test", MetricData=[{"MetricName": names[0], "Value": 1, "Timestamp": at}])
    target = replace(TARGET, places=replace(TARGET.places, emulator=None))

    ages = monitoring.on_aws(target, "web-next/test")

    assert set(ages) == set(names)
    assert {name for name, age in ages.items() if age is not None} == {names[0]}
    assert 240 < (ages[names[0]] or 0) < 420


def test_a_service_that_is_not_there_or_not_settled_is_told(aws: LoopbackAws) -> None:
    """As far as moto goes: it starts no task for a service, so that no deployment of it ends."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="web-next-prod")
    running = FargateProcesses(
        cluster="web-next-prod", app="stable", worker="worker", app_definition="a", worker_definition="w"
    )
    with pytest.raises(CheckFailedError, match="there is no service stable, the app"):
        on_fargate(running, ecs)
    container = {"name": "app", "image": f"x@sha256:{'a' * 64}", "memory": 100}
    ecs.register_task_definition(family="app", containerDefinitions=[container])
    ecs.create_service(cluster="web-next-prod", serviceName="stable", taskDefinition="app", desiredCount=2)

    with pytest.raises(CheckFailedError, match=r"service stable has a deployment under way \(PRIMARY IN_PROGRESS\)"):
        on_fargate(running, ecs)
