"""`python -m offline.standins <package>`: serves one provider until the engine goes away."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
import types
from pathlib import Path

PACKAGES = ("aws", "docker", "postgresql", "random")


def skip_pulumi_code() -> None:
    """Puts empty packages in front of pulumi's own: its protos are needed here, its code costs 0.1 s."""
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        return
    root = Path(spec.origin).parent
    for name, folder in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def main() -> None:
    """Starts the plugin named by the first argument."""
    gc.disable()  # short-lived and small: collecting costs more than it frees
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PACKAGES:
        raise SystemExit(f"no stand-in named {name!r}; there are: {', '.join(PACKAGES)}")
    skip_pulumi_code()
    from offline.standins.protocol import serve

    serve(importlib.import_module(f"offline.standins.{name}").PACKAGE)


if __name__ == "__main__":
    main()
