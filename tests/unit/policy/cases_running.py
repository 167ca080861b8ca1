"""Cases of the rules on what runs and what tells of it: containers, services, alarms."""

from __future__ import annotations

from tests.unit.policy import captured
from tests.unit.policy.case import Case
from tests.unit.policy.cases_data import ANOTHER, OPEN, lets
from tests.unit.policy.changes import alias, both, drop, gone, hide, put, rewrite

CONTAINERS = "containerDefinitions"

ELSEWHERE = "arn:aws:sns:eu-central-1:999999999999:any"
CASES = [
    Case(
        rule="containers-by-digest",
        at="stable",
        bad=[
            rewrite("TaskDefinition stable", CONTAINERS, f"@sha256:{'a' * 64}", ":latest"),
            rewrite("TaskDefinition stable", CONTAINERS, f"@sha256:{'e' * 64}", ""),
        ],
        unknown=hide("TaskDefinition stable", CONTAINERS),
    ),
    Case(
        rule="containers-by-digest",
        at="stable",
        stack=captured.local,
        bad=[put("Container stable", "image", "web-next:1.5.1")],
        unknown=hide("Container stable", "image"),
    ),
    Case(
        rule="containers-unprivileged",
        at="worker",
        bad=[
            rewrite(
                "TaskDefinition worker", CONTAINERS, '"readonlyRootFilesystem": true', '"readonlyRootFilesystem": false'
            ),
            rewrite("TaskDefinition worker", CONTAINERS, '"drop": ["ALL"]', '"drop": []'),
            rewrite("TaskDefinition worker", CONTAINERS, '"drop": ["ALL"]', '"drop": ["ALL"], "add": ["SYS_PTRACE"]'),
            rewrite("TaskDefinition worker", CONTAINERS, '"essential": true', '"essential": true, "privileged": true'),
            rewrite("TaskDefinition worker", CONTAINERS, '"essential": true', '"essential": true, "user": "root"'),
        ],
        unknown=hide("TaskDefinition worker", CONTAINERS),
    ),
    Case(
        rule="containers-unprivileged",
        at="stable",
        stack=captured.local,
        bad=[
            put("Container stable", "privileged", True),
            drop("Container stable", "readOnly"),
            drop("Container stable", "capabilities"),
        ],
        unknown=hide("Container stable", "readOnly"),
    ),
    Case(
        rule="containers-without-secrets",
        at="stable",
        bad=[
            rewrite("TaskDefinition stable", CONTAINERS, '"name": "VERSION", "value"', '"name": "REDIS_URL", "value"'),
            rewrite("TaskDefinition stable", CONTAINERS, '"name": "VERSION", "value"', '"name": "API_KEY", "value"'),
            rewrite(
                "TaskDefinition stable",
                CONTAINERS,
                '"name": "VERSION", "value"',
                '"name": "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "value"',
            ),
            rewrite("TaskDefinition stable", CONTAINERS, '"value": "1.5.1"', '"value": "https://me:pass@there.test"'),
            rewrite("TaskDefinition stable", CONTAINERS, '"value": "1.5.1"', '"value": "AKIAIOSFODNN7EXAMPLE"'),
            rewrite("TaskDefinition stable", CONTAINERS, '"value": "1.5.1"', '"value": "sk_live_51HxAbCdEfGhIj"'),
            rewrite("TaskDefinition stable", CONTAINERS, '"python3", "-ISc"', '"sh", "-c", "DB_PASSWORD=hunter2 x"'),
            rewrite(
                "TaskDefinition stable", CONTAINERS, '"python3", "-ISc"', '"x", "--api-key sk-0123456789abcdefghij"'
            ),
            *(
                rewrite("TaskDefinition stable", CONTAINERS, '"python3", "-ISc"', f'"x", "{option}", "hunter2hunter2"')
                for option in ("--redis-password", "--api-key")
            ),
        ],
        unknown=hide("TaskDefinition stable", CONTAINERS),
        good=[
            rewrite("TaskDefinition stable", CONTAINERS, '"python3", "-ISc"', '"x", "--password-file", "/run/x"'),
            rewrite("TaskDefinition stable", CONTAINERS, '"python3", "-ISc"', '"x", "--ask-password", "--host", "y"'),
        ],
    ),
    Case(
        rule="containers-without-secrets",
        at="stable",
        stack=captured.local,
        bad=[put("Container stable", "envs", ["REDIS_URL=rediss://there"])],
        unknown=hide("Container stable", "envs"),
    ),
    Case(
        rule="containers-bounded-and-logged",
        at="stable",
        bad=[
            rewrite("TaskDefinition stable", CONTAINERS, '"memory": 256, ', ""),
            rewrite("TaskDefinition stable", CONTAINERS, '"logConfiguration"', '"notConfigured"'),
        ],
        unknown=hide("TaskDefinition stable", CONTAINERS),
    ),
    Case(
        rule="containers-registry",
        at="web-next",
        bad=[
            put("Repository web-next", "imageScanningConfiguration.scanOnPush", False),
            put("Repository web-next", "imageTagMutability", "MUTABLE"),
            put("Repository web-next", "forceDelete", True),
            gone("LifecyclePolicy web-next"),
        ],
        unknown=hide("Repository web-next", "imageTagMutability"),
    ),
    Case(
        rule="ecs-private",
        at="stable",
        bad=[
            put("Service stable", "networkConfiguration.assignPublicIp", True),
            put("Service stable", "enableExecuteCommand", True),
        ],
        unknown=hide("Service stable", "networkConfiguration.assignPublicIp"),
    ),
    Case(
        rule="ecs-rolls-back",
        at="stable",
        bad=[
            drop("Service stable", "deploymentCircuitBreaker"),
            put("Service stable", "deploymentCircuitBreaker.rollback", False),
            put("Service stable", "deploymentMinimumHealthyPercent", 0.0),
        ],
        unknown=hide("Service stable", "deploymentCircuitBreaker"),
    ),
    Case(
        rule="ecs-current-platform",
        at="worker",
        bad=[put("Service worker", "platformVersion", "1.3.0")],
        unknown=hide("Service worker", "platformVersion"),
    ),
    Case(
        rule="ecs-own-namespaces",
        at="stable",
        bad=[
            put("TaskDefinition stable", "networkMode", "host"),
            put("TaskDefinition stable", "pidMode", "host"),
        ],
        unknown=hide("TaskDefinition stable", "networkMode"),
    ),
    Case(
        rule="ecs-measured",
        at="cluster",
        bad=[put("Cluster cluster", "settings", []), put("Cluster cluster", "settings.0.value", "disabled")],
        unknown=hide("Cluster cluster", "settings"),
    ),
    *(
        Case(
            rule="alarms-every-way-down",
            at=name,
            bad=[
                *(gone(f"MetricAlarm {alarm}") for alarm in alarms),
                *(put(f"MetricAlarm {alarm}", "threshold", never) for alarm in alarms),
            ],
            unknown=hide(f"MetricAlarm {alarms[0]}", what),
        )
        for name, alarms, what, never in (
            ("audit", ["monitoring-database-storage"], "metricName", 0.0),
            ("audit", ["monitoring-database-connections", "monitoring-database-cpu"], "metricName", 1e15),
            ("queues", ["monitoring-queues-001-evictions", "monitoring-queues-001-memory"], "metricName", 1e15),
            ("balancer", ["tracks-balancer-errors"], "metricQueries", 1e15),
            ("balancer-stable", ["tracks-stable-errors", "tracks-stable-slow"], "metricQueries", 1e15),
            ("balancer-https", ["standing-stable-hosts"], "treatMissingData", 0.0),
            ("worker", ["standing-worker-tasks"], "treatMissingData", 0.0),
        )
    ),
    *(
        Case(
            rule="alarms-every-way-down",
            at="balancer",
            bad=[both(alias("LoadBalancer balancer", f"aws:{kind}/loadBalancer:LoadBalancer"), gone(errors))],
            unknown=hide(errors, "metricQueries"),
        )
        for kind, errors in ((one, "MetricAlarm tracks-balancer-errors") for one in ("alb", "applicationloadbalancing"))
    ),
    *(
        Case(
            rule="alarms-every-way-down",
            at=f"tracks-stable-{figure}",
            bad=[
                gone(f"MetricAlarm tracks-stable-{alarm}"),
                put(f"MetricAlarm tracks-stable-{alarm}", "threshold", 1e15),
            ],
            unknown=hide(f"MetricAlarm tracks-stable-{alarm}", what),
        )
        for figure, alarm, what in (("AwaySettings", "away", "metricQueries"),)
    ),
    *(
        Case(
            rule="alarms-every-way-down",
            at=at,
            stack=stack,
            bad=[gone(f"MetricAlarm {alarm}"), put(f"MetricAlarm {alarm}", "threshold", never)],
            unknown=hide(f"MetricAlarm {alarm}", "metricName"),
        )
        for at, stack, alarm, never in (
            ("stable", captured.prod, "tracks-stable-fallback-audit", 1e15),
            ("stable", captured.prod, "tracks-stable-fallback-guardrails", 1e15),
            ("candidate", captured.canary, "standing-candidate-fallback-audit", 1e15),
            ("candidate", captured.canary, "standing-candidate-fallback-guardrails", 1e15),
            ("candidate-worker", captured.canary, "standing-candidate-worker-tasks", 0.0),
            ("candidate-worker", captured.canary, "standing-candidate-alerts-late", 1e15),
            ("worker", captured.prod, "standing-alerts-late", 1e15),
        )
    ),
    Case(
        rule="alarms-every-way-down",
        at="balancer-https",
        bad=[
            put("MetricAlarm standing-stable-hosts", "treatMissingData", "notBreaching"),
            put("MetricAlarm standing-stable-hosts", "threshold", 0.0),
            both(
                alias("Listener balancer-https", "aws:alb/listener:Listener"), gone("MetricAlarm standing-stable-hosts")
            ),
            put("MetricAlarm standing-stable-hosts", "comparisonOperator", "GreaterThanThreshold"),
        ],
        unknown=hide("MetricAlarm standing-stable-hosts", "threshold"),
    ),
    *(
        Case(
            rule="alarms-every-way-down",
            at=at,
            bad=[
                put(f"MetricAlarm {alarm}", "comparisonOperator", reversed_),
                put(f"MetricAlarm {alarm}", "evaluationPeriods", 1440.0),
            ],
            unknown=hide(f"MetricAlarm {alarm}", "evaluationPeriods"),
        )
        for at, alarm, reversed_ in (
            ("audit", "monitoring-database-storage", "GreaterThanThreshold"),
            ("audit", "monitoring-database-cpu", "LessThanThreshold"),
            ("queues", "monitoring-queues-001-evictions", "LessThanOrEqualToThreshold"),
            ("balancer-candidate", "tracks-candidate-errors", "LessThanThreshold"),
            ("balancer-https", "standing-stable-hosts", "GreaterThanThreshold"),
            ("work-stable-deadLetters", "standing-dead-letters", "LessThanThreshold"),
            ("stable", "tracks-stable-fallback-queue", "LessThanThreshold"),
        )
    ),
    Case(
        rule="alarms-every-way-down",
        at="audit",
        bad=[put("MetricAlarm monitoring-database-storage", "threshold", 0.5)],
        unknown=hide("MetricAlarm monitoring-database-storage", "threshold"),
    ),
    Case(
        rule="alarms-heard",
        at="standing-candidate-worker-tasks",
        stack=captured.canary,
        bad=[put("MetricAlarm standing-candidate-worker-tasks", "alarmActions", [ELSEWHERE])],
        unknown=hide("MetricAlarm standing-candidate-worker-tasks", "alarmActions"),
    ),
    Case(
        rule="alarms-heard",
        at="standing-dead-letters",
        bad=[
            drop("MetricAlarm standing-dead-letters", "alarmActions"),
            put("MetricAlarm standing-dead-letters", "actionsEnabled", False),
            put("MetricAlarm standing-dead-letters", "alarmActions", [ELSEWHERE]),
            both(
                gone("TopicSubscription monitoring-on-call@web-next.test"),
                gone("TopicSubscription monitoring-https://alerts.web-next.test/hook"),
            ),
            both(
                put("TopicSubscription monitoring-on-call@web-next.test", "filterPolicy", '{"a": ["b"]}'),
                put("TopicSubscription monitoring-https://alerts.web-next.test/hook", "filterPolicy", '{"a": ["b"]}'),
            ),
        ],
        unknown=hide("MetricAlarm standing-dead-letters", "alarmActions"),
    ),
    Case(
        rule="alarms-heard",
        at="watch",
        bad=[put("CompositeAlarm watch", "actionsSuppressor", {"alarm": "deploying"})],
        unknown=hide("CompositeAlarm watch", "alarmActions"),
    ),
    Case(
        rule="alarms-topic-closed",
        at="monitoring",
        bad=[
            put("TopicPolicy monitoring", "policy", OPEN),
            rewrite("TopicPolicy monitoring", "policy", "StringEquals", "StringNotEquals"),
            put("TopicPolicy monitoring", "policy", lets(ANOTHER, "sns:Publish")),
            put("TopicPolicy monitoring", "policy", lets(ANOTHER, "sns:SetTopicAttributes")),
            rewrite(
                "TopicPolicy monitoring",
                "policy",
                ', "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}',
                "",
            ),
        ],
        unknown=hide("TopicPolicy monitoring", "policy"),
    ),
    Case(
        rule="alarms-logs-kept",
        at="queues",
        bad=[put("LogGroup queues", "retentionInDays", 1.0), drop("LogGroup queues", "retentionInDays")],
        unknown=hide("LogGroup queues", "retentionInDays"),
    ),
]
