"""Containers that come and go beside a drill, as Docker's own client meets them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker
import pytest
from docker.models.containers import ContainerCollection

from cutover.drill.base_backup import CLONE, LABEL, _Containers

HERE, GONE = "a" * 64, "b" * 64


class Api:
    """Docker's API, where the second container is listed and gone by the time that it is asked about."""

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": GONE}, {"Id": HERE}]

    def inspect_container(self, name: str) -> dict[str, Any]:
        if name == GONE:
            raise docker.errors.NotFound(f"No such container: {GONE}")
        return {
            "Id": HERE,
            "Name": "/audit",
            "Config": {"Labels": {CLONE: "c", LABEL: "audit"}},
            "NetworkSettings": {"Networks": {"net": {"IPAddress": "10.0.0.9"}}},
        }

    def remove_container(self, name: str, **_: Any) -> None:
        self.removed = name


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def containers(api: Api) -> _Containers:
    client = SimpleNamespace(api=api)
    return _Containers(SimpleNamespace(containers=ContainerCollection(client)))


def test_a_container_that_goes_while_they_are_listed_is_none_of_the_drills(containers: _Containers, api: Api) -> None:
    source, network = containers.at("10.0.0.9")
    assert (source.id, network) == (HERE, "net")

    containers.forget(source)
    assert api.removed == HERE
