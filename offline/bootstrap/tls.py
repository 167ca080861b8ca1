"""The local certificate authority and the edge's certificate, made by the openssl command."""

from __future__ import annotations

import tempfile
from pathlib import Path

from offline.bootstrap.artifact import replace_text
from offline.bootstrap.runner import Job, State, Step
from offline.bootstrap.services import ask
from offline.machine import ROOT

DAYS = 397  # what browsers accept at most
RENEW_SECONDS = 30 * 24 * 3600
FILES = ("ca.pem", "edge.pem", "edge.key")
CONFIG = """\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[edge]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Tls(Step):
    """`.local/tls`: an authority and a certificate for localhost, renewed 30 days before the end.

    The authority's key is thrown away after it has signed: nobody can sign with it later.
    """

    name = "tls"
    needs = ("packages",)

    def __init__(self, folder: Path = ROOT / ".local" / "tls") -> None:
        self._folder = folder

    def check(self) -> State:
        if not all((self._folder / name).is_file() for name in FILES):
            return State(False, "no certificate")
        command = ("openssl", "x509", "-noout", "-enddate", "-checkend", str(RENEW_SECONDS), "-in")
        asked = ask(*command, str(self._folder / "edge.pem"))
        end = asked.stdout.partition("notAfter=")[2].partition("\n")[0]
        return State(asked.returncode == 0, f"localhost, 127.0.0.1, until {end}" if end else "not readable")

    def act(self, job: Job) -> str:
        with tempfile.TemporaryDirectory() as draft:
            made = Path(draft)
            config = made / "openssl.cnf"
            config.write_text(CONFIG)
            for name in ("ca", "edge"):
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
                if name == "edge":
                    signer = ("-CA", made / "ca.pem", "-CAkey", made / "ca.key", "-CAcreateserial")
                job.run(
                    "openssl", "x509", "-req", "-sha256", "-days", str(DAYS), *signer,
                    "-in", made / f"{name}.csr", "-extfile", config, "-extensions", name,
                    "-out", made / f"{name}.pem",
                )  # fmt: skip
            for name in FILES:
                mode = 0o600 if name == "edge.key" else 0o644
                replace_text(self._folder / name, (made / name).read_text(), mode)
        return self.check().what
