"""What a killed `up` leaves is taken over; what belongs to others, or is elsewhere, is left alone."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outputs.emulator import secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

NAMED = """
key = aws.kms.Key("key", deletion_window_in_days=7, opts=opts)
aws.kms.Alias("alias", name="alias/NAME", target_key_id=key.key_id, opts=opts)
aws.s3.Bucket("bucket", bucket="NAME", opts=opts)
secret = aws.secretsmanager.Secret("secret", name="NAME", recovery_window_in_days=0, opts=opts)
aws.iam.Role("role", name="NAME", assume_role_policy="{}", opts=opts)
aws.ssm.Parameter("parameter", name="NAME", type="String", value="VALUE", opts=opts)
aws.cloudwatch.LogGroup("log", name="NAME", opts=opts)
aws.rds.ParameterGroup("parameters", name="NAME", family="postgres17", opts=opts)
aws.elasticache.ParameterGroup("parameters", name="NAME", family="redis7", opts=opts)
role = aws.iam.Role("machine", name="NAME-machine", assume_role_policy="{}", opts=opts)
aws.iam.InstanceProfile("profile", name="NAME", role=role.name, opts=opts)
aws.iam.RolePolicyAttachment("tunnel", role=role.name, opts=opts,
    policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
aws.secretsmanager.SecretPolicy("policy", secret_arn=secret.arn, policy="{}", opts=opts)
topic = aws.sns.Topic("topic", name="NAME", opts=opts)
aws.sns.TopicPolicy("policy", arn=topic.arn, policy="{}", opts=opts)
aws.sns.TopicSubscription("mail", topic=topic.arn, protocol="email", endpoint="on-call@example.org", opts=opts)
vpc = aws.ec2.Vpc("vpc", cidr_block="10.9.0.0/16", opts=opts)
subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.9.0.0/24", opts=opts)
group = aws.ec2.SecurityGroup("group", name="NAME", vpc_id=vpc.id, opts=opts)
aws.vpc.SecurityGroupEgressRule("out", security_group_id=group.id, ip_protocol="-1", cidr_ipv4="0.0.0.0/0", opts=opts)
gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, opts=opts)
address = aws.ec2.Eip("address", domain="vpc", opts=opts)
aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=subnet.id, opts=opts)
table = aws.ec2.RouteTable("table", vpc_id=vpc.id, opts=opts)
aws.ec2.Route("route", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=opts)
aws.ec2.RouteTableAssociation("routes", subnet_id=subnet.id, route_table_id=table.id, opts=opts)
aws.ec2.VpcEndpoint("s3", vpc_id=vpc.id, service_name="com.amazonaws.eu-central-1.s3", opts=opts)
"""


def unnamed(emulator: Emulator) -> list[object]:
    """Everything in the account that has no name of its own."""
    ec2, sns = emulator.client("ec2"), emulator.client("sns")
    return [
        ec2.describe_vpcs()["Vpcs"],
        ec2.describe_subnets()["Subnets"],
        ec2.describe_security_group_rules()["SecurityGroupRules"],
        ec2.describe_internet_gateways()["InternetGateways"],
        ec2.describe_addresses()["Addresses"],
        ec2.describe_nat_gateways()["NatGateways"],
        ec2.describe_route_tables()["RouteTables"],
        ec2.describe_vpc_endpoints()["VpcEndpoints"],
        sns.list_subscriptions()["Subscriptions"],
    ]


def forget(project: Project, *, keep: tuple[str, ...]) -> None:
    """Takes all but these resources out of the state, as if their creation had never been written down."""
    exported = json.loads(project.run("stack", "export").text)
    resources = exported["deployment"]["resources"]
    exported["deployment"]["resources"] = [kept for kept in resources if kept["type"].startswith(keep)]
    path = project.folder / "state.json"
    path.write_text(json.dumps(exported))
    project.run("stack", "import", "--file", str(path))


def test_objects_that_carry_this_programs_urns_are_taken_over(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    program = NAMED.replace("NAME", unique("named"))
    project.write(emulator.provider, program.replace("VALUE", "before"))
    project.up()
    before = unnamed(emulator)
    forget(project, keep=("pulumi:", "aws:kms/key"))
    project.write(emulator.provider, program.replace("VALUE", "after"))
    project.up()
    project.unchanged()
    assert unnamed(emulator) == before, "what has no name is found by its mark or by what it belongs to"
    project.destroy()


def test_an_object_of_someone_else_is_a_conflict(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name = unique("taken")
    s3, vault = emulator.client("s3"), emulator.client("secretsmanager")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    vault.create_secret(Name=name, SecretString="theirs", Tags=[{"Key": "web-next:urn", "Value": "urn:other"}])
    project.write(
        emulator.provider,
        f'aws.s3.Bucket("b", bucket="{name}", opts=opts)\n'
        f'aws.secretsmanager.Secret("s", name="{name}", recovery_window_in_days=0, opts=opts)',
    )
    output = project.up(code=1)
    assert f"Bucket '{name}' exists already and carries no web-next:urn mark" in output
    assert f"Secret '{name}' exists already and belongs to urn:other" in output
    assert vault.get_secret_value(SecretId=name)["SecretString"] == "theirs"
    s3.delete_bucket(Bucket=name)
    vault.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_a_request_that_was_cut_off_before_its_end_makes_nothing(
    emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name, place = unique("cut-off"), urlsplit(emulator.url)
    request = AWSRequest("PUT", f"{emulator.url}/{name}", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(Credentials(emulator.account, secret()), "s3", "eu-central-1").add_auth(request)
    headers = [f"{header}: {value}" for header, value in request.headers.items()]
    body = b"<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint>"

    def put(length: int) -> None:
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=5) as connection:
            lines = [f"PUT /{name} HTTP/1.1", f"Host: {place.netloc}", *headers]
            connection.sendall("\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode() + body)
            if length == len(body):
                connection.recv(1024)

    def there() -> bool:
        return name in [found["Name"] for found in emulator.client("s3").list_buckets()["Buckets"]]

    put(len(body) + 100)
    time.sleep(0.5)
    assert not there(), "half a request was carried out"
    put(len(body))
    assert there(), "so a whole one would not have been either"
    emulator.client("s3").delete_bucket(Bucket=name)


def test_an_up_killed_in_the_middle_is_finished_by_the_next(
    installed_project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    project, name = installed_project, unique("killed")
    project.write(
        emulator.provider,
        f'for n in range(30): aws.s3.Bucket(f"b-{{n}}", bucket=f"{name}-{{n}}", tags={{"n": str(n)}}, opts=opts)',
    )
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    running = subprocess.Popen(
        command, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    s3 = emulator.client("s3")

    def made() -> list[str]:
        return [found["Name"] for found in s3.list_buckets()["Buckets"] if found["Name"].startswith(name)]

    while not made() and running.poll() is None:
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert made(), "it was killed too early"
    for _ in range(40):
        if not plugins_of(project):
            break
        time.sleep(0.05)
    assert plugins_of(project) == [], "the plugin ends with the engine"
    assert len(made()) < 30, "it was killed too late"

    project.run("cancel", "--yes")
    project.run("up", "--yes", "--skip-preview", "--refresh", "--run-program")
    assert len(made()) == 30
    project.unchanged()


def plugins_of(project: Project) -> list[int]:
    """The stand-ins that run in this project's folder."""
    found = []
    for process in [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]:
        try:
            command = Path(f"/proc/{process}/cmdline").read_text()
            folder = Path(f"/proc/{process}/cwd").readlink()
        except OSError:
            continue
        if "offline.standins" in command and folder == project.folder:
            found.append(int(process))
    return found


