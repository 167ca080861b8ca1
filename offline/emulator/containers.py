"""Narrows the emulator's use of Docker to this clone: names, labels, addresses, volumes, no published ports."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import ContainerCollection
from docker.models.images import ImageCollection
from docker.models.volumes import VolumeCollection
from docker.types import LogConfig

from offline.emulator.addresses import Addresses
from offline.emulator.patching import patch
from offline.emulator.transit import REDIS, REDIS_VOLUME, Transit, archive
from offline.machine import Machine

CLONE = "web-next.clone"
KIND = "web-next.emulator"
ROLE, PROCESSES = "web-next.role", ("candidate", "executor", "stable", "worker")
"""The label of what a container is, and those that run the service (`infra/runtime/docker/process.py`)."""
DATA = {"rds": "/var/lib/postgresql/data", "elasticache": REDIS_VOLUME}  # the volume of each kind
MASTER_PASSWORD = "master-password"  # noqa: S105 a file in it; the image removes it once read
POSTGRES = 5432  # the image's user and group
CONFINED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "pids_limit": 512,
    "dns": ["127.0.0.1"],  # of itself: no name outside is asked for (infra/runtime/docker/container.py)
    "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "10m", "max-file": "3"}),
}
"""A database can do nothing but its own work; beside its volume it writes to these folders, which are gone with it."""
SCRATCH = {"rds": {"/tmp": "size=64m,mode=1777", "/run/postgresql": f"size=1m,mode=755,uid={POSTGRES},gid={POSTGRES}"}}  # noqa: S108 - the container's own

refusal: ContextVar[str] = ContextVar("refusal", default="")
"""Why Docker refused the last container of this request; the emulator itself only logs it."""


class Containers:
    """What the emulator may see and make of Docker."""

    def __init__(self, machine: Machine, addresses: Addresses, transit: Transit) -> None:
        self._machine = machine
        self._addresses = addresses
        self._transit = transit

    def narrow(self) -> None:
        """Puts this between the emulator and Docker; every service of the emulator passes here."""
        patch(ContainerCollection, "create", lambda create: self._create(create))
        patch(ContainerCollection, "run", lambda _: self._run())
        patch(ContainerCollection, "get", lambda get: lambda this, name: get(this, self.own(name)))
        patch(ContainerCollection, "list", lambda listing: self._list(listing))
        patch(VolumeCollection, "get", lambda get: lambda this, name: get(this, self.own(name)))
        patch(ImageCollection, "pull", lambda _: _refuse_to_pull)

    def own(self, name: str) -> str:
        """Returns the name that a container or volume of the emulator has in this clone."""
        if name.startswith("ministack-"):
            return f"web-next-{self._machine.clone}-{name.removeprefix('ministack-')}"
        return name

    def labels(self, **labels: str) -> list[str]:
        """Returns the labels by which this clone's things are found in Docker."""
        return [f"{CLONE}={self._machine.clone}", *(f"{key}={value}" for key, value in labels.items())]

    def forget(self, client: Any, **labels: str) -> None:
        """Removes the volumes of a database that is no more, and gives back their addresses."""
        for volume in client.volumes.list(filters={"label": self.labels(**labels)}):
            volume.remove(force=True)
            self._addresses.release(volume.name.removesuffix("-data"))

    def is_process(self, client: Any, address: str) -> bool:
        """Whether a process of the service has this address of the clone's network."""
        for container in client.api.containers(filters={"label": self.labels()}):
            place = container["NetworkSettings"]["Networks"].get(self._machine.network) or {}
            if place.get("IPAddress") == address:
                return container["Labels"].get(ROLE) in PROCESSES
        return False

    def keep_addresses(self, client: Any) -> None:
        """Gives back the addresses of databases whose volume is gone."""
        volumes = client.volumes.list(filters={"label": self.labels()})
        self._addresses.keep({volume.name.removesuffix("-data") for volume in volumes})

    def _create(self, create: Any) -> Any:
        def narrowed(this: ContainerCollection, image: str, command: Any = None, **options: Any) -> Any:
            labels = dict(options.pop("labels", None) or {})
            kind = labels.pop("ministack", "other")
            labels |= {CLONE: self._machine.clone, KIND: kind}
            name = self.own(options.pop("name", None) or f"ministack-{kind}-{id(options):x}")
            environment = dict(options.pop("environment", None) or {})
            files, owner = self._transit.files(labels), REDIS
            if password := environment.pop("POSTGRES_PASSWORD", None):
                files, owner = {MASTER_PASSWORD: password}, POSTGRES
            volumes = {self.own(key): value for key, value in (options.pop("volumes", None) or {}).items()}
            options.pop("ports", None)  # reached at its own address; a published port is one more to collide
            if options.pop("network", None):
                network = self._machine.network
                address = self._addresses.of(name) if kind in DATA else None
                endpoint = this.client.api.create_endpoint_config(ipv4_address=address)
                options |= {"network": network, "networking_config": {network: endpoint}}
            if kind == "elasticache":
                volumes |= {f"{name}-data": {"bind": DATA[kind], "mode": "rw"}}
            if kind in DATA:
                options |= {**CONFINED, "tmpfs": SCRATCH.get(kind)}
            for volume in volumes:
                if volume.startswith("web-next-"):
                    this.client.volumes.create(volume, labels=labels)
            self._remove_stale(this, name)
            container = create(
                this, image, command, name=name, labels=labels, environment=environment, volumes=volumes, **options
            )
            if files:
                container.put_archive(DATA[kind], archive(files, owner))
            return container

        return narrowed

    def _run(self) -> Any:
        def narrowed(this: ContainerCollection, image: str, command: Any = None, **options: Any) -> Any:
            if not options.get("detach"):
                raise NotImplementedError("the emulator may run containers in the background only")
            try:
                container = this.create(image, command, **options)
                container.start()
            except Exception as error:
                refusal.set(" ".join(str(getattr(error, "explanation", None) or error).split()))
                raise
            return container

        return narrowed

    def _list(self, listing: Any) -> Any:
        def narrowed(this: ContainerCollection, *arguments: Any, filters: Any = None, **options: Any) -> Any:
            asked = dict(filters or {})
            given = asked.get("label") or []
            wanted = [given] if isinstance(given, str) else list(given)
            renamed = [f"{KIND}={text.partition('=')[2]}" if text.startswith("ministack=") else text for text in wanted]
            return listing(this, *arguments, filters={**asked, "label": [*renamed, *self.labels()]}, **options)

        return narrowed

    def _remove_stale(self, containers: ContainerCollection, name: str) -> None:
        try:
            stale = containers.get(name)
        except NotFound:
            return
        if stale.labels.get(CLONE) != self._machine.clone:
            raise APIError(f"a container {name} that is not this clone's has the name: remove or rename it")
        stale.remove(force=True)


def _refuse_to_pull(_: ImageCollection, repository: str, *__: Any, **___: Any) -> Any:
    raise ImageNotFound(f"image {repository} is not on this machine, and the emulator pulls none")
