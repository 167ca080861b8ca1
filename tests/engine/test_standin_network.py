"""The network's families on the real engine: networks with their groups and rules, and the ways in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

NETWORK = """
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, tags={"Name": "net"}, opts=opts)
private, public = [aws.ec2.Subnet(name, vpc_id=vpc.id, cidr_block=f"10.0.{net}.0/24", opts=opts,
    availability_zone="eu-central-1a", map_public_ip_on_launch=name == "public")
    for name, net in (("private", PRIVATE), ("public", 9))]
aws.ec2.DefaultSecurityGroup("default", vpc_id=vpc.id, ingress=[], egress=[], opts=opts)
app, data = [aws.ec2.SecurityGroup(name, name=f"{name}-NAME", description=f"the {name}", vpc_id=vpc.id,
    tags={"Name": name}, opts=opts) for name in ("app", "data")]
gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, opts=opts)
address = aws.ec2.Eip("address", domain="vpc", tags={"Name": "nat"}, opts=opts)
nat = aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=public.id, opts=opts)
tables = {name: aws.ec2.RouteTable(name, vpc_id=vpc.id, tags={"Name": name}, opts=opts)
    for name in ("private", "public")}
out = aws.ec2.Route("out", route_table_id=tables["public"].id, destination_cidr_block="0.0.0.0/0",
    gateway_id=gateway.id, opts=opts)
aws.ec2.Route("nat", route_table_id=tables["private"].id, destination_cidr_block="0.0.0.0/0",
    nat_gateway_id=nat.id, opts=opts)
aws.ec2.RouteTableAssociation("public", subnet_id=public.id, route_table_id=tables["public"].id, opts=opts)
private_routes = aws.ec2.RouteTableAssociation("private", subnet_id=private.id, opts=opts,
    route_table_id=tables["TABLE"].id)
storage = aws.ec2.VpcEndpoint("s3", vpc_id=vpc.id, service_name="com.amazonaws.eu-central-1.s3", opts=opts,
    vpc_endpoint_type="Gateway", route_table_ids=[tables["private"].id],
    policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
secrets = aws.ec2.VpcEndpoint("secrets", vpc_id=vpc.id, service_name="com.amazonaws.eu-central-1.secretsmanager",
    vpc_endpoint_type="Interface", subnet_ids=[private.id], security_group_ids=[data.id], private_dns_enabled=True,
    opts=opts)
aws.vpc.SecurityGroupIngressRule("app-to-data", security_group_id=data.id, ip_protocol="tcp", from_port=5432,
    to_port=5432, referenced_security_group_id=app.id, description="ABOUT", tags={"Name": "in"}, opts=opts)
aws.vpc.SecurityGroupEgressRule("app-to-s3", security_group_id=app.id, ip_protocol="tcp", from_port=443, to_port=443,
    prefix_list_id=storage.prefix_list_id, description="objects", opts=opts)
aws.vpc.SecurityGroupEgressRule("all", security_group_id=app.id, ip_protocol="-1", cidr_ipv4="10.0.0.0/16", opts=opts)
ids = {"vpc": vpc, "gateway": gateway, "nat": nat, "private": private, "s3": storage, "data": data,
    "routes": tables["public"], "private-routes": tables["private"]}
for name, resource in ids.items():
    pulumi.export(name, resource.id)
pulumi.export("public-address", nat.public_ip)
pulumi.export("address", address.public_ip)
pulumi.export("prefixes", storage.prefix_list_id)
"""


def network(name: str, *, private: int = 1, about: str = "audit", table: str = "private") -> str:
    changed = {"NAME": name, "PRIVATE": str(private), "ABOUT": about, "TABLE": table}
    program = NETWORK
    for mark, value in changed.items():
        program = program.replace(mark, value)
    return program


def test_a_network_lives_from_up_to_destroy(project: Project, emulator: Emulator, unique: Callable[[str], str]) -> None:
    name, ec2 = unique("net"), emulator.client("ec2")
    before = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    project.write(emulator.provider, network(name))
    project.up()
    project.unchanged()
    ids = project.outputs()
    assert ids["public-address"] == ids["address"]
    assert str(ids["prefixes"]).startswith("pl-")
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [ids["vpc"]]}])["SecurityGroups"]
    born = next(group for group in groups if group["GroupName"] == "default")
    assert born["IpPermissions"] == born["IpPermissionsEgress"] == [], "nothing may use the default group"

    project.write(emulator.provider, network(name, about="audit database", table="public"))
    changed = project.preview()
    assert "~ 2 to update" in changed, "a rule's description and a subnet's route table change in place"
    project.up()
    project.unchanged()

    project.destroy()
    assert {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]} == before
    assert ec2.describe_addresses()["Addresses"] == [], "the account is this run's own"
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []


def test_a_change_behind_the_programs_back_is_found_and_repaired(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    project.write(emulator.provider, network(unique("net")))
    project.up()
    ids, ec2 = project.outputs(), emulator.client("ec2")
    ec2.replace_route(RouteTableId=ids["routes"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=ids["nat"])
    ec2.modify_vpc_endpoint(VpcEndpointId=ids["s3"], RemoveRouteTableIds=[ids["private-routes"]])
    ec2.modify_vpc_attribute(VpcId=ids["vpc"], EnableDnsHostnames={"Value": False})
    everybody = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [ids["vpc"]]}])["SecurityGroups"]
    born = next(group["GroupId"] for group in groups if group["GroupName"] == "default")
    ec2.authorize_security_group_ingress(GroupId=born, IpPermissions=everybody)
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [ids["data"]]}])
    rule = rules["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    ec2.revoke_security_group_ingress(GroupId=ids["data"], SecurityGroupRuleIds=[rule])

    drift = project.preview("--refresh")
    assert f'+ gatewayId: "{ids["gateway"]}"' in drift
    assert "+ [0]: " in drift, "the endpoint's route table"
    assert "enableDnsHostnames" in drift
    assert "0.0.0.0/0" in drift
    assert "+ 1 to create ~ 4 to update" in drift, "the rule; the route, the endpoint, the VPC, the default group"
    project.repair()
    project.unchanged()
    routes = ec2.describe_route_tables(RouteTableIds=[ids["routes"]])["RouteTables"][0]["Routes"]
    assert [route["GatewayId"] for route in routes] == ["local", ids["gateway"]]


def test_what_has_no_name_is_replaced_by_another_object(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name, ec2 = unique("net"), emulator.client("ec2")
    project.write(emulator.provider, network(name))
    project.up()
    old = project.outputs()["private"]
    project.write(emulator.provider, network(name, private=2))
    project.up()
    new = project.outputs()["private"]
    found = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    assert new != old, "the object that is replaced carries the same URN and isn't taken over"
    assert new in found
    assert old not in found
    project.unchanged()


def test_a_route_that_somebody_made_is_a_conflict(project: Project, emulator: Emulator) -> None:
    network = """
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", opts=opts)
    gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, opts=opts)
    table = aws.ec2.RouteTable("table", vpc_id=vpc.id, opts=opts)
    pulumi.export("table", table.id)
    pulumi.export("gateway", gateway.id)
    """
    out = """
    aws.ec2.Route("out", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=opts)
    """
    project.write(emulator.provider, network)
    project.up()
    ids, ec2 = project.outputs(), emulator.client("ec2")
    route = {"RouteTableId": ids["table"], "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(**route, NatGatewayId="nat-0")
    project.write(emulator.provider, network, out)
    assert f"Route '{ids['table']}:0.0.0.0/0' exists already" in project.up(code=1)
    ec2.replace_route(**route, GatewayId=ids["gateway"])
    project.up()
    project.unchanged()
