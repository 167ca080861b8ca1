"""The settings: every rule shown kept and broken, every problem said at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_camel

from infra import settings as stack_settings
from infra.settings import Settings, SettingsError, load, require_supported
from tests.unit.infra.recorder import DOCKER, FARGATE, IMAGE, MACHINE, settings

ROOT = Path(__file__).parents[3]


def problems(config: Mapping[str, str], secret: frozenset[str] = frozenset()) -> list[str]:
    """The lines of the refusal, without the heading."""
    with pytest.raises(SettingsError) as refused:
        load(config, secret)
    heading, *lines = str(refused.value).splitlines()
    assert heading == f"{len(lines)} problem(s) in this stack's settings:"
    return [line.strip() for line in lines]


def changed(config: Mapping[str, str] = DOCKER, /, **changes: Any) -> dict[str, str]:
    return {**config, **{f"web-next:{key}": value for key, value in changes.items()}}


def without(config: Mapping[str, str], *keys: str) -> dict[str, str]:
    return {key: value for key, value in config.items() if key.partition(":")[2] not in keys}


def machine(**changes: Any) -> dict[str, str]:
    return changed(machine=json.dumps({**MACHINE, **changes}))


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_sound_settings_are_read(config: Mapping[str, str]) -> None:
    read = load(config)

    assert read.account == "111122223333"
    assert (read.rate_per_minute, read.burst, read.retention_days) == (60, 10, 30), "the playbook's figures"


def test_numbers_and_objects_are_read_from_their_text() -> None:
    read = load(changed(burst="20"))

    assert read.burst == 20
    assert read.require_machine().edge_port == 8450


def test_keys_of_other_namespaces_are_left_alone() -> None:
    load({**DOCKER, "aws:region": "us-east-1", "pulumi:disable-default-providers": "[]"})


def test_settings_do_not_change_after_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(DOCKER).burst = 3


def test_all_problems_are_reported_at_once() -> None:
    config = without(changed(account="12", track="beta", burst="many", acount="1"), "region")

    assert problems(config) == [
        'web-next:account = "12": it must be an account id, 12 digits; quote it in YAML',
        "web-next:acount: unknown key; did you mean 'account'?",
        'web-next:burst = "many": input should be a valid integer, unable to parse string as an integer',
        "web-next:region: required, not set; pulumi config set web-next:region VALUE",
        "web-next:track = \"beta\": input should be 'stable' or 'candidate'",
    ]


def test_all_settings_that_contradict_each_other_are_reported_at_once() -> None:
    assert problems(without(changed(track="candidate", image="web-next:1.5.1"), "machine")) == [
        'web-next: image is "web-next:1.5.1": on docker it must be an image id sha256:…',
        "web-next: runtime is docker: 'machine' is missing, 'make up' writes it",
        "web-next: track is candidate: set 'base' to the stack that owns its slot",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account", "11112222333"),
        ("account", "1111222233334"),
        ("region", "Frankfurt"),
        ("domain", "https://console.example.com"),
        ("domain", "Console.example.com"),
        ("executorUrl", "executor.example.com"),
        ("buildSha", "main"),
        ("buildSha", "4f2c1d"),
        ("version", "v1.5.1"),
        ("ratePerMinute", "0"),
        ("burst", "-1"),
        ("retentionDays", "0"),
        ("databaseClass", "m7g.large"),
        ("databaseStorage", "19"),
        ("queueNodeType", "db.m7g.large"),
        ("runtime", "kubernetes"),
    ],
)
def test_a_value_that_breaks_its_rule_is_named_with_the_rule(key: str, value: str) -> None:
    (line,) = problems(changed(**{key: value}))

    assert line.startswith(f"web-next:{key} = {json.dumps(value)}: ")
    assert "must be" in line or "should be" in line


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (machine(clone="xyz"), 'web-next:machine.clone = "xyz": it must be 8 hex digits'),
        (machine(emulator="https://aws.example.com"), "web-next:machine.emulator = "),
        (machine(edgeAddress="10.213.7"), 'web-next:machine.edgeAddress = "10.213.7": '),
        (machine(edgePort=80), "web-next:machine.edgePort = 80: "),
        (machine(edgeImage="nginx:1.26"), "web-next:machine.edgeImage = "),
        (machine(edgePrt=1), "web-next:machine.edgePrt: unknown key; did you mean 'edgePort'?"),
        (changed(machine="{"), 'web-next:machine = "{": '),
    ],
)
def test_the_machines_settings_are_checked_by_their_path(config: dict[str, str], line: str) -> None:
    (found,) = problems(config)

    assert found.startswith(line)


def test_a_key_like_no_other_gets_the_list_of_keys() -> None:
    (line,) = problems(changed(zzzz="1"))

    assert line.startswith("web-next:zzzz: unknown key; valid keys: account, ")


@pytest.mark.parametrize(("key", "value"), [("domain", "hunter2/x"), ("image", "hunter2:latest")])
def test_a_secret_value_is_masked_and_a_plain_one_shown(key: str, value: str) -> None:
    config = changed(**{key: value})

    assert "hunter2" in problems(config)[0]
    (line,) = problems(config, frozenset({f"web-next:{key}"}))
    assert "hunter2" not in line
    assert "[secret]" in line


def test_credentials_in_a_plain_url_are_masked_too() -> None:
    (line,) = problems(changed(executorUrl="https://user:hunter2@x"))

    assert line.startswith('web-next:executorUrl = "https://[secret]@x": ')


def test_a_candidate_needs_its_base_and_a_stable_stack_has_none() -> None:
    assert settings(FARGATE, track="candidate", base="prod").base == "prod"
    assert problems(changed(FARGATE, track="candidate")) == [
        "web-next: track is candidate: set 'base' to the stack that owns its slot"
    ]
    assert problems(changed(FARGATE, base="prod")) == [
        "web-next: track is stable: remove 'base', only a candidate stands on another stack"
    ]


def test_docker_needs_its_machine_and_fargate_has_none() -> None:
    assert problems(without(DOCKER, "machine")) == [
        "web-next: runtime is docker: 'machine' is missing, 'make up' writes it"
    ]
    assert problems(changed(FARGATE, machine=json.dumps(MACHINE))) == [
        "web-next: runtime is fargate: remove 'machine', it belongs to docker stacks"
    ]


@pytest.mark.parametrize(
    ("config", "image"),
    [
        (DOCKER, "web-next:1.5.1"),
        (DOCKER, f"web-next@{IMAGE}"),
        (DOCKER, IMAGE[:-1]),
        (DOCKER, IMAGE + "\n"),
        (FARGATE, "example.com/web-next:1.5.1"),
        (FARGATE, IMAGE),
        (FARGATE, f"example.com/web-next@{IMAGE}0"),
        (FARGATE, f"example.com/web next@{IMAGE}"),
    ],
)
def test_an_image_by_anything_but_its_digest_is_refused(config: dict[str, str], image: str) -> None:
    (line,) = problems(changed(config, image=image))

    assert line.startswith(f"web-next: image is {json.dumps(image)}: on {config['web-next:runtime']} it must be ")


@pytest.mark.parametrize("name", ["prod", "canary"])
def test_a_committed_stack_file_passes(name: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    handed_over = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}

    read = load(handed_over)

    assert read.runtime == "fargate"
    assert read.base == ("prod" if name == "canary" else None)


def test_every_committed_stack_file_is_among_those() -> None:
    local = {"Pulumi.local.yaml", "Pulumi.local-canary.yaml"}

    assert {path.name for path in ROOT.glob("Pulumi.*.yaml")} - local == {"Pulumi.prod.yaml", "Pulumi.canary.yaml"}


OTHER = {
    "executor_url": "https://other.example.com",
    "account": "444455556666",
    "region": "eu-west-1",
    "domain": "other.example.com",
    "image": "sha256:" + "b" * 64,
    "build_sha": "fffffff",
    "version": "1.5.2",
    "rate_per_minute": "61",
    "burst": "11",
    "retention_days": "31",
    "database_class": "db.t4g.large",
    "database_storage": "21",
    "queue_node_type": "cache.t4g.large",
    "machine": json.dumps({**MACHINE, "edgePort": 8451}),
    "operator_roles": json.dumps(["arn:aws:iam::111122223333:role/oncall"]),
}


@pytest.mark.parametrize("field", sorted(Settings.model_fields.keys() - {"track", "base", "runtime"}))
def test_the_digest_changes_with_any_setting(field: str) -> None:
    key = to_camel(field)

    assert settings(**{key: OTHER[field]}).digest != settings().digest


def test_the_digest_changes_with_track_base_and_runtime() -> None:
    digests = {
        settings(FARGATE).digest,
        settings(DOCKER).digest,
        settings(FARGATE, track="candidate", base="prod").digest,
        settings(FARGATE, track="candidate", base="other").digest,
    }

    assert len(digests) == 4


def test_the_digest_is_the_same_whatever_the_order_and_whether_defaults_are_written() -> None:
    assert load(dict(reversed(DOCKER.items()))).digest == settings(burst="10").digest == settings().digest


def test_what_this_version_cannot_bring_up_is_refused() -> None:
    candidate = settings(FARGATE, track="candidate", base="prod")
    for preview in (True, False):
        require_supported(settings(DOCKER), preview=preview)
        with pytest.raises(SettingsError, match="track is candidate"):
            require_supported(candidate, preview=preview)
    require_supported(settings(FARGATE), preview=True)
    with pytest.raises(SettingsError, match="runtime is fargate: this version can only preview"):
        require_supported(settings(FARGATE), preview=False)


def test_the_origin_is_what_browsers_send() -> None:
    assert settings(DOCKER).origin == "https://localhost:8450"
    assert settings(FARGATE).origin == "https://console.example.com"


def test_only_docker_stacks_have_a_machine() -> None:
    assert settings(DOCKER).require_machine().authority == ".local/tls/ca.pem"
    with pytest.raises(SettingsError, match="only docker stacks run on a machine"):
        settings(FARGATE).require_machine()


def test_data_outlives_every_stack_but_a_machines_own() -> None:
    assert settings(FARGATE).keeps_data
    assert not settings(DOCKER).keeps_data


def test_pulumis_own_environment_is_where_settings_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(changed(image="hunter2")))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["web-next:image"]))

    with pytest.raises(SettingsError, match=r"image is \[secret\]"):
        stack_settings.of_this_stack()
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(DOCKER))
    assert stack_settings.of_this_stack() == settings()


def test_a_stack_without_any_settings_is_told_all_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)

    with pytest.raises(SettingsError, match="web-next:account: required, not set"):
        stack_settings.of_this_stack()
