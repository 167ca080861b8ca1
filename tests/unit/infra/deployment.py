"""What each type that a stack declares is to AWS' rights: its ARNs, whose rights make it, and which it does without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.unit.infra.cloudformation_shapes import SHAPES
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.recorder import Registered

ZONE = "Z0123456789ABCDEFGHIJ"
BUCKET = "s3 {bucket} {bucket}/x"
LISTENER = "listener/app/web-next-test/1/2"
VPC, SUBNET, GROUP, TABLE = "vpc/vpc-1", "subnet/subnet-1", "security-group/sg-1", "route-table/rtb-1"
TYPES: dict[str, str] = {
    "acm/certificate:Certificate": "acm certificate/1",
    "acm/certificateValidation:CertificateValidation": "acm certificate/1",
    "appautoscaling/policy:Policy": "application-autoscaling scalable-target/1",
    "appautoscaling/target:Target": "application-autoscaling scalable-target/1",
    "autoscaling/group:Group": "autoscaling autoScalingGroup:1:autoScalingGroupName/{name}",
    "cloudwatch/compositeAlarm:CompositeAlarm": "cloudwatch alarm:{alarmName}",
    "cloudwatch/dashboard:Dashboard": "cloudwatch dashboard/{dashboardName}",
    "cloudwatch/logGroup:LogGroup": "logs log-group:{name}:*",
    "cloudwatch/logMetricFilter:LogMetricFilter": "logs log-group:{logGroupName}:*",
    "cloudwatch/metricAlarm:MetricAlarm": "cloudwatch alarm:{name}",
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": f"ec2 {GROUP}",
    "ec2/eip:Eip": "ec2 elastic-ip/eipalloc-1",
    "ec2/internetGateway:InternetGateway": f"ec2 internet-gateway/igw-1 {VPC}",
    "ec2/launchTemplate:LaunchTemplate": "ec2 launch-template/lt-1",
    "ec2/natGateway:NatGateway": f"ec2 natgateway/nat-1 {SUBNET} elastic-ip/eipalloc-1",
    "ec2/route:Route": f"ec2 {TABLE}",
    "ec2/routeTable:RouteTable": f"ec2 {TABLE} {VPC}",
    "ec2/routeTableAssociation:RouteTableAssociation": f"ec2 {TABLE} {SUBNET}",
    "ec2/securityGroup:SecurityGroup": f"ec2 {GROUP} {VPC}",
    "ec2/subnet:Subnet": f"ec2 {SUBNET} {VPC}",
    "ec2/vpc:Vpc": f"ec2 {VPC}",
    "ec2/vpcEndpoint:VpcEndpoint": f"ec2 vpc-endpoint/vpce-1 {VPC} {SUBNET} {GROUP} {TABLE}",
    "ecr/lifecyclePolicy:LifecyclePolicy": "ecr repository/{repository}",
    "ecr/repository:Repository": "ecr repository/{name}",
    "ecs/cluster:Cluster": "ecs cluster/{name}",
    "ecs/service:Service": "ecs service/web-next-test/{name} service-deployment/web-next-test/{name}/1",
    "ecs/taskDefinition:TaskDefinition": "ecs task-definition/{family}:1",
    "elasticache/parameterGroup:ParameterGroup": "elasticache parametergroup:{name}",
    "elasticache/replicationGroup:ReplicationGroup": "elasticache replicationgroup:{replicationGroupId} "
    "cluster:{replicationGroupId}-001 parametergroup:{parameterGroupName} subnetgroup:{subnetGroupName} "
    "snapshot:{replicationGroupId}-last",
    "elasticache/subnetGroup:SubnetGroup": "elasticache subnetgroup:{name}",
    "iam/instanceProfile:InstanceProfile": "iam instance-profile/{name}",
    "iam/role:Role": "iam role/{name}",
    "iam/rolePolicy:RolePolicy": "iam role/{name}",
    "iam/rolePolicyAttachment:RolePolicyAttachment": "iam role/{role}",
    "kms/alias:Alias": "kms {name} key/state",
    "kms/key:Key": "kms key/state",
    "lb/listener:Listener": f"elasticloadbalancing {LISTENER} loadbalancer/app/web-next-test/1",
    "lb/listenerRule:ListenerRule": f"elasticloadbalancing listener-rule/app/web-next-test/1/2/3 {LISTENER}",
    "lb/loadBalancer:LoadBalancer": "elasticloadbalancing loadbalancer/app/{name}/1",
    "lb/targetGroup:TargetGroup": "elasticloadbalancing targetgroup/{name}/1",
    "rds/instance:Instance": "rds db:{identifier} pg:{parameterGroupName} subgrp:{dbSubnetGroupName} "
    "og:default:postgres-17 snapshot:{finalSnapshotIdentifier}",
    "rds/parameterGroup:ParameterGroup": "rds pg:{name}",
    "rds/subnetGroup:SubnetGroup": "rds subgrp:{name}",
    "route53/record:Record": "route53 hostedzone/{zoneId} change/1",
    "s3/bucket:Bucket": BUCKET,
    "s3/bucketCorsConfiguration:BucketCorsConfiguration": BUCKET,
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": BUCKET,
    "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": BUCKET,
    "s3/bucketObjectv2:BucketObjectv2": "s3 web-next-test-records-123456789012/{key}",
    "s3/bucketOwnershipControls:BucketOwnershipControls": BUCKET,
    "s3/bucketPolicy:BucketPolicy": BUCKET,
    "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": BUCKET,
    "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": BUCKET,
    "s3/bucketVersioning:BucketVersioning": BUCKET,
    "scheduler/schedule:Schedule": "scheduler schedule/default/{name}",
    "secretsmanager/secret:Secret": "secretsmanager secret:{name}-a1B2c3",
    "secretsmanager/secretPolicy:SecretPolicy": "secretsmanager secret:web-next-test/X-a1B2c3",
    "secretsmanager/secretVersion:SecretVersion": "secretsmanager secret:web-next-test/X-a1B2c3",
    "sns/topic:Topic": "sns {name}",
    "sns/topicPolicy:TopicPolicy": "sns web-next-test-alarms",
    "sns/topicSubscription:TopicSubscription": "sns web-next-test-alarms",
    "ssm/parameter:Parameter": "ssm parameter{name}",
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": f"ec2 security-group-rule/sgr-1 {GROUP}",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": f"ec2 security-group-rule/sgr-1 {GROUP}",
    "wafv2/webAcl:WebAcl": "wafv2 regional/webacl/{name}/1 regional/managedruleset/AWSManagedRulesCommonRuleSet/",
    "wafv2/webAclAssociation:WebAclAssociation": "wafv2 regional/webacl/web-next-test/1 "
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web-next-test/1",
    "wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": "wafv2 regional/webacl/web-next-test/1",
}
"""Each type: its service, its own ARN from behind the account on, and those of what it is made in or of."""

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "acm/certificateValidation:CertificateValidation": ("AWS::CertificateManager::Certificate",),
    "cloudwatch/logMetricFilter:LogMetricFilter": ("AWS::Logs::MetricFilter",),
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": (),
    "ec2/internetGateway:InternetGateway": ("AWS::EC2::InternetGateway", "AWS::EC2::VPCGatewayAttachment"),
    "ec2/launchTemplate:LaunchTemplate": ("AWS::EC2::LaunchTemplate",),
    "ecr/lifecyclePolicy:LifecyclePolicy": ("AWS::ECR::Repository",),
    "iam/instanceProfile:InstanceProfile": ("AWS::IAM::InstanceProfile",),
    "iam/rolePolicyAttachment:RolePolicyAttachment": ("AWS::IAM::Role",),
    "lb/listener:Listener": ("AWS::ElasticLoadBalancingV2::Listener",),
    "lb/listenerRule:ListenerRule": ("AWS::ElasticLoadBalancingV2::ListenerRule",),
    "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("AWS::S3::Bucket",),
    "s3/bucketObjectv2:BucketObjectv2": (),
    "s3/bucketOwnershipControls:BucketOwnershipControls": ("AWS::S3::Bucket",),
    "secretsmanager/secretVersion:SecretVersion": (),
    "sns/topicPolicy:TopicPolicy": ("AWS::SNS::TopicPolicy",),
    "wafv2/webAcl:WebAcl": ("AWS::WAFv2::WebACL",),
    "wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": ("AWS::WAFv2::LoggingConfiguration",),
}
"""CloudFormation's types where SHAPES has none, or more than one."""

