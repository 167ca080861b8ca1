"""A track's flags in SSM: written where they differ, and nobody waited for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cutover import aws
from cutover.errors import UnreachableError
from cutover.rollout.flags import Flags
from cutover.rollout.phases import FlagValues

NAME = "/web-next-local/flags/candidate"
CANARY = FlagValues(auto_pause=0.1, alerts_consume=False)


class Parameter:
    """What SSM is expected to be asked, and answers."""

    def __init__(self, stub: Stubber) -> None:
        self._stub = stub

    def has(self, text: str) -> None:
        self._stub.add_response("get_parameter", {"Parameter": {"Name": NAME, "Value": text}}, {"Name": NAME})

    def is_set(self, content: dict[str, Any]) -> None:
        wanted = {"Name": NAME, "Value": json.dumps(content), "Type": "String", "Overwrite": True}
        self._stub.add_response("put_parameter", {"Version": 2}, wanted)

    def fails(self, operation: str, code: str) -> None:
        self._stub.add_client_error(operation, code, "why not")


@pytest.fixture
def flags_and_parameter() -> Iterator[tuple[Flags, Parameter]]:
    client = boto3.client("ssm", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        yield Flags(client), Parameter(stub)
        stub.assert_no_pending_responses()


def test_flags_that_are_there_are_not_written_again(flags_and_parameter: tuple[Flags, Parameter]) -> None:
    flags, parameter = flags_and_parameter
    parameter.has(json.dumps({**CANARY.parameter(), "ANOTHER": 1}))

    assert flags.write(NAME, CANARY) is False


def test_what_another_revision_of_the_app_knows_stays(flags_and_parameter: tuple[Flags, Parameter]) -> None:
    flags, parameter = flags_and_parameter
    parameter.has('{"ANOTHER": {"of": "theirs"}, "FEATURE_AUTO_PAUSE": 1.0}')
    parameter.is_set({"ANOTHER": {"of": "theirs"}, **CANARY.parameter()})

    assert flags.write(NAME, CANARY) is True


@pytest.mark.parametrize("text", ["", "no json", "[1]", "null"])
def test_what_is_no_flags_is_overwritten(flags_and_parameter: tuple[Flags, Parameter], text: str) -> None:
    flags, parameter = flags_and_parameter
    parameter.has(text)
    parameter.is_set(CANARY.parameter())

    assert flags.write(NAME, CANARY) is True


def test_flags_are_read_as_they_were_written(flags_and_parameter: tuple[Flags, Parameter]) -> None:
    flags, parameter = flags_and_parameter
    parameter.has(json.dumps(CANARY.parameter()))

    assert flags.read(NAME) == CANARY


@pytest.mark.parametrize(("operation", "code"), [("get_parameter", "ParameterNotFound"), ("put_parameter", "Denied")])
def test_what_is_refused_is_out_of_reach_in_a_line(
    flags_and_parameter: tuple[Flags, Parameter], operation: str, code: str
) -> None:
    flags, parameter = flags_and_parameter
    if operation == "put_parameter":
        parameter.has("{}")
    parameter.fails(operation, code)

    with pytest.raises(UnreachableError, match=f"the flags in {NAME} cannot be read or set .*{code}") as refused:
        flags.write(NAME, CANARY)
    assert "\n" not in str(refused.value)


def test_who_does_not_answer_is_waited_for_once_and_not_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws.Patience(seconds=3, attempts=1) == aws.HURRIED
    monkeypatch.setattr(aws, "HURRIED", aws.Patience(seconds=0.2, attempts=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        place = aws.Account(account="1", region="eu-central-1", emulator=f"http://127.0.0.1:{port}")
        flags = Flags.of(place)
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="Read timeout"):
            flags.write(NAME, CANARY)
        assert time.monotonic() - began < 3
