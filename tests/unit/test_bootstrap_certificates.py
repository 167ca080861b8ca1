"""The certificates of a clone: whose they are, whom they are for, and when they are renewed."""

from __future__ import annotations

import io
import ipaddress
import shutil
import ssl
import stat
from pathlib import Path

import pytest

from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job
from offline.bootstrap.tls import Tls
from offline.machine import Machine


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("step", tmp_path / "step.log", Console(io.StringIO()))


def settle(root: Path, subnet: str = "10.213.7.0/24") -> Path:
    """Gives a clone its place on the machine; returns the folder of its certificates."""
    others = [network for network in ipaddress.IPv4Network("10.213.0.0/16").subnets(8) if str(network) != subnet]
    Machine.allocate(root, taken=others, port_is_free=lambda port: True).save(root)
    return root / ".local" / "tls"


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        ("edge", {"localhost": True, "127.0.0.1": True, "elsewhere.test": False, "10.213.7.64": False}),
        ("databases", {"10.213.7.64": True, "10.213.7.127": True, "10.213.7.63": False, "localhost": False}),
    ],
)
def test_a_certificate_is_valid_for_this_clone_and_signed_by_its_authority(
    tmp_path: Path, job: Job, certificate: str, names: dict[str, bool]
) -> None:
    folder = settle(tmp_path)
    step = Tls(tmp_path)
    assert not step.check().done
    step.act(job)
    assert step.check().done
    assert stat.S_IMODE((folder / f"{certificate}.key").stat().st_mode) == 0o600
    expected = ["ca.pem", "databases.key", "databases.pem", "edge.key", "edge.pem"]
    assert sorted(file.name for file in folder.iterdir()) == expected, "the authority's key is kept"

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    for name, trusted in names.items():
        client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        assert handshake(client, server, name) is trusted, name


def test_a_clone_that_moved_to_another_subnet_gets_new_certificates(tmp_path: Path, job: Job) -> None:
    settle(tmp_path)
    step = Tls(tmp_path)
    step.act(job)
    settle(tmp_path, "10.213.8.0/24")
    assert not step.check().done
    step.act(job)
    assert step.check().done


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname=name)
    far = server.wrap_bio(up, down, server_side=True)
    for _ in range(5):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return near.version() is not None


def test_a_certificate_near_its_end_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    settle(tmp_path)
    monkeypatch.setattr("offline.bootstrap.tls.DAYS", 29)
    step = Tls(tmp_path)
    step.act(job)
    assert not step.check().done, "29 days are fewer than 30"
    monkeypatch.setattr("offline.bootstrap.tls.DAYS", 31)
    step.act(job)
    assert step.check().done


def test_a_renewed_certificate_is_read_by_the_edges_that_run_here_and_nobody_else_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    settle(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    calls = tmp_path / "calls"
    openssl = shutil.which("openssl", path="/usr/bin:/bin")
    assert openssl
    scripts = {
        "openssl": f'echo openssl >> {calls}\nexec {openssl} "$@"',
        "docker": f'echo "$*" >> {calls}\n[ "$1" != ps ] || printf "edge-of-stable\\nedge-of-canary\\n"',
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    Tls(tmp_path).act(job)

    *signing, listed, first, second, _, _ = calls.read_text().splitlines()  # at last it looks at what it made
    assert set(signing) == {"openssl"}, "edges are restarted once the files are there"
    label = Machine.load(tmp_path).label
    assert listed == f"ps --quiet --filter label={label} --filter label=web-next.role=edge"
    assert [first, second] == ["restart edge-of-stable", "restart edge-of-canary"]
