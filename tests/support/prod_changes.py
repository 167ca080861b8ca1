"""What one setting, or several at once, change in the shape of prod, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.settings.subnets import INTERFACE_ENDPOINTS
from tests.support.prod import ACCOUNT, ROLES


@dataclass(frozen=True, kw_only=True)
class Change:
    """Settings that are changed, and what that changes: a line for each resource or input."""

    settings: Mapping[str, Any]
    lines: set[str]
    base: Mapping[str, Any] = field(default_factory=dict)


VAULT = (
    "AUDIT_DB_MASTER_URL",
    "AUDIT_DB_OWNER_URL",
    "AUDIT_DB_READER_URL",
    "AUDIT_DB_URL",
    "REDIS_URL",
    "SLACK_WEBHOOK_URL",
)
# First what only evidence has, then what records has not.
BUCKET_SETTINGS = (
    "BucketCorsConfiguration",
    "BucketLifecycleConfiguration",
    "BucketOwnershipControls",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "BucketVersioning",
)
INSIDE_THE_DATABASE = {
    "Database audit-roles",
    "DefaultPrivileges audit-roles-audit_reader-tables",
    "DefaultPrivileges audit-roles-audit_writer-sequences",
    "DefaultPrivileges audit-roles-audit_writer-tables",
    "Extension audit-roles-cron",
    "Grant audit-roles-cron-function",
    "Grant audit-roles-cron-schema",
    "Role audit_owner",
    "Role audit_reader",
    "Role audit_writer",
    "Role audit_writer_2",
}
LOG_GROUPS = (
    *("audit-postgresql", "audit-upgrade", "firewall", "queues"),
    *(f"logs-{track}-{kind}" for track in ("candidate", "stable") for kind in ("app", "edge", "worker")),
    "logs-watch",
)
WAIVER = {"criterion": "Health", "reason": "r", "owner": "o", "expires": "2027-01-31"}
CHANGES = [
    *(
        Change(settings={f"smoke.{name}": value}, lines=set())
        for name, value in {
            "run": False,
            "profile": "full",
            "mustPass": ["Health"],
            "maxAgeMinutes": 31,
            "waivers": [WAIVER],
            "onCall": "a rota",
        }.items()
    ),
    Change(
        settings={"retentionDays": "60"},
        lines={
            "BucketLifecycleConfiguration evidence: rules[0].expiration.days",
            *(f"TaskDefinition {task}: containerDefinitions" for task in ("stable", "worker")),
        },
    ),
    Change(
        settings={"logDays": "30"},
        lines={
            *(f"LogGroup {name}: retentionInDays" for name in LOG_GROUPS),
            "BucketLifecycleConfiguration access-logs: rules[0].expiration.days",
        },
    ),
    Change(
        settings={"database.class": "db.m7g.xlarge"},
        lines={
            "Instance audit: instanceClass",
            "ParameterGroup audit: parameters[2].value",  # max_connections
            "MetricAlarm monitoring-database-connections: threshold",
        },
    ),
    Change(
        settings={"database.writerRotation": "1"},
        lines={
            "RandomPassword audit-writer-2: keepers.generation",
            "Role audit_writer_2: password",
            "SecretVersion AUDIT_DB_URL: secretString",
        },
    ),
    Change(
        settings={"database.storage": "200"},
        lines={"Instance audit: allocatedStorage", "MetricAlarm monitoring-database-storage: threshold"},
    ),
    Change(
        settings={"auditRetentionMonths": "84"},
        lines={"Schema schema: access.retention_months", "Schema schema: upkeep.audit-retention"},
    ),
    Change(
        settings={"queues.replicas": "2"},
        lines={
            "ReplicationGroup queues: numCacheClusters",
            *(f"+ MetricAlarm monitoring-queues-003-{what}" for what in ("cpu", "evictions", "memory")),
        },
    ),
    Change(settings={"queues.nodeType": "cache.m7g.xlarge"}, lines={"ReplicationGroup queues: nodeType"}),
    Change(
        settings={"network.nat": "one"},
        lines={
            "- Eip network-eu-central-1b",
            "- NatGateway network-eu-central-1b",
            "Route network-app-eu-central-1b: natGatewayId",
        },
    ),
    Change(
        settings={"zones": ["eu-central-1a", "eu-central-1b", "eu-central-1c"]},
        lines={
            *(f"+ {kind} network-eu-central-1c" for kind in ("Eip", "NatGateway")),
            *(f"+ {kind} network-app-eu-central-1c" for kind in ("Route", "RouteTable")),
            *(
                f"+ {kind} network-{tier}-eu-central-1c"
                for kind in ("RouteTableAssociation", "Subnet")
                for tier in ("app", "data", "public")
            ),
            *(f"VpcEndpoint network-{service}: subnetIds" for service in INTERFACE_ENDPOINTS),
            "VpcEndpoint network-s3: routeTableIds",
            "SubnetGroup audit: subnetIds",
            "SubnetGroup queues: subnetIds",
            "LoadBalancer balancer: subnets",
            "TaskDefinition stable: containerDefinitions",  # nginx believes the balancer's subnets
            *(f"Service {name}: networkConfiguration.subnets" for name in ("stable", "worker")),
            "Schedule watch: target.ecsParameters.networkConfiguration.subnets",
        },
    ),
    Change(
        settings={"alarmTargets": ["on-call@web-next.test", "https://alerts.web-next.test"]},
        lines={"+ TopicSubscription monitoring-https://alerts.web-next.test"},
    ),
    Change(
        settings={"operatorRoles": ROLES[:1]},
        lines={"BucketPolicy evidence: policy", *(f"SecretPolicy {name}: policy" for name in VAULT)},
    ),
    Change(
        base={"database.access": "later"},
        settings={"database.access": "tunnel"},
        lines={
            f"+ {label}"
            for label in (
                *INSIDE_THE_DATABASE,
                "Schema schema",
                "postgresql audit-roles",
                "Record deployment",
                "BucketObjectv2 deployment",
            )
        },
    ),
    Change(
        base={"database.access": "tunnel"},
        settings={"database.tunnelPort": "25432"},
        lines={"Schema schema: access.local_port", "postgresql audit-roles: port"},
    ),
    Change(
        settings={"database.clientGroups": ["sg-0123456789abcdef0"]},
        lines={"+ SecurityGroupIngressRule network-database-from-sg-0123456789abcdef0"},
    ),
    Change(
        # The bucket's parts and the app's rights follow by references, which are unknown until there is a bucket.
        settings={"evidenceBucket": "spark-evidence-prod"},
        lines={
            "Bucket evidence: bucket",
            "BucketPolicy evidence: policy",
            "RolePolicy app: policy",
            *(f"TaskDefinition {task}: containerDefinitions" for task in ("stable", "worker")),
            *(f"{kind} evidence: bucket" for kind in BUCKET_SETTINGS),
        },
    ),
    Change(
        settings={"mayDestroy": ["audit", "balancer", "evidence", "records", "vault"]},
        lines={
            "Instance audit: deletionProtection",
            *(f"BucketObjectv2 deployment: {what}" for what in ("forceDestroy", "retainOnDelete")),
            *(f"Bucket {name}: forceDestroy" for name in ("access-logs", "evidence", "records")),
            "LoadBalancer balancer: enableDeletionProtection",
            *(f"Secret {name}: {what}" for name in VAULT for what in ("protect", "recoveryWindowInDays")),
            *(f"SecretPolicy {name}: protect" for name in VAULT),
            *(f"{label}: protect" for label in INSIDE_THE_DATABASE),
            *(
                f"{kind} {name}: protect"
                for kind, name in (
                    *((kind, "evidence") for kind in ("Bucket", *BUCKET_SETTINGS)),
                    *((kind, "access-logs") for kind in ("Bucket", *BUCKET_SETTINGS[1:])),
                    *((kind, "records") for kind in ("Bucket", "BucketObjectLockConfiguration", *BUCKET_SETTINGS[2:])),
                    ("Instance", "audit"),
                    ("Alias", "vault"),
                    ("Key", "vault"),
                    ("LoadBalancer", "balancer"),
                )
            ),
        },
    ),
    # Several at once, where each line says whose it is.
    Change(
        settings={
            "database.multiAz": "false",
            "database.backupDays": "14",
            "database.majorUpgrade": "true",
            "database.maxStorage": "1000",
            "queues.snapshotDays": "14",
            "queues.majorUpgrade": "true",
            "backupWindow": "04:00-05:00",
            "maintenanceWindow": "sat:01:00-sat:02:00",
            "applyImmediately": "true",
            "domain": "other.web-next.test",
        },
        lines={
            "Instance audit: multiAz",
            "Instance audit: backupRetentionPeriod",
            "Instance audit: allowMajorVersionUpgrade",
            "Instance audit: maxAllocatedStorage",
            "ReplicationGroup queues: snapshotRetentionLimit",
            "Instance audit: backupWindow",
            "ReplicationGroup queues: snapshotWindow",
            "Instance audit: maintenanceWindow",
            "ReplicationGroup queues: maintenanceWindow",
            "Instance audit: applyImmediately",
            "ReplicationGroup queues: applyImmediately",
            "BucketCorsConfiguration evidence: corsRules[0].allowedOrigins",
            "Certificate certificate: domainName",
            "TaskDefinition stable: containerDefinitions",
        },
    ),
    # What the app alone is told: none of it may touch what holds data.
    Change(
        settings={
            "image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod@sha256:{'b' * 64}",
            "buildSha": "5f2c1d9",
            "version": "1.6.0",
            "adapters.audit": "mock",
            "executorUrl": "https://elsewhere.web-next.test",
            "telemetry.endpoint": "https://otel.web-next.test",
            "edge.ratePerMinute": "90",
            "edge.burst": "20",
            "edge.webhookRatePerMinute": "240",
            "edge.webhookBurst": "20",
            "edge.pagesPerMinute": "600",
            "edge.requests": "200",
            "edge.trustedProxies": ["10.9.0.0/20"],
            "edge.image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod-edge@sha256:{'b' * 64}",
            "workerCommand": ["node", "worker.js"],
            "healthCommand": ["node", "health.js"],
        },
        lines={
            "UpdateGuard release: told.release",
            *(f"TaskDefinition {task}: containerDefinitions" for task in ("stable", "worker")),
            "- MetricAlarm tracks-stable-fallback-audit",
            "WebAcl firewall: rules[1].statement.rateBasedStatement.limit",
        },
    ),
    *(
        Change(
            base={"telemetry.endpoint": "https://otel.web-next.test"},
            settings={"telemetry.endpoint": "https://otel.web-next.test", name: value},
            lines={
                f"+ Secret {entry}",
                f"+ SecretPolicy {entry}",
                "RolePolicy app: policy",
                *(f"TaskDefinition {task}: containerDefinitions" for task in ("stable", "worker")),
            },
        )
        for name, value, entry in (
            ("executorAuth", "bearer", "EXECUTOR_TOKEN"),
            ("telemetry.headers", True, "OTLP_HEADERS"),
        )
    ),
    Change(
        settings={
            "rollout.hold": {"canary": "1h"},
            "rollout.freeze": [{"days": "sat", "from": "10:00", "to": "11:00", "reason": "r"}],
        },
        lines=set(),
    ),
    Change(
        settings={"rollout.mayReplace": "0a1b2c3d4e5f6789"},
        lines={"UpdateGuard release: told.may_replace"},
    ),
    Change(
        settings={"rollout.watchImage": f"registry.web-next.test/cutover@sha256:{'b' * 64}"},
        lines={"TaskDefinition watch: containerDefinitions", "RolePolicy execution: policy"},
    ),
    Change(settings={"edge.pinning": "none"}, lines=set()),  # the output traffic has it, and the next weight brings it
    Change(
        settings={"edge.trustedCallers": ["198.51.100.7/32"]},
        lines={
            "TaskDefinition stable: containerDefinitions",  # nginx believes them too
            *(f"ListenerRule balancer-{track}: conditions[1].sourceIp.values" for track in ("stable", "candidate")),
        },
    ),
    Change(
        settings={"access.clients": ["198.51.100.0/24", "192.0.2.0/25"]},
        lines={
            "TaskDefinition stable: containerDefinitions",  # nginx refuses by the same list
            *(f"+ SecurityGroupIngressRule network-balancer-from-192.0.2.0-25-{port}" for port in (80, 443)),
        },
    ),
    *(
        Change(
            settings={f"access.{machines}": ["192.0.2.128/25"]},
            lines={
                "TaskDefinition stable: containerDefinitions",
                "+ SecurityGroupIngressRule network-balancer-from-192.0.2.128-25-443",
            },
        )
        for machines in ("webhook", "auditPush")
    ),
    Change(
        settings={"fargate.wafManaged": "block"},
        lines={
            f"WebAcl firewall: rules[{rule}].overrideAction{how}" for rule in (5, 6, 7) for how in (".count", ".none")
        },
    ),
    Change(settings={"access.internal": "true"}, lines={"LoadBalancer balancer: internal"}),
    Change(
        settings={
            "fargate.tasks": 3,
            "fargate.mostTasks": 9,
            "fargate.workerTasks": 2,
            "fargate.cpu": "1024",
            "fargate.memory": 2048,
            "fargate.architecture": "ARM64",
            "fargate.wafRequests": 6000,
        },
        lines={
            *(f"Service {name}: desiredCount" for name in ("stable", "worker")),
            *(f"Target stable: {what}" for what in ("maxCapacity", "minCapacity")),
            *(
                f"TaskDefinition {task}: {what}"
                for task in ("stable", "worker")
                for what in ("containerDefinitions", "cpu", "memory", "runtimePlatform.cpuArchitecture")
            ),
            "TaskDefinition watch: runtimePlatform.cpuArchitecture",
            *(f"WebAcl firewall: rules[{limit}].statement.rateBasedStatement.limit" for limit in range(5)),
            *(f"MetricAlarm standing-worker-tasks: {what}" for what in ("alarmDescription", "threshold")),
        },
    ),
]
