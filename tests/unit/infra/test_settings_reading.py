"""How a stack's configuration is read: all problems at once, secrets masked; and what is said before it acts."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping

import pytest

from infra.settings import reading
from infra.settings.moved import MOVED
from infra.settings.notes import notes_on
from infra.settings.problems import SettingsError
from infra.settings.reading import load
from tests.support.setting_keys import leaves
from tests.unit.infra.configs import DOCKER, FARGATE, MACHINE, changed, settings, without


def problems(
    config: Mapping[str, str], secret: frozenset[str] = frozenset(), stack: str = "test", others: Iterable[str] = ()
) -> list[str]:
    """The lines of the refusal, without the heading."""
    with pytest.raises(SettingsError) as refused:
        load(config, secret, stack=stack, others=others)
    heading, *lines = str(refused.value).splitlines()
    assert heading == f"{len(lines)} problem(s) in this stack's settings:"
    assert lines == sorted(lines)
    return [line.strip() for line in lines]


def test_numbers_truths_lists_and_objects_are_read_from_their_text() -> None:
    read = settings(
        FARGATE,
        edge={"burst": "20"},
        database={"multiAz": "true"},
        mayDestroy='["audit"]',
        network='{"nat": "per-zone"}',
    )

    assert (read.edge.burst, read.database.multi_az, read.may_destroy) == (20, True, ["audit"])
    assert read.network.nat == "per-zone"
    assert settings(DOCKER).require_machine().edge_port == 8450


def test_a_text_of_digits_stays_a_text() -> None:
    assert settings(buildSha="1234567").build_sha == "1234567"


def test_keys_of_other_namespaces_are_left_alone() -> None:
    providers = {f"{provider}:region": "x" for provider in ("aws", "docker", "postgresql", "random")}

    load({**DOCKER, **providers, "pulumi:disable-default-providers": "[]"})


@pytest.mark.parametrize("namespace", ["webnext", "web_next", "Web-Next", "WEBNEXT", "web-nxt"])
def test_a_key_of_a_misspelt_namespace_is_led_to_the_right_one(namespace: str) -> None:
    key = f"{namespace}:edge"

    assert problems({**DOCKER, key: '{"burst": 5}'}) == [f"{key}: no such namespace; did you mean 'web-next:edge'?"]


def test_all_problems_are_reported_at_once() -> None:
    assert problems(without(changed(account="12", track="beta", edge={"burst": "many"}, acount="1"), "region")) == [
        'web-next:account = "12": it must be an account id, 12 digits; quote it in YAML',
        "web-next:acount: unknown key; did you mean 'account'?",
        'web-next:edge.burst = "many": it must be a whole number from 0 to 1000',
        "web-next:region: required, not set; pulumi config set web-next:region VALUE",
        "web-next:track = \"beta\": input should be 'stable' or 'candidate'",
    ]


def test_rules_are_judged_although_other_values_are_wrong() -> None:
    config = without(
        changed(FARGATE, edge={"burst": "many"}, account="12", base="prod", evidenceBucket="Ab"), "alarmTargets"
    )

    assert [line.partition(":")[2].split()[0] for line in problems(config, stack="Prod")] == [
        "alarmTargets",
        "evidenceBucket",
        "the",
        "track",
        "account",
        "edge.burst",
    ]


def test_a_value_or_key_of_any_size_and_form_is_one_short_line() -> None:
    (long,) = problems(changed(account="9" * 1_000_000))
    (deep,) = problems({**DOCKER, "web-next:edge": "[" * 100_000})
    (name,) = problems(changed(domain=".".join(["a" * 60] * 5)))
    (broken,) = problems({**DOCKER, "web-next:foo\nbar\x1b[31m": "1"})

    assert long.startswith('web-next:account = "999')
    assert "… of 1000002 characters: it must be an account id" in long
    assert deep.startswith('web-next:edge = "[[[')
    assert len(deep) < 500
    assert name.endswith("it must be a DNS name in lower case, without scheme or port")
    assert broken.startswith("web-next:foo\\nbar\\u001b[31m: unknown key")


def test_rules_about_a_wrong_value_wait_until_it_is_right() -> None:
    assert problems(changed(FARGATE, zones=["x"], backupWindow="now")) == [
        'web-next:backupWindow = "now": it must be HH:MM-HH:MM in UTC',
        'web-next:zones[0] = "x": it must be a list of availability zones, such as eu-central-1a',
    ]


def test_a_rule_about_one_key_of_a_section_is_judged_although_another_is_wrong() -> None:
    database = {"class": "db.none", "storage": 100, "maxStorage": 101}

    assert problems(changed(FARGATE, database=database, edge={"burst": -1, "image": "nginx:1"})) == [
        "web-next: database.maxStorage is 101: RDS wants a tenth more than database.storage, 110 or more",
        'web-next: edge.image is "nginx:1": it must be repository@sha256:…, never a tag',
        'web-next:database.class = "db.none": it must be an RDS class of the families t3, t4g, m5, m6g, m6i, m7g, m7i, '
        "m8g, r5, r6g, r6i, r7g, r7i, r8g, such as db.m7g.large",
        "web-next:edge.burst = -1: it must be a whole number from 0 to 1000",
    ]


@pytest.mark.parametrize(("before", "now"), MOVED.items())
def test_a_key_from_before_the_sections_is_refused_with_its_new_path_and_nothing_else_is_said(
    before: str, now: str
) -> None:
    edge = {key: value for key, value in json.loads(FARGATE["web-next:edge"]).items() if now != f"edge.{key}"}
    config = FARGATE | {"web-next:edge": json.dumps(edge)}

    assert problems(changed(config, **{before: "x"})) == [f"web-next:{before} is now {now}: move it there"]


def test_a_key_from_before_the_sections_is_led_to_one_that_there_is() -> None:
    assert set(MOVED.values()) <= leaves()
    assert not set(MOVED) & leaves()


def test_a_key_of_a_section_that_was_set_without_its_path_is_set_again_with_it() -> None:
    assert problems(changed(**{"edge.burst": "20"})) == [
        "web-next:edge.burst: written without --path; pulumi config rm web-next:edge.burst, then pulumi config set "
        "--path web-next:edge.burst VALUE"
    ]


def test_a_missing_key_is_no_broken_rule() -> None:
    assert problems(without(DOCKER, "track", "runtime", "image")) == [
        f"web-next:{key}: required, not set; pulumi config set web-next:{key} VALUE"
        for key in ("image", "runtime", "track")
    ]


def test_a_missing_key_of_an_object_is_set_by_its_path() -> None:
    machine = {key: value for key, value in MACHINE.items() if key != "edgePort"}

    assert problems(changed(without(DOCKER, "machine"), machine=machine)) == [
        "web-next:machine.edgePort: required, not set; pulumi config set --path web-next:machine.edgePort VALUE"
    ]


def test_an_empty_configuration_is_told_all_it_needs() -> None:
    required = ("account", "buildSha", "domain", "image", "region", "runtime", "track", "version")

    assert problems({}) == [
        f"web-next:{key}: required, not set; pulumi config set web-next:{key} VALUE" for key in required
    ]


def test_problems_found_elsewhere_are_refused_together_with_those_found_here() -> None:
    others = ["002_b.sql is numbered twice"]

    assert problems(DOCKER, others=others) == others
    assert len(problems(changed(edge={"burst": "-1"}), others=others)) == 2


def test_a_key_like_no_other_gets_the_list_of_keys() -> None:
    (line,) = problems(changed(zzzz="1"))

    assert line.startswith("web-next:zzzz: unknown key; valid keys: access, account, ")


@pytest.mark.parametrize(("key", "value"), [("domain", "hunter2/x"), ("image", "hunter2:latest")])
def test_a_secret_value_is_masked_and_a_plain_one_shown(key: str, value: str) -> None:
    config = changed(**{key: value})

    assert "hunter2" in problems(config)[0]
    (line,) = problems(config, frozenset({f"web-next:{key}"}))
    assert "hunter2" not in line
    assert "[secret]" in line


def test_a_secret_objects_values_are_masked_by_their_path() -> None:
    (line,) = problems(changed(machine={**MACHINE, "clone": "hunter2"}), frozenset({"web-next:machine"}))

    assert line == "web-next:machine.clone = [secret]: it must be 8 hex digits"


@pytest.mark.parametrize("password", ["hunter2", "a@hunter2", "a/hunter2", "a@b/hunter2", "a hunter2", '"hunter2'])
def test_credentials_in_a_plain_url_are_masked_too(password: str) -> None:
    (line,) = problems(changed(executorUrl=f"https://user:{password}@x"))

    assert line.startswith('web-next:executorUrl = "https://[secret]@x": ')


def test_pulumis_own_environment_is_where_settings_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(changed(image="hunter2")))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["web-next:image"]))

    with pytest.raises(SettingsError, match=r'image is "\[secret\]"'):
        reading.of_this_stack("test")
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(DOCKER))
    assert reading.of_this_stack("test") == settings()
    with pytest.raises(SettingsError, match="the stack's name is 'Test'"):
        reading.of_this_stack("Test")
    with pytest.raises(SettingsError, match="numbered twice"):
        reading.of_this_stack("test", others=["numbered twice"])


def test_a_stack_without_any_settings_is_told_all_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)

    with pytest.raises(SettingsError, match="web-next:account: required, not set"):
        reading.of_this_stack("test")


def test_a_sound_machine_has_nothing_to_note() -> None:
    for preview in (True, False):
        assert notes_on(settings(DOCKER), preview=preview) == []


def test_a_machine_without_its_authority_is_sent_to_make_up() -> None:
    for preview in (True, False):
        with pytest.raises(SettingsError, match=r"^machine.tlsFolder is nowhere: it has no ca.pem; make up puts it"):
            notes_on(settings(DOCKER, machine={**MACHINE, "tlsFolder": "nowhere"}), preview=preview)


def test_a_deployment_that_nothing_proves_is_noted() -> None:
    (note,) = notes_on(settings(DOCKER, smoke={"run": False}), preview=True)

    assert note.startswith("smoke.run is false: the deployment is recorded unproven")


def test_a_database_that_is_left_empty_is_noted_loudly_in_one_line() -> None:
    (note,) = notes_on(settings(DOCKER, database={"access": "later"}), preview=False)

    assert note.startswith("database.access is later: the audit database gets NO roles, rights or schema")
    assert "\n" not in note


@pytest.mark.parametrize("preview", [True, False])
def test_a_stack_without_an_image_is_noted_with_what_comes_next_and_needs_no_commit_of_it(preview: bool) -> None:
    (note,) = notes_on(settings(FARGATE, image="later", edge={"image": "later"}, buildSha="0000000"), preview=preview)

    assert note == (
        "image is later: there are repositories for images and NO balancer, service or release; push the images, "
        "set web-next:image and web-next:edge.image to their digests and run up again"
    )


def test_placeholders_are_named_in_a_preview_and_refused_all_at_once_by_an_up() -> None:
    unreal = settings(FARGATE, executorUrl="https://executor.example.com", domain="console.example.com")

    assert notes_on(unreal, preview=True) == [
        "up will refuse this stack's placeholders, put the real values there: domain, executorUrl"
    ]
    with pytest.raises(SettingsError) as refused:
        notes_on(unreal, preview=False)
    assert str(refused.value).splitlines() == [
        "2 problem(s) in this stack's settings:",
        '  web-next:domain = "console.example.com": a placeholder; put the real value there',
        '  web-next:executorUrl = "https://executor.example.com": a placeholder; put the real value there',
    ]


def test_an_up_through_a_tunnel_needs_somebody_who_listens_at_its_end_and_a_preview_does_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        tunnel = settings(FARGATE, database={"access": "tunnel", "tunnelPort": str(port)})
        notes_on(tunnel, preview=False)
    notes_on(tunnel, preview=True)
    with pytest.raises(
        SettingsError, match=rf"^database\.access is tunnel, and nothing listens on 127.0.0.1:{port} "
    ) as refused:
        notes_on(tunnel, preview=False)
    assert "\n" not in str(refused.value)
