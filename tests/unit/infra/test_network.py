"""The network: what is in it, and who reaches whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest

from tests.unit.infra.configs import FARGATE, changed
from tests.unit.infra.parts import declare, run
from tests.unit.infra.recorder import Recording, identity

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
ROUTE = "aws:ec2/route:Route"
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NAT = "aws:ec2/natGateway:NatGateway"
ZONES = ["eu-central-1a", "eu-central-1b"]
TUNNEL = changed(FARGATE, database={"access": "tunnel"})
EXISTING = {
    "vpcId": "vpc-0a1b",
    "appSubnetIds": ["subnet-0a", "subnet-0b"],
    "dataSubnetIds": ["subnet-1a", "subnet-1b"],
    "publicSubnetIds": ["subnet-2a", "subnet-2b"],
}
Reach = set[tuple[str, str, int]]


def short(group: str) -> str:
    return group.removeprefix("SecurityGroup:network-")


def let_in(declared: Recording) -> Reach:
    """Who comes in where: sender, receiver, port. Only whole rules for one TCP port and one sender pass."""
    found = set()
    for rule in (one.inputs for one in declared.of(INGRESS)):
        source = "cidrIpv4" if rule.get("cidrIpv4") else "referencedSecurityGroupId"
        assert rule.keys() == {
            "securityGroupId",
            source,
            "ipProtocol",
            "fromPort",
            "toPort",
            "description",
        }
        assert (rule["ipProtocol"], rule["fromPort"]) == ("tcp", rule["toPort"])
        found.add((short(rule[source]), short(rule["securityGroupId"]), int(rule["fromPort"])))
    return found


def let_out(declared: Recording) -> Reach:
    """Who goes out where: sender, receiver, port; the receiver is a group or a range of addresses."""
    found = set()
    for rule in (one.inputs for one in declared.of(EGRESS)):
        assert (rule["ipProtocol"], rule["fromPort"]) == ("tcp", rule["toPort"])
        receiver = rule.get("referencedSecurityGroupId") or rule["cidrIpv4"]
        found.add((short(rule["securityGroupId"]), short(receiver), int(rule["fromPort"])))
    return found


def routes(declared: Recording) -> dict[str, str]:
    """Where a table's traffic to everywhere goes, by table."""
    assert {one.inputs["destinationCidrBlock"] for one in declared.of(ROUTE)} == {"0.0.0.0/0"}
    return {
        one.inputs["routeTableId"]: one.inputs.get("gatewayId") or one.inputs["natGatewayId"]
        for one in declared.of(ROUTE)
    }


def tables(declared: Recording) -> dict[str, str]:
    """A subnet's route table, by subnet."""
    associated = declared.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    return {one.inputs["subnetId"]: one.inputs["routeTableId"] for one in associated}


APP_REACHES: Reach = {("app", "database", 5432), ("app", "queues", 6379), ("app", "endpoints", 443)}
WATCH_REACHES: Reach = {("watch", "endpoints", 443)}
BALANCER: Reach = {("balancer", "app", 8080), *(("198.51.100.0/24", "balancer", port) for port in (80, 443))}
"""All that the internet reaches, and all that it reaches through."""


@pytest.mark.parametrize(
    ("config", "more"),
    [
        (FARGATE, set()),
        (
            changed(FARGATE, database={"clientGroups": ["sg-0a", "sg-0b"]}),
            {("sg-0a", "database", 5432), ("sg-0b", "database", 5432)},
        ),
        (TUNNEL, {("bastion", "database", 5432), ("bastion", "endpoints", 443)}),
    ],
    ids=["direct", "client groups", "tunnel"],
)
def test_the_app_and_named_deployers_come_in_and_nobody_else(config: Mapping[str, str], more: Reach) -> None:
    declared = run(config)

    assert let_in(declared) == APP_REACHES | WATCH_REACHES | BALANCER | more


def test_nobody_goes_out_but_to_what_lets_them_in_and_to_https() -> None:
    declared = run(TUNNEL)
    out = let_out(declared)

    assert {rule for rule in out if rule[1] == "0.0.0.0/0"} == {
        ("app", "0.0.0.0/0", 443),
        ("bastion", "0.0.0.0/0", 443),
        ("watch", "0.0.0.0/0", 443),
    }
    inside = {rule for rule in out if rule[1] != "0.0.0.0/0"}
    assert inside == {rule for rule in let_in(declared) if rule[1] not in ("endpoints", "balancer")}


