"""What a preview of prod cannot know, and a state in which all of it is up."""

from __future__ import annotations

import json
from typing import Any

from offline.standins.values import UNKNOWN
from tests.support.prod import Steps

UNKNOWN_BEFORE_UP = {
    "Alias": "targetKeyId",
    "BucketObjectv2": "bucket content",
    "CertificateValidation": "certificateArn validationRecordFqdns",
    "CompositeAlarm": "alarmActions okActions",
    "Dashboard": "dashboardBody",
    "Database": "owner",
    "DefaultPrivileges": "database owner role",
    "DefaultSecurityGroup": "vpcId",
    "Grant": "database role",
    "Instance": "finalSnapshotIdentifier kmsKeyId performanceInsightsKmsKeyId vpcSecurityGroupIds",
    "InternetGateway": "vpcId",
    "Listener": "certificateArn defaultActions[0].forward.targetGroups[0].arn "
    "defaultActions[0].forward.targetGroups[1].arn loadBalancerArn",
    "ListenerRule": "actions[0].targetGroupArn listenerArn",
    "LoadBalancer": "securityGroups subnets",
    "MetricAlarm": "alarmActions dimensions.LoadBalancer dimensions.TargetGroup okActions "
    "metricQueries[0].metric.dimensions.LoadBalancer metricQueries[0].metric.dimensions.TargetGroup "
    "metricQueries[1].metric.dimensions.LoadBalancer metricQueries[1].metric.dimensions.TargetGroup",
    "NatGateway": "allocationId subnetId",
    "Policy": "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification.resourceLabel",
    "Record": "name records type",
    "ReplicationGroup": "kmsKeyId securityGroupIds",
    "RolePolicy": "role",
    "Route": "gatewayId natGatewayId routeTableId",
    "RouteTable": "vpcId",
    "RouteTableAssociation": "routeTableId subnetId",
    "Schedule": "target.arn target.ecsParameters.networkConfiguration.securityGroups "
    "target.ecsParameters.networkConfiguration.subnets target.ecsParameters.taskDefinitionArn target.roleArn",
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
    "WebAclLoggingConfiguration": "logDestinationConfigs resourceArn",
    "postgresql": "host port",
}
"""By type, the inputs that only an up can tell. Names, policies, encryption, ports and ranges are not among them, so
that a person and a policy pack judge them before anything is changed; the exceptions name an ARN inside, and the
dashboard the balancer."""


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
