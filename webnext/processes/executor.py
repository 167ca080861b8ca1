"""The executor's double."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from webnext import metrics
from webnext.assembly import vault_for
from webnext.double.app import create_double
from webnext.executor import Bearer
from webnext.postgres import Postgres
from webnext.server import serve
from webnext.settings import Settings

PORT = 3010
FOLDER = "/var/lib/web-next-executor"
"""Where the double keeps what it was given, unless DOUBLE_DATA says otherwise."""


def run(settings: Settings) -> int:
    """Serve on PORT until SIGTERM. Exits with a line that says why where its folder cannot be written."""
    folder = Path(os.environ.get("DOUBLE_DATA") or FOLDER)
    vault = vault_for(settings)
    postgres = Postgres(vault) if settings.vault_prefix else None
    try:
        app = create_double(settings, folder, postgres, Bearer.of(settings, vault))
    except (OSError, sqlite3.Error) as error:
        raise SystemExit(
            f"web-next: DOUBLE_DATA is {str(folder)!r}: {error}; mount a volume that it may write"
        ) from error
    metrics.serve(settings, "executor")
    serve(app, PORT)
    return 0
