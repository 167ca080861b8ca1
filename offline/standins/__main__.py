"""`python -m offline.standins <package>`: serves one provider until the engine goes away."""

from __future__ import annotations

import gc
import importlib
import sys

PACKAGES = ("aws", "docker", "postgresql", "random")


def main() -> None:
    """Starts the plugin named by the first argument."""
    gc.disable()  # short-lived and small: collecting costs more than it frees
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PACKAGES:
        raise SystemExit(f"no stand-in named {name!r}; there are: {', '.join(PACKAGES)}")
    from offline.standins.protocol import serve

    serve(importlib.import_module(f"offline.standins.{name}").PACKAGE)


if __name__ == "__main__":
    main()
