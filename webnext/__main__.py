"""`python -m webnext [app|worker|executor|cleanup]`: run one of web-next's processes until SIGTERM."""

from __future__ import annotations

import os
import sys

from webnext import logs
from webnext.settings import Settings, SettingsError

ROLES = ("app", "worker", "executor", "cleanup")


def main(arguments: list[str]) -> int:
    """Run the role; return 2 where the environment breaks a rule or there is no such role."""
    logs.configure()
    role = arguments[0] if arguments else "app"
    if role not in ROLES or len(arguments) > 1:
        print(f"web-next: there is no role {' '.join(arguments)!r}: it is one of {', '.join(ROLES)}", file=sys.stderr)
        return 2
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        print(f"web-next: {error}", file=sys.stderr)
        return 2
    return _run(role, settings)


def _run(role: str, settings: Settings) -> int:
    # Imported here: each role loads what it needs and no more.
    if role == "worker":
        from webnext.alerts.worker import run_worker

        run_worker(settings)
    elif role == "executor":
        from webnext.double.app import serve_double

        serve_double(settings)
    elif role == "cleanup":
        from webnext.evidence.cleanup import run_cleanup

        return run_cleanup(settings)
    else:
        from webnext.server import serve_app

        serve_app(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
