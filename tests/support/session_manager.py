"""Session Manager, its plugin played by a script that forwards as the real one does, and the bastion's group."""

from __future__ import annotations

import os
import stat
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cutover.schema.tunnel import PLUGIN

TOKEN = "one-time-" + "token"

FORWARDS = """
    import json, os, socket, sys, threading
    open(LOG, "w").write(json.dumps({"argv": sys.argv, "answer": json.loads(os.environ[sys.argv[1]])}))
    wanted = json.loads(sys.argv[5])["Parameters"]
    server = socket.create_server(("127.0.0.1", int(wanted["localPortNumber"][0])))
    while True:
        near, _ = server.accept()
        far = socket.create_connection((wanted["host"][0], int(wanted["portNumber"][0])))
        def carry(a, b):
            while data := a.recv(1024):
                b.sendall(data)
            b.close()
        for pair in ((near, far), (far, near)):
            threading.Thread(target=carry, args=pair, daemon=True).start()
"""


class Sessions:
    """Both APIs, remembering which session was asked for."""

    def __init__(self, refusal: ClientError | None = None) -> None:
        self.asked: dict[str, Any] = {}
        self.ended: list[str] = []
        self._refusal = refusal

    def start_session(self, **request: Any) -> dict[str, Any]:
        if self._refusal:
            raise self._refusal
        self.asked = request
        return {"SessionId": "s-1", "TokenValue": TOKEN, "StreamUrl": "wss://example.com", "ResponseMetadata": {}}

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        return {"AutoScalingGroups": [{"Instances": [{"InstanceId": "i-0abc", "LifecycleState": "InService"}]}]}

    def terminate_session(self, *, SessionId: str) -> None:  # noqa: N803
        self.ended.append(SessionId)


def plugin(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Puts a plugin on PATH; returns the file it writes what it was given to."""
    log = folder / "plugin.json"
    script = folder / PLUGIN
    script.write_text(f"#!{sys.executable}\nLOG = {str(log)!r}\n{textwrap.dedent(body)}")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log
