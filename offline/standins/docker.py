"""The docker package, on this machine's own socket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from offline.standins.containers import CONTAINER, URN_LABEL
from offline.standins.kind import Call, ConflictError, Kind, Package, Properties, StandinError

SOCKET = "unix:///var/run/docker.sock"


class Engine:
    """The Docker engine behind a provider; only a local socket is accepted."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.host = variables.get("host") or SOCKET
        remote = next((key for key in ("context", "sshOpts", "certPath") if variables.get(key)), None)
        if remote or not self.host.startswith("unix:///"):
            seen = f"{remote} is set" if remote else f"host is {self.host!r}"
            raise StandinError(
                f"docker provider: {seen}; stand-ins use this machine's socket only: "
                f"leave it out or set host to {SOCKET}"
            )
        self._api: Any = None

    @property
    def api(self) -> Any:
        """The engine's low-level API, connected at the first real call."""
        if self._api is None:
            import docker

            self._api = docker.APIClient(base_url=self.host, version="auto", timeout=120)
        return self._api

    def find(self, what: str, name: str) -> dict[str, Any] | None:
        """Returns what `docker inspect` says of the container, network or volume, or None."""
        import docker.errors

        try:
            found: dict[str, Any] = getattr(self.api, f"inspect_{what}")(name)
        except docker.errors.NotFound:
            return None
        return found


def _labels(call: Call) -> dict[str, str]:
    given = {label["label"]: label["value"] for label in call.inputs.get("labels", [])}
    return {**given, URN_LABEL: call.urn}


def _seen_labels(labels: dict[str, str] | None, call: Call) -> list[dict[str, str]]:
    managed = [label["label"] for label in call.inputs.get("labels", [])]
    return [{"label": name, "value": value} for name, value in (labels or {}).items() if name in managed]


def _owned(call: Call, what: str, name: str, found: dict[str, Any] | None) -> bool:
    """Whether this resource made the object already; an object of someone else's is a conflict."""
    if found is None:
        return False
    labels = found.get("Labels") or found.get("Config", {}).get("Labels") or {}
    if labels.get(URN_LABEL) != call.urn:
        raise ConflictError(what, name, labels.get(URN_LABEL))
    return True


def _create_network(call: Call) -> tuple[str, Properties]:
    inputs, api = call.inputs, call.cloud.api
    found = call.cloud.find("network", inputs["name"])
    if found is None or not _owned(call, "network", inputs["name"], found):
        renames = {
            "subnet": "Subnet",
            "gateway": "Gateway",
            "ipRange": "IPRange",
            "auxAddress": "AuxiliaryAddresses",
        }
        pools = [{renames[key]: value for key, value in pool.items()} for pool in inputs.get("ipamConfigs", [])]
        answer = api.create_network(
            inputs["name"],
            driver=inputs.get("driver", "bridge"),
            options=inputs.get("options"),
            ipam={"Driver": "default", "Config": pools} if pools else None,
            internal=inputs.get("internal", False),
            attachable=inputs.get("attachable"),
            labels=_labels(call),
            check_duplicate=True,
        )
        found = api.inspect_network(answer["Id"])
    return found["Id"], {"driver": found["Driver"], "scope": found["Scope"], "internal": found["Internal"]}


def _read_network(call: Call) -> Properties | None:
    found = call.cloud.find("network", call.id)
    if found is None:
        return None
    names = {"Subnet": "subnet", "Gateway": "gateway", "IPRange": "ipRange"}
    pools = (found["IPAM"] or {}).get("Config") or []
    return {
        "name": found["Name"],
        "driver": found["Driver"],
        "internal": found["Internal"],
        "scope": found["Scope"],
        "options": found["Options"],
        "labels": _seen_labels(found["Labels"], call),
        "ipamConfigs": [{names[key]: value for key, value in pool.items() if key in names} for pool in pools],
    }


def _create_volume(call: Call) -> tuple[str, Properties]:
    inputs, api = call.inputs, call.cloud.api
    found = call.cloud.find("volume", inputs["name"])
    if not _owned(call, "volume", inputs["name"], found):
        api.create_volume(inputs["name"], inputs.get("driver", "local"), inputs.get("driverOpts"), _labels(call))
        found = api.inspect_volume(inputs["name"])
    assert found is not None
    return inputs["name"], {"driver": found["Driver"], "mountpoint": found["Mountpoint"]}


def _read_volume(call: Call) -> Properties | None:
    found = call.cloud.find("volume", call.id)
    return found and {
        "name": found["Name"],
        "driver": found["Driver"],
        "driverOpts": found["Options"] or {},
        "mountpoint": found["Mountpoint"],
        "labels": _seen_labels(found["Labels"], call),
    }


def _remove(what: str, call: Call) -> None:
    if call.cloud.find(what, call.id):
        getattr(call.cloud.api, f"remove_{what}")(call.id)


KINDS = (
    Kind(
        type="docker:index/network:Network",
        outputs=("driver", "internal", "scope"),
        name="name",
        replace=("name", "driver", "internal", "ipamConfigs", "labels", "options", "attachable"),
        delete_first=True,
        create=_create_network,
        read=_read_network,
        delete=partial(_remove, "network"),
    ),
    Kind(
        type="docker:index/volume:Volume",
        outputs=("driver", "mountpoint"),
        name="name",
        replace=("name", "driver", "driverOpts", "labels"),
        delete_first=True,
        create=_create_volume,
        read=_read_volume,
        delete=partial(_remove, "volume"),
    ),
    CONTAINER,
)

PACKAGE = Package(name="docker", kinds={kind.type: kind for kind in KINDS}, connect=Engine)
