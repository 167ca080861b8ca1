"""The steps of `make up`, in the order in which a person reads them."""

from __future__ import annotations

from offline.bootstrap.browser import Browser
from offline.bootstrap.candidate import Candidate
from offline.bootstrap.docker import Engine
from offline.bootstrap.local import Backend
from offline.bootstrap.network import Network
from offline.bootstrap.packages import Packages
from offline.bootstrap.plugins import Plugins
from offline.bootstrap.programs import Actionlint, Entrypoint
from offline.bootstrap.pulumi import Pulumi
from offline.bootstrap.python import EmulatorVenv, Venv
from offline.bootstrap.runner import Step
from offline.bootstrap.services import Emulator, Images, StackFile
from offline.bootstrap.tls import Tls


def all_steps() -> list[Step]:
    """Returns every step; the runner starts each as soon as those it needs are done."""
    return [
        Packages(),
        Browser(),
        Pulumi(),
        Venv(),
        EmulatorVenv(),
        Engine(),
        Network(),
        Images(),
        Tls(),
        Backend(),
        Plugins(),
        StackFile(),
        Emulator(),
        Candidate(),
        Actionlint(),
    ]


def tool_steps() -> list[Step]:
    """Returns what running the CLI and the checks takes: no Docker, nothing installed on the machine."""
    return [Pulumi(), Venv(), Backend(), Plugins(), Actionlint()]


def entrypoint_steps() -> list[Step]:
    """Returns what an image that cannot ask the vault itself takes; nothing here stands on it."""
    return [Entrypoint()]
