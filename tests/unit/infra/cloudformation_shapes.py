"""How each type of a captured stack is named in CloudFormation: properties go from `cidrBlock` to `CidrBlock`, and what
is named or placed otherwise is said here. What is unlike altogether is named with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ELSEWHERE = "/."
"""A property that CloudFormation does not have there: it belongs to Pulumi, or to another type."""


@dataclass(frozen=True)
class Shape:
    """A type's name, and its properties that are named otherwise: a path, from the top where it begins with a slash, or
    ELSEWHERE. `below` is where a resource lies in the type that it is a part of; `documents` are JSON in a text."""

    type: str
    named: Mapping[str, str] = field(default_factory=dict)
    below: str = ""
    documents: tuple[str, ...] = ()


SHAPES: dict[str, Shape] = {
    "acm/certificate:Certificate": Shape("AWS::CertificateManager::Certificate"),
    "appautoscaling/policy:Policy": Shape("AWS::ApplicationAutoScaling::ScalingPolicy", {"name": "PolicyName"}),
    "appautoscaling/target:Target": Shape("AWS::ApplicationAutoScaling::ScalableTarget"),
    "autoscaling/group:Group": Shape(
        "AWS::AutoScaling::AutoScalingGroup",
        {
            "name": "AutoScalingGroupName",
            "vpcZoneIdentifiers": "VPCZoneIdentifier",
            "launchTemplate.id": "LaunchTemplateId",
        },
    ),
    "cloudwatch/compositeAlarm:CompositeAlarm": Shape("AWS::CloudWatch::CompositeAlarm", {"okActions": "OKActions"}),
    "cloudwatch/dashboard:Dashboard": Shape("AWS::CloudWatch::Dashboard"),
    "cloudwatch/logGroup:LogGroup": Shape("AWS::Logs::LogGroup", {"name": "LogGroupName"}),
    "cloudwatch/metricAlarm:MetricAlarm": Shape(
        "AWS::CloudWatch::Alarm",
        {
            "name": "AlarmName",
            "okActions": "OKActions",
            "metricQueries": "Metrics",
            "metricQueries.metric": "MetricStat",
            "metricQueries.metric.namespace": "Metric.Namespace",
            "metricQueries.metric.metricName": "Metric.MetricName",
            "metricQueries.metric.dimensions": "Metric.Dimensions",
        },
    ),
    "ec2/eip:Eip": Shape("AWS::EC2::EIP"),
    "ec2/internetGateway:InternetGateway": Shape("AWS::EC2::InternetGateway", {"vpcId": ELSEWHERE}),
    "ec2/natGateway:NatGateway": Shape("AWS::EC2::NatGateway"),
    "ec2/route:Route": Shape("AWS::EC2::Route"),
    "ec2/routeTable:RouteTable": Shape("AWS::EC2::RouteTable"),
    "ec2/routeTableAssociation:RouteTableAssociation": Shape("AWS::EC2::SubnetRouteTableAssociation"),
    "ec2/securityGroup:SecurityGroup": Shape(
        "AWS::EC2::SecurityGroup", {"name": "GroupName", "description": "GroupDescription"}
    ),
    "ec2/subnet:Subnet": Shape("AWS::EC2::Subnet"),
    "ec2/vpc:Vpc": Shape("AWS::EC2::VPC"),
    "ec2/vpcEndpoint:VpcEndpoint": Shape("AWS::EC2::VPCEndpoint"),
    "ecr/repository:Repository": Shape("AWS::ECR::Repository", {"name": "RepositoryName"}),
    "ecs/cluster:Cluster": Shape("AWS::ECS::Cluster", {"name": "ClusterName", "settings": "ClusterSettings"}),
    "ecs/service:Service": Shape(
        "AWS::ECS::Service",
        {
            "name": "ServiceName",
            "enableEcsManagedTags": "EnableECSManagedTags",
            "deploymentCircuitBreaker": "DeploymentConfiguration.DeploymentCircuitBreaker",
            "deploymentMinimumHealthyPercent": "DeploymentConfiguration.MinimumHealthyPercent",
            "deploymentMaximumPercent": "DeploymentConfiguration.MaximumPercent",
            "alarms": "DeploymentConfiguration.Alarms",
            "networkConfiguration": "NetworkConfiguration.AwsvpcConfiguration",
            "networkConfiguration.assignPublicIp": ELSEWHERE,
            "waitForSteadyState": ELSEWHERE,
        },
    ),
    "ecs/taskDefinition:TaskDefinition": Shape(
        "AWS::ECS::TaskDefinition",
        {"skipDestroy": ELSEWHERE},
        documents=("containerDefinitions",),
    ),
    "elasticache/parameterGroup:ParameterGroup": Shape(
        "AWS::ElastiCache::ParameterGroup",
        {"name": ELSEWHERE, "family": "CacheParameterGroupFamily", "parameters": "Properties"},
    ),
    "elasticache/replicationGroup:ReplicationGroup": Shape(
        "AWS::ElastiCache::ReplicationGroup",
        {
            "description": "ReplicationGroupDescription",
            "parameterGroupName": "CacheParameterGroupName",
            "nodeType": "CacheNodeType",
            "multiAzEnabled": "MultiAZEnabled",
            "subnetGroupName": "CacheSubnetGroupName",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "applyImmediately": ELSEWHERE,
            "logDeliveryConfigurations.destination": "DestinationDetails.CloudWatchLogsDetails.LogGroup",
        },
    ),
    "elasticache/subnetGroup:SubnetGroup": Shape("AWS::ElastiCache::SubnetGroup", {"name": "CacheSubnetGroupName"}),
    "iam/policy:Policy": Shape(
        "AWS::IAM::ManagedPolicy",
        {"name": "ManagedPolicyName", "policy": "PolicyDocument"},
        documents=("policy",),
    ),
    "iam/role:Role": Shape(
        "AWS::IAM::Role",
        {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
        documents=("assumeRolePolicy",),
    ),
    "iam/rolePolicy:RolePolicy": Shape(
        "AWS::IAM::RolePolicy",
        {"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
        documents=("policy",),
    ),
    "kms/key:Key": Shape("AWS::KMS::Key", {"deletionWindowInDays": "PendingWindowInDays"}),
    "kms/alias:Alias": Shape("AWS::KMS::Alias", {"name": "AliasName"}),
    "lb/loadBalancer:LoadBalancer": Shape(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        {
            "loadBalancerType": "Type",
            "internal": ELSEWHERE,
            "dropInvalidHeaderFields": ELSEWHERE,
            "idleTimeout": ELSEWHERE,
            "accessLogs": ELSEWHERE,
            "enableDeletionProtection": ELSEWHERE,
            "desyncMitigationMode": ELSEWHERE,
        },
    ),
    "lb/targetGroup:TargetGroup": Shape(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            "healthCheck.interval": "/HealthCheckIntervalSeconds",
            "healthCheck.timeout": "/HealthCheckTimeoutSeconds",
            "healthCheck.path": "/HealthCheckPath",
            "healthCheck.healthyThreshold": "/HealthyThresholdCount",
            "healthCheck.unhealthyThreshold": "/UnhealthyThresholdCount",
            "healthCheck.matcher": "/Matcher.HttpCode",
            "deregistrationDelay": ELSEWHERE,
            "loadBalancingAlgorithmType": ELSEWHERE,
        },
    ),
    "rds/instance:Instance": Shape(
        "AWS::RDS::DBInstance",
        {
            "caCertIdentifier": "CACertificateIdentifier",
            "identifier": "DBInstanceIdentifier",
            "instanceClass": "DBInstanceClass",
            "password": "MasterUserPassword",
            "username": "MasterUsername",
            "vpcSecurityGroupIds": "VPCSecurityGroups",
            "backupWindow": "PreferredBackupWindow",
            "maintenanceWindow": "PreferredMaintenanceWindow",
            "parameterGroupName": "DBParameterGroupName",
            "dbSubnetGroupName": "DBSubnetGroupName",
            "multiAz": "MultiAZ",
            "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports",
            "performanceInsightsEnabled": "EnablePerformanceInsights",
            "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
            "skipFinalSnapshot": ELSEWHERE,
            "finalSnapshotIdentifier": ELSEWHERE,
        },
    ),
    "rds/parameterGroup:ParameterGroup": Shape("AWS::RDS::DBParameterGroup", {"name": "DBParameterGroupName"}),
    "rds/subnetGroup:SubnetGroup": Shape(
        "AWS::RDS::DBSubnetGroup",
        {"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
    ),
    "route53/record:Record": Shape(
        "AWS::Route53::RecordSet",
        {"zoneId": "HostedZoneId", "records": "ResourceRecords", "ttl": "TTL", "allowOverwrite": ELSEWHERE},
    ),
    "s3/bucket:Bucket": Shape("AWS::S3::Bucket", {"bucket": "BucketName", "forceDestroy": ELSEWHERE}),
    "s3/bucketCorsConfiguration:BucketCorsConfiguration": Shape(
        "AWS::S3::Bucket", {"corsRules": "CorsRules", "corsRules.maxAgeSeconds": "MaxAge"}, below="CorsConfiguration"
    ),
    "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Shape(
        "AWS::S3::Bucket", below="ObjectLockConfiguration"
    ),
    "s3/bucketPolicy:BucketPolicy": Shape("AWS::S3::BucketPolicy", {"policy": "PolicyDocument"}, documents=("policy",)),
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Shape(
        "AWS::S3::Bucket",
        {
            "rules": "ServerSideEncryptionConfiguration",
            "rules.applyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault",
            "rules.applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
        },
        below="BucketEncryption",
    ),
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Shape(
        "AWS::S3::Bucket", below="PublicAccessBlockConfiguration"
    ),
    "s3/bucketVersioning:BucketVersioning": Shape("AWS::S3::Bucket", {"bucket": "BucketName"}),
    "scheduler/schedule:Schedule": Shape(
        "AWS::Scheduler::Schedule",
        {
            "target.ecsParameters.networkConfiguration": "NetworkConfiguration.AwsvpcConfiguration",
            "target.ecsParameters.networkConfiguration.assignPublicIp": ELSEWHERE,
        },
    ),
    "secretsmanager/secret:Secret": Shape("AWS::SecretsManager::Secret", {"recoveryWindowInDays": ELSEWHERE}),
    "secretsmanager/secretPolicy:SecretPolicy": Shape(
        "AWS::SecretsManager::ResourcePolicy",
        {"secretArn": "SecretId", "policy": "ResourcePolicy"},
        documents=("policy",),
    ),
    "sns/topic:Topic": Shape("AWS::SNS::Topic", {"name": "TopicName"}),
    "sns/topicSubscription:TopicSubscription": Shape("AWS::SNS::Subscription", {"topic": "TopicArn"}),
    "ssm/parameter:Parameter": Shape("AWS::SSM::Parameter"),
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": Shape(
        "AWS::EC2::SecurityGroupEgress",
        {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "referencedSecurityGroupId": "DestinationSecurityGroupId"},
    ),
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": Shape(
        "AWS::EC2::SecurityGroupIngress",
        {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "referencedSecurityGroupId": "SourceSecurityGroupId"},
    ),
    "wafv2/webAclAssociation:WebAclAssociation": Shape("AWS::WAFv2::WebACLAssociation", {"webAclArn": "WebACLArn"}),
}


UNLIKE: dict[str, str] = {
    "acm/certificateValidation:CertificateValidation": "CloudFormation waits within the certificate",
    "cloudwatch/logMetricFilter:LogMetricFilter": "one transformation here, a list of them there",
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": "CloudFormation never takes over what AWS has made",
    "ec2/launchTemplate:LaunchTemplate": "all of it lies in LaunchTemplateData, truths as texts",
    "ecr/lifecyclePolicy:LifecyclePolicy": "a text within the repository",
    "iam/instanceProfile:InstanceProfile": "one role here, a list of them there",
    "iam/openIdConnectProvider:OpenIdConnectProvider": "AWS::IAM::OIDCProvider, with its own words for all of it",
    "iam/rolePolicyAttachment:RolePolicyAttachment": "a list within the role",
    "lb/listener:Listener": "each kind of action has a part of its own, and certificates are a list",
    "lb/listenerRule:ListenerRule": "each kind of condition and action has a part of its own",
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "a rule's filter and expiration are taken apart",
    "s3/bucketObjectv2:BucketObjectv2": "CloudFormation has no objects",
    "s3/bucketOwnershipControls:BucketOwnershipControls": "one rule here, a list of them there",
    "secretsmanager/secretVersion:SecretVersion": "CloudFormation has no versions",
    "sns/topicPolicy:TopicPolicy": "one topic here, a list of them there",
    "wafv2/webAcl:WebAcl": "a rule's statement, and fields to match, are taken apart",
    "wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": "filters are taken apart",
}
"""What cfn-lint is not shown, and why: the models of the services have these requests, test_requests.py."""
