"""How long a rollback takes: from the command to the last request begun on the candidate.

`python -m bench.rollback [ROUNDS]` starts the edge before two tracks, half of the traffic on each, and four clients who
ask all the time. A round is a rollout of its own, taken back by `cutover rollback` from the copy of its record on
this machine: in an environment without Pulumi, while everything else that it would write to accepts a connection and
never answers, as a frozen emulator does. A round ends when the candidate has no requests any more. The first is not
counted: it goes on to the command's end, and has Python keep what it compiles. Rounds are 20 unless told; as many again
follow beside two processes that keep two cores busy, as an `up` does. Exits 1 where the P95 of either is above 5 s.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from cutover.rollout.record import State
from cutover.rollout.store import Copy
from cutover.traffic.split import Mark
from infra.nginx import WEIGHTS
from offline.images.build import build_all
from outputs.traffic import DockerTraffic
from tests.support.edges import Edge, certificate, config, running
from tests.support.rollouts import RECORD

LIMIT, WEIGHT = 5.0, 50
STACK = "bench-rollback"
PAUSE = 0.01
"""Seconds between an answer and a client's next request: the clients are not to be what keeps the machine busy."""
AFTER = 2.0
"""A round has ended when the candidate has had no request for so long, of some hundred a second."""
UNFINISHED = 14


@contextmanager
def silent() -> Iterator[str]:
    """The address of who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def burn() -> None:
    for _ in itertools.count():
        pass


@contextmanager
def busy() -> Iterator[None]:
    """Two processes that compute, for the block."""
    burners = [multiprocessing.Process(target=burn, daemon=True) for _ in range(2)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()


@contextmanager
def asked(edge: Edge) -> Iterator[list[float]]:
    """Four clients; when the requests began that the candidate has answered, by time.monotonic()."""
    stop, begun = threading.Event(), list[float]()

    def client() -> None:
        with httpx.Client(base_url=edge.client.base_url, verify=False, trust_env=False) as http:
            while not stop.is_set():
                time.sleep(PAUSE)
                began = time.monotonic()
                if http.get("/page").raise_for_status().headers["x-edge-track"] == "candidate":
                    begun.append(began)

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    try:
        yield begun
    finally:
        stop.set()
        for each in clients:
            each.join()


def prepared(edge: Edge, number: int, away: str, tls: Path) -> None:
    """A rollout of its own in the phase staged: its record's copy, and its weight at the edge."""
    targets = replace(
        RECORD.targets,
        traffic=DockerTraffic(container=edge.id, folder=WEIGHTS),
        edge=replace(RECORD.targets.edge, url=str(edge.client.base_url), authority=str(tls / "edge.pem")),
        places=replace(RECORD.targets.places, emulator=away, metrics_url=away),
    )
    record = replace(
        RECORD, stack=STACK, id=f"{STACK}-{number:04}", revision=10 * number, state=State.STAGED, targets=targets
    )
    shutil.rmtree(Copy(STACK).folder, ignore_errors=True)
    Copy(STACK).keep(record)
    edge.traffic.set(WEIGHT, Mark(rollout=record.id, revision=record.revision))


def over(edge: Edge, begun: list[float]) -> bool:
    """Whether the candidate has had no request for a while, and gets none."""
    return time.monotonic() - max(begun) > AFTER and edge.traffic.get().weight == 0


def rolled_back(edge: Edge, tls: Path, *, to_its_end: bool = False) -> float:
    """Seconds from the command to the last request begun on the candidate, or to the command's end."""
    command = [sys.executable, "-m", "cutover", "rollback", "-s", STACK, "--why", "bench"]
    bare = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "PYTHONPYCACHEPREFIX": str(tls)}
    with asked(edge) as begun:
        time.sleep(AFTER)
        start = time.monotonic()
        with subprocess.Popen(command, env=bare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as cutover:
            while cutover.poll() is None and (to_its_end or not over(edge, begun)):
                time.sleep(0.05)
            end = time.monotonic()
            cutover.kill()
            said = cutover.stdout.read().decode() if cutover.stdout else ""
        if edge.traffic.get().weight or (to_its_end and cutover.returncode != UNFINISHED):
            raise RuntimeError(f"exit {cutover.returncode}, weight {edge.traffic.get().weight}: {said}")
    return (end if to_its_end else max(begun)) - start


def measured(edge: Edge, numbers: range, away: str, tls: Path, what: str) -> float:
    """Prints the rounds and their percentiles; returns the P95."""
    back = []
    for number in numbers:
        prepared(edge, number, away, tls)
        back.append(rolled_back(edge, tls))
        print(f"{what}: last request on the candidate after {back[-1]:.2f} s", flush=True)
    p95 = statistics.quantiles(back, n=20, method="inclusive")[-1]
    print(f"{what}: median {statistics.median(back):.2f} s, P95 {p95:.2f} s, longest {max(back):.2f} s", flush=True)
    return p95


def main(rounds: int) -> int:
    """Runs the rounds and returns the exit code."""
    images = build_all(print)
    with tempfile.TemporaryDirectory() as name, silent() as away:
        tls, folder = Path(name) / "tls", Path(name) / "edge"
        tls.mkdir()
        folder.mkdir()
        certificate(tls)
        configuration = config("stable", "candidate", trusted_callers=["GATEWAY"])
        with running(images, tls, folder, configuration) as edge:
            prepared(edge, 1, away, tls)
            print(f"the first: the command ended after {rolled_back(edge, tls, to_its_end=True):.1f} s", flush=True)
            quiet = measured(edge, range(2, 2 + rounds), away, tls, "quiet")
            with busy():
                loaded = measured(edge, range(2 + rounds, 2 + 2 * rounds), away, tls, "busy")
            shutil.rmtree(Copy(STACK).folder)
    return int(max(quiet, loaded) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