def test_a_foreign_endpoint_is_refused_in_one_line(project: Project, emulator: Emulator) -> None:
    foreign = emulator.provider.replace(emulator.url, "https://s3.eu-central-1.amazonaws.com")
    project.write(foreign, 'aws.s3.Bucket("b", opts=opts)')
    output = project.preview(code=1)
    assert (
        " 'https://s3.eu-central-1.amazonaws.com': its host is 's3.eu-central-1.amazonaws.com'; "
        "stand-ins accept only localhost and addresses of this machine" in output
    )


def test_without_endpoints_the_shape_is_previewed_and_nothing_else(project: Project) -> None:
    provider = """
        import pulumi, pulumi_aws as aws
        opts = pulumi.ResourceOptions(provider=aws.Provider("aws", region="eu-central-1"))
        """
    refused = {
        'aws.s3.Bucket("b", opts=opts)': (
            "the aws provider has no endpoint for s3; without one a stand-in only previews"
        ),
        'aws.ecs.Cluster("c", opts=opts)': "aws:ecs/cluster:Cluster exists in previews only",
    }
    machine = """
        template = aws.ec2.LaunchTemplate("t", image_id="resolve:ssm:/aws/ami", instance_type="t4g.nano", opts=opts,
            iam_instance_profile={"arn": "arn"}, metadata_options={"http_tokens": "required"},
            network_interfaces=[{"security_groups": ["sg-1"], "associate_public_ip_address": "false"}])
        machine = aws.autoscaling.Group("g", vpc_zone_identifiers=["subnet-1"], min_size=1, max_size=1, opts=opts,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)})
        pulumi.export("machine", machine.id)
        """
    project.write(provider, *refused, machine)
    assert "+ 6 to create" in project.preview()
    # One at a time: an update ends at its first failure, whichever that is.
    for resource, problem in refused.items():
        project.write(provider, resource)
        assert problem in project.up(code=1)
