"""The local certificate authority, and the certificates of edge and databases, made by the openssl command."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from offline.bootstrap.docker import docker
from offline.bootstrap.runner import Job, State, Step
from offline.bootstrap.services import ask
from offline.emulator.addresses import FIRST, LAST
from offline.files import replace_text
from offline.machine import ROOT, Machine

DAYS = 397  # what browsers accept at most
RENEW_SECONDS = 30 * 24 * 3600
FILES = ("ca.pem", "edge.pem", "edge.key", "databases.pem", "databases.key")
CONFIG = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
LEAF = """\
[{name}]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Tls(Step):
    """`.local/tls`: an authority, and the certificates that it signed, for localhost and for every database address.

    Renewed 30 days before they end. The authority's key is deleted once it has signed, so nobody can sign with it
    later. That is why the databases' certificate is made before there is a database.
    """

    name = "tls"
    needs = ("packages", "network")

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._folder = root / ".local" / "tls"

    def check(self) -> State:
        if not all((self._folder / name).is_file() for name in FILES):
            return State(False, "no certificate")
        if torn := self._torn():
            return State(False, f"not readable: {torn}")
        command = ("openssl", "x509", "-noout", "-enddate", "-checkend", str(RENEW_SECONDS), "-in")
        asked = ask(*command, str(self._folder / "edge.pem"))
        end = asked.stdout.partition("notAfter=")[2].partition("\n")[0]
        first = Machine.load(self._root).address(FIRST)
        here = ask("openssl", "x509", "-noout", "-checkip", first, "-in", str(self._folder / "databases.pem"))
        if end and "does match" not in here.stdout:
            return State(False, "the databases' certificate is for other addresses")
        return State(asked.returncode == 0, f"localhost, 127.0.0.1, until {end}" if end else "not readable")

    def _torn(self) -> str | None:
        """Which of the files a killed machine has left empty or cut; None where all can be read."""
        try:
            ssl.create_default_context(cafile=self._folder / "ca.pem")
        except (ssl.SSLError, ValueError):
            return "ca.pem"
        for name in ("edge", "databases"):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                    self._folder / f"{name}.pem", self._folder / f"{name}.key"
                )
            except (ssl.SSLError, ValueError):
                return f"{name}.pem or {name}.key"
        return None

    def act(self, job: Job) -> str:
        with tempfile.TemporaryDirectory() as draft:
            made = Path(draft)
            config = made / "openssl.cnf"
            machine = Machine.load(self._root)
            databases = ", ".join(f"IP:{machine.address(host)}" for host in range(FIRST, LAST + 1))
            names = {"edge": "DNS:localhost, IP:127.0.0.1", "databases": databases}
            config.write_text(CONFIG + "".join(LEAF.format(name=name, names=names[name]) for name in names))
            for name in ("ca", *names):
                key = (
                    "-algorithm",
                    "EC",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-out",
                    made / f"{name}.key",
                )
                job.run("openssl", "genpkey", *key)
                request = ("-key", made / f"{name}.key", "-out", made / f"{name}.csr", "-config", config)
                job.run("openssl", "req", "-new", "-subj", f"/CN=web-next local {name}", *request)
                signer: tuple[str | Path, ...] = ("-signkey", made / "ca.key")
                if name != "ca":
                    signer = ("-CA", made / "ca.pem", "-CAkey", made / "ca.key", "-CAcreateserial")
                job.run(
                    "openssl", "x509", "-req", "-sha256", "-days", str(DAYS), *signer,
                    "-in", made / f"{name}.csr", "-extfile", config, "-extensions", name,
                    "-out", made / f"{name}.pem",
                )  # fmt: skip
            for name in FILES:
                mode = 0o600 if name.endswith(".key") else 0o644
                replace_text(self._folder / name, (made / name).read_text(), mode)
        _restart_edges(machine)
        return self.check().what


def _restart_edges(machine: Machine) -> None:
    """Restarts the edges that still serve the certificate of before, also where its folder was made anew."""
    running = docker("ps", "--quiet", "--filter", f"label={machine.label}", "--filter", "label=web-next.role=edge")
    for edge in running.stdout.split():
        docker("restart", edge)
