"""Runs MiniStack for one clone, inside the emulator's own virtual environment.

Four places of it are replaced: the Docker SDK it uses (scope.py), the application (to save state while it
runs), the loading of state (to respawn caches at once) and S3's list of what it keeps.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import socket
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from offline.emulator.addresses import AddressBook
from offline.emulator.scope import Scope
from offline.emulator.state import KEPT_BY_S3, Saver, keep_versions

VERSION = "1.4.21"
DATABASES_SECONDS = 45.0
"""Less than the 60 s that the HTTP server gives a start."""

logger = logging.getLogger("emulator")


class DatabaseError(Exception):
    """A database that the state names does not answer."""


def main() -> None:
    """Starts the emulator as the environment says (see launcher.py) and ends with it."""
    os.umask(0o077)
    found = importlib.metadata.version("ministack")
    assert found == VERSION, f"ministack {found} is installed; its inner names are known of {VERSION} alone"
    home = Path(os.environ["WEB_NEXT_EMULATOR_HOME"])
    addresses = AddressBook(home / "addresses.json", os.environ["WEB_NEXT_SUBNET"])
    Scope(os.environ["WEB_NEXT_CLONE"], os.environ["DOCKER_NETWORK"], addresses).install()

    from ministack import app
    from ministack.services import elasticache, rds, s3

    _assert_names(app, "app", "main", "_load_persisted_state", "_build_persistence_save_dict", "_loaded_modules")
    _assert_names(elasticache, "_pending_cluster_respawn", "_clusters", "_ensure_live_containers", "_endpoint_of")
    _assert_names(rds, "_instances")
    _assert_names(s3, "_PERSISTED_BUCKET_DICTS", *(f"_{name}" for name in KEPT_BY_S3))
    keep_versions(s3)
    saver = Saver(app._build_persistence_save_dict)
    load = app._load_persisted_state

    def load_and_wait() -> None:
        load()
        respawn_caches(elasticache)
        wait_for_databases(rds, elasticache)
        saver.start()

    app._load_persisted_state = load_and_wait
    app.app = saver.watching(app.app)
    sys.argv = ["ministack"]
    app.main()


def respawn_caches(elasticache: Any) -> None:
    """Starts the containers of restored caches, which MiniStack puts off until somebody asks for one.

    The members of a replication group have none of their own; MiniStack would give them empty ones.
    """
    for account, region, name in list(elasticache._pending_cluster_respawn):
        cluster = elasticache._clusters.get_scoped(account, region, name)
        if cluster and not cluster.get("_owns_container", True):
            elasticache._pending_cluster_respawn.discard((account, region, name))
    elasticache._ensure_live_containers()


def wait_for_databases(rds: Any, elasticache: Any) -> None:
    """Returns once every restored database answers; DatabaseError after DATABASES_SECONDS."""


def _assert_names(module: ModuleType, *names: str) -> None:
    for name in names:
        assert hasattr(module, name), f"{module.__name__}.{name} is not in this MiniStack"


if __name__ == "__main__":
    main()
