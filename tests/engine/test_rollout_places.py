"""What a rollout's turn sets beside the traffic, in the emulator: flags, and the channel by the vault's entry."""

from __future__ import annotations

import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cutover import aws
from cutover.errors import UnreachableError
from cutover.rollout import channel
from cutover.rollout.flags import Flags
from cutover.rollout.phases import FlagValues
from outputs.smoke import Places
from tests.support.edge_double import TARGET
from tests.support.engine import Emulator

pytestmark = pytest.mark.engine

CANARY = FlagValues(auto_pause=0.1, alerts_consume=False)


@pytest.fixture
def places(emulator: Emulator) -> Places:
    return replace(TARGET.places, account=emulator.account, emulator=emulator.url)


@pytest.fixture
def parameter(places: Places) -> Iterator[str]:
    """A track's flags as a stack makes them."""
    name, ssm = f"/web-next-{secrets.token_hex(4)}/flags/candidate", aws.client("ssm", places)
    ssm.put_parameter(Name=name, Value=json.dumps(FlagValues().parameter()), Type="String")
    yield name
    ssm.delete_parameter(Name=name)


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """The address of a channel, and what it was sent."""
    said = list[str]()

    class Channel(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/services/T0/B0/x", said
        server.shutdown()


@contextmanager
def entry(places: Places, value: str) -> Iterator[str]:
    """An entry of the vault; gives its ARN."""
    vault = aws.client("secretsmanager", places)
    arn = vault.create_secret(Name=f"web-next-{secrets.token_hex(4)}/SLACK_WEBHOOK_URL", SecretString=value)["ARN"]
    try:
        yield arn
    finally:
        vault.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_flags_are_written_once_and_read_back(places: Places, parameter: str) -> None:
    flags = Flags.of(places)

    assert flags.read(parameter) == FlagValues()
    assert flags.write(parameter, CANARY) is True
    assert flags.read(parameter) == CANARY
    version = aws.client("ssm", places).get_parameter(Name=parameter)["Parameter"]["Version"]
    assert flags.write(parameter, CANARY) is False
    assert aws.client("ssm", places).get_parameter(Name=parameter)["Parameter"]["Version"] == version


def test_flags_of_a_stack_that_is_not_there_are_out_of_reach(places: Places) -> None:
    with pytest.raises(UnreachableError, match="ParameterNotFound"):
        Flags.of(places).write("/web-next-nowhere/flags/stable", CANARY)


def test_the_channel_is_told_by_the_address_in_the_vault(places: Places) -> None:
    with webhook() as (url, said), entry(places, url) as arn:
        channel.post(arn, places, "*web-next local* <rolled back>")

    assert said == ["*web-next local* &lt;rolled back&gt;"]


def test_a_channel_that_refuses_is_out_of_reach_and_its_address_stays_in_the_vault(places: Places) -> None:
    with webhook(403) as (url, _), entry(places, url) as arn, pytest.raises(UnreachableError) as untold:
        channel.post(arn, places, "rolled back")

    assert "it answered with status 403" in str(untold.value)
    assert "services" not in str(untold.value)
