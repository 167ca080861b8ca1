"""`python -m webnext`: serve until SIGTERM."""

from __future__ import annotations

import os
import sys

import uvicorn

from webnext import logs
from webnext.app import audit_for, create_app
from webnext.settings import Settings, SettingsError

PORT = 3003


def main() -> int:
    """Serve on PORT; return 2 where the environment breaks a rule."""
    logs.configure()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"web-next: {error}", file=sys.stderr)
        return 2
    uvicorn.run(
        create_app(settings, audit_for(settings)),
        host="0.0.0.0",  # noqa: S104  (inside a container, behind the edge)
        port=PORT,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
