"""A tunnel to the private database: Session Manager forwards a local port through the stack's bastion."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from cutover import aws
from cutover.errors import NotPreparedError, UnreachableError

PLUGIN = "session-manager-plugin"
DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
LOOPBACK = "127.0.0.1"
OPEN_SECONDS = 30.0
"""A session that has not opened its port by then never will: the agent answers within seconds or not at all."""
MADE_ALONE = (
    "pulumi up --target '**::web-next:network:**' makes it and the network alone, then cutover up the rest; "
    'docs/runbook.md "After a destroy"'
)
"""How a bastion comes without the database, which is reached through it."""


class Sessions(Protocol):
    """The two calls of a boto3 SSM client that a tunnel takes."""

    def start_session(self, *, Target: str, DocumentName: str, Parameters: dict[str, list[str]]) -> dict[str, Any]: ...  # noqa: N803

    def terminate_session(self, *, SessionId: str) -> object: ...  # noqa: N803


class Groups(Protocol):
    """The one call of a boto3 Auto Scaling client that finds a bastion."""

    def describe_auto_scaling_groups(self, *, AutoScalingGroupNames: list[str]) -> dict[str, Any]: ...  # noqa: N803


def instance_of(group: str, groups: Groups) -> str:
    """The id of an instance of the Auto Scaling group that is in service. Raises UnreachableError without one."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        there = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    except (BotoCoreError, ClientError) as error:
        raise UnreachableError(
            f"AWS does not say which instance the bastion {group} has: {' '.join(str(error).split())}"
        ) from None
    if not there:
        raise UnreachableError(f"there is no bastion {group}: {MADE_ALONE}")
    states: dict[str, str] = {one["InstanceId"]: one["LifecycleState"] for one in there[0].get("Instances", [])}
    for instance, state in states.items():
        if state == "InService":
            return instance
    raise UnreachableError(
        f"the bastion {group} has no instance in service ({states or 'none at all'}): AWS starts one within minutes, "
        "unless its group was changed by hand; change it back, to one instance"
    )


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """From `local_port` of this machine to `host`:`port`, by way of the instance `bastion` in `region`."""

    bastion: str
    host: str
    port: int
    local_port: int
    region: str

    @property
    def _service(self) -> str:
        return f"https://ssm.{self.region}.amazonaws.com"

    @contextmanager
    def opened(self, sessions: Sessions | None = None, seconds: float = OPEN_SECONDS) -> Iterator[None]:
        """Keeps the tunnel open for the block, and closes its session after it.

        Raises NotPreparedError without the plugin, UnreachableError when the port is taken, AWS refuses the session, or
        nothing listens after `seconds`.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        plugin = shutil.which(PLUGIN)
        if plugin is None:
            raise NotPreparedError(
                f"{PLUGIN} is not on PATH: database.access is tunnel, and AWS's Session Manager plugin carries it; "
                "install it, or run from inside the VPC with database.access direct"
            )
        if listens(LOOPBACK, self.local_port):
            raise UnreachableError(
                f"port {self.local_port} is taken: the tunnel needs it; end what listens there, "
                "or choose another in web-next:database.tunnelPort"
            )
        sessions = sessions or aws.client("ssm", aws.Account(region=self.region))
        request = {
            "Target": self.bastion,
            "DocumentName": DOCUMENT,
            "Parameters": {
                "host": [self.host],
                "portNumber": [str(self.port)],
                "localPortNumber": [str(self.local_port)],
            },
        }
        try:
            session = sessions.start_session(**request)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise UnreachableError(
                f"no session to the bastion {self.bastion}: {' '.join(str(error).split())}"
            ) from None
        answer = {key: session[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
        try:
            with tempfile.TemporaryFile() as said, self._forwarding(plugin, request, answer, said) as process:
                self._wait(process, said, seconds)
                yield
        finally:
            # Where this fails the plugin's end has ended it, or AWS will after 20 idle minutes.
            with suppress(BotoCoreError, ClientError):
                sessions.terminate_session(SessionId=answer["SessionId"])

    @contextmanager
    def _forwarding(
        self, plugin: str, request: dict[str, Any], answer: dict[str, str], said: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        # The plugin takes the session's one-time token by a variable of this name, as AWS's own CLI hands it over;
        # as an argument every process of the machine could read it.
        variable = "AWS_SSM_START_SESSION_RESPONSE"
        process = subprocess.Popen(
            [plugin, variable, self.region, "StartSession", "", json.dumps(request), self._service],
            env={**os.environ, variable: json.dumps(answer)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C ends the update first, which still needs the tunnel
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self, process: subprocess.Popen[bytes], said: Any, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while not listens(LOOPBACK, self.local_port):
            ended = process.poll() is not None
            if ended or time.monotonic() > give_up:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"]
                what = f"ended with {process.returncode}" if ended else f"opened no port within {seconds:g} s"
                raise UnreachableError(f"the tunnel through {self.bastion} {what}: {lines[-1]}")
            time.sleep(0.1)


def listens(host: str, port: int, seconds: float = 3.0) -> bool:
    """Whether something accepts connections at the address within `seconds`."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True
