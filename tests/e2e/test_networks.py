"""Where the processes of a stack that is up get to, the app to its own network alone, and what of it others reach."""

from __future__ import annotations

import httpx
import pytest

from offline.machine import Machine
from tests.support.reaching import attempts, listening
from tests.support.system import System

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("part", ["stable", "worker", "executor"])
def test_the_services_processes_reach_no_metrics_no_other_clone_and_no_address_of_this_machine_but_the_emulators(
    standing: System, part: str
) -> None:
    machine, settings = standing.machine, standing.setting("machine")
    watch = f"{machine.metrics_address(1)}:{settings['prometheusPort']}"
    scrapes = standing.container("prometheus").attrs["NetworkSettings"]["Networks"][machine.network]["IPAddress"]
    measures = {watch, f"{settings['prometheusAddress']}:9090", f"{scrapes}:9090", f"{settings['readerAddress']}:3903"}
    other = Machine.load().emulator.removeprefix("http://")
    edge = f"{settings['edgeAddress']}:8443"
    with listening() as listeners:
        reached, leaves = attempts(str(standing.container(part).id), listeners, {*measures, other, edge})

    assert reached == {machine.gateway, edge}
    assert not leaves


def test_this_machine_reaches_the_edge_and_what_measures_by_their_ports(standing: System) -> None:
    outputs = standing.outputs()

    assert httpx.get(f"{outputs['edge_url']}/dashboard", verify=False, trust_env=False).status_code == 200
    assert httpx.get(f"{outputs['metrics_url']}/-/ready", trust_env=False).status_code == 200
    assert standing.well()


def test_of_the_service_the_edge_alone_is_published_and_on_loopback_only(standing: System) -> None:
    bindings = [each for ports in standing.container("edge").ports.values() for each in ports or []]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    for part in ("stable", "worker", "executor"):
        assert not [ports for ports in standing.container(part).ports.values() if ports]


def test_the_edge_presents_the_certificate_of_the_local_authority(standing: System) -> None:
    url = standing.outputs()["edge_url"]
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, trust_env=False)