PROVIDER: dict[str, str] = {
    "autoscaling/group:Group": "DescribeAutoScalingGroups DescribeScalingActivities",
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": "CreateTags DeleteTags DescribeSecurityGroupRules "
    "DescribeSecurityGroups RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
    "ec2/eip:Eip": "DescribeAddressesAttribute",
    "ec2/launchTemplate:LaunchTemplate": "DescribeLaunchTemplateVersions",
    "ec2/securityGroup:SecurityGroup": "DescribeNetworkInterfaces",
    "ec2/vpc:Vpc": "DescribeRouteTables DescribeSecurityGroups",
    "ec2/vpcEndpoint:VpcEndpoint": "DescribePrefixLists",
    "ecs/service:Service": "ListServiceDeployments DescribeServiceDeployments",
    "elasticache/replicationGroup:ReplicationGroup": "DescribeCacheClusters",
    "iam/instanceProfile:InstanceProfile": "TagInstanceProfile UntagInstanceProfile",
    "iam/role:Role": "ListInstanceProfilesForRole",
    "rds/instance:Instance": "AddTagsToResource ListTagsForResource RemoveTagsFromResource",
    "s3/bucket:Bucket": "DeleteObject DeleteObjectVersion GetBucketAcl GetBucketPolicy GetBucketRequestPayment "
    "ListBucketVersions",
    "s3/bucketObjectv2:BucketObjectv2": "GetObject GetObjectTagging PutObject PutObjectTagging",
    "secretsmanager/secretVersion:SecretVersion": "GetSecretValue PutSecretValue UpdateSecretVersionStage",
    "ssm/parameter:Parameter": "DescribeParameters GetParameter",
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "CreateTags DeleteTags ModifySecurityGroupRules",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "CreateTags DeleteTags ModifySecurityGroupRules",
}
"""What the official provider asks the type's own service for, and CloudFormation does not: what is called where
terraform-provider-aws' `internal/service/<service>/<type>.go` makes, reads, changes and ends a type with the inputs
that the program gives. So a launch template gets no default version, and no instance is protected from scaling in.

Read in sources of 6: default and other security groups, services of ECS, replication groups, instance profiles,
versions of secrets, parameters; of 5: groups of Auto Scaling, addresses, launch templates, objects and the VPC's
beginning; of 4: buckets, endpoints, roles, rules of groups. Servers of RDS, whose tags alone are here, were not read.
The release that the program pins was nowhere to be had: what it asks beside shows as AccessDenied in a first `up`."""

