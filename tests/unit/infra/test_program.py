"""The whole program, run as Pulumi runs it, against a recording engine."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from types import ModuleType

import pulumi
import pytest

import infra
from tests.unit.infra.configs import DOCKER, FARGATE, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

SCHEMA = "pulumi-python:dynamic/web-next:Schema"
GUARD = "pulumi-python:dynamic/web-next:UpdateGuard"
OWN = {
    SCHEMA,
    GUARD,
    "pulumi-python:dynamic/web-next:EdgeFiles",
    "pulumi-python:dynamic/web-next:Pids",
    "pulumi-python:dynamic/web-next:Healthy",
}
TUNNEL = changed(FARGATE, database={"access": "tunnel"})
DOUBLE = without(DOCKER, "executorUrl")
EVERY = pytest.mark.parametrize("config", [DOUBLE, TUNNEL], ids=["docker with a double", "fargate with a bastion"])
TOKENS = {
    "web-next:data:Audit",
    "web-next:data:AuditRoles",
    "web-next:data:Queues",
    "web-next:deploy:Flags",
    "web-next:deploy:Record",
    "web-next:docker:Edge",
    "web-next:docker:Executor",
    "web-next:docker:Files",
    "web-next:docker:Metrics",
    "web-next:docker:Release",
    "web-next:docker:Runtime",
    "web-next:docker:Watch",
    "web-next:fargate:AccessLogs",
    "web-next:fargate:Balancer",
    "web-next:fargate:ConsoleCertificate",
    "web-next:fargate:ExecutionRole",
    "web-next:fargate:Firewall",
    "web-next:fargate:Registry",
    "web-next:fargate:Runtime",
    "web-next:fargate:StandingAlarms",
    "web-next:fargate:TaskLogs",
    "web-next:fargate:TrackMetrics",
    "web-next:fargate:Watch",
    "web-next:fargate:WorkMetrics",
    "web-next:network:Bastion",
    "web-next:network:Network",
    "web-next:network:OwnVpc",
    "web-next:operations:Monitoring",
    "web-next:security:AppRole",
    "web-next:security:Vault",
    "web-next:storage:Evidence",
    "web-next:storage:Records",
    "web-next:storage:SecureBucket",
}
"""A component's type is part of its children's URNs: another one replaces them all."""


@EVERY
def test_every_resource_has_an_explicit_provider_of_its_package(config: Mapping[str, str]) -> None:
    declared = run(config)
    asked = [one for one in declared.registered if one.custom and not one.token.startswith("pulumi:providers:")]

    assert len(asked) > 80
    assert {one.token for one in asked if not one.provider} <= OWN, "only what needs no plugin"
    for one in asked:
        package = one.token.split(":")[0]
        assert one.token in OWN or f"pulumi:providers:{package}::" in one.provider, one


@EVERY
def test_no_two_resources_share_type_name_and_parent(config: Mapping[str, str]) -> None:
    declared = run(config)
    identities = [(one.parent, one.token, one.name) for one in declared.registered]

    assert len(set(identities)) == len(identities)


def test_components_have_the_types_they_have_always_had() -> None:
    registered = [one for config in (DOUBLE, TUNNEL) for one in run(config).registered]

    assert {one.token for one in registered if not one.custom} == TOKENS


@EVERY
def test_every_component_says_when_it_is_complete(config: Mapping[str, str]) -> None:
    declared = run(config)
    components = {one.urn for one in declared.registered if not one.custom}

    assert components
    assert components - declared.completed.keys() == set()


@EVERY
def test_every_child_lies_in_its_component(config: Mapping[str, str]) -> None:
    declared = run(config)
    alone = {one.token for one in declared.registered if one.custom and one.parent.endswith("::web-next-test")}

    assert {token for token in alone if not token.startswith("pulumi:providers:")} <= {SCHEMA, GUARD}


def test_every_component_takes_args_that_are_built_by_of_and_carry_no_whole_settings() -> None:
    taken = [
        getattr(module, inspect.signature(one).parameters["args"].annotation)
        for module in modules()
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, pulumi.ComponentResource) and one.__module__ == module.__name__
        if "args" in inspect.signature(one).parameters
    ]

    assert len(taken) > 20
    assert {args.__name__ for args in taken if not hasattr(args, "of")} == {"SecureBucketArgs"}
    kinds = {args: " ".join(str(field.type) for field in dataclasses.fields(args)) for args in taken}
    assert [args for args, kind in kinds.items() if re.search(r"\bSettings\b", kind)] == []


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(infra.__path__, "infra."):
        yield importlib.import_module(found.name)


DATA = {
    "evidence_bucket": "web-next-test-evidence-123456789012",
    "records_bucket": "web-next-test-records-123456789012",
    "evidence_policy_role": "web-next-test",
    "evidence_region": "eu-central-1",
    "flags_parameters": {"stable": "/web-next-test/flags/stable", "candidate": "/web-next-test/flags/candidate"},
    "audit_db_endpoint": "10.213.7.64:20000",
    "redis_endpoint": "10.213.7.65:6379",
    "schema": {"version": 1, "digest": "d" * 64},
}
"""Outputs that both runtimes have; `vault` and `audit_db_access` beside them."""


def test_a_docker_stack_has_the_outputs_that_others_rely_on() -> None:
    outputs = run(DOCKER).outputs

    assert DATA.items() <= outputs.items()
    assert outputs["edge_url"] == "https://localhost:8450"
    assert outputs["slots"]["stable"] == {"address": "10.213.7.11:3003"}
    assert outputs["slots"]["candidate"]["address"] == "10.213.7.13:3003"
    assert outputs["slots"]["candidate"]["worker"] == "10.213.7.17"
    assert outputs["slots"]["candidate"]["environment"]["VAULT_PREFIX"] == "web-next-test/"
    assert outputs["slots"]["candidate"]["files"]["volume"] == "web-next-test-files-0a1b2c3d"
    assert outputs["traffic"]["container"] == "web-next-test-edge-0a1b2c3d"
    assert outputs["metrics_url"] == "http://127.0.0.1:9097"
    assert outputs["smoke_target"]["edge"]["url"] == outputs["edge_url"]
    assert outputs["deployment_record"]["key"] == "deployments/stable.json"
    assert outputs["release"]["version"] == "1.5.1"


def test_a_fargate_stack_has_the_same_outputs() -> None:
    outputs, docker = run(FARGATE).outputs, run(DOCKER).outputs

    assert DATA.items() <= outputs.items()
    assert outputs.keys() == docker.keys()
    assert outputs["edge_url"] == "https://console.web-next.test"
    assert outputs["metrics_url"] == "cloudwatch:web-next/test"
    assert outputs["traffic"].keys() == {"runtime", "region", "listener", "stable", "candidate", "pinned_seconds"}
    assert outputs["smoke_target"]["edge"]["authority"] is None


def waited_for(declared: Recording, urn: str) -> set[str]:
    """All that is there before a resource is made: what it and its parents depend on, and so on."""
    known = {one.urn: one for one in declared.registered}
    found, todo = set[str](), [urn]
    while todo:
        one = known.get(todo.pop())
        fresh = ({*one.depends_on, one.parent} - found) if one else set()
        found |= fresh
        todo += fresh
    return found


def test_nothing_runs_on_aws_before_its_roles_have_their_rights() -> None:
    declared = run(TUNNEL)
    rights = {
        one.inputs["role"]: one.urn
        for token in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        for one in declared.of(token)
    }
    tasks = {rights.pop("Role:app"), rights.pop("Role:execution")}
    runs = {one.urn: tasks for one in declared.of("aws:ecs/service:Service")}
    runs[declared.one("aws:autoscaling/group:Group").urn] = {rights.pop("web-next-test-bastion")}

    runs[declared.one("aws:ecs/taskDefinition:TaskDefinition", "watch").urn] = {rights.pop("Role:watch")}
    runs[declared.one("aws:scheduler/schedule:Schedule").urn] = {rights.pop("Role:watch-schedule")}

    assert rights == {}
    assert len(runs) == 5
    assert not [urn for urn, needs in runs.items() if needs - waited_for(declared, urn)]


def test_a_fargate_stack_declares_nothing_of_docker() -> None:
    declared = run(FARGATE)

    assert not [one for one in declared.registered if one.token.startswith(("docker:", "pulumi:providers:docker"))]


def test_until_the_database_has_a_schema_there_is_nothing_to_record() -> None:
    declared = run(changed(FARGATE, database={"access": "later"}))

    assert "edge_url" in declared.outputs
    assert declared.outputs.keys() & {"smoke_target", "deployment_record"} == set()
    assert "web-next:deploy:Record" not in {one.token for one in declared.registered}


def test_before_there_is_an_image_nothing_is_declared_that_needs_one() -> None:
    first, whole = run(changed(FARGATE, image="later", edge={"image": "later"})), run(FARGATE)
    needing = {"aws:ecs/service:Service", "aws:ecs/taskDefinition:TaskDefinition", "aws:lb/loadBalancer:LoadBalancer"}
    repositories = [one.urn for one in first.of("aws:ecr/repository:Repository")]

    assert needing <= {one.token for one in whole.registered}
    assert needing & {one.token for one in first.registered} == set()
    assert len(repositories) == 3
    assert repositories == [one.urn for one in whole.of("aws:ecr/repository:Repository")], "the next up moves none"
    assert {one.urn for one in first.registered} < {one.urn for one in whole.registered}
    assert first.outputs.keys() == {*DATA, "audit_db_access", "egress_addresses", "vault"}
    assert first.outputs == {name: whole.outputs[name] for name in first.outputs}


def test_what_must_be_there_first_is_waited_for() -> None:
    declared = run(DOUBLE)
    role = declared.one("aws:iam/role:Role", "app").urn
    parameters = {one.urn for one in declared.of("aws:ssm/parameter:Parameter")}
    parts = ("stable", "worker", "executor", "edge")
    app, worker, double, edge = (declared.one("docker:index/container:Container", name).urn for name in parts)
    waits = {one.token.rpartition(":")[2]: one.depends_on for one in declared.registered if not one.custom}

    assert role in waits["Evidence"], "S3 refuses a policy that names a role which does not exist"
    assert role in waits["Records"]
    assert {role, declared.one(SCHEMA).urn, declared.one(GUARD).urn} <= waits["Runtime"]
    assert {app, worker, double, edge, *parameters} <= waits["Record"]


def test_where_an_executor_is_given_there_is_no_double_of_it() -> None:
    declared = run(DOCKER)

    assert "executor" not in [one.name for one in declared.registered]
    told = declared.one("docker:index/container:Container", "stable").inputs["envs"]
    assert "NEXT_PUBLIC_EXECUTOR_URL=https://executor.web-next.test" in told


@EVERY
def test_no_output_of_a_stack_holds_a_generated_password(config: Mapping[str, str]) -> None:
    assert "generated-" not in json.dumps(run(config).outputs)


@EVERY
def test_every_generated_password_is_a_secret_input_wherever_it_goes(config: Mapping[str, str]) -> None:
    declared = run(config)
    reached = {
        (one.token.rpartition(":")[2], one.name, name): name in one.secrets
        for one in declared.registered
        for name, value in one.inputs.items()
        if "generated-" in repr(value)
    }

    assert len(reached) == 12, "five URLs, four roles, the server, the provider and the token"
    assert [place for place, secret in reached.items() if not secret] == []
