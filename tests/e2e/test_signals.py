"""What gates look at, on a stack that runs: every request is counted as what it is, out of the reach of the app."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.support.edge_lines import burst
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

CONNECT = "import socket; socket.create_connection(('{host}', {port}), 2)"
AS_SMOKE = """
import ssl, urllib.request
asked = urllib.request.Request("https://{edge}:8443/no-such-page", headers={{"user-agent": "web-next-smoke/1"}})
try: urllib.request.urlopen(asked, context=ssl._create_unverified_context())
except urllib.error.HTTPError as answer: print(answer.code)
"""

SCRAPED_SECONDS = 6
"""More than lies between two scrapes."""


def measured(system: System, expression: str) -> float:
    """What Prometheus says on its published port."""
    url = f"http://127.0.0.1:{system.machine.prometheus_port}/api/v1/query"
    (one,) = httpx.get(url, params={"query": f"sum({expression})"}, trust_env=False).json()["data"]["result"]
    return float(one["value"][1])


def edge(system: System, labels: str) -> float:
    return measured(system, f"web_next_edge_answers_total{{{labels}}}")


def addresses(system: System, part: str) -> list[str]:
    networks: dict[str, Any] = system.container(part).attrs["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values()]


def test_no_process_of_the_service_reaches_what_measures_it(standing: System) -> None:
    listening = [(address, 3903) for address in addresses(standing, "reader")]
    listening += [(address, 9090) for address in addresses(standing, "prometheus")]

    assert len(listening) == 3, "Prometheus is in both networks, the reader in its own"
    for part in ("stable", "worker", "executor"):
        for host, port in listening:
            reached = standing.container(part).exec_run(["python3", "-c", CONNECT.format(host=host, port=port)])
            assert reached.exit_code != 0, f"{part} reaches {host}:{port}"
    own = standing.container("stable").exec_run(["python3", "-c", CONNECT.format(host="127.0.0.1", port=3003)])
    assert own.exit_code == 0, "it reaches what it may"


def test_a_burst_of_3000_is_counted_to_the_last_and_nothing_is_missing(standing: System) -> None:
    users = 'track="stable",traffic="user"'
    before = edge(standing, users)
    burst(standing.machine.edge_port, 3000)

    wait_for(lambda: edge(standing, users) - before >= 3000)
    wait_for(lambda: measured(standing, "web_next_edge_missing_lines") == 0)
    assert edge(standing, users) - before == 3000
    assert measured(standing, "web_next_edge_lost_lines") == 0


def test_a_smoke_agent_of_an_untrusted_address_counts_as_a_user_at_edge_and_app(standing: System) -> None:
    app = 'web_next_http_request_duration_seconds_count{{track="stable",status="404",traffic="{}"}} or vector(0)'

    def figures() -> dict[str, float]:
        passed = 'track="stable",outcome="other",answered_by="app"'
        found = {}
        for traffic in ("user", "smoke"):
            found[f"edge, {traffic}"] = edge(standing, f'{passed},traffic="{traffic}"')
            found[f"app, {traffic}"] = measured(standing, app.format(traffic))
        return found

    before: dict[str, float] = {}

    def calm() -> bool:
        """What was sent before has been read and scraped."""
        seen = dict(before)
        before.update(figures())
        time.sleep(SCRAPED_SECONDS)
        return seen == before == figures()

    wait_for(calm)
    networks: dict[str, Any] = standing.container("edge").attrs["NetworkSettings"]["Networks"]
    host = networks[standing.machine.network]["IPAddress"]
    for _ in range(7):
        said = standing.container("stable").exec_run(["python3", "-c", AS_SMOKE.format(edge=host)])
        assert said.output.strip() == b"404"

    expected = {"edge, user": 7, "edge, smoke": 0, "app, user": 7, "app, smoke": 0}
    wait_for(lambda: {name: figure - before[name] for name, figure in figures().items()} == expected)
