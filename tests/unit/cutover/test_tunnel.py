"""The tunnel: Session Manager's plugin is played by a script that forwards as the real one does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from cutover import aws
from cutover.errors import NotPreparedError, UnreachableError
from cutover.schema.tunnel import DOCUMENT, LOOPBACK, PLUGIN, Tunnel, instance_of, listens
from tests.support.session_manager import FORWARDS, TOKEN, Sessions, plugin


@pytest.fixture
def database() -> Iterator[int]:
    """The port of a server that greets whoever connects."""
    server = socket.create_server((LOOPBACK, 0))

    def greet() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.sendall(b"postgres")
            connection.close()

    threading.Thread(target=greet, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def local_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def to(port: int, local_port: int) -> Tunnel:
    return Tunnel(bastion="i-0abc", host=LOOPBACK, port=port, local_port=local_port, region="eu-central-1")


def test_the_database_answers_through_the_tunnel_and_no_longer_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: int, local_port: int
) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    sessions = Sessions()

    with (
        to(database, local_port).opened(sessions),
        socket.create_connection((LOOPBACK, local_port), timeout=5) as connection,
    ):
        assert connection.recv(64) == b"postgres"

    assert sessions.asked == {
        "Target": "i-0abc",
        "DocumentName": DOCUMENT,
        "Parameters": {
            "host": [LOOPBACK],
            "portNumber": [str(database)],
            "localPortNumber": [str(local_port)],
        },
    }
    assert sessions.ended == ["s-1"]
    assert not listens(LOOPBACK, local_port)


def test_the_tunnel_is_closed_when_the_work_in_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: int, local_port: int
) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    sessions = Sessions()

    with pytest.raises(ZeroDivisionError), to(database, local_port).opened(sessions):
        raise ZeroDivisionError
    assert sessions.ended == ["s-1"]
    assert not listens(LOOPBACK, local_port)


def test_the_sessions_token_is_in_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: int, local_port: int
) -> None:
    log = plugin(tmp_path, monkeypatch, FORWARDS)

    with to(database, local_port).opened(Sessions()):
        given = log.read_text()
    arguments, _, answer = given.partition('"answer"')
    assert TOKEN in answer
    assert TOKEN not in arguments
    assert "AWS_SSM_START_SESSION_RESPONSE" not in os.environ


def test_without_the_plugin_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, local_port: int) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(NotPreparedError, match=f"{PLUGIN} is not on PATH"), to(1, local_port).opened(Sessions()):
        pass


def test_a_taken_port_is_named_before_a_session_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: int
) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    sessions = Sessions()

    with (
        pytest.raises(UnreachableError, match=rf"port {database} is taken: .*database\.tunnelPort"),
        to(database, database).opened(sessions),
    ):
        pass
    assert sessions.asked == {}


def test_a_refusal_of_aws_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_port: int) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    refusal = ClientError(
        {"Error": {"Code": "TargetNotConnected", "Message": "i-0abc is not\nconnected."}}, "StartSession"
    )

    with (
        pytest.raises(UnreachableError, match=r"no session to the bastion i-0abc: .*is not connected\."),
        to(1, local_port).opened(Sessions(refusal)),
    ):
        pass


def test_a_plugin_that_ends_is_quoted_and_its_session_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_port: int
) -> None:
    plugin(tmp_path, monkeypatch, "print('starting'); print('websocket: bad handshake'); raise SystemExit(3)")
    sessions = Sessions()

    with (
        pytest.raises(UnreachableError, match="i-0abc ended with 3: websocket: bad handshake"),
        to(1, local_port).opened(sessions),
    ):
        pass
    assert sessions.ended == ["s-1"]


def test_a_plugin_that_opens_no_port_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_port: int
) -> None:
    plugin(tmp_path, monkeypatch, "import time; time.sleep(60)")

    with (
        pytest.raises(UnreachableError, match=r"opened no port within 0\.5 s: it printed nothing"),
        to(1, local_port).opened(Sessions(), seconds=0.5),
    ):
        pass


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Stubber]]:
    """Auto Scaling's client, answered by hand and by its published model."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    client = aws.client("autoscaling", aws.Account(region="eu-central-1"))
    with Stubber(client) as stubber:
        yield client, stubber


def described(**states: str) -> dict[str, Any]:
    instances = [
        {
            "InstanceId": f"i-0{name}",
            "AvailabilityZone": "eu-central-1a",
            "LifecycleState": state,
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": False,
        }
        for name, state in states.items()
    ]
    sizes = dict.fromkeys(("MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown"), 1)
    group = {"AutoScalingGroupName": "b", "AvailabilityZones": ["eu-central-1a"], "HealthCheckType": "EC2"}
    return {"AutoScalingGroups": [{**group, **sizes, "CreatedTime": 0, "Instances": instances}]}


def test_the_bastion_is_the_instance_in_service_while_another_comes_or_goes(groups: tuple[Any, Stubber]) -> None:
    client, stubber = groups
    answer = described(old="Terminating", now="InService", next="Pending")
    stubber.add_response("describe_auto_scaling_groups", answer, {"AutoScalingGroupNames": ["b"]})

    assert instance_of("b", client) == "i-0now"


def test_a_group_that_is_gone_is_said_with_the_step_that_makes_it_alone(groups: tuple[Any, Stubber]) -> None:
    """`cutover up` would make it, and needs it before it begins."""
    client, stubber = groups
    stubber.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": []}, {"AutoScalingGroupNames": ["b"]})

    with pytest.raises(UnreachableError) as gone:
        instance_of("b", client)
    assert str(gone.value) == (
        "there is no bastion b: pulumi up --target '**::web-next:network:**' makes it and the network alone, then "
        'cutover up the rest; docs/runbook.md "After a destroy"'
    )


@pytest.mark.parametrize("answer", [described(), described(next="Pending")])
def test_a_bastion_without_an_instance_in_service_is_one_line(
    groups: tuple[Any, Stubber], answer: dict[str, Any]
) -> None:
    client, stubber = groups
    stubber.add_response("describe_auto_scaling_groups", answer, {"AutoScalingGroupNames": ["b"]})

    with pytest.raises(UnreachableError, match=r"^the bastion b has no instance in service \(.*\): .* one instance$"):
        instance_of("b", client)


def test_who_may_not_look_at_the_group_is_told_so(groups: tuple[Any, Stubber]) -> None:
    client, stubber = groups
    stubber.add_client_error("describe_auto_scaling_groups", "AccessDenied", "not\nyou")

    with pytest.raises(UnreachableError, match=r"which instance the bastion b has: .*AccessDenied.* not you$"):
        instance_of("b", client)
