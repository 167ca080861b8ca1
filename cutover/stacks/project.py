"""The project's folder, the stack files in it, and the environment that Pulumi needs."""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cutover.errors import CutoverError, NotPreparedError, StackMissingError

PROJECT = Path(__file__).parents[2]
MADE = ("local", "local-canary")
"""The stacks whose files a machine has of its own: offline/stackfile.py writes them."""


def config(stack: str, project: Path | None = None) -> dict[str, Any]:
    """The settings in the stack's file; a section or list that is JSON text is taken as the program takes it. Raises as
    `document` does."""
    return {key: _section(value) for key, value in document(stack, project)["config"].items()}


def _section(value: Any) -> Any:
    """What `pulumi config set` without --path has written of either is text."""
    with suppress(ValueError, RecursionError):
        return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value
    return value


def document(stack: str, project: Path | None = None) -> dict[str, Any]:
    """What the stack's file says, this project's unless another is given. Raises StackMissingError when there is none,
    CutoverError when it is empty or no YAML."""
    import yaml

    path = (project or PROJECT) / f"Pulumi.{stack}.yaml"
    if not path.exists():
        what = f"the stacks here are {', '.join(stack_names())}"
        made = f"run make up, which writes it; {what}" if stack in MADE else what
        raise StackMissingError(f"there is no Pulumi.{stack}.yaml: {made}")
    text = path.read_text(errors="replace")
    if not text.strip():
        raise CutoverError(
            f"{path.name} is empty: restore it, git checkout {path.name}; the file of a machine's own stack is written "
            "anew by make up, without settings that you had added"
        )
    try:
        found = dict(yaml.safe_load(text) or {})
        return found | {"config": dict(found.get("config", {}))}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise CutoverError(f"{path.name} is no YAML of a stack: {' '.join(str(error).split())}; mend it") from None


def stack_names() -> list[str]:
    """The stacks that have a file."""
    return sorted(file.name.split(".")[1] for file in PROJECT.glob("Pulumi.*.yaml"))


def listed(folder: Path) -> str:
    """A folder as those flags of Pulumi take it that take several: a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([str(folder)])
    return line.getvalue()


def pulumi_home() -> Path:
    """The home that Pulumi takes: the one that is named, else its own default."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


def has_standins() -> bool:
    """Whether Pulumi's home is the clone's own, where providers are stand-ins."""
    return pulumi_home().resolve() == (PROJECT / ".local" / "pulumi").resolve()


def require_prepared(stack: str) -> None:
    """Raises NotPreparedError without a backend, for a stack of this machine outside the prepared environment, and for
    one on AWS inside of it, where providers are stand-ins; StackMissingError when the stack has no file. Nothing has
    been written then."""
    if config(stack).get("web-next:runtime") == "docker":
        for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL"):
            if not os.environ.get(name):
                raise NotPreparedError(f"{name} is not set: enter the prepared environment first, source .local/env")
    elif has_standins():
        raise NotPreparedError(
            f"stack {stack} is on AWS, and this PULUMI_HOME is the clone's own, with stand-in providers: "
            "use a shell without .local/env and Pulumi's official providers"
        )
    elif not os.environ.get("PULUMI_BACKEND_URL"):
        raise NotPreparedError(
            f"PULUMI_BACKEND_URL is not set, and stack {stack} is on AWS: name the bucket of its state, s3://…, as "
            "cutover bootstrap prints it"
        )
