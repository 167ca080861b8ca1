"""The settings, each by itself: what it may say, what a person is told when it says something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from infra.settings.keys import LOG_DAYS, SECTIONS
from infra.settings.problems import Explainer, SettingsError
from infra.settings.sections import AdaptersSettings
from tests.support.setting_keys import bounds, keys, leaves
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, MACHINE, OPERATORS, at, changed, settings, without
from tests.unit.infra.refusing import LISTED, refused


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_sound_settings_are_read(config: Mapping[str, str]) -> None:
    read = settings(config)

    assert read.account == ACCOUNT
    assert (read.edge.rate_per_minute, read.edge.burst, read.retention_days) == (60, 10, 30), "the playbook's figures"


def test_settings_do_not_change_after_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings().retention_days = 3


BROKEN: list[tuple[str, Any, str]] = [
    ("smoke.run", "perhaps", "it must be true or false"),
    ("smoke.profile", "half", "it must be full or prod"),
    ("smoke.mustPass", "Health", "it must be a list of criteria: Health, Audit Postgres, Evidence S3, Rate limit"),
    ("smoke.maxAgeMinutes", 0, "it must be a whole number from 1 to 1440"),
    ("smoke.waivers", "none", "it must be a list of objects of criterion, reason, owner, expires"),
    ("smoke.onCall", 7, "input should be a valid string"),
    ("track", "beta", "input should be 'stable' or 'candidate'"),
    ("runtime", "kubernetes", "input should be 'docker' or 'fargate'"),
    ("account", "11112222333", "it must be an account id, 12 digits; quote it in YAML"),
    ("account", "1111222233334", "it must be an account id"),
    ("region", "Frankfurt", "it must be an AWS region, such as eu-central-1"),
    ("zones", "eu-central-1a", "it must be a list of availability zones, such as eu-central-1a"),
    ("domain", "https://console.example.com", "it must be a DNS name in lower case, without scheme or port"),
    ("domain", "Console.example.com", "it must be a DNS name"),
    (
        "executorUrl",
        "executor.example.com",
        "it must be an http or https URL without credentials, its port from 1 to 65535",
    ),
    (
        "executorUrl",
        "https://executor.example.com:65536",
        "it must be an http or https URL without credentials, its port from 1 to 65535",
    ),
    (
        "executorUrl",
        "https://executor.example.com:0",
        "it must be an http or https URL without credentials, its port from 1 to 65535",
    ),
    (
        "executorUrl",
        "https://executor.example.com:https",
        "it must be an http or https URL without credentials, its port from 1 to 65535",
    ),
    ("executorAuth", "basic", "input should be 'bearer'"),
    (
        "telemetry.endpoint",
        "otel.web-next.test:4318",
        "it must be an http or https URL without credentials, its port from 1 to 65535",
    ),
    ("telemetry.headers", "api-key=x", "it must be true or false"),
    ("outside", "slack", "it must be true or false"),
    ("buildSha", "main", "it must be a commit, 7 to 40 hex digits; quote it in YAML"),
    ("buildSha", "4f2c1d", "it must be a commit"),
    ("version", "v1.5.1", "it must be three numbers, such as 1.5.1"),
    ("adapters", "mock", "it must be an object of audit, evidence, queue, guardrails, each mock or production"),
    ("edge.ratePerMinute", "0", "it must be a whole number from 1 to 6000"),
    ("edge.ratePerMinute", "6001", "it must be a whole number from 1 to 6000"),
    ("edge.webhookRatePerMinute", "0", "it must be a whole number from 1 to 6000"),
    ("edge.webhookBurst", "1001", "it must be a whole number from 0 to 1000"),
    ("edge.pagesPerMinute", "59", "it must be a whole number from 60 to 60000"),
    ("edge.requests", "19", "it must be a whole number from 20 to 2000"),
    ("edge.burst", "-1", "it must be a whole number from 0 to 1000"),
    ("edge.burst", "1001", "it must be a whole number from 0 to 1000"),
    ("edge.pinning", "session", "input should be 'cookie' or 'none'"),
    ("edge.trustedProxies", "10.0.0.0/8", "it must be a list of networks, such as 10.42.8.0/22"),
    ("edge.trustedCallers", "10.0.0.1", "it must be a list of networks, such as 203.0.113.7/32"),
    ("access.clients", "everyone", LISTED),
    ("access.clients", ["0.0.0.0/0"], LISTED),
    ("access.webhook", ["0.0.0.0/1", "128.0.0.0/1"], LISTED),
    ("access.auditPush", ["192.0.2.0/25", "0.0.0.0/0"], LISTED),
    ("access.internal", "vpn", "it must be true or false"),
    ("workerCommand", "node worker.js", "it must be a list of words, the command that runs the alert worker"),
    ("healthCommand", "node health.js", "it must be a list of words that asks /healthz in the container"),
    ("fargate.architecture", "arm64", "input should be 'X86_64' or 'ARM64'"),
    ("fargate.cpu", "300", "input should be '256', '512', '1024', '2048' or '4096'"),
    ("fargate.memory", 511, "it must be a whole number from 512 to 30720"),
    ("fargate.memory", 30721, "it must be a whole number from 512 to 30720"),
    ("fargate.tasks", 0, "it must be a whole number from 1 to 100"),
    ("fargate.mostTasks", 401, "it must be a whole number from 1 to 400"),
    ("fargate.workerTasks", 0, "it must be a whole number from 1 to 100"),
    ("fargate.hostedZoneId", "example.com", "it must be a Route 53 hosted zone's id, Z…"),
    ("fargate.certificateArn", "arn:aws:iam::1:x", "it must be an ACM certificate's ARN"),
    ("fargate.wafRequests", 9, "it must be a whole number from 10 to 2000000000"),
    ("fargate.wafManaged", "off", "input should be 'count' or 'block'"),
    ("retentionDays", "0", "it must be a whole number from 1 to 3650"),
    ("retentionDays", "3651", "it must be a whole number from 1 to 3650"),
    ("operatorRoles", "deployer", "it must be a list of role ARNs, arn:aws:iam::ACCOUNT:role/NAME"),
    ("database.class", "m7g.large", "it must be an RDS class of the families t3, "),
    ("database.class", "db.m7g.huge", "it must be an RDS class of the families t3, "),
    ("database.class", "cache.m7g.large", "it must be an RDS class"),
    ("database.storage", "19", "it must be a whole number from 20 to 65536"),
    ("database.storage", "65537", "it must be a whole number from 20 to 65536"),
    ("database.maxStorage", "21", "it must be a whole number from 22 to 65536"),
    ("database.maxStorage", "65537", "it must be a whole number from 22 to 65536"),
    ("database.multiAz", "maybe", "it must be true or false"),
    ("database.backupDays", "0", "it must be a whole number from 1 to 35"),
    ("database.backupDays", "36", "it must be a whole number from 1 to 35"),
    ("database.majorUpgrade", "18", "it must be true or false"),
    ("database.writerRotation", "-1", "it must be a whole number from 0 to 1000000"),
    ("database.access", "vpn", "input should be 'direct', 'tunnel' or 'later'"),
    ("database.tunnelPort", "1023", "it must be a whole number from 1024 to 65535"),
    ("database.tunnelPort", "65536", "it must be a whole number from 1024 to 65535"),
    ("database.clientGroups", "sg-1", "it must be a list of security group ids, sg-…"),
    ("auditRetentionMonths", "0", "it must be a whole number from 1 to 1200"),
    ("auditRetentionMonths", "1201", "it must be a whole number from 1 to 1200"),
    ("queues.nodeType", "db.m7g.large", "it must be an ElastiCache node type of the families m5, "),
    ("queues.nodeType", "cache.m7g.huge", "it must be an ElastiCache node type"),
    ("queues.replicas", "-1", "it must be a whole number from 0 to 5"),
    ("queues.replicas", "6", "it must be a whole number from 0 to 5"),
    ("queues.majorUpgrade", "8.2", "it must be true or false"),
    ("queues.snapshotDays", "0", "it must be a whole number from 1 to 35"),
    ("queues.snapshotDays", "36", "it must be a whole number from 1 to 35"),
    ("backupWindow", "1:00-2:00", "it must be HH:MM-HH:MM in UTC"),
    ("backupWindow", "23:00-24:00", "it must be HH:MM-HH:MM in UTC"),
    ("maintenanceWindow", "03:00-04:00", "it must be ddd:HH:MM-ddd:HH:MM in UTC"),
    ("maintenanceWindow", "Sun:03:00-Sun:04:00", "it must be ddd:HH:MM-ddd:HH:MM in UTC"),
    ("applyImmediately", "soon", "it must be true or false"),
    ("logDays", "91", "it must be one of CloudWatch's: 1, 3, 5, 7, 14, "),
    ("alarmTargets", "on-call@example.com", "it must be a list of e-mail addresses and https URLs"),
    ("mayDestroy", "audit", "it must be a list of what may be destroyed or replaced: audit"),
    ("rollout.hold", "30m", "it must be an object of canary, staged, production, each a duration such as 30m, 1h or"),
    ("rollout.freeze", "mon-fri", "input should be a valid list"),
    ("rollout.mayReplace", "0a1b2c", "it must be a release's digest, its first 16 hex digits or more"),
    ("rollout.watchImage", "cutover:1.5.1", "it must be repository@sha256:…, never a tag"),
]


@pytest.mark.parametrize(("key", "value", "rule"), BROKEN)
def test_a_value_that_breaks_its_rule_is_named_with_the_rule(key: str, value: str, rule: str) -> None:
    assert refused(changed(**at(key, value))).startswith(f"web-next:{key} = {json.dumps(value)}: {rule}")


WHOLE = {key: field for key, field in keys().items() if re.search(r"\bint\b", str(field.annotation))}
BOUNDED = {key: bounds(field) for key, field in keys().items() if bounds(field)}


@pytest.mark.parametrize("key", WHOLE)
@pytest.mark.parametrize("value", [True, False, 1.5, "many"])
def test_a_whole_number_is_no_boolean_and_has_no_fraction(key: str, value: object) -> None:
    shown = json.dumps(value) if "." in key or isinstance(value, str) else f'"{json.dumps(value)}"'
    rule = f"a whole number from {' to '.join(BOUNDED[key])}" if key in BOUNDED else "one of CloudWatch's: "

    assert refused(changed(**at(key, value))).startswith(f"web-next:{key} = {shown}: it must be {rule}")


@pytest.mark.parametrize("key", WHOLE)
def test_a_whole_number_may_be_written_as_a_float(key: str) -> None:
    default = WHOLE[key].default
    number = default if isinstance(default, int) else int(BOUNDED[key][-1])
    read: Any = settings(**at(key, float(number))).model_dump(by_alias=True)
    for part in key.split("."):
        read = read[part]

    assert repr(read) == str(number)


@pytest.mark.parametrize("key", BOUNDED)
def test_a_number_out_of_its_range_is_told_both_bounds(key: str) -> None:
    low, high = BOUNDED[key]

    for value in (int(low) - 1, int(high) + 1):
        assert refused(changed(**at(key, value))).endswith(f": it must be a whole number from {low} to {high}")


def test_a_number_with_one_bound_is_told_that_one() -> None:
    class Bounded(BaseModel):
        few: int = Field(alias="few", le=5)
        many: int = Field(alias="many", ge=5)

    values = {"few": 6, "many": 4}
    explain = Explainer(namespace="x", model=Bounded, sections={}, moved={}, values=values, masked=frozenset())
    with pytest.raises(ValidationError) as raised:
        Bounded.model_validate(values)

    assert list(explain.lines(raised.value)) == [
        "  x:few = 6: it must be a whole number, 5 or less",
        "  x:many = 4: it must be a whole number, 5 or more",
    ]


@pytest.mark.parametrize("key", sorted(SECTIONS.keys() - {"adapters"}))
@pytest.mark.parametrize("value", ["small", "3", "{"])
def test_a_section_that_is_no_object_is_told_its_keys(key: str, value: str) -> None:
    inner = ", ".join(sorted(path.partition(".")[2] for path in leaves() if path.startswith(f"{key}.")))

    assert refused(changed(**{key: value})).endswith(f": it must be an object, its keys are {inner}")


UNRULED = {"base", "image", "edge.image", "evidenceBucket"}
"""Texts whose rules depend on others: in rule_cases.py. Of three sections some keys are broken below."""


def test_every_key_has_a_value_here_that_breaks_it() -> None:
    apart = {key for key in leaves() if key.startswith(("network.", "machine.", "adapters."))}

    assert {key for key, _, _ in BROKEN} - {"adapters"} | UNRULED == leaves() - apart


@pytest.mark.parametrize(
    ("key", "value", "wrong", "rule"),
    [
        ("zones", ["eu-central-1"], "eu-central-1", "it must be a list of availability zones"),
        ("operatorRoles", [OPERATORS[0], "on-call"], "on-call", "it must be a list of role ARNs"),
        (
            "operatorRoles",
            [f"arn:aws:iam::{ACCOUNT}:user/me"],
            f"arn:aws:iam::{ACCOUNT}:user/me",
            "it must be a list of",
        ),
        ("database.clientGroups", ["sg-xyz"], "sg-xyz", "it must be a list of security group ids"),
        ("alarmTargets", ["http://x.test/"], "http://x.test/", "it must be a list of e-mail addresses and https URLs"),
        (
            "alarmTargets",
            ["HTTPS://x.test/"],
            "HTTPS://x.test/",
            "it must be a list of e-mail addresses and https URLs",
        ),
        ("alarmTargets", ["on-call"], "on-call", "it must be a list of e-mail addresses and https URLs"),
        (
            "mayDestroy",
            ["database"],
            "database",
            "it must be a list of what may be destroyed or replaced: audit",
        ),
    ],
)
def test_a_lists_wrong_element_is_named_by_its_place(key: str, value: list[str], wrong: str, rule: str) -> None:
    place = value.index(wrong)

    assert refused(changed(**at(key, value))).startswith(f"web-next:{key}[{place}] = {json.dumps(wrong)}: {rule}")


def test_what_an_element_lacks_is_told_with_a_command_that_pulumi_takes() -> None:
    line = refused(changed(smoke={"waivers": [{"criterion": "Health", "reason": "r", "expires": "2027-01-31"}]}))

    assert line == (
        "web-next:smoke.waivers[0].owner: required, not set; "
        "pulumi config set --path 'web-next:smoke.waivers[0].owner' VALUE"
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"clone": "xyz"}, 'web-next:machine.clone = "xyz": it must be 8 hex digits'),
        ({"emulator": "https://aws.example.com"}, "web-next:machine.emulator = "),
        ({"edgeAddress": "10.213.7"}, 'web-next:machine.edgeAddress = "10.213.7": '),
        ({"edgePort": 80}, "web-next:machine.edgePort = 80: "),
        ({"edgeImage": "nginx:1.26"}, "web-next:machine.edgeImage = "),
        ({"edgePrt": 1}, "web-next:machine.edgePrt: unknown key; did you mean 'edgePort'?"),
    ],
)
def test_the_machines_settings_are_checked_by_their_path(changes: dict[str, Any], line: str) -> None:
    assert refused(changed(machine={**MACHINE, **changes})).startswith(line)


@pytest.mark.parametrize(
    ("network", "line"),
    [
        (
            {"cidr": "10.42.0.0/33"},
            'web-next:network.cidr = "10.42.0.0/33": it must be a network, such as 10.42.0.0/16',
        ),
        (
            {"cidr": "10.42.0.1/16"},
            'web-next:network.cidr = "10.42.0.1/16": it must be a network, such as 10.42.0.0/16',
        ),
        ({"appSubnets": ["10.42.0/24"]}, 'web-next:network.appSubnets[0] = "10.42.0/24": '),
        ({"nat": "two"}, "web-next:network.nat = \"two\": input should be 'one' or 'per-zone'"),
        ({"vpcId": "main"}, 'web-next:network.vpcId = "main": it must be a VPC\'s id, vpc-…'),
        (
            {"dataSubnetIds": ["subnet-xyz"]},
            'web-next:network.dataSubnetIds[0] = "subnet-xyz": it must be a list of sub',
        ),
        ({"cdr": "10.42.0.0/16"}, "web-next:network.cdr: unknown key; did you mean 'cidr'?"),
    ],
)
def test_the_networks_settings_are_checked_by_their_path(network: dict[str, Any], line: str) -> None:
    assert refused(changed(FARGATE, network=network)).startswith(line)


@pytest.mark.parametrize(
    ("adapters", "line"),
    [
        ({"audit": "real"}, "web-next:adapters.audit = \"real\": input should be 'mock' or 'production'"),
        ({"queue": True}, "web-next:adapters.queue = true: input should be 'mock' or 'production'"),
        ({"guardrail": "mock"}, "web-next:adapters.guardrail: unknown key; did you mean 'guardrails'?"),
    ],
)
def test_the_adapters_are_checked_by_their_path(adapters: dict[str, Any], line: str) -> None:
    assert refused(changed(adapters=adapters)) == line


@pytest.mark.parametrize("adapter", AdaptersSettings.model_fields)
def test_an_adapter_is_real_unless_it_is_switched_and_each_by_itself(adapter: str) -> None:
    real = dict.fromkeys(("audit", "evidence", "queue", "guardrails"), "production")

    assert settings(FARGATE).adapters.model_dump() == real
    assert settings(FARGATE, adapters={adapter: "mock"}).adapters.model_dump() == real | {adapter: "mock"}


@pytest.mark.parametrize("key", ["adapters", "database", "edge", "machine", "network", "queues"])
def test_an_object_that_is_no_json_is_named(key: str) -> None:
    assert refused(changed(**{key: "{"})).startswith(f'web-next:{key} = "{{": ')


@pytest.mark.parametrize(
    ("key", "value"),
    [("logDays", str(days)) for days in LOG_DAYS]
    + [("database.access", access) for access in ("direct", "tunnel", "later")]
    + [
        ("alarmTargets", ["a@b.test", "https://b.test/x?y=z"]),
        ("mayDestroy", ["audit", "balancer", "evidence", "records", "vault"]),
    ],
)
def test_a_value_that_keeps_its_rule_is_taken(key: str, value: Any) -> None:
    settings(FARGATE, **at(key, value))


def test_the_origin_is_what_browsers_send() -> None:
    assert settings(DOCKER).origin == "https://localhost:8450"
    assert settings(FARGATE).origin == "https://console.web-next.test"


def test_the_executor_is_the_one_that_is_set_else_on_a_machine_its_double() -> None:
    assert settings(DOCKER).executor == settings(FARGATE).executor == "https://executor.web-next.test"
    assert settings(without(DOCKER, "executorUrl")).executor == "http://10.213.7.12:3010"
    mocked = settings(without(FARGATE, "executorUrl"), adapters={"guardrails": "mock"})
    assert mocked.executor is None


def test_only_docker_stacks_have_a_machine() -> None:
    assert settings(DOCKER).require_machine().authority == "tests/unit/infra/tls/ca.pem"
    with pytest.raises(SettingsError, match="only docker stacks run on a machine"):
        settings(FARGATE).require_machine()


def test_a_machines_zones_are_the_regions_first_two_and_its_operators_the_account() -> None:
    assert settings(DOCKER).placed_in == ["eu-central-1a", "eu-central-1b"]
    assert settings(DOCKER).operators == [f"arn:aws:iam::{ACCOUNT}:root"]
    assert settings(FARGATE, zones=["eu-central-1b", "eu-central-1c"]).placed_in == ["eu-central-1b", "eu-central-1c"]
    assert settings(FARGATE).operators == OPERATORS


def test_what_holds_data_is_kept_unless_its_end_is_asked_for_by_name() -> None:
    for config in (DOCKER, FARGATE):
        assert [settings(config).keeps(what) for what in ("audit", "evidence", "records", "vault")] == [True] * 4
    named = settings(FARGATE, mayDestroy=["records"])
    assert [named.keeps(what) for what in ("audit", "evidence", "records", "vault")] == [True, True, False, True]


def test_a_tunnel_ends_on_this_machines_loopback() -> None:
    assert settings(FARGATE, database={"access": "tunnel"}).database.tunnel == ("127.0.0.1", 15432)
    assert settings(FARGATE, database={"tunnelPort": "9999"}).database.tunnel is None


def test_a_tasks_cpu_may_be_a_number_for_so_pulumi_writes_a_text_of_digits_that_is_set_by_its_path() -> None:
    assert settings(FARGATE, fargate={"cpu": 256, "memory": 512}).fargate.cpu == "256"
