"""Each prerequisite of the first day, there and missing, and the next step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.prerequisites.facts import Facts
from cutover.prerequisites.made import CHANNEL
from cutover.prerequisites.report import ORDER, Report, look
from tests.support import first_day
from tests.support.first_day import ACCOUNT, CERTIFICATE, ROLES, FirstDay, role, zone
from tests.unit.infra.configs import NAMES

Break = Callable[[FirstDay], Any]


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstDay:
    return FirstDay(tmp_path, monkeypatch)


def looked(day: FirstDay) -> Report:
    day.write()
    return look(Facts("prod"))


def states(report: Report) -> dict[str, str]:
    return {line.name: line.state for line in report.lines}


def setting(key: str, value: Any) -> Break:
    section, _, inner = key.partition(".")

    def change(day: FirstDay) -> None:
        if inner:
            day.settings.setdefault(section, {})[inner] = value
        else:
            day.settings[section] = value

    return change


def answer(operation: str, *answers: Any) -> Break:
    return lambda day: day.answers.update({operation: list(answers)})


def variable(name: str, value: str) -> Break:
    return lambda day: day.patch.setenv(name, value)


def output(name: str, value: Any = None) -> Break:
    def change(day: FirstDay) -> None:
        assert day.outputs is not None
        day.outputs = {key: one for key, one in day.outputs.items() if key != name} | ({name: value} if value else {})

    return change


def file(**keys: str) -> Break:
    return lambda day: day.file.update(keys)


def certified(day: FirstDay) -> None:
    """The console has a certificate of its own, and no zone that the stack writes in."""
    day.settings["fargate"] = {"certificateArn": CERTIFICATE}


def certificate(**changes: Any) -> Break:
    def change(day: FirstDay) -> None:
        certified(day)
        (there,) = first_day.ANSWERS["acm describe_certificate"]
        day.answers["acm describe_certificate"] = [{"Certificate": {**there["Certificate"], **changes}}]

    return change


def both(*changes: Break) -> Break:
    return lambda day: [change(day) for change in changes]


NEVER_UP: Break = lambda day: setattr(day, "outputs", None)  # noqa: E731
PUT = "secretsmanager describe_secret", *first_day.ANSWERS["secretsmanager describe_secret"]
MISSING: list[tuple[str, Break, str, str]] = [
    (
        "environment",
        lambda day: day.patch.delenv("PULUMI_BACKEND_URL"),
        "PULUMI_BACKEND_URL is not set, and stack prod is on AWS",
        "a shell without .local/env",
    ),
    (
        "region",
        setting("region", "cn-north-1"),
        "that is partition aws-cn",
        "a region of partition aws into Pulumi.prod",
    ),
    (
        "state",
        variable("PULUMI_BACKEND_URL", "file:///x"),
        "is file:///x",
        "export PULUMI_BACKEND_URL='s3://web-next-state-123456789012?region=eu-central-1'",
    ),
    (
        "secrets provider",
        lambda day: day.file.update({"encryptionsalt": "v1:x", "secretsprovider": "passphrase"}),
        "under passphrase",
        "pulumi stack change-secrets-provider 'awskms://alias/web-next-state?region=eu-central-1' -s prod",
    ),
    (
        "secrets provider",
        lambda day: setattr(day, "file", {"encryptionsalt": "v1:x"}),
        "under a passphrase",
        "pulumi stack change-secrets-provider",
    ),
    (
        "secrets provider",
        lambda day: setattr(day, "file", {}),
        "there is no stack",
        "pulumi stack init prod --secrets-provider 'awskms://alias/web-next-state?region=eu-central-1'",
    ),
    ("real values", setting("domain", "console.example.com"), "placeholders: domain", "real values into Pulumi.prod"),
    (
        "real values",
        setting("edge.image", f"{first_day.HOST}/web-next-prod-edge@sha256:{'0' * 64}"),
        "placeholders: edge.image",
        "are later until they are pushed",
    ),
    ("session plugin", variable("PATH", "/nowhere"), "session-manager-plugin is not on PATH", "install"),
    ("account", setting("account", "999988887777"), f"are of account {ACCOUNT}, and", "a role of account 999988887777"),
    ("account", variable("AWS_REGION", "us-east-1"), "AWS_REGION is us-east-1", "export AWS_REGION=eu-central-1"),
    ("account", answer("sts get_caller_identity", "ExpiredToken"), "AWS does not say (An error", "the reason that AWS"),
    (
        "state's bucket",
        answer("s3 get_bucket_versioning", {}),
        "never switched on",
        "put-bucket-versioning --bucket state",
    ),
    ("state's bucket", answer("s3 get_bucket_versioning", {"Status": "Suspended"}), "is Suspended", "Status=Enabled"),
    ("state's bucket", answer("s3 get_bucket_versioning", "NoSuchBucket"), "NoSuchBucket", "the reason that AWS"),
    (
        "secrets' key",
        answer("kms describe_key", {"KeyMetadata": {"KeyId": "1", "KeyState": "Disabled"}}),
        "key alias/state is Disabled",
        "aws kms enable-key --key-id 1",
    ),
    (
        "operators",
        answer(
            "sts get_caller_identity", {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ada", "UserId": "A"}
        ),
        "user/ada is no role",
        f"take on the deployer's, aws sts assume-role --role-arn arn:aws:iam::{ACCOUNT}:role/web-next-deploy",
    ),
    (
        "operators",
        answer(
            "sts get_caller_identity",
            {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/guest/ada", "UserId": "A"},
        ),
        "role guest deploys and is not among operatorRoles",
        "--role-session-name ME, or add its ARN to operatorRoles, aws iam get-role --role-name guest",
    ),
    ("operators", answer("iam get_role", "NoSuchEntity"), f"role {ROLES[0]} does not exist", "make role deployer"),
    (
        "operators",
        both(
            setting("operatorRoles", [f"arn:aws:iam::{ACCOUNT}:role/web-next-drift"]),
            answer("iam get_role", "NoSuchEntity"),
        ),
        "role/web-next-drift does not exist",
        "cutover bootstrap makes it, or correct operatorRoles",
    ),
    (
        "operators",
        answer("iam get_role", role(f"arn:aws:iam::{ACCOUNT}:role/sso/deployer")),
        "and the role is arn:aws:iam::123456789012:role/sso/deployer",
        "into operatorRoles",
    ),
    ("console's name", setting("fargate", {}), "neither a zone nor a certificate", "set fargate.hostedZoneId"),
    (
        "console's name",
        answer("route53 get_hosted_zone", zone("next.test.")),
        "the public zone next.test",
        "the public",
    ),
    ("console's name", answer("route53 get_hosted_zone", zone(private=True)), "the private zone", "the public zone"),
    ("console's name", certificate(Status="PENDING_VALIDATION"), "is PENDING_VALIDATION", "have it issued"),
    (
        "console's name",
        certificate(DomainName="other.test"),
        "for other.test, not for",
        "name a certificate for console",
    ),
    (
        "repositories",
        answer("ecr describe_repositories", "RepositoryNotFoundException"),
        "web-next-prod, web-next-prod-edge and web-next-prod-watch are not all there",
        "set image and edge.image to later, commit, then cutover up -s prod",
    ),
    (
        "repositories",
        both(
            setting("image", "later"),
            setting("edge.image", "later"),
            answer("ecr describe_repositories", "RepositoryNotFoundException"),
        ),
        "not all there",
        "cutover up -s prod, which makes the data layer",
    ),
    (
        "on-call",
        answer(
            "sns list_subscriptions_by_topic",
            {"Subscriptions": [{"Endpoint": first_day.MAIL, "SubscriptionArn": "PendingConfirmation"}]},
        ),
        f"not confirmed: {first_day.MAIL}",
        "follow the link",
    ),
    ("on-call", answer("sns list_subscriptions_by_topic", {"Subscriptions": []}), "not confirmed", "follow the link"),
    (
        "images",
        setting("image", "later"),
        "image is later",
        "cutover image push -s prod IMAGE --edge NGINX --watch CUTOVER",
    ),
    ("images", setting("edge", {}), "edge.image is not set", "cutover image push"),
    ("images", setting("rollout", {}), "rollout.watchImage is not set", "cutover image push"),
    ("images", answer("ecr batch_get_image", {"images": [], "failures": []}), "has no image sha256:aa", "image push"),
    ("images", answer("ecr batch_get_image", "AccessDeniedException"), "ECR does not answer", "image push"),
    (
        "way of ticks",
        output("egress_addresses", ["198.51.100.21", "203.0.113.21", "203.0.113.22"]),
        "a tick asks each track from 203.0.113.21, 203.0.113.22, and edge.trustedCallers does not have it",
        "add 203.0.113.21/32, 203.0.113.22/32 to edge.trustedCallers in Pulumi.prod.yaml, commit, then cutover up",
    ),
    ("way of ticks", setting("edge.trustedCallers", []), "from 198.51.100.21, 198.51.100.22, and", "198.51.100.22/32"),
    ("balancer", output("traffic"), "there is none yet", "cutover up -s prod, with the images in its file"),
    ("balancer", NEVER_UP, "there is none yet", "cutover up -s prod"),
    (
        "way here",
        lambda day: setattr(day, "answers_by", ()),
        "from here lb.test does not answer (timed out)",
        "access.clients",
    ),
    (
        "way here",
        lambda day: setattr(day, "certified", "Hostname mismatch"),
        "lb.test shows a certificate that is not believed for console.web-next.test (Hostname mismatch)",
        "fargate.certificateArn",
    ),
    (
        "console's record",
        lambda day: day.addresses.update({"console.web-next.test": ["192.0.2.1"]}),
        "console.web-next.test leads to 192.0.2.1, the balancer is lb.test",
        "cutover dns move -s prod",
    ),
    (
        "console's record",
        both(certified, lambda day: day.addresses.clear()),
        "console.web-next.test leads to nobody",
        "have console.web-next.test lead to lb.test, by an alias or a CNAME",
    ),
    (
        "database",
        both(output("schema", {"version": 0}), setting("database.access", "later")),
        "no schema; database.access is later",
        "database.access tunnel -s prod, commit, then cutover up -s prod",
    ),
    ("database", NEVER_UP, "no schema; database.access is tunnel", "cutover up -s prod"),
    (
        "channel",
        answer("secretsmanager describe_secret", {"VersionIdsToStages": {"v" * 32: ["AWSPREVIOUS"]}}),
        "web-next-prod/SLACK_WEBHOOK_URL has no value",
        '"Put a secret"',
    ),
    (
        "credentials",
        both(setting("executorAuth", "bearer"), answer(*PUT, {"VersionIdsToStages": {}})),
        "web-next-prod/EXECUTOR_TOKEN has no value",
        '"Put a secret"',
    ),
    (
        "credentials",
        both(setting("telemetry.headers", True), answer(*PUT, "ResourceNotFoundException")),
        "web-next-prod/OTLP_HEADERS is not there",
        "cutover up -s prod, which declares it",
    ),
    ("release", output("deployment_record"), "nothing is recorded", "cutover up -s prod, until it ends with GO"),
]


def test_a_first_day_that_is_over_has_nothing_missing(day: FirstDay) -> None:
    report = looked(day)

    assert states(report) == {one.name: "ok" for one in ORDER}
    assert report.next is None
    assert {operation for operation, _ in day.asked} == first_day.ANSWERS.keys() - {"acm describe_certificate"}


@pytest.mark.parametrize(("name", "change", "seen", "do"), MISSING, ids=[f"{one[0]}: {one[2]}" for one in MISSING])
def test_what_is_missing_is_named_with_the_next_step(
    day: FirstDay, name: str, change: Break, seen: str, do: str
) -> None:
    change(day)
    report = looked(day)
    line = next(line for line in report.lines if line.name == name)

    assert line.state == "miss"
    assert seen in line.seen
    assert do in (line.do or "")
    assert "\n" not in line.seen + (line.do or "")


def test_each_prerequisite_is_seen_missing() -> None:
    assert {name for name, *_ in MISSING} == {one.name for one in ORDER}


def test_what_needs_something_that_is_missing_waits_and_is_not_asked_for(day: FirstDay) -> None:
    day.settings["account"] = "999988887777"
    report = looked(day)

    assert report.next is not None
    assert report.next.name == "account"
    waiting = {line.name for line in report.lines if line.state == "wait"}
    assert {"operators", "repositories", "images", "release"} <= waiting
    assert [operation for operation, _ in day.asked] == ["sts get_caller_identity"]


def test_each_need_comes_before_what_needs_it() -> None:
    names = [one.name for one in ORDER]
    assert all(names.index(need) < names.index(one.name) for one in ORDER for need in one.needs)


@pytest.mark.parametrize(
    ("change", "name", "seen"),
    [
        (both(certified, NEVER_UP), "console's name", "a certificate for console.web-next.test"),
        (certificate(SubjectAlternativeNames=["console.web-next.test"]), "console's name", "a certificate for console"),
        (both(setting("database.access", "direct"), variable("PATH", "/nowhere")), "session plugin", "not needed"),
        (both(setting("access.internal", True), setting("edge.trustedCallers", [])), "way of ticks", "not looked at"),
        (both(output("egress_addresses"), setting("edge.trustedCallers", [])), "way of ticks", "not known: in a VPC"),
        (setting("edge.trustedCallers", ["198.51.100.16/29"]), "way of ticks", "from 198.51.100.21, 198.51.100.22"),
        (setting("image", "public.ecr.aws/x/web-next@sha256:" + "a" * 64), "images", "not looked at"),
    ],
)
def test_another_way_that_holds_too_is_ok(day: FirstDay, change: Break, name: str, seen: str) -> None:
    change(day)
    line = next(line for line in looked(day).lines if line.name == name)

    assert line.state == "ok"
    assert seen in line.seen


def test_what_is_asked_for_has_the_names_that_the_program_gives(day: FirstDay) -> None:
    looked(day)
    asked = dict(day.asked)

    assert asked["sns list_subscriptions_by_topic"]["TopicArn"] == NAMES.alarms_topic_arn.replace("-test-", "-prod-")
    assert (
        asked["secretsmanager describe_secret"]["SecretId"] == NAMES.vault_prefix.replace("-test/", "-prod/") + CHANNEL
    )
    assert asked["elbv2 describe_load_balancers"] == {"LoadBalancerArns": [first_day.BALANCER]}
    assert asked["s3 get_bucket_versioning"] == {"Bucket": "state-of-web-next"}
    assert asked["kms describe_key"] == {"KeyId": "alias/state"}
    assert asked["ecr batch_get_image"]["imageIds"] == [{"imageDigest": "sha256:" + "f" * 64}]
