"""The real nginx before upstreams that echo what reaches them."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from cutover.traffic.docker import EdgeTraffic
from infra.nginx import LINES, TEMPLATES, WEIGHTS, EdgeConfig, render
from infra.runtime.docker.edge import FILE_BYTES, LINES_MIB
from tests.support.containers import address, container, docker, free_port, network, wait_until
from tests.support.edge_configs import SOUND

ECHO = """
import http.server, itertools, json, os
numbers = itertools.count(1)
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", 65536
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {k.lower(): v for k, v in self.headers.items()} | {"track": os.environ["TRACK"]}
        body = json.dumps(told | {"number": next(numbers)}).encode()
        if "/large-" in self.path:
            body = bytes(int(self.path.rpartition("/large-")[2]) * 2**20)
        self.send_response(int(self.path.rpartition("/own-")[2]) if "/own-" in self.path else 200)
        if "mock" in self.path:
            self.send_header("x-web-next-mock", "true")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-frame-options", "SAMEORIGIN")
        self.send_header("strict-transport-security", "max-age=31536000")
        if self.path.startswith("/kept"):
            self.send_header("x-accel-expires", "1")
        if self.path.startswith("/redirects"):
            self.send_header("x-accel-redirect", "/elsewhere")
        if "/unparsed" not in self.path and "x-trace-id" in self.headers:
            self.send_header("x-trace-id", self.headers["x-trace-id"])
        if self.path == "/dashboard":
            self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_HEAD = do_GET
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.request_queue_size = 1024
http.server.ThreadingHTTPServer(("", 3003), Echo).serve_forever()
"""


FLUSH_SECONDS = 0.1
"""How long nginx keeps a line in its buffer, by the template."""


@dataclass(frozen=True)
class Edge:
    """A running nginx, its client, its split, and the stable track's container, all in `network`."""

    id: str
    network: str
    client: httpx.Client
    port: int
    upstream: str

    @property
    def traffic(self) -> EdgeTraffic:
        return EdgeTraffic(container=self.id, folder=WEIGHTS)

    @property
    def address(self) -> str:
        """Its host:port on the network."""
        return f"{address(self.id)}:8443"

    def log(self) -> list[dict[str, Any]]:
        """Return the access log's entries so far, once nginx has written them."""
        time.sleep(3 * FLUSH_SECONDS)
        return [json.loads(line) for line in docker("logs", self.id).splitlines() if line.startswith("{")]


StartEdge = Callable[..., AbstractContextManager[Edge]]


def config(*tracks: str, **changes: Any) -> EdgeConfig:
    """An edge before the tracks' upstreams, some fields changed; with both tracks it splits. Tests ask for pages faster
    than the settings let one address."""
    named = tracks or ("stable",)
    upstreams = {track: f"{track}:3003" for track in named}
    limits = replace(SOUND.limits, pages_per_minute=600_000)
    weights = WEIGHTS if len(named) > 1 else None
    before = replace(SOUND, edge_id="test-0", upstreams=upstreams, weights=weights, limits=limits)
    return replace(before, **changes)


def certificate(folder: Path, names: str = "IP:127.0.0.1") -> Path:
    """A certificate for these names and its key, as edge.pem and edge.key in the folder, which is returned."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    leaf = ["-addext", "basicConstraints=critical,CA:FALSE"]
    files = ["-keyout", str(folder / "edge.key"), "-out", str(folder / "edge.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *name, *leaf, *files], check=True, capture_output=True)
    (folder / "edge.key").chmod(0o600)
    return folder


@contextmanager
def running(
    images: dict[str, str],
    tls: Path,
    folder: Path,
    configuration: EdgeConfig,
    change: Callable[[str], str] = str,
    *,
    lines: str | None = None,
    file_bytes: int = FILE_BYTES,
    app: tuple[str, ...] = ("python3", "-c", ECHO),
) -> Iterator[Edge]:
    """An nginx with a configuration, changed by `change`, as the stack runs it: read-only root, few capabilities.

    With `lines`, a volume, it has its log there too, and starts as a machine's edge does; else it is nginx alone.
    Where the configuration says GATEWAY it gets this machine's address on the network. `app` is what upstreams run.
    """
    (folder / "weights").mkdir()
    folder.chmod(0o755)  # nginx's workers are not root
    port = free_port()
    options = [
        "--read-only",
        "--tmpfs",
        "/tmp:size=64m",
        "--memory",
        f"{configuration.memory + LINES_MIB}m",
        "--security-opt",
        "no-new-privileges",
        "--cap-drop",
        "ALL",
    ]
    for capability in ("CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"):
        options += ["--cap-add", capability]
    options += ["--volume", f"{folder}:/etc/nginx/edge", "--volume", f"{tls}:/etc/nginx/tls:ro"]
    if lines:
        configuration = replace(configuration, lines=f"{LINES}/lines")
        options += ["--volume", f"{lines}:{LINES}"]
    options += ["--publish", f"127.0.0.1:{port}:{configuration.listen}"]
    trusted = ssl.create_default_context(cafile=str(tls / "edge.pem"))
    scheme = "https" if configuration.tls else "http"
    with ExitStack() as running:
        net = running.enter_context(network())
        gateway = docker("network", "inspect", net, "--format", "{{(index .IPAM.Config 0).Gateway}}")
        (folder / "nginx.conf").write_text(change(render(configuration)).replace("GATEWAY", gateway))
        upstreams = {
            track: running.enter_context(
                container(
                    images["web-next"],
                    *("--network", net, "--network-alias", track, "--env", f"TRACK={track}"),
                    command=app,
                )
            )
            for track in configuration.upstreams
        }
        nginx = ("nginx", "-c", "/etc/nginx/edge/nginx.conf", "-g", "daemon off;")
        if lines:
            script = (TEMPLATES / "edge.sh").read_text()
            nginx = ("bash", "-c", script, configuration.edge_id, str(file_bytes))
        edge = running.enter_context(container(images["nginx"], "--network", net, *options, command=nginx))
        client = running.enter_context(
            httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=trusted, trust_env=False)
        )
        wait_until(lambda: client.get("/healthz").status_code == 200, "edge in front of the upstream")
        yield Edge(edge, net, client, port, next(iter(upstreams.values())))
