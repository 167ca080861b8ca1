"""The fargate runtime: who may what, what a task is told, where traffic goes, and the slot of a candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from cutover.review.shape import BASES, KEPT
from infra.naming import Names
from infra.nginx import render
from infra.release import environment_of, release_of, shared_environment
from infra.runtime.docker import process as docker_process
from infra.runtime.fargate.candidate import FargateCandidate, FargateCandidateArgs
from infra.runtime.fargate.registry import repository_arns
from outputs.shape import OutputError
from outputs.slots import EdgeAccess, FargateSlot, FargateSlots
from tests.support.edge_configs import beside_an_app
from tests.unit.infra.configs import ACCOUNT, BASE, FARGATE, NAMES, REGION, changed, settings, without
from tests.unit.infra.parts import arn_of, run
from tests.unit.infra.recorder import Recording, record

TASK, SERVICE = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET, SCALED_BY = "aws:appautoscaling/target:Target", "aws:appautoscaling/policy:Policy"
LISTENER = "aws:lb/listener:Listener"


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def containers(declared: Recording, task: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(declared.one(TASK, task).inputs["containerDefinitions"])}


def told(container: Mapping[str, Any]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container["environment"]}


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
    assert definition["taskRoleArn"] == NAMES.app_role_arn
    assert definition["executionRoleArn"].endswith("role/web-next-test-execution")


@pytest.mark.parametrize("memory", [512, 1024])
def test_the_memory_of_a_task_is_divided_so_that_a_leak_ends_nobody_else(memory: int) -> None:
    declared = run(changed(FARGATE, fargate={"cpu": "256", "memory": memory}))
    app = {name: each.get("memory") for name, each in containers(declared, "stable").items()}
    worker = {name: each.get("memory") for name, each in containers(declared, "worker").items()}

    assert app == {"app": memory - 256, "edge": 256}, "and healthz sees the limit"
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


def test_nginx_refuses_by_the_same_lists_and_a_path_of_machines_without_one_is_the_clients() -> None:
    office, machines = "198.51.100.0/25", "192.0.2.0/25"
    declared = run(changed(FARGATE, access={"clients": [office], "webhook": [machines]}))
    lists = EdgeAccess(console=[office], webhook=[machines], audit_push=[office])
    subnets = [one.inputs["cidrBlock"] for one in declared.of("aws:ec2/subnet:Subnet") if "-public-" in one.name]
    expected = beside_an_app(trusted_proxies=subnets, access=lists)

    assert told(containers(declared, "stable")["edge"])["EDGE_CONFIG"] == render(expected)
    assert FargateSlots.from_output(declared.outputs["slots"]).candidate.edge.access == lists


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
    assert services["stable"].inputs["loadBalancers"][0]["targetGroupArn"].endswith("balancer-stable/1")
    assert "loadBalancers" not in services["worker"].inputs


def test_the_record_has_the_declared_definitions_and_not_what_the_services_say(prod: Recording) -> None:
    processes = prod.outputs["smoke_target"]["processes"]

    assert processes["app_definition"] == arn_of(prod, TASK, "stable")
    assert processes["worker_definition"] == arn_of(prod, TASK, "worker")


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
        {"predefinedMetricType": "ALBRequestCountPerTarget", "resourceLabel": "app/lb/1/targetgroup/balancer-stable/1"},
    ]


def test_the_execution_role_pulls_the_stacks_images_and_writes_the_logs_and_reads_no_secret(prod: Recording) -> None:
    policy = json.loads(prod.one("aws:iam/rolePolicy:RolePolicy", "execution").inputs["policy"])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    wide = [statement["Sid"] for statement in policy["Statement"] if statement["Resource"] == "*"]

    assert {action.partition(":")[0] for action in actions} == {"ecr", "logs"}
    assert wide == ["Token"]
    assert policy["Statement"][1]["Resource"] == [
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web-next-test",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web-next-test-edge",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/web-next-test-watch",
    ]


def test_an_image_of_another_registry_is_pulled_without_ecr() -> None:
    assert repository_arns(f"registry.web-next.test/nginx@sha256:{'a' * 64}") == []


def test_images_are_kept_under_tags_that_never_move(prod: Recording) -> None:
    repositories = prod.of("aws:ecr/repository:Repository")

    assert {one.inputs["name"] for one in repositories} == {
        f"web-next-test{part}" for part in ("", "-edge", "-watch")
    }, "the stack's own"
    assert {one.inputs["imageTagMutability"] for one in repositories} == {"IMMUTABLE"}
    assert all(one.inputs["imageScanningConfiguration"] == {"scanOnPush": True} for one in repositories)


def test_with_a_zone_the_certificate_is_made_and_no_up_says_where_the_name_leads(prod: Recording) -> None:
    records = {one.name: one.inputs["name"] for one in prod.of("aws:route53/record:Record")}

    assert records == {"certificate-validation": "_asked"}


def test_proofs_reach_the_balancer_by_its_own_name(prod: Recording) -> None:
    edge = prod.outputs["smoke_target"]["edge"]

    assert (edge["url"], edge["address"]) == ("https://console.web-next.test", "lb.test")


def test_with_a_certificate_given_none_is_made_and_no_zone_is_touched() -> None:
    given = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
    declared = run(changed(without(FARGATE, "fargate"), fargate={"certificateArn": given}))

    assert declared.one(LISTENER, "balancer-https").inputs["certificateArn"] == given
    assert not declared.of("aws:acm/certificate:Certificate")
    assert not declared.of("aws:route53/record:Record")


def place() -> FargateCandidate:
    chosen = settings(FARGATE, track="candidate", base="prod")
    slot = pulumi.Output.from_input(BASE["slots"]["candidate"])
    release = release_of(chosen, slot.apply(lambda known: known["environment"]), schema=7)
    names = Names.of(chosen, "canary")
    return FargateCandidate("candidate", FargateCandidateArgs.of(chosen, names, release, slot))


def test_a_candidate_is_two_services_on_the_base_with_alarms_and_its_app_alone_is_in_the_slot() -> None:
    declared = record(place)
    slot = BASE["slots"]["candidate"]
    app, worker = (one.inputs for one in sorted(declared.of(SERVICE), key=lambda one: one.name))
    tasks = sorted(declared.of(TASK), key=lambda one: one.name)

    assert {one.token for one in declared.registered if one.custom} == {TASK, SERVICE, TARGET, SCALED_BY, ALARM}
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
    assert "set $chosen candidate;" in told(run_by["edge"])["EDGE_CONFIG"]
    assert told(run_by["app"])["VAULT_PREFIX"] == "web-next-prod/"
    assert told(run_by["app"])["ENVIRONMENT"] == "prod"
    (alone,) = containers(declared, "candidate-worker").values()
    assert alone["command"] == ["python3", "-m", "webnext", "worker"]
    assert told(alone) == told(run_by["app"])
    assert told(alone)["ALERTS_CONSUME"] == "false"
    logged = {one["name"]: one["logConfiguration"]["options"]["awslogs-group"] for one in (*run_by.values(), alone)}
    assert logged == slot["logs"], "each kind apart"


def scaled(declared: Recording, track: str) -> tuple[Any, ...]:
    """How a track's app is scaled, but for what is its own."""
    target = declared.one(TARGET, track)
    own = {"name", "resourceId"}
    policies = [
        {key: value for key, value in one.inputs.items() if key not in own}
        for one in declared.of(SCALED_BY)
        if one.inputs["resourceId"] == target.inputs["resourceId"]
    ]
    for policy in policies:
        policy["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"].pop("resourceLabel", None)
    return {key: value for key, value in target.inputs.items() if key not in own}, policies, target.ignore_changes


def test_a_candidate_is_scaled_as_stable_is_and_no_up_puts_back_what_a_rollout_has_set() -> None:
    declared, base = record(place), run(FARGATE)
    labels = [
        one.inputs["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"].get("resourceLabel")
        for one in declared.of(SCALED_BY)
    ]

    assert scaled(declared, "candidate") == scaled(base, "stable")
    assert scaled(base, "stable")[2] == ("suspendedState",)
    assert declared.one(TARGET).inputs["resourceId"] == "service/web-next-prod/candidate"
    assert labels == [None, BASE["slots"]["candidate"]["scaling"]["label"]]
    app, worker = sorted(declared.of(SERVICE), key=lambda one: one.name)
    assert (app.inputs["desiredCount"], app.ignore_changes) == (2, ("desiredCount",))
    assert worker.ignore_changes == ()


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
    kept = (BASES / "prod.json").read_text()
    assert all(placeholder in kept for placeholder in KEPT.values())
    assert ACCOUNT not in kept
