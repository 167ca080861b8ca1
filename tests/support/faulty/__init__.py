"""A release with a bug: the app's image with faults that a test begins and ends in a running container."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = "/opt/web-next/webnext/processes"
FAULT = "/tmp/fault"
DOCKERFILE = f"""
ARG SOUND
FROM ${{SOUND}}
USER root
RUN cd {FOLDER} && mv app.py sound.py && rm -f __pycache__/app.*
COPY app.py {FOLDER}/app.py
USER 10001:10001
"""


def build(sound: str) -> str:
    """Builds it on the image id `sound`; the id of what came."""
    command = ["docker", "build", "--quiet", "--build-arg", f"SOUND={sound}", "--file", "-", str(Path(__file__).parent)]
    done = subprocess.run(command, input=DOCKERFILE, check=True, text=True, capture_output=True)
    return done.stdout.strip()


@contextmanager
def fault(container: str, **what: Any) -> Iterator[None]:
    """The release in a container has the bug while the block runs: `share`, and `slow`, `status` or `mock`."""
    _write(container, f"cat >/tmp/fault.new && mv /tmp/fault.new {FAULT}", json.dumps(what))
    try:
        yield
    finally:
        _write(container, f"rm -f {FAULT}", "")


def _write(container: str, script: str, text: str) -> None:
    subprocess.run(["docker", "exec", "-i", container, "sh", "-c", script], input=text, text=True, check=True)
