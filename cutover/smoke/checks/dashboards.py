"""Dashboards: each query of theirs answers, and Grafana serves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from cutover.prometheus import Prometheus
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe

FOLDER = Path(__file__).parents[3] / "templates/grafana/dashboards"
PORT, SECONDS = "3000/tcp", 5


def look(probe: Probe) -> str:
    """How many queries answer, and which panels have nothing to show yet."""
    places = probe.target.places
    if not places.metrics_url.startswith("http"):
        raise NotRunError("the dashboards are Grafana's over Prometheus: this stack has neither")
    asked, empty = 0, []
    dashboards = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    with Prometheus.at(places.metrics_url) as prometheus:
        for title, expression in (each for dashboard in dashboards for each in queries(dashboard)):
            asked += 1
            if not prometheus.query(expression):
                empty.append(title)
    if places.grafana is None:
        raise NotRunError(
            f"no Grafana here, machine.grafanaImage names none; {asked} queries answer, {len(empty)} have no data yet"
        )
    address = published(places.grafana)
    _served(address, [dashboard["uid"] for dashboard in dashboards])
    saw = f"{asked} queries answer" + (f", no data yet for {', '.join(dict.fromkeys(empty))}" if empty else "")
    return f"{saw}; Grafana at {address} serves {len(dashboards)} dashboards"


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each query of a dashboard, with its panel's title."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def published(container: str) -> str:
    """Grafana's address on this machine. Raises CheckFailedError where it does not run."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.DockerClient(base_url="unix:///var/run/docker.sock", timeout=SECONDS)
        try:
            bindings = client.containers.get(container).ports.get(PORT)
        finally:
            client.close()
    except DockerException as error:
        raise CheckFailedError(f"Grafana's container {container} is not there ({error})") from None
    if not bindings:
        raise CheckFailedError(f"Grafana's container {container} does not run")
    return f"http://{bindings[0]['HostIp']}:{bindings[0]['HostPort']}"


def _served(address: str, uids: list[str]) -> None:
    with httpx.Client(base_url=address, timeout=SECONDS, trust_env=False) as grafana:
        for uid in uids:
            try:
                answer = grafana.get(f"/api/dashboards/uid/{uid}")
            except httpx.HTTPError as error:
                raise CheckFailedError(
                    f"Grafana at {address} does not answer ({type(error).__name__}: {error})"
                ) from None
            if answer.status_code != httpx.codes.OK:
                raise CheckFailedError(f"Grafana at {address} has no dashboard {uid}: {answer.status_code}")


CHECK = Check(name="dashboards", criterion=None, did="sent the dashboards' queries, and asked Grafana", look=look)