@pytest.mark.parametrize("collector", [None, "https://otel.web-next.test:4318", "https://otel.web-next.test:8443/otlp"])
@pytest.mark.parametrize("address", ["https://executor.web-next.test", "https://executor.web-next.test:8443/v1"])
def test_the_app_is_let_out_to_every_address_that_it_is_told(address: str, collector: str | None) -> None:
    declared = run(changed(FARGATE, executorUrl=address, telemetry={"endpoint": collector} if collector else {}))
    out = {port for sender, receiver, port in let_out(declared) if (sender, receiver) == ("app", "0.0.0.0/0")}
    told = {
        urlsplit(variable["value"]).port or 443
        for task in declared.of("aws:ecs/taskDefinition:TaskDefinition")
        for container in json.loads(task.inputs["containerDefinitions"])
        for variable in container["environment"]
        if variable["value"].startswith("https://")
    }

    assert out == {443} | told
    assert told == {urlsplit(one).port or 443 for one in (address, collector) if one}
    assert not [rule for rule in let_in(declared) if rule[2] in (4318, 8443)], "the way back is the connection's own"


def test_whoever_goes_out_to_https_is_let_into_the_endpoints_because_awss_names_lead_there() -> None:
    declared = run(TUNNEL)

    assert {sender for sender, _, port in let_out(declared) if port == 443} == {
        sender for sender, receiver, _ in let_in(declared) if receiver == "endpoints"
    }


def test_a_group_itself_holds_no_rule() -> None:
    declared = declare("network")

    assert len(declared.of(GROUP)) == 4
    for group in declared.of(GROUP):
        assert not {"ingress", "egress"} & group.inputs.keys()
        assert group.inputs["vpcId"] == identity("Vpc", "network")


def test_data_subnets_have_no_way_out_and_app_subnets_go_through_nat() -> None:
    declared = declare("network")
    placed, ways = tables(declared), routes(declared)

    for zone in ZONES:
        assert placed[f"Subnet:network-data-{zone}"] not in ways
        assert ways[placed[f"Subnet:network-app-{zone}"]].startswith("NatGateway:")
        assert ways[placed[f"Subnet:network-public-{zone}"]] == "InternetGateway:network"
    assert len(placed) == 6


def test_no_subnet_gives_a_public_address() -> None:
    declared = declare("network")

    assert len(declared.of(SUBNET)) == 6
    assert not [one.name for one in declared.of(SUBNET) if one.inputs["mapPublicIpOnLaunch"] is not False]


def test_each_tier_has_a_subnet_in_each_zone_with_the_ranges_split() -> None:
    declared = declare(
        "network", zones=["eu-central-1a", "eu-central-1b", "eu-central-1c"], network={"cidr": "10.9.0.0/20"}
    )
    found = {one.name: (one.inputs["availabilityZone"], one.inputs["cidrBlock"]) for one in declared.of(SUBNET)}

    assert declared.one("aws:ec2/vpc:Vpc").inputs["cidrBlock"] == "10.9.0.0/20"
    assert found == {
        "network-app-eu-central-1a": ("eu-central-1a", "10.9.0.0/24"),
        "network-app-eu-central-1b": ("eu-central-1b", "10.9.1.0/24"),
        "network-app-eu-central-1c": ("eu-central-1c", "10.9.2.0/24"),
        "network-data-eu-central-1a": ("eu-central-1a", "10.9.4.0/24"),
        "network-data-eu-central-1b": ("eu-central-1b", "10.9.5.0/24"),
        "network-data-eu-central-1c": ("eu-central-1c", "10.9.6.0/24"),
        "network-public-eu-central-1a": ("eu-central-1a", "10.9.8.0/24"),
        "network-public-eu-central-1b": ("eu-central-1b", "10.9.9.0/24"),
        "network-public-eu-central-1c": ("eu-central-1c", "10.9.10.0/24"),
    }


def test_subnets_lie_where_they_are_given() -> None:
    given = {
        f"{tier}Subnets": [f"10.42.{n}.0/26", f"10.42.{n}.64/26"] for n, tier in enumerate(("app", "data", "public"))
    }
    declared = declare("network", network=given)

    assert sorted(one.inputs["cidrBlock"] for one in declared.of(SUBNET)) == sorted(
        net for nets in given.values() for net in nets
    )


