"""Confines what the emulator does in Docker to one clone.

The emulator takes for its own every container labelled `ministack=…` on the machine, and removes them when
it starts and stops. All its services reach Docker through the SDK's collections, so they are narrowed there.
"""

from __future__ import annotations

import functools
import io
import tarfile
from typing import Any

from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container, ContainerCollection
from docker.models.images import ImageCollection
from docker.models.volumes import VolumeCollection

from offline.emulator.addresses import AddressBook

CLONE = "web-next.clone"
OWNER = "ministack"
"""The emulator's own label: which of its services a container belongs to."""
DATABASES = ("rds", "elasticache")
PATCHED = (
    (ContainerCollection, ("create", "get", "list")),
    (VolumeCollection, ("get", "list")),
    (ImageCollection, ("pull",)),
    (Container, ("remove",)),
)
POSTGRES_UID = 999
PASSWORD_FILE = "password"  # noqa: S105 (the name the image reads, in PASSWORD_FOLDER)
PASSWORD_FOLDER = "/run/postgresql"  # noqa: S105


class Scope:
    """One clone's part of Docker: names with its prefix, objects with its label, addresses of its own."""

    def __init__(self, clone: str, network: str, addresses: AddressBook) -> None:
        self._clone = clone
        self._network = network
        self._addresses = addresses
        self._prefix = f"web-next-{clone}-"

    def install(self) -> None:
        """Narrows the Docker SDK of this process; AssertionError if it lacks one of the names."""
        for collection, names in PATCHED:
            for name in names:
                assert name in vars(collection), f"{collection.__name__}.{name} is not in this Docker SDK"
        self._narrow_containers()
        self._narrow_volumes()
        self._remove_cache_data_with_cache()

        def pull(_: ImageCollection, image: str, *__: object, **___: object) -> None:
            raise ImageNotFound(f"{image} is not on this machine, and the emulator fetches no images")

        ImageCollection.pull = pull

    def labels(self, labels: dict[str, str] | None) -> dict[str, str]:
        """Returns an object's labels with the clone's among them."""
        return {**(labels or {}), CLONE: self._clone}

    def scoped(self, name: str) -> str:
        """Returns the clone's name for one of the emulator's; an id is returned as it is."""
        return f"{self._prefix}{name}" if name.startswith("ministack-") else name

    def arguments(self, collection: ContainerCollection, given: dict[str, Any]) -> dict[str, Any]:
        """Returns a new container's arguments: name, labels, address, volumes, ports, no password."""
        arguments = dict(given)
        arguments["labels"] = labels = self.labels(given.get("labels"))
        name = arguments["name"] = self.scoped(given.get("name") or f"ministack-{labels.get(OWNER, 'task')}")
        volumes = {self.scoped(key): bind for key, bind in (given.get("volumes") or {}).items()}
        if labels.get(OWNER) == "elasticache":
            volumes[f"{name}-data"] = {"bind": "/data", "mode": "rw"}
        for volume in volumes:
            if not volume.startswith("/"):
                collection.client.volumes.create(volume, labels=self.labels({OWNER: labels.get(OWNER, "")}))
        arguments["volumes"] = volumes
        if labels.get(OWNER) in DATABASES and given.get("network") == self._network:
            # The container's address is the endpoint; a published port would only be one more to collide.
            arguments["ports"] = {}
            address = self._addresses.address(name, lambda: self._existing(collection))
            endpoint = collection.client.api.create_endpoint_config(ipv4_address=address)
            arguments["networking_config"] = {self._network: endpoint}
        else:
            arguments["ports"] = {key: _on_loopback(port) for key, port in (given.get("ports") or {}).items()}
        environment = dict(given.get("environment") or {})
        environment.pop("POSTGRES_PASSWORD", None)
        arguments["environment"] = environment
        return arguments

    def _existing(self, collection: ContainerCollection) -> set[str]:
        found = collection.client.api.containers(all=True, filters={"label": f"{CLONE}={self._clone}"})
        return {name.removeprefix("/") for container in found for name in container["Names"]}

    def _narrow_containers(self) -> None:
        create, get, list_ = ContainerCollection.create, ContainerCollection.get, ContainerCollection.list

        @functools.wraps(create)
        def scoped_create(
            self_: ContainerCollection, image: str, command: object = None, **given: Any
        ) -> Container:
            container = create(self_, image, command, **self.arguments(self_, given))
            environment = given.get("environment")
            if isinstance(environment, dict) and (password := environment.get("POSTGRES_PASSWORD")):
                # A file that the image removes; the environment would show it to every `docker inspect`.
                container.put_archive(PASSWORD_FOLDER, _archive(PASSWORD_FILE, password.encode()))
            return container

        @functools.wraps(get)
        def scoped_get(self_: ContainerCollection, container_id: str) -> Container:
            container = get(self_, self.scoped(container_id))
            if container.labels.get(CLONE) != self._clone:
                raise NotFound(f"container {container_id} is not this clone's")
            return container

        @functools.wraps(list_)
        def scoped_list(
            self_: ContainerCollection, *positional: Any, **given: Any
        ) -> list[Container]:
            return list_(self_, *positional, **self._filtered(given), ignore_removed=True)

        ContainerCollection.create = scoped_create
        ContainerCollection.get = scoped_get
        ContainerCollection.list = scoped_list

    def _narrow_volumes(self) -> None:
        get, list_ = VolumeCollection.get, VolumeCollection.list
        VolumeCollection.get = lambda self_, name: get(self_, self.scoped(name))
        VolumeCollection.list = lambda self_, **given: list_(self_, **self._filtered(given))

    def _remove_cache_data_with_cache(self) -> None:
        remove = Container.remove

        @functools.wraps(remove)
        def scoped_remove(self_: Container, **given: Any) -> None:
            remove(self_, **given)
            # Deleting a cache calls remove(), the reaper at start and stop calls remove(v=True).
            if self_.labels.get(OWNER) == "elasticache" and not given.get("v"):
                self_.client.volumes.get(f"{self_.name}-data").remove()

        Container.remove = scoped_remove

    def _filtered(self, given: dict[str, Any]) -> dict[str, Any]:
        filters = dict(given.get("filters") or {})
        asked = filters.get("label") or []
        filters["label"] = [*([asked] if isinstance(asked, str) else asked), f"{CLONE}={self._clone}"]
        return {**given, "filters": filters}


def _on_loopback(port: object) -> object:
    return ("127.0.0.1", port) if port is None or isinstance(port, int) else port


def _archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o400, POSTGRES_UID, POSTGRES_UID
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
