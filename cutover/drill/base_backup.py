"""A machine's backup: a base backup of the database's container, streamed into a second one on the same network."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from docker.utils.socket import STDOUT, frames_iter

from cutover.errors import CutoverError, UnreachableError

if TYPE_CHECKING:
    from datetime import datetime

    from cutover.drill.backup import Say
    from outputs.access import DatabaseAccess

DATA = "/var/lib/postgresql/data"
BACKUP = (
    *("pg_basebackup", "--host=/run/postgresql", "--username=rdsadmin", "--pgdata=-", "--format=tar"),
    *("--wal-method=fetch", "--checkpoint=fast"),
)
LABEL, CLONE = "web-next.drill", "web-next.clone"
SECONDS = 60.0
"""How long the second server may take to replay its log and answer."""


@dataclass(frozen=True)
class BaseBackup:
    """Backups of the container that has the address `host`."""

    host: str

    @classmethod
    def of(cls, access: DatabaseAccess) -> Self:
        """Those of the container that an output leads to."""
        return cls(access.endpoint.rpartition(":")[0])

    @contextmanager
    def restored(self, _after: datetime, /, say: Say) -> Iterator[str]:
        """What is in it now is newer than any moment before. Raises UnreachableError without Docker or container."""
        import docker

        try:
            with closing(docker.from_env()) as client:
                containers = _Containers(client)
                source, network = containers.at(self.host)
                containers.forget(source)
                say("copies the database, as it runs")
                copy = containers.copied(source, network)
                try:
                    copy.start()
                    _ready(copy)
                    yield f"{_addresses(copy)[network]}:5432"
                finally:
                    copy.remove(force=True, v=True)
        except docker.errors.APIError as error:
            raise CutoverError(f"Docker refuses the drill's container: {error}") from None
        except docker.errors.DockerException as error:
            raise UnreachableError(f"Docker does not answer ({error}): make doctor says why") from None


@dataclass(frozen=True)
class _Containers:
    docker: Any = field(repr=False)

    def at(self, host: str) -> tuple[Any, str]:
        """The container with an address, and the network on which it has that."""
        for each in self.docker.containers.list(filters={"label": CLONE}, ignore_removed=True):
            for network, address in _addresses(each).items():
                if address == host:
                    return each, network
        raise UnreachableError(f"no container has the address {host} of the audit database: make up starts it")

    def forget(self, source: Any) -> None:
        """Containers of drills that were killed."""
        own = f"{LABEL}={source.name}"
        for left in self.docker.containers.list(all=True, filters={"label": own}, ignore_removed=True):
            left.remove(force=True, v=True)

    def copied(self, source: Any, network: str) -> Any:
        """A container like it that has the backup on a volume of its own, not started yet."""
        config = source.attrs["Config"]
        environment = dict(each.split("=", 1) for each in config["Env"])
        copy = self.docker.containers.create(
            config["Image"],
            environment=environment,
            network=network,
            labels={LABEL: source.name, CLONE: config["Labels"][CLONE]},
            mounts=[{"Type": "volume", "Target": DATA}],
            use_config_proxy=False,
        )
        try:
            self._fill(copy, source, environment["PGDATA"].removeprefix(f"{DATA}/"), config["User"])
        except BaseException:
            copy.remove(force=True, v=True)
            raise
        return copy

    def _fill(self, copy: Any, source: Any, folder: str, user: str) -> None:
        owner, group = (int(part) for part in user.split(":"))
        copy.put_archive(DATA, _folder(folder, owner, group))
        made = self.docker.api.exec_create(source.id, list(BACKUP), user="root", stdout=True, stderr=True)
        said: list[bytes] = []
        output = self.docker.api.exec_start(made["Id"], socket=True)
        with closing(output._response):  # the socket is the answer's, and ends with it
            copy.put_archive(f"{DATA}/{folder}", _archive(frames_iter(output, tty=False), said))
        if code := self.docker.api.exec_inspect(made["Id"])["ExitCode"]:
            last = b"".join(said).decode(errors="replace").strip()
            raise CutoverError(f"pg_basebackup ended with {code}: {last}")


def _ready(copy: Any) -> None:
    until = time.monotonic() + SECONDS
    while copy.exec_run(["pg_isready", "--quiet", "--host=/run/postgresql"]).exit_code:
        copy.reload()
        if copy.status == "exited" or time.monotonic() > until:
            last = copy.logs(tail=1).decode(errors="replace").strip()
            raise CutoverError(f"the restored server does not answer ({copy.status}): {last}")
        time.sleep(0.2)


def _addresses(container: Any) -> dict[str, str]:
    container.reload()
    networks = container.attrs["NetworkSettings"]["Networks"]
    return {name: each["IPAddress"] for name, each in networks.items()}


def _folder(name: str, user: int, group: int) -> bytes:
    """A tar archive of an empty folder that only the server's user may enter."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = (
            tarfile.DIRTYPE,
            0o700,
            user,
            group,
            int(time.time()),
        )
        archive.addfile(entry)
    return packed.getvalue()


def _archive(frames: Iterator[tuple[int, bytes]], said: list[bytes]) -> Iterator[bytes]:
    """The archive as it comes; what the command says of itself goes to `said`."""
    for output, content in frames:
        if output == STDOUT:
            yield content
        else:
            said.append(content)
