"""Names, policies, URLs and configuration texts: what needs no engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from fnmatch import fnmatchcase
from typing import Any

import jinja2
import pytest

from infra import edge, release
from infra.audit import connection_url
from infra.bucket import tls_only
from infra.edge import EdgeConfig, render
from infra.evidence import upload_statement
from infra.flags import INITIAL
from infra.naming import Names
from infra.release import release_of
from infra.role import SECRETS, permissions, trusted
from infra.runtime.docker import aws_config
from tests.unit.infra.recorder import DOCKER, FARGATE, NAMES, settings

PROD = Names(stack="prod", account="111122223333", region="eu-central-1")


def resources(statement: dict[str, Any]) -> list[str]:
    named = statement["Resource"]
    return named if isinstance(named, list) else [named]


def test_the_app_role_of_prod_is_the_playbooks() -> None:
    assert PROD.app_role == "web-next-prod"
    assert PROD.app_role_arn == "arn:aws:iam::111122223333:role/web-next-prod"


def test_names_are_pinned_because_a_new_name_is_a_new_resource() -> None:
    assert PROD.bucket("evidence") == "web-next-prod-evidence-111122223333"
    assert PROD.vault_prefix == "web-next-prod/"
    assert PROD.flags_parameter == "/web-next-prod/flags"


def test_two_stacks_share_no_name() -> None:
    canary = Names(stack="canary", account=PROD.account, region=PROD.region)
    for name in ("prefix", "app_role", "app_role_arn", "vault_prefix", "flags_parameter"):
        assert getattr(PROD, name) != getattr(canary, name), name
    assert PROD.bucket("evidence") != canary.bucket("evidence")


def test_a_secrets_pattern_matches_its_arn_and_no_longer_name() -> None:
    pattern = PROD.secret_arns("AUDIT_DB_URL")
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:web-next-prod/AUDIT_DB_URL-a1B2c3"

    assert fnmatchcase(arn, pattern)
    assert not fnmatchcase(arn.replace("_URL-", "_URL-OTHER-"), pattern)
    assert not fnmatchcase(arn.replace("web-next-prod/", "web-next-canary/"), pattern)


def test_the_app_may_do_nothing_to_everything() -> None:
    for statement in permissions(PROD):
        assert statement["Effect"] == "Allow"
        assert all(resource != "*" and PROD.prefix in resource for resource in resources(statement)), statement
        assert all("*" not in action for action in statement["Action"]), statement


def test_the_app_has_no_right_on_the_records_bucket() -> None:
    records = [f"arn:aws:s3:::{PROD.bucket('records')}{path}" for path in ("", "/deployments/stable.json")]
    granted = [pattern for statement in permissions(PROD) for pattern in resources(statement)]

    assert not [pattern for pattern in granted for arn in records if fnmatchcase(arn, pattern)]
    assert [
        pattern for pattern in granted if fnmatchcase(f"arn:aws:s3:::{PROD.bucket('evidence')}/evidence/a", pattern)
    ]


def test_the_app_reads_its_own_database_url_and_neither_the_owners_nor_the_masters() -> None:
    assert SECRETS == ("AUDIT_DB_URL",)


def test_the_role_is_taken_on_by_tasks_on_aws_and_by_the_account_on_a_machine() -> None:
    assert trusted("fargate", "111122223333") == {"Service": "ecs-tasks.amazonaws.com"}
    assert trusted("docker", "111122223333") == {"AWS": "arn:aws:iam::111122223333:root"}


def test_evidence_upload_is_the_playbooks_word_for_word() -> None:
    assert upload_statement("spark-evidence-prod", PROD.app_role_arn) == {
        "Sid": "EvidenceUpload",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/web-next-prod"},
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": "arn:aws:s3:::spark-evidence-prod/*",
    }


def test_a_request_without_tls_is_refused_for_the_bucket_and_its_objects() -> None:
    statement = tls_only("b")

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(("rate", "burst"), [(60, 10), (120, 0), (7, 25)])
def test_the_edge_has_the_limit_that_is_configured(rate: int, burst: int) -> None:
    config = EdgeConfig.of(
        settings(ratePerMinute=str(rate), burst=str(burst)), NAMES, upstreams={"stable": "10.213.7.11:3003"}
    )
    lines = [line.strip() for line in render(config).splitlines()]

    assert f"limit_req_zone $binary_remote_addr zone=api:10m rate={rate}r/m;" in lines
    assert f"limit_req zone=api burst={burst} nodelay;" in lines


def test_the_edge_sends_to_the_slot_under_the_stacks_name() -> None:
    text = render(EdgeConfig.of(settings(), NAMES, upstreams={"stable": "10.213.7.11:3003"}))

    assert "server 10.213.7.11:3003 " in text
    assert "server_name localhost;" in text
    assert f"listen {edge.LISTEN} ssl;" in text
    assert '"web-next-test-edge"' in text


def test_a_template_that_names_what_is_not_there_is_an_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx.conf.j2").write_text("{{ rate_per_second }}")
    monkeypatch.setattr(edge, "TEMPLATES", tmp_path)

    with pytest.raises(jinja2.UndefinedError, match="rate_per_second"):
        render(EdgeConfig.of(settings(), NAMES, upstreams={}))


def test_a_connection_url_demands_tls() -> None:
    assert connection_url("audit_writer", "abc", "db:5432") == (
        "postgresql://audit_writer:abc@db:5432/audit?sslmode=require"
    )


def test_the_apps_aws_configuration_is_a_role_and_no_credential() -> None:
    parser = ConfigParser()
    parser.read_string(aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"))

    assert dict(parser["default"]) == {
        "role_arn": NAMES.app_role_arn,
        "credential_source": "Ec2InstanceMetadata",
        "region": "eu-central-1",
        "endpoint_url": "http://10.213.7.1:4566",
    }


def suspicious(environment: dict[str, str]) -> Iterator[str]:
    """Names that the playbook's printenv check counts, and values that carry a credential."""
    for name, value in environment.items():
        if re.search("KEY|SECRET|PASSWORD", name):
            yield f"{name} is the name of a secret"
        if re.search(r"://[^/@\s]+:[^/@\s]*@|\bAKIA[0-9A-Z]{16}\b|-----BEGIN|\b(?:xox[bp]|ghp)[-_]", value):
            yield f"{name} carries a credential"


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_nothing_secret_is_in_a_releases_environment(config: dict[str, str]) -> None:
    assert list(suspicious(release_of(settings(config), NAMES).environment)) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"GPG_KEY": "x"},
        {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "x"},
        {"PGPASSWORD": "x"},
        {"AUDIT_DB_URL": "postgresql://" + "user:pass@pg-prod:5432/audit"},
        {"ID": "AKIA" + "A" * 16},
    ],
)
def test_that_check_sees_a_secret(environment: dict[str, str]) -> None:
    assert list(suspicious(environment))


