"""What one client can do to another: the other's time of /api/healthz while the first holds what it can.

`python -m bench.strangers` starts web-next (all adapters mocked) and the edge as a machine has it, with its memory, and
asks GET /api/healthz 40 times a second as one client: alone, then while another holds 1,000 unfinished heads and has
sent 1,000 slow bodies and 70 that lack their end, of which the edge refuses what is above its limits, then while
another asks for pages as fast as wrk can (Debian: wrk). Prints both P95 and their ratio; exits 1 when one is above 3,
any answer is not a 200, or an attack ended before the measurement did, 2 without wrk.
"""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from offline.images.build import build_all
from tests.support.containers import docker
from tests.support.edge_configs import SOUND
from tests.support.edge_lines import connected
from tests.support.edges import Edge, certificate, running

MOST = 3.0
ASKED, EACH_SECOND = 200, 40
"""Five seconds: an unfinished head is ended after ten."""
HEADS, SLOW, UNFINISHED = 1000, 1000, 70
STRANGER, OTHER = "203.0.113.7", "198.51.100.7"


def p95(edge: Edge) -> float:
    """Seconds. Raises RuntimeError when an answer is not a 200."""
    times = []
    with httpx.Client(base_url=edge.client.base_url, verify=False, trust_env=False) as http:
        for _ in range(ASKED):
            began = time.perf_counter()
            answer = http.get("/api/healthz", headers={"x-forwarded-for": OTHER})
            times.append(time.perf_counter() - began)
            if answer.status_code != httpx.codes.OK:
                raise RuntimeError(f"{answer.status_code} {answer.text}")
            time.sleep(max(0.0, 1 / EACH_SECOND - times[-1]))
    return sorted(times)[int(ASKED * 0.95)]


@contextmanager
def slow(edge: Edge) -> Iterator[None]:
    """Connections whose heads and bodies never end. The heads come last, so that they are there until the end."""
    head = f"POST /api/audit/push HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {STRANGER}\r\nContent-Length: 200000\r\n"
    whole = f"{head}\r\n".encode()
    with ExitStack() as open_:
        opened = []
        for sent in [whole + bytes(199_999)] * UNFINISHED + [whole + b"x"] * SLOW + [head.encode()] * HEADS:
            opened.append(open_.enter_context(connected(edge.port)))
            opened[-1].sendall(sent)
        yield
        if ended := HEADS - sum(map(held, opened[-HEADS:])):
            raise RuntimeError(f"the edge ended {ended} of {HEADS} unfinished heads before the measurement did")
        print(f"{sum(map(held, opened))} of {len(opened)} connections are still held")
        print(docker("stats", "--no-stream", "--format", "edge {{.MemUsage}}", edge.id))


def held(connection: ssl.SSLSocket) -> bool:
    """Whether the edge has neither answered nor ended it."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def pages(edge: Edge) -> Iterator[None]:
    """wrk on the page, with 64 connections."""
    command = ("wrk", "-t1", "-c64", "-d60s", "-H", f"X-Forwarded-For: {STRANGER}", f"{edge.client.base_url}/dashboard")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
        time.sleep(1)
        yield
        early = flood.poll() is not None
        flood.send_signal(signal.SIGINT)  # it says what it did
        said = flood.communicate()[0]
    a_second = re.search(r"Requests/sec: +([\d.]+)", said)
    if early or not a_second or not float(a_second[1]):
        raise RuntimeError(f"wrk was no flood, and ended with {flood.returncode}: {said}")
    print(f"wrk had {a_second[1]} answers a second")


def main() -> int:
    """Prints what each attack does, and returns the exit code."""
    if not shutil.which("wrk"):
        print("bench.strangers: wrk is missing: apt-get install wrk", file=sys.stderr)
        return 2
    told = replace(
        SOUND,
        upstreams={"stable": "stable:3003"},
        trusted_proxies=["GATEWAY"],
        rate_per_minute=6000,
        burst=1000,
    )
    attacks: dict[str, Callable[[Edge], AbstractContextManager[None]]] = {
        f"{HEADS} unfinished heads and {SLOW + UNFINISHED} bodies": slow,
        "a flood of pages": pages,
    }
    worst = 0.0
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as tls:
        certificate(Path(tls))
        with running(build_all(print), Path(tls), Path(name), told, app=("python3", "-m", "webnext")) as edge:
            for what, attack in attacks.items():
                alone = p95(edge)
                with attack(edge):
                    beside = p95(edge)
                worst = max(worst, beside / alone)
                print(
                    f"beside {what}: P95 {beside * 1000:.1f} ms, alone {alone * 1000:.1f}, ratio {beside / alone:.2f}"
                )
    print(f"the worst is {worst:.2f}, {MOST} allowed")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
