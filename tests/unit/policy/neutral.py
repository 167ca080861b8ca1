"""Inputs that no mutation weakens, by the reason why they are none of security."""

from __future__ import annotations

from collections.abc import Mapping

EVERYWHERE = {
    *("name", "tags", "description", "alarmName", "alarmDescription", "family", "vpcId", "bucket", "domain"),
    *("repository", "role", "subnetId", "topic", "secretArn", "secretId", "listenerArn", "loadBalancerArn", "arn"),
    *("resourceArn", "webAclArn", "okActions", "__provider", "told"),
}
"""Names, and what a resource belongs to: another one there is another resource."""
NEUTRAL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "size and pace: what is slow or dear is not open": {
        "aws:appautoscaling/policy:Policy": ("targetTrackingScalingPolicyConfiguration", "policyType"),
        "aws:appautoscaling/target:Target": ("minCapacity", "maxCapacity"),
        "aws:autoscaling/group:Group": ("instanceMaintenancePolicy", "minSize", "maxSize"),
        "aws:ec2/launchTemplate:LaunchTemplate": ("instanceType",),
        "aws:ecs/service:Service": (
            *("availabilityZoneRebalancing", "deploymentMaximumPercent", "desiredCount"),
            *("enableEcsManagedTags", "healthCheckGracePeriodSeconds", "propagateTags", "waitForSteadyState"),
        ),
        "aws:ecs/taskDefinition:TaskDefinition": ("cpu", "memory", "runtimePlatform", "skipDestroy"),
        "aws:elasticache/replicationGroup:ReplicationGroup": (
            *("applyImmediately", "maintenanceWindow", "snapshotWindow", "nodeType"),
            *("automaticFailoverEnabled", "multiAzEnabled", "numCacheClusters"),
        ),
        "aws:lb/loadBalancer:LoadBalancer": ("idleTimeout",),
        "aws:lb/targetGroup:TargetGroup": ("deregistrationDelay", "healthCheck", "loadBalancingAlgorithmType"),
        "aws:rds/instance:Instance": (
            *("allocatedStorage", "applyImmediately", "backupWindow", "instanceClass", "maintenanceWindow"),
            *("multiAz", "storageType", "performanceInsightsEnabled", "performanceInsightsRetentionPeriod"),
        ),
        "aws:iam/role:Role": ("maxSessionDuration",),
        "aws:scheduler/schedule:Schedule": ("flexibleTimeWindow", "scheduleExpression"),
    },
    "which resources belong together: an update fails, or tests/unit/infra does, where they do not": {
        "aws:acm/certificateValidation:CertificateValidation": ("certificateArn", "validationRecordFqdns"),
        "aws:appautoscaling/policy:Policy": ("resourceId", "scalableDimension", "serviceNamespace"),
        "aws:appautoscaling/target:Target": ("resourceId", "scalableDimension", "serviceNamespace"),
        "aws:autoscaling/group:Group": ("launchTemplate", "vpcZoneIdentifiers"),
        "aws:ec2/launchTemplate:LaunchTemplate": ("iamInstanceProfile", "imageId"),
        "aws:ec2/natGateway:NatGateway": ("allocationId",),
        "aws:ec2/route:Route": ("destinationCidrBlock", "gatewayId", "natGatewayId"),
        "aws:ec2/subnet:Subnet": ("availabilityZone", "cidrBlock"),
        "aws:ec2/vpc:Vpc": ("cidrBlock", "enableDnsHostnames", "enableDnsSupport"),
        "aws:ec2/vpcEndpoint:VpcEndpoint": ("routeTableIds", "serviceName", "subnetIds", "vpcEndpointType"),
        "aws:ecs/service:Service": ("cluster", "launchType", "loadBalancers", "taskDefinition"),
        "aws:ecs/taskDefinition:TaskDefinition": ("executionRoleArn", "taskRoleArn", "requiresCompatibilities"),
        "aws:elasticache/replicationGroup:ReplicationGroup": ("engine", "engineVersion", "replicationGroupId"),
        "aws:kms/alias:Alias": ("targetKeyId",),
        "aws:lb/listener:Listener": ("certificateArn", "port"),
        "aws:lb/listenerRule:ListenerRule": ("actions", "priority"),
        "aws:lb/loadBalancer:LoadBalancer": ("internal", "loadBalancerType"),
        "aws:lb/targetGroup:TargetGroup": ("port", "protocol", "targetType"),
        "aws:rds/instance:Instance": (
            *("allowMajorVersionUpgrade", "caCertIdentifier", "engine", "engineVersion", "finalSnapshotIdentifier"),
            *("identifier", "password", "username"),
        ),
        "aws:scheduler/schedule:Schedule": ("target",),
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
            *("cidrIpv4", "fromPort", "toPort", "referencedSecurityGroupId", "securityGroupId"),
        ),
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("securityGroupId",),
    },
    "what an alarm and a picture say: tests/unit/infra holds each metric, window and limit to the table of gates": {
        "aws:cloudwatch/dashboard:Dashboard": ("dashboardBody", "dashboardName"),
        "aws:cloudwatch/logMetricFilter:LogMetricFilter": ("logGroupName", "metricTransformation", "pattern"),
        "aws:cloudwatch/metricAlarm:MetricAlarm": (
            *("datapointsToAlarm", "dimensions", "extendedStatistic"),
            *("metricName", "metricQueries", "namespace", "period", "statistic", "threshold", "treatMissingData"),
        ),
        "aws:sns/topicSubscription:TopicSubscription": ("endpoint", "protocol"),
        "aws:wafv2/webAcl:WebAcl": ("customResponseBodies", "defaultAction", "scope"),
        "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": ("logDestinationConfigs", "loggingFilter"),
    },
    "names of the world outside, which AWS or the DNS refuses where they are wrong": {
        "aws:acm/certificate:Certificate": ("domainName", "validationMethod"),
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider": ("url",),
        "aws:route53/record:Record": ("allowOverwrite", "records", "ttl", "type", "zoneId"),
    },
    "contents, which tests of the program and of the schema hold": {
        "aws:s3/bucketObjectv2:BucketObjectv2": ("checksumAlgorithm", "content", "contentType", "forceDestroy", "key"),
        "aws:secretsmanager/secretVersion:SecretVersion": ("secretString",),
        "aws:ssm/parameter:Parameter": ("value", "type"),
        "random:index/randomId:RandomId": ("byteLength",),
        "random:index/randomPassword:RandomPassword": ("length", "special"),
    },
    "a bucket's lock is never taken away": {
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": ("objectLockEnabled",),
    },
    "a database's inside and Pulumi's own, no resource of AWS: tests of the schema ask the server": {
        "postgresql:index/database:Database": ("encoding", "lcCollate", "lcCtype", "owner"),
        "postgresql:index/defaultPrivileges:DefaultPrivileges": (
            *("database", "objectType", "owner", "privileges", "schema"),
        ),
        "postgresql:index/extension:Extension": ("database",),
        "postgresql:index/grant:Grant": ("database", "objectType", "objects", "privileges", "schema"),
        "postgresql:index/role:Role": (
            *("idleInTransactionSessionTimeout", "login", "password", "roles", "statementTimeout"),
        ),
        "pulumi-python:dynamic/web-next:Schema": ("access", "checksums", "upkeep"),
        "pulumi-python:dynamic/web-next:UpdateGuard": ("definition", "preview"),
        "pulumi:providers:aws": (
            *("allowedAccountIds", "defaultTags", "region", "skipCredentialsValidation", "skipRegionValidation"),
        ),
        "pulumi:providers:postgresql": (
            *("connectTimeout", "database", "host", "password", "port", "sslmode", "sslrootcert", "superuser"),
            "username",
        ),
        "pulumi:pulumi:StackReference": ("outputs",),
    },
}