def test_a_release_tells_the_app_the_playbooks_plain_settings() -> None:
    environment = release_of(settings(retentionDays="14"), NAMES).environment

    assert environment == {
        "BUILD_SHA": "4f2c1d9",
        "VERSION": "1.5.1",
        "ENVIRONMENT": "test",
        "VAULT_PREFIX": "web-next-test/",
        "S3_BUCKET": "web-next-test-evidence-111122223333",
        "S3_REGION": "eu-central-1",
        "NEXT_PUBLIC_EXECUTOR_URL": "https://executor.example.com",
        "EVIDENCE_CLEANUP_RETENTION_DAYS": "14",
        "FEATURE_AUTO_PAUSE": "0",
        "FEATURE_BATCH_PROMOTE": "0",
    }


def test_without_an_executor_none_is_named() -> None:
    config = {key: value for key, value in DOCKER.items() if key != "web-next:executorUrl"}

    assert "NEXT_PUBLIC_EXECUTOR_URL" not in release_of(settings(config), NAMES).environment


def test_a_release_is_identified_by_its_summary() -> None:
    found = release_of(settings(), NAMES)

    assert found.summary == {
        "track": "stable",
        "image": settings().image,
        "build_sha": "4f2c1d9",
        "version": "1.5.1",
    }
    assert release.PORT == 3003


def test_nothing_is_switched_on_before_a_rollout_does_it() -> None:
    assert not any(INITIAL.values())
