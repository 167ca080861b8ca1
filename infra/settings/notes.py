"""What whoever runs a stack must know before anything is declared, and what an update would fail on half-way."""

from __future__ import annotations

import socket
from pathlib import Path

from infra.settings.keys import Settings
from infra.settings.placeholders import placeholders
from infra.settings.problems import SettingsError
from infra.settings.reading import NAMESPACE


def notes_on(settings: Settings, *, preview: bool) -> list[str]:
    """A line for each thing to know.

    Raises SettingsError for a machine without its certificate and, except in a preview, for placeholders and for a
    tunnel that is not open.
    """
    found = []
    if unreal := placeholders(settings):
        if not preview:
            lines = (f"{key} = {value}: a placeholder; put the real value there" for key, value in unreal.items())
            raise SettingsError.of([f"  {NAMESPACE}:{line}" for line in lines])
        found.append(f"up will refuse this stack's placeholders, put the real values there: {', '.join(unreal)}")
    if (machine := settings.machine) and not Path(machine.authority).is_file():
        raise SettingsError(f"machine.tlsFolder is {machine.tls_folder}: it has no ca.pem; make up puts it there")
    if (tunnel := settings.database.tunnel) and not preview:
        _require_listener(*tunnel)
    if not settings.has_release:
        found.append(
            "image is later: there are repositories for images and NO balancer, service or release; push the images, "
            f"set {NAMESPACE}:image and {NAMESPACE}:edge.image to their digests and run up again"
        )
    if settings.database.access == "later":
        found.append(
            "database.access is later: the audit database gets NO roles, rights or schema, and nobody can write to it; "
            f"set {NAMESPACE}:database.access to direct or tunnel and run up again"
        )
    if not settings.smoke.run:
        found.append("smoke.run is false: the deployment is recorded unproven, whatever state it is in; set it to true")
    return found


def _require_listener(host: str, port: int) -> None:
    """Raises SettingsError when nothing listens at the address: half an update later it would be too late."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        raise SettingsError(
            f"database.access is tunnel, and nothing listens on {host}:{port} ({error}): "
            "bring the stack up with cutover up, which opens the tunnel, or open one there yourself"
        ) from None
