"""What makes, changes and ends what runs: services, their images' repositories, logs, alarms, flags and roles."""

from __future__ import annotations

from bootstrap.place import NAMED, Place, Statement, allow
from bootstrap.rights.reading import LOGS, TASKS, dashboards

SESSION_MANAGER = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
"""The one policy of AWS' own that the program attaches, to the bastion."""
PASSED = ("ec2", "ecs-tasks", "scheduler")
"""The services that take a stack's roles on."""
LINKED = (
    "autoscaling",
    "ecs",
    "ecs.application-autoscaling",
    "elasticache",
    "elasticloadbalancing",
    "rds",
    "wafv2",
)
"""The services that make a role of their own in the account where there is none yet."""


def running(place: Place) -> list[Statement]:
    """In `infra/runtime/fargate/`, `infra/monitoring.py`, `infra/flags.py` and `infra/role.py`."""
    return [*_services(place), *_seen(place), *_roles(place)]


def _services(place: Place) -> list[Statement]:
    ecs = {"StringEquals": {"application-autoscaling:service-namespace": "ecs"}}
    return [
        allow(
            "Repositories",
            "ecr",
            "CreateRepository DeleteLifecyclePolicy DeleteRepository PutImageScanningConfiguration "
            "PutImageTagMutability PutLifecyclePolicy TagResource UntagResource",
            place.arn("ecr", f"repository/{NAMED}"),
        ),
        allow(
            "Services",
            "ecs",
            "CreateCluster CreateService DeleteCluster DeleteService RegisterTaskDefinition StopServiceDeployment "
            "TagResource UntagResource UpdateCluster UpdateClusterSettings UpdateService",
            place.arn("ecs", *(f"{one}/{NAMED}" for one in ("cluster", "service", "service-deployment")), TASKS),
        ),
        # AWS has no rights for the end of one definition.
        allow("Definitions", "ecs", "DeregisterTaskDefinition", "*"),
        allow(
            "Scaling",
            "application-autoscaling",
            "DeleteScalingPolicy DeregisterScalableTarget PutScalingPolicy RegisterScalableTarget TagResource "
            "UntagResource",
            place.arn("application-autoscaling", "scalable-target/*"),
            ecs,
        ),
        allow(
            "Schedules",
            "scheduler",
            "CreateSchedule DeleteSchedule UpdateSchedule",
            place.arn("scheduler", f"schedule/default/{NAMED}"),
        ),
    ]


def _seen(place: Place) -> list[Statement]:
    return [
        allow(
            "Logs",
            "logs",
            "CreateLogGroup DeleteLogGroup DeleteMetricFilter DeleteRetentionPolicy PutMetricFilter PutRetentionPolicy "
            "TagResource UntagResource",
            place.arn("logs", LOGS),
        ),
        allow(
            "Alarms",
            "cloudwatch",
            "DeleteAlarms DeleteDashboards PutCompositeAlarm PutDashboard PutMetricAlarm TagResource UntagResource",
            # Those by which a service's number of tasks follows its load are named by Application Auto Scaling.
            [*place.arn("cloudwatch", f"alarm:{NAMED}", f"alarm:TargetTracking-service/{NAMED}"), dashboards(place)],
        ),
        allow(
            "Topics",
            "sns",
            "CreateTopic DeleteTopic SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource Unsubscribe "
            "UntagResource",
            place.arn("sns", NAMED),
        ),
        allow(
            "Parameters",
            "ssm",
            "AddTagsToResource DeleteParameter PutParameter RemoveTagsFromResource",
            place.arn("ssm", f"parameter/{NAMED}"),
        ),
    ]


def _roles(place: Place) -> list[Statement]:
    """A role gets rights only within the boundary: so whoever makes roles gives nobody more than that, itself
    included. bounds.py denies what would change the account's own roles."""
    roles, bounded = place.iam(f"role/{NAMED}"), {"StringEquals": {"iam:PermissionsBoundary": place.boundary}}
    return [
        allow("Roles", "iam", "CreateRole DeleteRolePolicy PutRolePolicy", roles, bounded),
        allow(
            "Attached",
            "iam",
            "AttachRolePolicy DetachRolePolicy",
            roles,
            {**bounded, "ArnEquals": {"iam:PolicyARN": SESSION_MANAGER}},
        ),
        allow(
            "RoleCare",
            "iam",
            "DeleteRole TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription",
            roles,
        ),
        allow(
            "Profiles",
            "iam",
            "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile RemoveRoleFromInstanceProfile "
            "TagInstanceProfile UntagInstanceProfile",
            place.iam(f"instance-profile/{NAMED}"),
        ),
        allow(
            "Passing",
            "iam",
            "PassRole",
            roles,
            {"StringEquals": {"iam:PassedToService": [f"{one}.amazonaws.com" for one in PASSED]}},
        ),
        allow(
            "Linked",
            "iam",
            "CreateServiceLinkedRole",
            place.iam("role/aws-service-role/*"),
            {"StringEquals": {"iam:AWSServiceName": [f"{one}.amazonaws.com" for one in LINKED]}},
        ),
    ]
