"""ec2: the ways into and out of a network: gateways, routes and endpoints."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.aws.part import Part
from offline.standins.kind import Call, Properties, StandinError


def _attach(call: Call, wanted: str | None) -> None:
    """Leaves the internet gateway attached to the wanted VPC and to no other."""
    found = call.cloud.find("ec2", "DescribeInternetGateways", InternetGatewayIds=[call.id]) or {"InternetGateways": []}
    attached = [each["VpcId"] for gateway in found["InternetGateways"] for each in gateway.get("Attachments", [])]
    for vpc in attached:
        if vpc != wanted:
            call.cloud.call("ec2", "DetachInternetGateway", InternetGatewayId=call.id, VpcId=vpc)
    if wanted and wanted not in attached:
        call.cloud.call("ec2", "AttachInternetGateway", InternetGatewayId=call.id, VpcId=wanted)


def _detach(call: Call) -> Properties:
    _attach(call, None)
    return {}


INTERNET_GATEWAY = Api(
    type="aws:ec2/internetGateway:InternetGateway",
    service="ec2",
    ec2="internet-gateway",
    by="InternetGatewayId",
    id="InternetGateway.InternetGatewayId",
    create="CreateInternetGateway",
    describe="DescribeInternetGateways",
    at="InternetGateways[0]",
    delete="DeleteInternetGateway",
    outputs={"ownerId": "OwnerId"},
    after=lambda call: _attach(call, call.inputs.get("vpcId")),
    on_delete=_detach,
    observe=lambda _call, found: {"vpcId": next((each["VpcId"] for each in found.get("Attachments", [])), None)},
)

EIP = Api(
    type="aws:ec2/eip:Eip",
    service="ec2",
    ec2="elastic-ip",
    by="AllocationId",
    id="AllocationId",
    create="AllocateAddress",
    describe="DescribeAddresses",
    at="Addresses[0]",
    delete="ReleaseAddress",
    outputs={"allocationId": "AllocationId", "publicIp": "PublicIp"},
    replace="domain",
    tags_later=True,
)


def _nat_address(call: Call, _found: Any) -> Properties:
    if "allocationId" not in call.inputs:
        return {}
    found = call.cloud.find("ec2", "DescribeAddresses", AllocationIds=[call.inputs["allocationId"]])
    return {"publicIp": found["Addresses"][0]["PublicIp"]} if found and found["Addresses"] else {}


NAT_GATEWAY = Api(
    type="aws:ec2/natGateway:NatGateway",
    service="ec2",
    ec2="natgateway",
    arn=False,
    by="NatGatewayId",
    id="NatGateway.NatGatewayId",
    create="CreateNatGateway",
    describe="DescribeNatGateways",
    at="NatGateways[0]",
    gone="State == 'deleted'",
    delete="DeleteNatGateway",
    ready="State == 'available'",
    outputs={"publicIp": ""},
    replace="allocationId connectivityType subnetId",
    compute=_nat_address,
)


def _no_inline_routes(call: Call) -> Properties:
    if call.inputs.get("routes"):
        raise StandinError(
            "route table sets routes; the stand-in applies routes that are resources only: declare aws.ec2.Route"
        )
    return {}


ROUTE_TABLE = Api(
    type="aws:ec2/routeTable:RouteTable",
    service="ec2",
    ec2="route-table",
    by="RouteTableId",
    id="RouteTable.RouteTableId",
    create="CreateRouteTable",
    describe="DescribeRouteTables",
    at="RouteTables[0]",
    delete="DeleteRouteTable",
    outputs={"ownerId": "OwnerId"},
    replace="vpcId",
    aside="routes",
    on_create=_no_inline_routes,
    after=_no_inline_routes,
)

_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}

ROUTE = Part(
    type="aws:ec2/route:Route",
    service="ec2",
    keys="routeTableId destinationCidrBlock",
    put="CreateRoute",
    change="ReplaceRoute",
    get="DescribeRouteTables",
    at="RouteTables[0].Routes[?DestinationCidrBlock=='{destinationCidrBlock}'] | [0]",
    delete="DeleteRoute",
    outputs={"origin": "Origin", "state": "State"},
    observe=lambda _call, found: {key: found.get(name) for key, name in _TARGETS.items()},
)

ROUTE_TABLE_ASSOCIATION = Part(
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    service="ec2",
    keys="subnetId",
    put="AssociateRouteTable",
    change="ReplaceRouteTableAssociation",
    get="DescribeRouteTables",
    at="RouteTables[].Associations[] | [?SubnetId=='{subnetId}'] | [0]",
    delete="DisassociateRouteTable",
    handle={"AssociationId": "RouteTableAssociationId"},
)

_MEMBERS = {"routeTableIds": "RouteTableIds", "securityGroupIds": "SecurityGroupIds", "subnetIds": "SubnetIds"}


def _changed_members(call: Call) -> Properties:
    parameters = {}
    for key, name in _MEMBERS.items():
        now, before = call.inputs.get(key, []), call.old.get(key, [])
        parameters[f"Add{name}"] = [each for each in now if each not in before]
        parameters[f"Remove{name}"] = [each for each in before if each not in now]
    return {name: listed for name, listed in parameters.items() if listed}


def _prefix_list(call: Call, found: Any) -> Properties:
    if found["VpcEndpointType"] != "Gateway":
        return {}
    named = [{"Name": "prefix-list-name", "Values": [found["ServiceName"]]}]
    lists = call.cloud.call("ec2", "DescribePrefixLists", Filters=named)["PrefixLists"]
    return {"prefixListId": lists[0]["PrefixListId"]} if lists else {}


VPC_ENDPOINT = Api(
    type="aws:ec2/vpcEndpoint:VpcEndpoint",
    service="ec2",
    ec2="vpc-endpoint",
    by="VpcEndpointId",
    id="VpcEndpoint.VpcEndpointId",
    create="CreateVpcEndpoint",
    describe="DescribeVpcEndpoints",
    at="VpcEndpoints[0]",
    update="ModifyVpcEndpoint",
    delete="DeleteVpcEndpoints",
    rename={"policy": "PolicyDocument"},
    outputs={
        "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
        "networkInterfaceIds": "NetworkInterfaceIds",
        "ownerId": "OwnerId",
        "prefixListId": "",
        "state": "State",
    },
    replace="serviceName vpcEndpointType vpcId",
    on_update=_changed_members,
    compute=_prefix_list,
)

KINDS = tuple(
    row.kind()
    for row in (
        INTERNET_GATEWAY,
        EIP,
        NAT_GATEWAY,
        ROUTE_TABLE,
        ROUTE,
        ROUTE_TABLE_ASSOCIATION,
        VPC_ENDPOINT,
    )
)