@pytest.mark.parametrize(("nat", "gateways"), [("one", ZONES[:1]), ("per-zone", ZONES)])
def test_nat_is_one_for_all_zones_or_one_in_each(nat: str, gateways: list[str]) -> None:
    declared = declare("network", network={"nat": nat})
    placed, ways = tables(declared), routes(declared)

    assert {one.inputs["subnetId"] for one in declared.of(NAT)} == {
        f"Subnet:network-public-{zone}" for zone in gateways
    }
    for index, zone in enumerate(ZONES):
        own = gateways[index] if nat == "per-zone" else gateways[0]
        assert ways[placed[f"Subnet:network-app-{zone}"]] == f"NatGateway:network-{own}"


def test_what_is_placed_in_a_public_subnet_waits_for_the_internet_gateway() -> None:
    declared = declare("network")
    gateway = declared.one("aws:ec2/internetGateway:InternetGateway")

    assert {one.name for one in declared.of(SUBNET) if gateway.urn in one.depends_on} == {
        f"network-public-{zone}" for zone in ZONES
    }


def test_awss_services_are_reached_inside_the_vpc() -> None:
    declared = declare("network")
    endpoints = {
        one.inputs["serviceName"].removeprefix("com.amazonaws.eu-central-1."): one.inputs
        for one in declared.of(ENDPOINT)
    }

    assert endpoints.keys() == {"s3", "secretsmanager", "ecr.api", "ecr.dkr", "logs", "ssm"}
    s3 = endpoints.pop("s3")
    assert s3["vpcEndpointType"] == "Gateway"
    assert set(s3["routeTableIds"]) == set(tables(declared).values()), "S3 is reached from every subnet"
    for endpoint in endpoints.values():
        assert endpoint["vpcEndpointType"] == "Interface"
        assert endpoint["privateDnsEnabled"] is True
        assert endpoint["subnetIds"] == [f"Subnet:network-app-{zone}" for zone in ZONES]
        assert endpoint["securityGroupIds"] == ["SecurityGroup:network-endpoints"]
    vpc = declared.one("aws:ec2/vpc:Vpc").inputs
    assert (vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (True, True), "private names need both"


def test_each_service_that_a_task_calls_has_an_endpoint_and_no_other_has_one() -> None:
    declared = run(FARGATE)
    statements = [
        statement
        for policy in declared.of("aws:iam/rolePolicy:RolePolicy")
        if policy.name in ("app", "execution")  # what a tick asks besides goes out by NAT: it is little
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        # What another service asks for in the caller's name comes from that service.
        if "kms:ViaService" not in statement.get("Condition", {}).get("StringEquals", {})
    ]
    called = {action.partition(":")[0] for statement in statements for action in statement["Action"]}
    services = [one.inputs["serviceName"].removeprefix("com.amazonaws.eu-central-1.") for one in declared.of(ENDPOINT)]

    assert {service.partition(".")[0] for service in services} == called
    assert len(called) == 5


def test_in_an_existing_vpc_nothing_but_security_groups_is_made() -> None:
    edge, database = {"trustedProxies": ["10.9.0.0/20"]}, {"clientGroups": ["sg-0a"]}
    declared = declare("network", network=EXISTING, edge=edge, database=database)

    assert {one.token for one in declared.registered if one.custom} == {GROUP, INGRESS, EGRESS}
    assert {one.inputs["vpcId"] for one in declared.of(GROUP)} == {"vpc-0a1b"}
    assert let_in(declared) == {("app", "database", 5432), ("app", "queues", 6379), ("sg-0a", "database", 5432)}


def test_in_an_existing_vpc_the_data_lies_in_the_subnets_that_are_named() -> None:
    declared = run(changed(TUNNEL, network=EXISTING, edge={"trustedProxies": ["10.9.0.0/20"]}))

    for service in ("rds", "elasticache"):
        group = declared.one(f"aws:{service}/subnetGroup:SubnetGroup").inputs
        assert group["subnetIds"] == EXISTING["dataSubnetIds"]
    assert declared.one("aws:autoscaling/group:Group").inputs["vpcZoneIdentifiers"] == EXISTING["appSubnetIds"]


def test_the_group_that_aws_gives_every_vpc_lets_nobody_in_or_out() -> None:
    declared = declare("network")
    group = declared.one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs

    assert (group["ingress"], group["egress"]) == ([], [])
    assert group["vpcId"] == identity("Vpc", "network")
