from __future__ import annotations

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from webnext.settings import Adapters, FlagValues, Settings, SettingsError


def test_an_empty_environment_is_a_development_process_of_mocks() -> None:
    settings = Settings.from_environment({})

    assert settings.vault_prefix is None
    assert settings.build_sha == "unknown"
    assert settings.edge_peers == (ip_network("127.0.0.1"),)
    assert settings.flags.model_dump() == {
        "FEATURE_AUTO_PAUSE": 0,
        "FEATURE_BATCH_PROMOTE": 0,
        "EVIDENCE_CLEANUP_DRY_RUN": False,
        "ALERTS_CONSUME": True,
    }
    assert set(settings.adapters.model_dump().values()) == {"mock"}


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
        {
            "BUILD_SHA": "4f2c1d9",
            "VERSION": "1.5.1",
            "ENVIRONMENT": "production",
            "VAULT_PREFIX": "web-next-local/",
            "VAULT_ENTRIES": "OTLP_HEADERS,EXECUTOR_TOKEN",
            "S3_BUCKET": "evidence",
            "S3_REGION": "eu-central-1",
            "NEXT_PUBLIC_EXECUTOR_URL": "https://executor.example.com:8443/base?x=1",
            "FEATURE_AUTO_PAUSE": "0.1",
            "EVIDENCE_CLEANUP_DRY_RUN": "true",
            "ALERTS_CONSUME": "false",
            "EVIDENCE_CLEANUP_RETENTION_DAYS": "7",
            "FLAGS_PARAMETER": "/web-next-local/flags",
            "REDIS_CA_FILE": "/etc/web-next/ca.pem",
            "METRICS_PORT": "9000",
            "EDGE_PEERS": "172.20.0.2, 10.0.0.0/24",
            "ADAPTER_AUDIT": "production",
            "ADAPTER_EVIDENCE": "production",
            "ADAPTER_QUEUE": "mock",
        }
    )

    assert settings == Settings(
        build_sha="4f2c1d9",
        version="1.5.1",
        environment="production",
        vault_prefix="web-next-local/",
        vault_entries=("OTLP_HEADERS", "EXECUTOR_TOKEN"),
        executor_url="https://executor.example.com:8443",
        s3_bucket="evidence",
        s3_region="eu-central-1",
        flags=FlagValues(FEATURE_AUTO_PAUSE=0.1, EVIDENCE_CLEANUP_DRY_RUN=True, ALERTS_CONSUME=False),
        flags_parameter="/web-next-local/flags",
        redis_ca_file="/etc/web-next/ca.pem",
        metrics_port=9000,
        edge_peers=(ip_network("172.20.0.2"), ip_network("10.0.0.0/24")),
        retention_days=7,
        adapters=Adapters(audit="production", evidence="production"),
    )


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().version = "2"


def test_all_problems_are_reported_at_once_with_the_value_seen() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {
                "VAULT_PREFIX": "no-slash",
                "VAULT_ENTRIES": "EXECUTOR_TOKEN,REDIS_URL",
                "NEXT_PUBLIC_EXECUTOR_URL": "ftp://x",
                "FEATURE_AUTO_PAUSE": "10 %",
                "EVIDENCE_CLEANUP_DRY_RUN": "yes",
                "METRICS_PORT": "0",
                "EDGE_PEERS": "10.0.0.1/24",
                "ADAPTER_QUEUE": "real",
                "ADAPTER_EVIDENCE": "production",
            }
        )

    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "VAULT_PREFIX is 'no-slash': it must be a name that ends in '/', for example web-next-prod/",
        "VAULT_ENTRIES is 'EXECUTOR_TOKEN,REDIS_URL': Input should be 'EXECUTOR_TOKEN' or 'OTLP_HEADERS'",
        "NEXT_PUBLIC_EXECUTOR_URL is 'ftp://x'",
        "FEATURE_AUTO_PAUSE is '10 %'",
        "EVIDENCE_CLEANUP_DRY_RUN is 'yes'",
        "METRICS_PORT is '0'",
        "EDGE_PEERS is '10.0.0.1/24'",
        "ADAPTER_QUEUE is 'real'",
        "ADAPTER_EVIDENCE is production and S3_BUCKET is missing",
    ):
        assert part in message


@pytest.mark.parametrize("share", ["1.1", "-0.1", "nan", "half"])
def test_a_flag_outside_0_to_1_is_refused(share: str) -> None:
    with pytest.raises(SettingsError, match="FEATURE_BATCH_PROMOTE"):
        Settings.from_environment({"FEATURE_BATCH_PROMOTE": share})


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@executor",
        "https://a b",
        "https://x;script-src *",
        "//executor",
        "https://x:port",
        "https://",
    ],
)
def test_an_executor_address_that_could_bend_the_content_security_policy_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="NEXT_PUBLIC_EXECUTOR_URL"):
        Settings.from_environment({"NEXT_PUBLIC_EXECUTOR_URL": url})


@pytest.mark.parametrize(
    "url", ["http://user:word@executor", "http://user:a/word@executor", "http://[word@", "user:word@x"]
)
def test_credentials_in_an_address_are_not_told(url: str) -> None:
    with pytest.raises(SettingsError, match=r"NEXT_PUBLIC_EXECUTOR_URL is '\*\*\*@.*': it must be an http") as caught:
        Settings.from_environment({"NEXT_PUBLIC_EXECUTOR_URL": url})
    assert "word" not in str(caught.value)
