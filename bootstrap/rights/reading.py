"""What the providers ask for to say how each resource of a stack is, in a refresh and before they write."""

from __future__ import annotations

from bootstrap.place import BUCKETS, NAMED, Place, Statement, allow

CACHE = ("cluster", "parametergroup", "replicationgroup", "subnetgroup")
"""What ElastiCache's ARNs of the queues begin with."""
TASKS = f"task-definition/{NAMED}:*"
LOGS = f"log-group:*{NAMED}"
"""Groups are named by what writes into them, /ecs/web-next-… for one; the stack stands in the middle."""


def dashboards(place: Place) -> str:
    """The pattern of the stacks' dashboards, which are in no region."""
    return f"arn:aws:cloudwatch::{place.account}:dashboard/{NAMED}"


def reading_network(place: Place) -> list[Statement]:
    """What `bootstrap.rights.network` makes. Nothing is changed by it."""
    zones = [
        allow("Zones", "route53", "GetHostedZone ListResourceRecordSets", place.hosted_zones),
        allow("ZoneChanges", "route53", "GetChange", "arn:aws:route53:::change/*"),
    ]
    return [
        # Descriptions name no resource: AWS has no rights for one of them.
        allow(
            "Network",
            "ec2",
            "DescribeAccountAttributes DescribeAddresses DescribeAddressesAttribute DescribeAvailabilityZones "
            "DescribeInternetGateways DescribeLaunchTemplates DescribeLaunchTemplateVersions DescribeNatGateways "
            "DescribeNetworkAcls DescribeNetworkInterfaces DescribePrefixLists DescribeRouteTables "
            "DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets DescribeVpcEndpoints DescribeVpcs",
            "*",
        ),
        allow("Vpcs", "ec2", "DescribeVpcAttribute", place.arn("ec2", "vpc/*")),
        allow("Groups", "autoscaling", "DescribeAutoScalingGroups DescribeScalingActivities", "*"),
        allow(
            "Balancers",
            "elasticloadbalancing",
            "DescribeCapacityReservation DescribeListenerAttributes DescribeListeners DescribeLoadBalancerAttributes "
            "DescribeLoadBalancers DescribeRules DescribeTags DescribeTargetGroupAttributes DescribeTargetGroups",
            "*",
        ),
        allow(
            "Firewall",
            "wafv2",
            "GetLoggingConfiguration GetWebACL GetWebACLForResource ListTagsForResource",
            [
                *place.arn("wafv2", f"regional/webacl/{NAMED}/*"),
                *place.arn("elasticloadbalancing", f"loadbalancer/app/{NAMED}/*"),
            ],
        ),
        allow("Certificates", "acm", "DescribeCertificate ListTagsForCertificate", place.arn("acm", "certificate/*")),
        *(zones if place.zones else []),
    ]


def reading_data(place: Place) -> list[Statement]:
    """What `bootstrap.rights.data` makes, the vault's values included: each is a resource, and who compares it reads
    it. The vault's own policies let nobody do so who is not in `operatorRoles`."""
    return [
        allow(
            "Buckets",
            "s3",
            "GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLogging GetBucketObjectLockConfiguration "
            "GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock GetBucketRequestPayment "
            "GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration "
            "GetLifecycleConfiguration GetReplicationConfiguration ListBucket ListTagsForResource",
            place.buckets(*BUCKETS),
        ),
        allow("Objects", "s3", "GetObject GetObjectTagging", place.buckets("records", inside="/*")),
        # A drill looks for copies that others left, and names none.
        allow("Databases", "rds", "DescribeDBInstances", place.arn("rds", "db:*")),
        allow(
            "DatabaseParts",
            "rds",
            "DescribeDBParameterGroups DescribeDBParameters DescribeDBSubnetGroups ListTagsForResource",
            place.arn("rds", f"db:{NAMED}", f"pg:{NAMED}", f"subgrp:{NAMED}"),
        ),
        allow(
            "Queues",
            "elasticache",
            "DescribeCacheClusters DescribeCacheParameterGroups DescribeCacheParameters DescribeCacheSubnetGroups "
            "DescribeReplicationGroups ListTagsForResource",
            place.arn("elasticache", *(f"{one}:{NAMED}" for one in CACHE)),
        ),
        # A key's ARN has AWS' own id.
        allow(
            "Keys", "kms", "DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags", place.arn("kms", "key/*")
        ),
        allow("KeyNames", "kms", "ListAliases", "*"),
        allow(
            "Vault",
            "secretsmanager",
            "DescribeSecret GetResourcePolicy GetSecretValue",
            place.arn("secretsmanager", f"secret:{NAMED}"),
        ),
        allow("VaultKey", "kms", "Decrypt", place.arn("kms", "key/*"), place.entries),
    ]


def reading_running(place: Place) -> list[Statement]:
    """What `bootstrap.rights.running` makes."""
    roles = "GetRole GetRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole ListRolePolicies"
    return [
        allow(
            "Repositories",
            "ecr",
            "DescribeRepositories GetLifecyclePolicy ListTagsForResource",
            place.arn("ecr", f"repository/{NAMED}"),
        ),
        allow("Definitions", "ecs", "DescribeTaskDefinition", "*"),
        allow(
            "Services",
            "ecs",
            "DescribeClusters DescribeServiceDeployments DescribeServices ListServiceDeployments ListTagsForResource",
            place.arn("ecs", *(f"{one}/{NAMED}" for one in ("cluster", "service", "service-deployment")), TASKS),
        ),
        allow("Scaling", "application-autoscaling", "DescribeScalableTargets DescribeScalingPolicies", "*"),
        allow(
            "ScalingTags",
            "application-autoscaling",
            "ListTagsForResource",
            place.arn("application-autoscaling", "scalable-target/*"),
        ),
        allow("Schedules", "scheduler", "GetSchedule", place.arn("scheduler", f"schedule/default/{NAMED}")),
        allow("LogGroups", "logs", "DescribeLogGroups DescribeResourcePolicies", "*"),
        allow("Logs", "logs", "DescribeMetricFilters ListTagsForResource", place.arn("logs", LOGS)),
        allow(
            "Alarms",
            "cloudwatch",
            "DescribeAlarms GetDashboard ListTagsForResource",
            [*place.arn("cloudwatch", f"alarm:{NAMED}"), dashboards(place)],
        ),
        allow(
            "Topics", "sns", "GetSubscriptionAttributes GetTopicAttributes ListTagsForResource", place.arn("sns", NAMED)
        ),
        allow("ParameterNames", "ssm", "DescribeParameters", "*"),
        allow(
            "Parameters",
            "ssm",
            "GetParameter GetParameters ListTagsForResource",
            place.arn("ssm", f"parameter/{NAMED}"),
        ),
        allow("Roles", "iam", roles, place.iam(f"role/{NAMED}")),
        allow("Profiles", "iam", "GetInstanceProfile", place.iam(f"instance-profile/{NAMED}")),
    ]
