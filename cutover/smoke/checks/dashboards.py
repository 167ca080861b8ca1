"""The dashboard: each of its queries answers, and Grafana serves it."""

from __future__ import annotations

import httpx

from cutover.prometheus import Prometheus
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe
from outputs.panels import PANELS, UID

PORT, SECONDS = "3000/tcp", 5


def look(probe: Probe) -> str:
    """How many queries answer, and which panels have nothing to show yet."""
    places = probe.target.places
    if not places.metrics_url.startswith("http"):
        raise NotRunError("the dashboards are Grafana's over Prometheus: this stack has neither")
    queries = [(panel.title, query.expression) for panel in PANELS for query in panel.queries]
    with Prometheus.at(places.metrics_url) as prometheus:
        empty = [title for title, expression in queries if not prometheus.query(expression)]
    if places.grafana is None:
        raise NotRunError(
            f"no Grafana here, machine.grafanaImage names none; {len(queries)} queries answer, "
            f"{len(empty)} have no data yet"
        )
    address = published(places.grafana)
    _served(address)
    saw = f"{len(queries)} queries answer" + (f", no data yet for {', '.join(dict.fromkeys(empty))}" if empty else "")
    return f"{saw}; Grafana at {address} serves the dashboard"


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


def _served(address: str) -> None:
    try:
        answer = httpx.get(f"{address}/api/dashboards/uid/{UID}", timeout=SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise CheckFailedError(f"Grafana at {address} does not answer ({type(error).__name__}: {error})") from None
    if answer.status_code != httpx.codes.OK:
        raise CheckFailedError(f"Grafana at {address} has no dashboard {UID}: {answer.status_code}")


CHECK = Check(name="dashboards", criterion=None, did="sent the dashboards' queries, and asked Grafana", look=look)
