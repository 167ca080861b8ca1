"""Clients of AWS: each wait is bounded, also for whoever says who asks."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cutover import aws
from cutover.errors import NotPreparedError, UnreachableError
from cutover.rollout.flags import Flags


@pytest.fixture
def silent() -> Iterator[str]:
    """An address of this machine that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has asked AWS for nothing yet, and waits a tenth of a second for each."""
    monkeypatch.setattr(aws, "PATIENT", aws.Patience(seconds=0.1, attempts=2))
    monkeypatch.setattr(aws, "HURRIED", aws.Patience(seconds=0.1, attempts=1))
    aws._session.cache_clear()
    yield
    aws._session.cache_clear()


@pytest.mark.usefixtures("anew")
def test_a_service_that_is_silent_is_not_waited_for(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    began = time.monotonic()

    with pytest.raises(UnreachableError, match="Read timeout"):
        Flags.of(aws.Account(region="eu-central-1")).read("/flags")
    assert time.monotonic() - began < 3


@pytest.mark.usefixtures("anew")
def test_who_gives_a_role_its_credentials_and_is_silent_is_not_waited_for_either(
    silent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "[profile ada]\naws_access_key_id = a\naws_secret_access_key = b\n"
        "[profile on-call]\nrole_arn = arn:aws:iam::123456789012:role/on-call\nsource_profile = ada\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "on-call")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", silent)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()

    with pytest.raises(UnreachableError, match="Read timeout"):
        Flags.of(aws.Account(region="eu-central-1")).read("/flags")
    assert time.monotonic() - began < 5


def test_a_bound_on_ours_is_none_on_what_others_make_with_boto3() -> None:
    others = boto3.client("sts", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    ours = aws.client("sts", aws.Account(region="eu-central-1"))

    assert (others.meta.config.read_timeout, ours.meta.config.read_timeout) == (60, aws.PATIENT.seconds)


@pytest.mark.usefixtures("anew")
def test_a_profile_that_is_not_there_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobodys")

    with pytest.raises(NotPreparedError, match=r"no client of ssm \(.*nobodys.*look at AWS_PROFILE"):
        aws.client("ssm", aws.Account(region="eu-central-1"))
