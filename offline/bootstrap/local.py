"""This clone's own state: file backend, passphrase, wrapper and the prepared environment."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path
from urllib.parse import quote

from offline.bootstrap import plugins, pulumi, python
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.files import replace_text
from offline.machine import ROOT, recorded_stacks

LOCAL = ROOT / ".local"
STATE = LOCAL / "state"
PASSPHRASE = LOCAL / "passphrase"
ENVIRONMENT = LOCAL / "env"
CUTOVER = LOCAL / "bin" / "cutover"
NEAR = "localhost,127.0.0.1,10.213.0.0/16,10.214.0.0/16"
"""Whom gRPC and the official providers must ask without a proxy: this machine, and its clones' networks
(offline/machine.py)."""
UNSET = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Backend(Step):
    """`.local`: the stacks' state, the passphrase of their secrets, and the environment to work in."""

    name = "backend"
    needs = ("pulumi", "venv")

    def check(self) -> State:
        wanted = {ENVIRONMENT: environment_text(), CUTOVER: _cutover_text()}
        stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        if not STATE.is_dir():
            stale.append(STATE.name)
        if not _has_passphrase() or PASSPHRASE.stat().st_mode & 0o777 != 0o600:
            stale.append(PASSPHRASE.name)
        return State(not stale, f"missing or outdated: {' '.join(stale)}" if stale else ".local/state, .local/env")

    def act(self, job: Job) -> str:
        job.phase = "files"
        STATE.mkdir(parents=True, exist_ok=True)
        if _has_passphrase():
            PASSPHRASE.chmod(0o600)
        elif recorded := recorded_stacks(ROOT):
            raise StepError(
                f"{PASSPHRASE} is {'empty' if PASSPHRASE.exists() else 'not there'}, and the secrets of "
                f"{recorded[0].stem} are under it: restore it. Else run `make clean`, which removes the stack's data, "
                "and `make up`"
            )
        else:
            replace_text(PASSPHRASE, secrets.token_urlsafe(32), 0o600)
        replace_text(CUTOVER, _cutover_text(), 0o755)
        replace_text(ENVIRONMENT, environment_text())
        return ".local/state, .local/env"


def _has_passphrase() -> bool:
    return PASSPHRASE.exists() and bool(PASSPHRASE.read_bytes().strip())


def environment() -> dict[str, str]:
    """Returns the prepared environment's own variables, PATH apart. StepError before there is a pulumi."""
    variables = {
        "PULUMI_HOME": str(plugins.PULUMI_HOME),
        # Without metadata=skip every state file has a sidecar that is not written atomically: a CLI that is
        # killed in between leaves it empty, and nothing can be loaded any more.
        "PULUMI_BACKEND_URL": f"file://{quote(str(STATE))}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(PASSPHRASE),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if not plugins.official():
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return variables


def path_entries() -> list[Path]:
    """Returns the folders that come first on the prepared PATH."""
    return [pulumi.bin_folder(), CUTOVER.parent, python.VENV_PYTHON.parent]


def environment_text() -> str:
    """Returns the shell file that a person sources, and every make target uses."""
    lines = ["# The prepared environment of this clone; written by `make up`."]
    entries = ":".join(map(str, path_entries()))
    lines.append(f'export PATH={shlex.quote(entries)}:"$PATH"')
    lines += [f"export {name}={shlex.quote(value)}" for name, value in environment().items()]
    lines += [
        'no_proxy="${no_proxy:-${NO_PROXY:-}}"',
        f'case ",$no_proxy," in ",*," | *",{NEAR},"*) ;; *) no_proxy="${{no_proxy:+$no_proxy,}}{NEAR}" ;; esac',
        'export no_proxy NO_PROXY="$no_proxy"',
    ]
    lines.append(f"unset PULUMI_CONFIG_PASSPHRASE {' '.join(UNSET)}")
    return "\n".join(lines) + "\n"


def _cutover_text() -> str:
    root, interpreter = shlex.quote(str(ROOT)), shlex.quote(str(python.VENV_PYTHON))
    return f'#!/bin/sh\nPYTHONPATH={root} exec {interpreter} -m cutover "$@"\n'
