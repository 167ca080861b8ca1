"""What the edge costs: CPU a request and throughput, against a bare nginx proxy before the same app, limit off.

`python -m bench.edge [ROUNDS]` starts web-next (all adapters mocked), the edge with its split between two tracks, both
this app, and its log in memory as a machine has it, and a bare nginx: the same image, TLS, keep-alive to the app and
nginx's ordinary access log, buffered (unbuffered, it has three quarters of the edge's throughput), nothing else.
wrk asks each in turn for /healthz, which the edge does not limit for whom it trusts, over 32 connections. CPU is what
Docker counts for the container (its cgroup): nginx and, at the edge, the loop beside it. Exits 1 when the median of the
rounds' ratios is above 1.15 for CPU or below 0.9 for throughput, 2 when wrk (Debian: wrk) is missing. Rounds are 15
unless told: on a machine of two cores one round's throughput has a ratio of anything from 0.80 to 1.25.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import docker
import httpx

from infra.nginx import LINES, TEMPLATES, WEIGHTS, render
from infra.runtime.docker.edge import FILE_BYTES
from offline.images.build import build_all
from tests.support.containers import container, free_port, network, wait_until
from tests.support.edge_configs import SOUND
from tests.support.edge_lines import volume

SHARE = 0.9
"""Limit: throughput by the bare one's."""
CPU = 1.15
"""Limit: CPU a request by the bare one's."""
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
    return render(replace(SOUND, upstreams=both, weights=WEIGHTS, trusted_callers=["0.0.0.0/0"], lines=lines))


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


class Seen(NamedTuple):
    """Of one round: requests a second, and the proxy's microseconds of CPU for each."""

    rate: float
    cpu: float


def nanoseconds(container: str) -> int:
    """The CPU time that a container has had."""
    with closing(docker.from_env()) as engine:
        stats = engine.api.stats(container, stream=False, one_shot=True)
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"])


def measured(port: int, container: str) -> Seen:
    """What wrk gets answered. Raises RuntimeError when any was not a 2xx."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"https://127.0.0.1:{port}/healthz"]
    before = nanoseconds(container)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = nanoseconds(container) - before
    requests, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    if not requests or not rate or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return Seen(float(rate[1]), used / 1000 / int(requests[1]))


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
            container(images["nginx"], *nginx("bare"), command=command) as bare,
            container(images["nginx"], *nginx("edge"), f"--volume={lines}:{LINES}", command=logs) as own,
            httpx.Client(verify=False) as http,
        ):
            proxies = {"bare": bare, "edge": own}
            for part, port in ports.items():
                url = f"https://127.0.0.1:{port}/healthz"
                wait_until(lambda url=url: http.get(url).status_code == 200, part)  # type: ignore[misc]
            seen = []
            for number in range(rounds):
                order = ("bare", "edge") if number % 2 else ("edge", "bare")
                got = {part: measured(ports[part], proxies[part]) for part in order}
                seen.append(Seen(*(mine / its for mine, its in zip(got["edge"], got["bare"], strict=True))))
                told = "  ".join(f"{part} {each.rate:8,.0f}/s {each.cpu:5.1f} us" for part, each in got.items())
                print(f"{told}  ratios {seen[-1].rate:.2f}, {seen[-1].cpu:.2f}", flush=True)
    share, cpu = statistics.median(each.rate for each in seen), statistics.median(each.cpu for each in seen)
    print(f"the edge has {share:.2f} of a bare nginx's throughput, {SHARE} wanted")
    print(f"the edge takes {cpu:.2f} of a bare nginx's CPU a request, limit {CPU}")
    return int(share < SHARE or cpu > CPU)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
