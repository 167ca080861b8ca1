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
    ec2_type="internet-gateway",
    id_parameter="InternetGatewayId",
    id_path="InternetGateway.InternetGatewayId",
    create="CreateInternetGateway",
    describe="DescribeInternetGateways",
    object_path="InternetGateways[0]",
    delete="DeleteInternetGateway",
    outputs={"ownerId": "OwnerId"},
    after_write=lambda call: _attach(call, call.inputs.get("vpcId")),
    delete_parameters=_detach,
    observed_inputs=lambda _call, found: {
        "vpcId": next((each["VpcId"] for each in found.get("Attachments", [])), None)
    },
)

EIP = Api(
    type="aws:ec2/eip:Eip",
    service="ec2",
    ec2_type="elastic-ip",
    id_parameter="AllocationId",
    id_path="AllocationId",
    create="AllocateAddress",
    describe="DescribeAddresses",
    object_path="Addresses[0]",
    delete="ReleaseAddress",
    outputs={"allocationId": "AllocationId", "publicIp": "PublicIp"},
    replace_on_change="domain",
    tag_after_create=True,
)


def _nat_address(call: Call, _found: Any) -> Properties:
    if "allocationId" not in call.inputs:
        return {}
    found = call.cloud.find("ec2", "DescribeAddresses", AllocationIds=[call.inputs["allocationId"]])
    return {"publicIp": found["Addresses"][0]["PublicIp"]} if found and found["Addresses"] else {}


NAT_GATEWAY = Api(
    type="aws:ec2/natGateway:NatGateway",
    service="ec2",
    ec2_type="natgateway",
    ec2_arn=False,
    id_parameter="NatGatewayId",
    id_path="NatGateway.NatGatewayId",
    create="CreateNatGateway",
    describe="DescribeNatGateways",
    object_path="NatGateways[0]",
    gone_when="State == 'deleted'",
    delete="DeleteNatGateway",
    ready_when="State == 'available'",
    outputs={"publicIp": ""},
    replace_on_change="allocationId connectivityType subnetId",
    computed_outputs=_nat_address,
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
    ec2_type="route-table",
    id_parameter="RouteTableId",
    id_path="RouteTable.RouteTableId",
    create="CreateRouteTable",
    describe="DescribeRouteTables",
    object_path="RouteTables[0]",
    delete="DeleteRouteTable",
    outputs={"ownerId": "OwnerId"},
    replace_on_change="vpcId",
    unmapped_inputs="routes",
    create_parameters=_no_inline_routes,
    after_write=_no_inline_routes,
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
    key_inputs="routeTableId destinationCidrBlock",
    put="CreateRoute",
    change="ReplaceRoute",
    get="DescribeRouteTables",
    object_path="RouteTables[0].Routes[?DestinationCidrBlock=='{destinationCidrBlock}'] | [0]",
    delete="DeleteRoute",
    outputs={"origin": "Origin", "state": "State"},
    observed_inputs=lambda _call, found: {key: found.get(name) for key, name in _TARGETS.items()},
)

ROUTE_TABLE_ASSOCIATION = Part(
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    service="ec2",
    key_inputs="subnetId",
    put="AssociateRouteTable",
    change="ReplaceRouteTableAssociation",
    get="DescribeRouteTables",
    object_path="RouteTables[].Associations[] | [?SubnetId=='{subnetId}'] | [0]",
    delete="DisassociateRouteTable",
    handle_parameters={"AssociationId": "RouteTableAssociationId"},
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
    ec2_type="vpc-endpoint",
    id_parameter="VpcEndpointId",
    id_path="VpcEndpoint.VpcEndpointId",
    create="CreateVpcEndpoint",
    describe="DescribeVpcEndpoints",
    object_path="VpcEndpoints[0]",
    update="ModifyVpcEndpoint",
    delete="DeleteVpcEndpoints",
    api_names={"policy": "PolicyDocument"},
    outputs={
        "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
        "networkInterfaceIds": "NetworkInterfaceIds",
        "ownerId": "OwnerId",
        "prefixListId": "",
        "state": "State",
    },
    replace_on_change="serviceName vpcEndpointType vpcId",
    update_parameters=_changed_members,
    computed_outputs=_prefix_list,
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
