"""What the edge reads: written when nginx says that it holds, and put in force without a restart."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import docker
import pulumi
from docker.errors import NotFound
from docker.models.containers import Container
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.nginx import FOLDER, LINES, WEIGHTS

SOCKET = "unix:///var/run/docker.sock"
CONFIG = f"{FOLDER}/nginx.conf"
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID")
"""nginx starts as root, reads a key that is another's, and runs its workers as www-data."""
_CHECK = f"""
umask 002
nginx -t -q -c {CONFIG}.next || exit 1
mv -T {CONFIG}.next {CONFIG}
[ -e {WEIGHTS}/now ] || {{ mkdir -p {WEIGHTS}/w0-initial && ln -s w0-initial {WEIGHTS}/now; }}
chmod -R g+w {WEIGHTS} 2>/dev/null || :
"""
"""A new volume starts at weight 0. Later weights are run-time state: an update leaves them as they are. Root's group,
which the watch is in, may write them; what is the watch's own cannot be changed here, and need not be."""
_RELOAD_SECONDS = 10


def own_pair(folder: str) -> dict[str, str]:
    """The edge's certificate and key, of the folder of all, and where nginx reads them."""
    return {f"{folder}/{name}": f"/etc/nginx/tls/{name}" for name in ("edge.pem", "edge.key")}


class EdgeConfigError(Exception):
    """nginx refuses the configuration, and the one before stays in force. One line."""


@dataclass(frozen=True, kw_only=True)
class EdgeFilesArgs:
    """`config` is nginx.conf's text, `container` the edge's name, `image` nginx's image id. `labels` mark the
    container that writes, which is on `network`; `tls` is the certificate's folder on this machine, `volume` the
    name of the volume. `definition` is a digest of what the edge's container is made of: where it changes, another
    container comes, which reads the configuration by itself. `check` is what is run in the volume."""

    config: pulumi.Input[str]
    container: pulumi.Input[str]
    definition: str
    image: pulumi.Input[str]
    labels: Mapping[str, pulumi.Input[str]]
    network: pulumi.Input[str]
    tls: pulumi.Input[str]
    volume: pulumi.Input[str]
    check: str = _CHECK


_INPUTS = tuple(field.name for field in fields(EdgeFilesArgs))


class _EdgeFilesProvider(ResourceProvider):
    """Writes the volume by way of a container of nginx's own image that is gone afterwards."""

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        return DiffResult(
            changes=any(olds.get(name) != news.get(name) for name in _INPUTS),
            replaces=[name for name in ("volume",) if olds.get(name) != news.get(name)],
        )

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        _write(props)
        _reload(str(props["container"]))
        return CreateResult(str(props["volume"]), dict(props))

    def update(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        _write(news)
        if olds.get("definition") == news["definition"]:
            _reload(str(news["container"]))
        return UpdateResult(dict(news))

    def read(self, id_: str, props: Mapping[str, Any]) -> ReadResult:
        if "config" not in props:
            return ReadResult(id_, dict(props))
        with _beside(props, "true") as container:
            try:
                chunks, _ = container.get_archive(CONFIG)
            except NotFound:
                return ReadResult(id_, {**props, "config": ""})
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
                file = tar.extractfile(tar.next() or "")
                return ReadResult(id_, {**props, "config": file.read().decode() if file else ""})

    def delete(self, _id: str, _props: Mapping[str, Any]) -> None:
        """The files go with their volume."""


class EdgeFiles(Resource, module="web-next", name="EdgeFiles"):
    """nginx.conf and the initial weights in the edge's volume, and the running edge's HUP when they change.

    An update fails, and all is as before, when `nginx -t` refuses the configuration where it will be read.
    """

    def __init__(self, name: str, args: EdgeFilesArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__(_EdgeFilesProvider(), name, dict(vars(args)), opts)


@contextmanager
def _beside(props: Mapping[str, Any], command: str) -> Iterator[Container]:
    """A container, not started, that sees what the edge sees and may write into its volume."""
    client = docker.DockerClient(base_url=SOCKET)
    try:
        container = client.containers.create(
            str(props["image"]),
            ["sh", "-c", command],
            labels=dict(props["labels"]),
            network=str(props["network"]),
            volumes={
                str(props["volume"]): {"bind": FOLDER, "mode": "rw"},
                **{here: {"bind": there, "mode": "ro"} for here, there in own_pair(str(props["tls"])).items()},
            },
            read_only=True,
            # nginx opens its logs when it checks, too: not the edge's.
            tmpfs={"/tmp": "size=16m", LINES: "size=1m"},  # noqa: S108 - the container's own
            cap_drop=["ALL"],
            cap_add=list(CAPABILITIES),
            security_opt=["no-new-privileges:true"],
            mem_limit="128m",
            pids_limit=64,
            use_config_proxy=False,
        )
        try:
            yield container
        finally:
            container.remove(force=True)
    finally:
        client.close()


def _write(props: Mapping[str, Any]) -> None:
    """Puts the configuration where the edge reads it. Raises EdgeConfigError when nginx refuses it."""
    with _beside(props, _CHECK) as container:
        container.put_archive(FOLDER, _archive("nginx.conf.next", str(props["config"])))
        container.start()
        code = int(container.wait(timeout=60)["StatusCode"])
        said = container.logs().decode(errors="replace").strip().splitlines()
    if code:
        problem = next((line for line in said if "[emerg]" in line), said[-1] if said else "it said nothing")
        raise EdgeConfigError(
            f"nginx refuses the configuration: {problem.partition('] ')[2] or problem}; the one before stays in force: "
            "correct templates/nginx.conf.j2 or the setting that it names, and run up again"
        )


def _reload(name: str) -> None:
    """Has the running edge read its configuration, and waits until only workers that have accept connections."""
    client = docker.DockerClient(base_url=SOCKET)
    try:
        try:
            edge = client.containers.get(name)
        except NotFound:
            return
        if edge.status != "running":
            return
        before = _workers(edge)
        edge.kill("HUP")
        until = time.monotonic() + _RELOAD_SECONDS
        # New workers start first; for a tenth of a second the old ones accept connections beside them.
        while not (serving := _workers(edge)) or serving & before:
            if time.monotonic() > until:
                last = edge.logs(tail=1, stdout=False).decode(errors="replace").strip()
                raise EdgeConfigError(
                    f"edge {name} still serves with the configuration before ({last}): see docker logs {name}, "
                    "then run up again"
                )
            time.sleep(0.1)
    finally:
        client.close()


def _workers(edge: Container) -> set[str]:
    """The processes that serve, without those that are finishing what they had begun."""
    top = edge.top(ps_args="-eo pid,args")
    return {pid for pid, command in top["Processes"] or [] if command == "nginx: worker process"}


def _archive(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        content = text.encode()
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
