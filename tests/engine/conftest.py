"""What the engine tests share: the CLI with the stand-ins, the clone's emulator, throw-away servers."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offline.machine import ROOT, Machine, MachineError
from offline.standins.__main__ import PACKAGES
from offline.standins.protocol import version_of
from tests.support import alerts, audit, audit_schema, edges, evidence, migrating, postgres
from tests.support.built import images
from tests.support.containers import free_port
from tests.support.engine import Emulator, Project, clean, make_project


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """The clone's emulator under an account of this run's own."""
    try:
        machine = Machine.load()
        urllib.request.urlopen(f"{machine.emulator}/_ministack/health", timeout=5).close()
    except (MachineError, urllib.error.URLError, OSError) as error:
        pytest.fail(f"engine tests need the emulator: {error}; run `python -m offline.emulator start`")
    return Emulator(machine.emulator, str(10**11 + secrets.randbelow(9 * 10**11)))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PULUMI_HOME with the stand-ins installed the way the product installs them."""
    if shutil.which("pulumi") is None:
        pytest.fail("no `pulumi` on PATH: enter the prepared environment with `source .local/env`")
    home = tmp_path_factory.mktemp("pulumi-home")
    for package in PACKAGES:
        folder = tmp_path_factory.mktemp(package)
        script = folder / f"pulumi-resource-{package}"
        script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m offline.standins {package} "$@"\n')
        script.chmod(0o755)
        subprocess.run(
            ["pulumi", "plugin", "install", "resource", package, version_of(package), "--file", folder],
            env=os.environ | {"PULUMI_HOME": str(home)},
            check=True,
            capture_output=True,
        )
    return home


@pytest.fixture(scope="session")
def attached() -> Iterator[str]:
    """Stand-ins that run for the whole session, as PULUMI_DEBUG_PROVIDERS names them: 0.3 s less a command."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    running = {
        package: subprocess.Popen(
            [sys.executable, "-m", "offline.standins", package],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for package in PACKAGES
    }
    yield ",".join(f"{name}:{process.stdout.readline().strip()}" for name, process in running.items() if process.stdout)
    for process in running.values():
        with process:
            process.terminate()


@pytest.fixture
def project(tmp_path: Path, installed: Path, attached: str) -> Iterator[Project]:
    """An empty project; whatever it still holds at the end is destroyed."""
    made = make_project(tmp_path, installed, attached)
    yield made
    clean(made)


@pytest.fixture
def installed_project(tmp_path: Path, installed: Path) -> Iterator[Project]:
    """The same, with plugins that the CLI starts and stops itself."""
    made = make_project(tmp_path, installed)
    yield made
    clean(made)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names that no other run uses."""
    suffix = secrets.token_hex(3)
    return lambda name: f"{name}-{suffix}"


@pytest.fixture(scope="session")
def image() -> str:
    """An image of this machine with a shell."""
    return images()["base"]


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A Postgres that tests share: who pauses it lets it go on."""
    with postgres.running() as made:
        yield made


@pytest.fixture
def database(server: postgres.Server) -> Iterator[postgres.Database]:
    """An empty database with the rights of the stacks."""
    with postgres.new_database(server) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> migrating.Folder:
    """Writes a folder of migrations, the first argument as 001."""
    return migrating.folder(tmp_path)


@pytest.fixture
def fresh(server: postgres.Server) -> Iterator[postgres.Database]:
    """A database with the committed migrations, of the test's own."""
    with postgres.new_database(server) as made:
        audit_schema.migrate(made)
        yield made


@pytest.fixture(scope="module")
def own_server() -> Iterator[postgres.Server]:
    """A Postgres that a test may stop, pause and kill."""
    with postgres.running(free_port()) as made:
        yield made


@pytest.fixture(scope="module")
def template(own_server: postgres.Server) -> Iterator[postgres.Database]:
    """A migrated database that is only copied."""
    with audit.migrated(own_server) as made:
        yield made


@pytest.fixture
def ground(
    template: postgres.Database, emulator: Emulator, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[audit.Ground]:
    """A migrated database, a bucket, an executor."""
    for name, value in audit.environment(emulator).items():
        monkeypatch.setenv(name, value)
    with audit.new_ground(template, emulator, unique("web-next-audit")) as made:
        yield made


@pytest.fixture
def store() -> Iterator[evidence.Store]:
    """An empty versioned bucket of the clone's own account."""
    with evidence.new_store() as made:
        yield made


@pytest.fixture
def as_app(store: evidence.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have this process take its credentials, and all of AWS, from an endpoint."""

    def use(endpoint: str) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # it would come before the configuration's
        for name, value in evidence.environment(store, tmp_path, endpoint).items():
            monkeypatch.setenv(name, value)

    use(store.machine.emulator)
    return use


@pytest.fixture(scope="session")
def edge_images() -> dict[str, str]:
    """The project's images by name."""
    return images()


@pytest.fixture(scope="session")
def edge_tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key."""
    return edges.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def start_edge(
    edge_images: dict[str, str], edge_tls: Path, tmp_path_factory: pytest.TempPathFactory
) -> edges.StartEdge:
    """Starts an nginx with a configuration, before upstreams that echo."""
    return lambda configuration, change=str, **lines: edges.running(
        edge_images, edge_tls, tmp_path_factory.mktemp("edge"), configuration, change, **lines
    )


@pytest.fixture(scope="module")
def alerting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[alerts.Stack]:
    """What alerts stand on, for one module."""
    with alerts.alert_stack(tmp_path_factory.mktemp("alerts")) as made:
        yield made


@pytest.fixture
def stack(alerting: alerts.Stack) -> alerts.Stack:
    """The same, with nothing left of an earlier test."""
    alerting.reset()
    return alerting