NOT_OURS: dict[str, str] = {
    "* acm-pca:*": "a public authority issues the certificate",
    "* amplify:*": "a firewall stands before a load balancer alone",
    "* apigateway:*": "the same",
    "* apprunner:*": "the same",
    "* appsync:*": "the same",
    "* bedrock-agentcore:*": "the same",
    "* cognito-idp:*": "the same, and nobody signs in at the balancer",
    "* ec2:*VerifiedAccess*": "the same",
    "* application-autoscaling:*Scheduled*": "load alone says how many tasks there are",
    "* lambda:*": "tasks are scaled, and nothing else",
    "AWS::ApplicationAutoScaling::* cloudwatch:DescribeAlarms": "the service looks at its alarms itself",
    "AWS::ApplicationAutoScaling::* cloudwatch:GetMetricData": "for a metric of one's own",
    "AWS::ApplicationAutoScaling::* iam:PassRole": "the service's own role",
    "* autoscaling:Describe[*]": "the provider's own are named",
    "* autoscaling:*LifecycleHook": "the bastion's group has none",
    "* autoscaling:*NotificationConfiguration": "the same",
    "* autoscaling:*MetricsCollection": "the same",
    "* autoscaling:*InstanceRefresh": "the same: its instances end by their age",
    "* autoscaling:*Processes": "the same",
    "* autoscaling:*TrafficSources": "the same",
    "* autoscaling:*LoadBalancer*": "the same",
    "* managed-fleets:*": "the same",
    "* vpc-lattice:*": "none",
    "AWS::AutoScaling::* cloudwatch:*": "for a policy that follows a figure",
    "AWS::AutoScaling::* e*:[DG]e*[*]": "its handler's, for other kinds of groups",
    "AWS::AutoScaling::* ssm:Get[*]": "GetParameters of the image is asked apart",
    "* ec2:AcceptAddressTransfer": "no address comes from another account",
    "* ec2:AssociateAddress": "the NAT gateway takes its address itself",
    "* ec2:*NatGatewayAddress": "a gateway has one address",
    "* ec2:*SubnetCidrBlock": "no IPv6",
    "* ec2:*VpnGateway*": "none",
    "* ec2:*VpcEncryptionControl*": "none",
    "* ec2:ModifyVpcTenancy": "the tenancy is AWS' default",
    "* ec2:DescribeIpamPools": "none",
    "* ec2:DescribeInstances": "the provider looks at interfaces",
    "* ec2:UpdateSecurityGroupRuleDescriptions*": "the provider modifies a rule, or makes it anew",
    "* vpce:*": "an endpoint is of its own region",
    "* ecr:*RepositoryPolicy": "no repository has a policy",
    "AWS::ECR::* kms:*": "repositories are under AWS' own key",
    "AWS::ECS::Cluster kms:*": "no session into a container",
    "* ecs:PutAccountSetting*": "the account's",
    "* ecs:PutClusterCapacityProviders": "tasks name Fargate themselves",
    "* elasticache:*CacheCluster": "cluster mode is off, and replicas are counted",
    "* elasticache:ModifyReplicationGroupShardConfiguration": "the same",
    "* elasticache:DescribeEngineDefaultParameters": "to reset a parameter, which the provider does by name",
    "AWS::ElastiCache::* iam:PutRolePolicy": "the service's own role",
    "AWS::ElastiCache::* logs:*LogStream": "the delivery's own",
    "AWS::ElastiCache::* logs:PutLogEvents": "the delivery's own",
    "AWS::ElastiCache::* s3:*": "queues begin empty",
    "AWS::ElastiCache::* kms:Decrypt": "the same",
    "* firehose:*": "logs go to CloudWatch",
    "* iam:*PermissionsBoundary": "a role's boundary stays",
    "AWS::SNS::* iam:*": "nobody logs the delivery of messages",
    "AWS::S3::* iam:*": "nothing is replicated",
    "AWS::RDS::* iam:ListRoles": "a role is named",
    "AWS::RDS::* iam:PassRole": "no enhanced monitoring, no domain",
    "AWS::RDS::* iam:GetRole": "the same",
    "AWS::RDS::* secretsmanager:*": "the vault has the password",
    "* kms:DisableKey": "the key is not disabled",
    "* kms:EnableKey": "the same",
    "* logs:*KmsKey": "log groups are under AWS' own key",
    "* logs:*DataProtectionPolicy": "none",
    "* logs:*IndexPolic*": "none",
    "* logs:DeleteResourcePolicy": "it may be another's",
    "* logs:PutBearerTokenAuthentication": "none",
    "* logs:PutLogGroupDeletionProtection": "none",
    "AWS::Logs::* logs:*LogDelivery": "asked of whom the log is",
    "AWS::Logs::* logs:*ResourcePolic*": "the same",
    "* payments:*": "no rules that cost by themselves",
    "* rds:*Role*DBInstance": "the server takes no role on",
    "* rds:*ReadReplica": "none",
    "* rds:Restore*": "a drill's, asked apart",
    "* rds:*AutomatedBackups*": "backups stay in their region",
    "* rds:Describe*Clusters": "none",
    "* rds:DescribeDBClusterSnapshots": "none",
    "* rds:DescribeDBSnapshots": "for a server made of one",
    "* rds:DescribeEvents": "CloudFormation's way to wait",
    "* rds:DescribeDBEngineVersions": "its way to a version",
    "* rds:DescribeEngineDefaultParameters": "the provider resets by name",
    "AWS::CertificateManager::* route53:*": "the record is a resource of its own",
    "* route53:ListHostedZones": "the zone is named",
    "* s3:*Abac": "none",
    "* s3:PutAccelerateConfiguration": "read, and never set",
    "* s3:*Analytics*": "none",
    "* s3:*Inventory*": "none",
    "* s3:*IntelligentTiering*": "none",
    "* s3:*Metadata*": "none",
    "* s3:*MetricsConfiguration": "none",
    "* s3:*Notification": "none",
    "* s3:PutReplicationConfiguration": "none",
    "* s3:[PD]*BucketWebsite": "the same",
    "* s3:PutBucketLogging": "none",
    "* s3:Put*Acl": "its owner owns the objects",
    "AWS::S3::Bucket s3:*Object": "the provider's own are named",
    "* s3tables:*": "none",
    "AWS::WAFv2::* s3:*": "the firewall's log goes to CloudWatch",
    "* secretsmanager:GetRandomPassword": "Pulumi makes the passwords",
    "* secretsmanager:*Replicat*": "entries stay in their region",
    "* sns:*DataProtectionPolicy": "none",
    "* sns:ListSubscriptionsByTopic": "preflight's, asked apart",
    "* elasticloadbalancing:DescribeTargetHealth": "smoke's, asked apart",
    "* wafv2:*PermissionPolicy": "rules are AWS' or the ACL's",
    "* elasticloadbalancing:*Targets": "ECS registers its own",
    "* elasticloadbalancing:ModifyCapacityReservation": "none is reserved",
    "* elasticloadbalancing:SetIpAddressType": "IPv4 alone",
    "* elasticloadbalancing:ModifyIpPools": "none",
    "* elasticloadbalancing:*WebACL*": "WAFv2's own are asked, and SetWebACL apart",
}
"""What CloudFormation's handlers ask for that no stack of ours does, by type and action, and why."""


def kinds(token: str) -> tuple[str, ...]:
    """CloudFormation's types of one of Pulumi's."""
    return ELSEWHERE[token] if token in ELSEWHERE else (SHAPES[token].type,)


def not_ours(kind: str, action: str) -> str | None:
    """The first pattern by which an action is none of ours."""
    return next((one for one in NOT_OURS if fnmatchcase(f"{kind} {action}", one)), None)


def arns(one: Registered) -> Iterator[str]:
    """A captured resource's own ARN, and those of what it is made in."""
    service, *what = TYPES[one.token.removeprefix("aws:")].split()
    for each in what:
        filled = re.sub(r"{(\w+)}", lambda found: _input(one.inputs, found[1]), each)
        yield filled if filled.startswith("arn:") else f"{_start(service, filled)}{filled}"


def _start(service: str, what: str) -> str:
    if service in ("s3", "route53"):
        return f"arn:aws:{service}:::"
    region = "" if service == "iam" or what.startswith("dashboard/") else REGION
    return f"arn:aws:{service}:{region}:{ACCOUNT}:"


def _input(inputs: Mapping[str, Any], name: str) -> str:
    return str(inputs[name])
