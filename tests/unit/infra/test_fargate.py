"""The fargate runtime: who may what, what a task is told, where traffic goes, and the slot of a candidate."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest

from cutover import traffic
from cutover.smoke.limiter import Limit
from cutover.traffic.split import Share
from infra.naming import Names
from infra.nginx import render
from infra.release import environment_of, release_of, shared_environment
from infra.runtime.docker import process as docker_process
from infra.runtime.fargate.candidate import FargateCandidate, FargateCandidateArgs
from infra.runtime.fargate.kept import keeping_the_split
from infra.runtime.fargate.registry import repository_arns
from outputs.shape import OutputError
from outputs.slots import EdgeAccess, FargateSlot, FargateSlots
from outputs.traffic import FargateTraffic
from tests.support.edge_configs import beside_an_app
from tests.unit.infra.configs import ACCOUNT, BASE, FARGATE, NAMES, REGION, changed, settings, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording, record

POLLING = Path(__file__).parents[3] / "webnext/dashboard/polling.js"
TASK, SERVICE = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"
LISTENER, RULE = "aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def containers(declared: Recording, task: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(declared.one(TASK, task).inputs["containerDefinitions"])}


def told(container: Mapping[str, Any]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container["environment"]}


def weights(listener: Mapping[str, Any]) -> dict[str, int]:
    forward = listener["defaultActions"][0]["forward"]
    return {group["arn"].rpartition("-")[2]: group["weight"] for group in forward["targetGroups"]}


def test_https_always_leads_to_both_slots_and_later_weights_are_left_alone(prod: Recording) -> None:
    listener = prod.one(LISTENER, "balancer-https")

    assert weights(listener.inputs) == {"stable": 100, "candidate": 0}
    assert listener.ignore_changes == ("defaultActions", "tags", "tagsAll")
    assert listener.inputs["defaultActions"][0]["forward"]["stickiness"]["enabled"] is False, "at 0 nobody is kept"
    assert listener.inputs["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    http = prod.one(LISTENER, "balancer-http").inputs
    assert http["defaultActions"][0]["redirect"] == {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}


@pytest.mark.parametrize(("pinning", "seconds"), [("cookie", 60), ("none", None)])
def test_who_sets_the_weight_knows_for_how_long_the_balancer_keeps_a_browser(pinning: str, seconds: int | None) -> None:
    split = FargateTraffic.from_output(run(changed(FARGATE, edge={"pinning": pinning})).outputs["traffic"])

    assert split.pinned_seconds == seconds


def test_an_update_of_the_listener_is_between_a_look_at_the_split_and_its_putting_back(prod: Recording) -> None:
    listener = prod.one(LISTENER, "balancer-https")

    assert (listener.before_update, listener.after_update) == (("balancer-look",), ("balancer-put-back",))


class Split:
    """A split that an update moves to what the state has."""

    def __init__(self) -> None:
        self.asked_of: list[FargateTraffic] = []
        self.weight = 10

    def at(self, where: FargateTraffic) -> Split:
        self.asked_of.append(where)
        return self

    def get(self) -> Share:
        return Share(weight=self.weight)

    def set(self, weight: int, *, anyway: bool) -> None:
        assert anyway
        self.weight = weight


def test_the_hooks_put_back_at_this_listener_what_an_update_has_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    split, told = Split(), list[str]()
    monkeypatch.setattr(traffic, "traffic_split", split.at)
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    hooks = keeping_the_split(
        "split", lambda arn: FargateTraffic(region=REGION, listener=arn, stable="s", candidate="c", pinned_seconds=60)
    )
    args = pulumi.ResourceHookArgs(urn="u", id="the-listener", name="n", type="t")
    (look,), (put_back,) = (
        cast("list[pulumi.ResourceHook]", each) for each in (hooks.before_update, hooks.after_update)
    )

    asyncio.run(cast("Coroutine[Any, Any, None]", look.callback(args)))
    split.weight = 0
    put_back.callback(args)

    assert [where.listener for where in split.asked_of] == ["the-listener"]
    assert split.weight == 10
    assert told == ["the update gave the candidate 0 %: it has 10 % again"]


def test_a_track_is_asked_for_by_trusted_callers_alone() -> None:
    declared = run(changed(FARGATE, edge={"trustedCallers": ["198.51.100.7/32"]}))
    rules = {rule.name.rpartition("-")[2]: rule.inputs for rule in declared.of(RULE)}
    assert rules.keys() == {"stable", "candidate"}
    for track, rule in rules.items():
        header, source = rule["conditions"]
        assert header["httpHeader"] == {"httpHeaderName": "X-Web-Next-Track", "values": [track]}
        assert source["sourceIp"] == {"values": ["198.51.100.7/32"]}
        assert rule["actions"][0]["targetGroupArn"].endswith(f"balancer-{track}")


OFFICE, MACHINES, CALLERS = "198.51.100.0/25", "192.0.2.0/25", "10.9.0.0/24"
EVERYBODY = {(80, "0.0.0.0/0"), (443, "0.0.0.0/0")}


@pytest.mark.parametrize(
    ("access", "let_in"),
    [
        ({"clients": [OFFICE]}, {(80, OFFICE), (443, OFFICE), (443, CALLERS)}),
        (
            {"clients": [OFFICE], "webhook": [MACHINES]},
            {(80, OFFICE), *((443, n) for n in (OFFICE, MACHINES, CALLERS))},
        ),
        ({"clients": [], "auditPush": [MACHINES]}, {(443, MACHINES), (443, CALLERS)}),
        (
            {"clients": [OFFICE, "198.51.100.128/25"]},
            {(80, "198.51.100.0/24"), (443, "198.51.100.0/24"), (443, CALLERS)},
        ),
        ({"clients": [OFFICE], "webhook": "anyone"}, {(80, OFFICE), (443, "0.0.0.0/0")}),
        ({"clients": "anyone", "webhook": [MACHINES]}, EVERYBODY),
        ({"clients": "anyone"}, EVERYBODY),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_the_balancers_group_is_as_wide_as_who_may_ask_for_something_and_no_wider(
    access: dict[str, Any], let_in: set[tuple[int, str]]
) -> None:
    declared = run(changed(without(FARGATE, "access"), access=access, edge={"trustedCallers": [CALLERS]}))
    group = [
        one.inputs
        for one in declared.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if one.inputs["securityGroupId"].endswith("network-balancer")
    ]

    assert {(one["fromPort"], one["cidrIpv4"]) for one in group} == let_in
    assert [one for one in group if one["fromPort"] != one["toPort"] or one["ipProtocol"] != "tcp"] == []


def test_nginx_refuses_by_the_same_lists_and_a_path_of_machines_without_one_is_the_clients() -> None:
    declared = run(changed(FARGATE, access={"clients": [OFFICE], "webhook": [MACHINES]}))
    lists = EdgeAccess(console=[OFFICE], webhook=[MACHINES], audit_push=[OFFICE])
    subnets = [one.inputs["cidrBlock"] for one in declared.of("aws:ec2/subnet:Subnet") if "-public-" in one.name]
    expected = beside_an_app(trusted_proxies=subnets, access=lists)

    assert told(containers(declared, "stable")["edge"])["EDGE_CONFIG"] == render(expected)
    assert FargateSlots.from_output(declared.outputs["slots"]).candidate.edge.access == lists


@pytest.mark.parametrize("internal", [True, False])
def test_the_balancer_stands_in_the_public_subnets_and_faces_the_internet_unless_it_is_internal(internal: bool) -> None:
    balancer = run(changed(FARGATE, access={"internal": internal})).one("aws:lb/loadBalancer:LoadBalancer").inputs

    assert balancer["internal"] is internal
    assert balancer["dropInvalidHeaderFields"] is True
    assert [subnet.rpartition("public")[1] for subnet in balancer["subnets"]] == ["public", "public"]


def test_each_request_to_the_balancer_is_logged_in_a_bucket_that_it_may_write_to_first(prod: Recording) -> None:
    balancer = prod.one("aws:lb/loadBalancer:LoadBalancer")
    bucket = prod.one("aws:s3/bucket:Bucket", "access-logs")
    policy = prod.one("aws:s3/bucketPolicy:BucketPolicy", "access-logs")
    rules = prod.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "access-logs").inputs["rules"]

    assert balancer.inputs["accessLogs"] == {"bucket": bucket.inputs["bucket"], "enabled": True}
    assert policy.urn in balancer.depends_on
    assert [rule["expiration"] for rule in rules] == [{"days": 30}, {"expiredObjectDeleteMarker": True}]
    assert balancer.inputs["enableDeletionProtection"] is True


@pytest.mark.parametrize("stack", ["prod", "a-stack-of-twenty-4-chars"])
def test_names_are_as_short_as_the_balancer_wants_them_and_differ(stack: str) -> None:
    names = Names(stack=stack, account=ACCOUNT, region=REGION)
    made = {names.within(f"{names.prefix}{suffix}", 32) for suffix in ("", "-stable", "-candidate")}

    assert len(made) == 3
    assert max(map(len, made)) <= 32


@pytest.mark.parametrize("task", ["stable", "worker"])
def test_a_tasks_containers_can_do_nothing_but_their_work(prod: Recording, task: str) -> None:
    definition = prod.one(TASK, task).inputs
    for container in containers(prod, task).values():
        assert container["readonlyRootFilesystem"] is True
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
        assert "secrets" not in container, "the app reads the vault by its role"
        assert "privileged" not in container
        assert "@sha256:" in container["image"]
        assert not [key for key in told(container) if any(word in key for word in ("KEY", "SECRET", "PASSWORD"))]
    assert definition["networkMode"] == "awsvpc"
    assert definition["runtimePlatform"] == {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"}
    assert definition["taskRoleArn"].endswith("Role/app")
    assert definition["executionRoleArn"].endswith("Role/execution")


@pytest.mark.parametrize("memory", [512, 1024])
def test_the_memory_of_a_task_is_divided_so_that_a_leak_ends_nobody_else(memory: int) -> None:
    declared = run(changed(FARGATE, fargate={"cpu": "256", "memory": memory}))
    app = {name: each.get("memory") for name, each in containers(declared, "stable").items()}
    worker = {name: each.get("memory") for name, each in containers(declared, "worker").items()}

    assert app == {"app": memory - 192, "edge": 192}, "and healthz sees the limit"
    assert worker == {"worker": memory}
    assert app["app"] >= docker_process.MEMORY, "no less than on a machine"
    for container in [*containers(declared, "stable").values(), *containers(declared, "worker").values()]:
        (tmp,) = container["linuxParameters"]["tmpfs"]
        assert tmp["size"] < container["memory"], "what is written there counts"


def test_nginx_stands_beside_the_app_and_believes_the_balancers_subnets_alone(prod: Recording) -> None:
    run_by = containers(prod, "stable")
    subnets = [one.inputs["cidrBlock"] for one in prod.of("aws:ec2/subnet:Subnet") if "-public-" in one.name]
    office = ["198.51.100.0/24"]
    access = EdgeAccess(console=office, webhook=office, audit_push=office)
    expected = beside_an_app(trusted_proxies=subnets, trusted_callers=office, access=access)

    assert run_by.keys() == {"app", "edge"}
    assert told(run_by["edge"])["EDGE_CONFIG"] == render(expected)
    assert run_by["edge"]["dependsOn"] == [{"containerName": "app", "condition": "HEALTHY"}]
    assert run_by["edge"]["user"] == "www-data"
    assert [port["containerPort"] for port in run_by["edge"]["portMappings"]] == [8080]


def test_the_app_is_told_the_same_as_on_a_machine(prod: Recording) -> None:
    chosen = settings(FARGATE)
    expected = {**environment_of(chosen, shared_environment(chosen, NAMES, "stable")), "AWS_REGION": REGION}

    assert told(containers(prod, "stable")["app"]) == expected
    assert told(containers(prod, "worker")["worker"]) == expected
    assert containers(prod, "worker")["worker"]["command"] == ["python3", "-m", "webnext", "worker"]


def test_services_run_in_private_subnets_and_are_rolled_back_when_they_do_not_hold(prod: Recording) -> None:
    services = {one.name: one for one in prod.of(SERVICE)}

    assert services.keys() == {"stable", "worker"}
    for service in services.values():
        inputs = service.inputs
        assert inputs["enableExecuteCommand"] is False
        assert inputs["networkConfiguration"]["assignPublicIp"] is False
        assert [subnet.rpartition("app")[1] for subnet in inputs["networkConfiguration"]["subnets"]] == ["app", "app"]
        assert inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert (inputs["deploymentMinimumHealthyPercent"], inputs["deploymentMaximumPercent"]) == (100, 200)
    assert services["stable"].inputs["alarms"] == {
        "alarmNames": ["web-next-test-stable-errors"],
        "enable": True,
        "rollback": True,
    }
    assert services["stable"].ignore_changes == ("desiredCount",), "autoscaling has it"
    assert services["stable"].inputs["loadBalancers"][0]["targetGroupArn"].endswith("balancer-stable")
    assert "loadBalancers" not in services["worker"].inputs


def test_the_record_has_the_declared_definitions_and_not_what_the_services_say(prod: Recording) -> None:
    processes = prod.outputs["smoke_target"]["processes"]

    assert processes["app_definition"] == prod_arn(prod, TASK, "stable")
    assert processes["worker_definition"] == prod_arn(prod, TASK, "worker")


def test_the_app_scales_between_its_bounds_by_cpu_and_by_requests(prod: Recording) -> None:
    target = prod.one("aws:appautoscaling/target:Target").inputs
    policies = [
        one.inputs["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"]
        for one in prod.of("aws:appautoscaling/policy:Policy")
    ]

    assert (target["minCapacity"], target["maxCapacity"]) == (2, 6)
    assert target["resourceId"] == "service/web-next-test/stable"
    assert policies == [
        {"predefinedMetricType": "ECSServiceAverageCPUUtilization"},
        {"predefinedMetricType": "ALBRequestCountPerTarget", "resourceLabel": "app/lb/targetgroup/balancer-stable"},
    ]


def test_the_execution_role_pulls_the_two_images_and_writes_the_logs_and_reads_no_secret(prod: Recording) -> None:
    policy = json.loads(prod.one("aws:iam/rolePolicy:RolePolicy", "execution").inputs["policy"])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    wide = [statement["Sid"] for statement in policy["Statement"] if statement["Resource"] == "*"]

    assert {action.partition(":")[0] for action in actions} == {"ecr", "logs"}
    assert wide == ["Token"]
    assert policy["Statement"][1]["Resource"] == [
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web-next-test",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web-next-test-edge",
    ]


def test_an_image_of_another_registry_is_pulled_without_ecr() -> None:
    assert repository_arns(f"registry.web-next.test/nginx@sha256:{'a' * 64}") == []


TABS, REQUESTS_A_MINUTE = 50, int(re.findall("REQUESTS_A_MINUTE = ([0-9]+);", POLLING.read_text())[0])


@pytest.mark.parametrize(
    ("edge", "fargate"), [({}, {}), ({"ratePerMinute": 600}, {}), ({"burst": 100}, {"mostTasks": 40})]
)
def test_the_firewall_lets_an_office_through_and_all_that_nginx_lets_through(
    edge: dict[str, int], fargate: dict[str, int]
) -> None:
    config = changed(FARGATE, edge=edge, fargate=fargate)
    rule = limits(run(config))[None]
    chosen = settings(config)
    limit = Limit.of(chosen.edge.rate_per_minute, chosen.edge.burst)

    assert rule >= TABS * REQUESTS_A_MINUTE * 5
    assert rule >= chosen.most_edges * passed(limit, seconds=300)


def limits(declared: Recording) -> dict[str | None, int]:
    """What one address may send in 300 s, by the path; None for all together."""
    found = {}
    for rule in declared.one("aws:wafv2/webAcl:WebAcl").inputs["rules"]:
        if limited := rule["statement"].get("rateBasedStatement"):
            assert (limited["aggregateKeyType"], limited["evaluationWindowSec"]) == ("IP", 300)
            assert rule["action"]["block"]["customResponse"]["responseCode"] == 429
            scope = limited.get("scopeDownStatement", {}).get("byteMatchStatement", {})
            found[scope.get("searchString")] = int(limited["limit"])
    return found


def passed(limit: Limit, *, seconds: int) -> int:
    """How many of a flood one nginx lets through: a hundred requests a second, each adding one unless it finds more
    than the burst."""
    excess, count = 0.0, 0
    for _ in range(seconds * 100):
        excess = max(0.0, excess - limit.rate / 100)
        if excess <= limit.burst:
            excess, count = excess + 1, count + 1
    return count


def test_a_flood_of_one_address_is_stopped_with_a_429(prod: Recording) -> None:
    assert limits(prod)[None] == 3000
    association = prod.one("aws:wafv2/webAclAssociation:WebAclAssociation").inputs
    assert association["resourceArn"] == prod_arn(prod, "aws:lb/loadBalancer:LoadBalancer")


def test_what_costs_more_has_a_lower_limit_that_no_office_with_open_tabs_reaches(prod: Recording) -> None:
    asked = re.findall(
        r'new Panel\("\w+", "[^"]+", (\d+), \{[^}]*path: "([^"]+)"', (POLLING.parent / "panels.js").read_text()
    )
    every = {path: int(seconds) for seconds, path in asked}
    low = limits(run(changed(FARGATE, edge={"ratePerMinute": 1, "burst": 0}, fargate={"wafRequests": 36})))

    assert limits(prod) == {
        None: 3000,
        "/api/audit/list": 1500,
        "/api/alerts/webhook": 600,
        "/api/evidence/zip": 300,
        "/api/snapshot/export": 50,
    }
    assert {path for path in every if path in limits(prod)} == {"/api/audit/list"}
    assert limits(prod)["/api/audit/list"] >= TABS * 300 / every["/api/audit/list"]
    assert low["/api/snapshot/export"] == 10, "WAF takes no less"


def test_a_limited_path_is_known_in_each_spelling(prod: Recording) -> None:
    for rule in prod.one("aws:wafv2/webAcl:WebAcl").inputs["rules"]:
        scope = rule["statement"].get("rateBasedStatement", {}).get("scopeDownStatement", {}).get("byteMatchStatement")
        if scope:
            assert (scope["positionalConstraint"], scope["fieldToMatch"]) == ("EXACTLY", {"uriPath": {}})
            kinds = [each["type"] for each in sorted(scope["textTransformations"], key=lambda each: each["priority"])]
            assert kinds == ["URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"]


@pytest.mark.parametrize("managed", ["count", "block"])
def test_awss_own_rules_count_until_they_are_told_to_block_and_large_bodies_count_always(managed: str) -> None:
    acl = run(changed(FARGATE, fargate={"wafManaged": managed})).one("aws:wafv2/webAcl:WebAcl").inputs
    groups = {
        rule["statement"]["managedRuleGroupStatement"]["name"]: rule
        for rule in acl["rules"]
        if "managedRuleGroupStatement" in rule["statement"]
    }
    common = groups["AWSManagedRulesCommonRuleSet"]["statement"]["managedRuleGroupStatement"]

    assert groups.keys() == {
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesAmazonIpReputationList",
    }
    for rule in groups.values():
        assert rule["overrideAction"] == ({"count": {}} if managed == "count" else {"none": {}})
    assert common["ruleActionOverrides"] == [{"name": "SizeRestrictions_BODY", "actionToUse": {"count": {}}}]
    assert len({rule["priority"] for rule in acl["rules"]}) == len(acl["rules"])


def test_what_the_firewall_counts_or_blocks_is_logged_without_credentials(prod: Recording) -> None:
    told = prod.one("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration").inputs
    group = prod.one("aws:cloudwatch/logGroup:LogGroup", "firewall").inputs
    (kept,) = told["loggingFilter"]["filters"]

    assert (group["name"], group["retentionInDays"]) == ("aws-waf-logs-web-next-test", 30)
    assert told["logDestinationConfigs"] == [prod_arn(prod, "aws:cloudwatch/logGroup:LogGroup", "firewall")]
    assert told["resourceArn"] == prod_arn(prod, "aws:wafv2/webAcl:WebAcl")
    assert {each["singleHeader"]["name"] for each in told["redactedFields"]} == {"authorization", "cookie"}
    assert (told["loggingFilter"]["defaultBehavior"], kept["behavior"], kept["requirement"]) == (
        "DROP",
        "KEEP",
        "MEETS_ANY",
    )
    assert {each["actionCondition"]["action"] for each in kept["conditions"]} == {"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"}


def prod_arn(declared: Recording, token: str, name: str | None = None) -> str:
    return f"arn:aws:mock:{REGION}:{ACCOUNT}:{token.rpartition(':')[2]}/{declared.one(token, name).name}"


def test_images_are_kept_under_tags_that_never_move(prod: Recording) -> None:
    repositories = prod.of("aws:ecr/repository:Repository")

    assert {one.inputs["name"] for one in repositories} == {"web-next-test", "web-next-test-edge"}, "the stack's own"
    assert {one.inputs["imageTagMutability"] for one in repositories} == {"IMMUTABLE"}
    assert all(one.inputs["imageScanningConfiguration"] == {"scanOnPush": True} for one in repositories)


def test_with_a_zone_the_certificate_is_made_and_the_name_leads_to_the_balancer(prod: Recording) -> None:
    records = {one.name: one.inputs for one in prod.of("aws:route53/record:Record")}

    assert records["certificate-validation"]["name"] == "_asked"
    assert records["certificate"]["name"] == "console.web-next.test"
    assert records["certificate"]["aliases"][0]["name"] == "lb.test"


def test_with_a_certificate_given_none_is_made_and_no_zone_is_touched() -> None:
    given = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
    declared = run(changed(without(FARGATE, "fargate"), fargate={"certificateArn": given}))

    assert declared.one(LISTENER, "balancer-https").inputs["certificateArn"] == given
    assert not declared.of("aws:acm/certificate:Certificate")
    assert not declared.of("aws:route53/record:Record")


def test_each_tracks_log_becomes_metrics_and_smoke_is_left_out(prod: Recording) -> None:
    filters = [
        one.inputs
        for one in prod.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
        if one.name.startswith("tracks-")
    ]

    assert {one["logGroupName"] for one in filters} == {
        f"/ecs/web-next-test/{track}" for track in ("stable", "candidate")
    }
    assert all('$.traffic = "user"' in one["pattern"] for one in filters)
    assert {one["metricTransformation"]["name"] for one in filters} == {
        f"{metric}-{track}"
        for metric in ("EdgeRequests", "EdgeLimited", "EdgeMock")
        for track in ("stable", "candidate")
    }
    assert {one["metricTransformation"]["defaultValue"] for one in filters} == {"0"}, "what never happened counts as 0"
    assert not [one for one in filters if "dimensions" in one["metricTransformation"]], "which excludes a default"


def place() -> FargateCandidate:
    chosen = settings(FARGATE, track="candidate", base="prod")
    slot = pulumi.Output.from_input(BASE["slots"]["candidate"])
    release = release_of(chosen, slot.apply(lambda known: known["environment"]), schema=7)
    names = Names.of(chosen, "canary")
    return FargateCandidate("candidate", FargateCandidateArgs.of(chosen, names, release, slot))


def test_a_candidate_is_two_services_on_the_base_and_its_app_alone_is_in_the_slot() -> None:
    declared = record(place)
    slot = BASE["slots"]["candidate"]
    app, worker = (one.inputs for one in sorted(declared.of(SERVICE), key=lambda one: one.name))
    tasks = sorted(declared.of(TASK), key=lambda one: one.name)

    assert {one.token for one in declared.registered if one.custom} == {TASK, SERVICE}
    assert (app["name"], worker["name"]) == ("candidate", "candidate-worker"), "the base's are stable and worker"
    assert app["loadBalancers"][0]["targetGroupArn"] == slot["target_group"]
    assert "loadBalancers" not in worker
    for service, task in zip((app, worker), tasks, strict=True):
        assert service["cluster"] == slot["cluster"]
        assert service["networkConfiguration"]["subnets"] == slot["subnets"]
        assert service["networkConfiguration"]["securityGroups"] == [slot["security_group"]]
        assert service["taskDefinition"].endswith(f"/{task.name}")
        assert task.inputs["family"] == f"web-next-canary-{task.name}"
        assert task.inputs["taskRoleArn"] == slot["task_role"], "it runs as the base's app"
    run_by = containers(declared, "candidate")
    assert '"track":"$track"' in told(run_by["edge"])["EDGE_CONFIG"]
    assert "set $track candidate;" in told(run_by["edge"])["EDGE_CONFIG"]
    assert told(run_by["app"])["VAULT_PREFIX"] == "web-next-prod/"
    assert told(run_by["app"])["ENVIRONMENT"] == "prod"
    (alone,) = containers(declared, "candidate-worker").values()
    assert alone["command"] == ["python3", "-m", "webnext", "worker"]
    assert told(alone) == told(run_by["app"])
    assert told(alone)["ALERTS_CONSUME"] == "false"
    assert alone["logConfiguration"]["options"]["awslogs-group"] == slot["log_group"]


@pytest.mark.parametrize("field", ["target_group", "edge", "task_role"])
def test_a_slot_of_another_version_is_refused_by_what_it_lacks(field: str) -> None:
    slot = {key: value for key, value in BASE["slots"]["candidate"].items() if key != field}

    with pytest.raises(OutputError, match=f"by another revision of the project .{field}: Field required"):
        FargateSlot.from_output(slot)


def shape_of(value: Any) -> Any:
    return {key: shape_of(inner) for key, inner in value.items()} if isinstance(value, Mapping) else None


def test_the_kept_base_has_what_the_program_gives_out() -> None:
    outputs = run(FARGATE).outputs

    for name in ("slots", "traffic"):
        assert shape_of(BASE[name]) == shape_of(outputs[name]), f"make offline/base/prod.json what {name} has become"
    assert BASE.keys() <= outputs.keys()
    assert "111122223333" in json.dumps(BASE)
    assert ACCOUNT not in json.dumps(BASE)
