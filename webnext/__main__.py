"""`python -m webnext [app|worker|executor|cleanup]`: run one of web-next's processes until SIGTERM."""

from __future__ import annotations

import importlib
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
    # Each role loads what it needs and no more.
    process = importlib.import_module(f"webnext.processes.{role}")
    return int(process.run(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
