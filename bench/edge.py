"""What the edge costs: throughput through it against a bare nginx proxy before the same app, limit off.

`python -m bench.edge [ROUNDS]` starts web-next (all adapters mocked), the edge with its split between two tracks, both
this app, and its log in memory as a machine has it, and a bare nginx: the same image, TLS, keep-alive to the app and
nginx's ordinary access log, buffered (unbuffered, it has three quarters of the edge's throughput), nothing else.
wrk asks each in turn for /healthz, which the edge does not limit, over 32 connections. Exits 1 when the median of the
rounds' ratios is below 0.9, 2 when wrk (Debian: wrk) is missing. Rounds are 15 unless told: on a machine of two cores
one has anything from 0.86 to 1.13.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import httpx

from infra.nginx import LINES, TEMPLATES, WEIGHTS, render
from infra.runtime.docker.edge import FILE_BYTES
from offline.images.build import build_all
from tests.support.containers import container, free_port, network, wait_until
from tests.support.edge_configs import SOUND
from tests.support.edge_lines import volume

SHARE = 0.9
CONNECTIONS, SECONDS = 32, 5
BARE = """
user www-data;
worker_processes auto;
pid /tmp/nginx.pid;
events { worker_connections 1024; }
http {
    client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; scgi_temp_path /tmp/s;
    uwsgi_temp_path /tmp/u;
    access_log /dev/stdout combined buffer=16k flush=100ms;
    upstream app { server app:3003; keepalive 32; }
    server {
        listen 8443 ssl;
        ssl_certificate /etc/nginx/tls/edge.pem;
        ssl_certificate_key /etc/nginx/tls/edge.key;
        location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://app; }
    }
}
"""


def edge() -> str:
    """The edge's configuration, half of the traffic on each of two tracks that are one app."""
    both = {"stable": "app:3003", "candidate": "app:3003"}
    lines = f"{LINES}/lines"
    return render(replace(SOUND, upstreams=both, weights=WEIGHTS, trusted_callers=["127.0.0.1"], lines=lines))


def certificate(folder: Path) -> None:
    """A key and a certificate for the run."""
    kind = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    files = ["-keyout", str(folder / "edge.key"), "-out", str(folder / "edge.pem")]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)


def throughput(port: int) -> float:
    """Requests a second that wrk gets answered. Raises RuntimeError when any was not a 2xx."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"https://127.0.0.1:{port}/healthz"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if not found or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return float(found[1])


def main(rounds: int) -> int:
    """Runs the rounds, prints each and the median, and returns the exit code."""
    if not shutil.which("wrk"):
        print("bench.edge: wrk is missing: apt-get install wrk", file=sys.stderr)
        return 2
    images = build_all(print)
    with tempfile.TemporaryDirectory() as name, network() as net, volume() as lines:
        folder, ports = Path(name), {"bare": free_port(), "edge": free_port()}
        folder.chmod(0o755)
        certificate(folder)
        for part, text in {"bare": BARE, "edge": edge()}.items():
            (folder / part).mkdir()
            (folder / part / "nginx.conf").write_text(text)
        generation = folder / "edge" / "weights" / "now"
        generation.mkdir(parents=True)
        for bucket in range(50):
            (generation / str(bucket)).touch()
        mocks = [f"--env=ADAPTER_{part}=mock" for part in ("AUDIT", "EVIDENCE", "QUEUE", "GUARDRAILS")]

        def nginx(part: str) -> tuple[str, ...]:
            mounts = (f"--volume={folder / part}:/etc/nginx/edge:ro", f"--volume={folder}:/etc/nginx/tls:ro")
            return ("--network", net, "--tmpfs=/tmp", *mounts, f"--publish=127.0.0.1:{ports[part]}:8443")

        command = ("nginx", "-c", "/etc/nginx/edge/nginx.conf", "-g", "daemon off;")
        logs = ("bash", "-c", (TEMPLATES / "edge.sh").read_text(), SOUND.edge_id, str(FILE_BYTES))
        with (
            container(images["web-next"], "--network", net, "--network-alias", "app", *mocks),
            container(images["nginx"], *nginx("bare"), command=command),
            container(images["nginx"], *nginx("edge"), f"--volume={lines}:{LINES}", command=logs),
            httpx.Client(verify=False) as http,
        ):
            for part, port in ports.items():
                url = f"https://127.0.0.1:{port}/healthz"
                wait_until(lambda url=url: http.get(url).status_code == 200, part)  # type: ignore[misc]
            ratios = []
            for number in range(rounds):
                order = ("bare", "edge") if number % 2 else ("edge", "bare")
                got = {part: throughput(ports[part]) for part in order}
                ratios.append(got["edge"] / got["bare"])
                print(f"edge {got['edge']:8.0f}/s  bare {got['bare']:8.0f}/s  ratio {ratios[-1]:.2f}", flush=True)
    share = statistics.median(ratios)
    print(f"the edge has {share:.2f} of a bare nginx's throughput, {SHARE} wanted")
    return int(share < SHARE)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
