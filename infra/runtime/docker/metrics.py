"""What measures a docker stack: the reader of the edge's log, Prometheus, and Grafana where its image is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.dashboard import grafana_dashboard
from infra.naming import Names
from infra.nginx import LINES, TEMPLATES, rendered
from infra.release import METRICS_PORT
from infra.runtime.docker.container import contained, listens
from infra.runtime.docker.files import Files, FilesArgs
from infra.runtime.docker.labels import labels
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from outputs.panels import PANELS, UID

READER_METRICS, PROMETHEUS, GRAFANA = 3903, 9090, 3000
KEPT, KEPT_SIZE = "15d", "1GB"
"""How long and how much Prometheus keeps, whichever ends first."""
CONFIG, DATA = "/etc/prometheus", "/var/lib/prometheus"
PROVISIONING = "/etc/grafana/provisioning"


@dataclass(frozen=True, kw_only=True)
class MetricsArgs:
    """`prefix` starts the containers' names; `app` and `worker` are their metrics by track, `executor` the double's,
    each as host:port; `lines` is the volume with the edge's log."""

    prefix: str
    app: Mapping[str, str]
    worker: Mapping[str, str]
    executor: str | None
    lines: pulumi.Input[str]
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, lines: str) -> MetricsArgs:
        machine = settings.require_machine()
        tracks = {"stable": machine.stable_address, "candidate": machine.candidate_address}
        workers = {"stable": f"{names.prefix}-worker-{machine.clone}", "candidate": machine.candidate_worker_address}
        return cls(
            prefix=names.prefix,
            app={track: f"{address}:{METRICS_PORT}" for track, address in tracks.items()},
            worker={track: f"{address}:{METRICS_PORT}" for track, address in workers.items()},
            executor=None if settings.executor_url else f"{machine.executor_address}:{METRICS_PORT}",
            lines=lines,
            machine=machine,
        )


class Metrics(pulumi.ComponentResource):
    """The containers, with their configuration in volumes of their own; Prometheus's data outlive it in another.

    They listen on the metrics network alone, where no process of the service is: nobody who is measured reaches them.
    """

    metrics_url: str
    """Prometheus, on this machine."""
    grafana: str | None
    """The name of Grafana's container, where there is one."""

    def __init__(self, name: str, args: MetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Metrics", name, None, opts)
        self._args = args
        machine = args.machine
        self.metrics_url = f"http://127.0.0.1:{machine.prometheus_port}"
        self._reader()
        self._prometheus()
        self.grafana = self._grafana(machine.grafana_image) if machine.grafana_image else None
        self.register_outputs({"metrics_url": self.metrics_url})

    def _reader(self) -> None:
        told = {f"/etc/mtail/{name}": (TEMPLATES / name).read_text() for name in ("edge.mtail", "reader.sh")}
        files = self._files("reader", told, "/etc/mtail")
        self._run(
            "reader",
            self._args.machine.reader_image,
            files,
            "/etc/mtail",
            memory=64,
            port=READER_METRICS,
            address=str(self._args.machine.reader_address),
            entrypoints=["bash", "/etc/mtail/reader.sh"],
            command=[str(self._args.machine.reader_address)],
            data={LINES: (self._args.lines, True)},
        )

    def _prometheus(self) -> None:
        args, machine = self._args, self._args.machine
        config = rendered(
            "prometheus.yml.j2",
            app=args.app,
            worker=args.worker,
            executor=args.executor,
            reader=f"{machine.reader_address}:{READER_METRICS}",
            watch=f"{machine.metrics_gateway}:{machine.prometheus_port}",
            prometheus=f"{machine.prometheus_address}:{PROMETHEUS}",
        )
        rules = (TEMPLATES / "prometheus.rules.yml").read_text()
        files = self._files("prometheus", {f"{CONFIG}/prometheus.yml": config, f"{CONFIG}/rules.yml": rules}, CONFIG)
        data = docker.Volume(
            "prometheus-data",
            name=self._called("prometheus-data"),
            labels=labels(docker.VolumeLabelArgs, machine),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._run(
            "prometheus",
            machine.prometheus_image,
            files,
            CONFIG,
            memory=256,
            port=PROMETHEUS,
            address=str(machine.prometheus_address),
            ports=[docker.ContainerPortArgs(internal=PROMETHEUS, external=machine.prometheus_port, ip="127.0.0.1")],
            data={DATA: (data.name, False)},
            networks={machine.network: None},
            command=[
                f"--web.listen-address={machine.prometheus_address}:{PROMETHEUS}",
                f"--config.file={CONFIG}/prometheus.yml",
                f"--storage.tsdb.path={DATA}",
                f"--storage.tsdb.retention.time={KEPT}",
                f"--storage.tsdb.retention.size={KEPT_SIZE}",
            ],
        )

    def _grafana(self, image: str) -> str:
        folder = TEMPLATES / "grafana"
        contents = {
            f"{PROVISIONING}/{path.relative_to(folder)}": path.read_text()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        contents[f"{PROVISIONING}/dashboards/{UID}.json"] = grafana_dashboard(PANELS)
        files = self._files("grafana", contents, PROVISIONING)
        own = {
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_DISABLE_LOGIN_FORM": "true",
            "GF_PATHS_DATA": "/tmp",  # noqa: S108 - nothing of it is worth keeping
            "GF_PATHS_PROVISIONING": PROVISIONING,
            "PROMETHEUS": f"http://{self._args.machine.prometheus_address}:{PROMETHEUS}",
        }
        self._run(
            "grafana",
            image,
            files,
            PROVISIONING,
            memory=256,
            port=GRAFANA,
            ports=[docker.ContainerPortArgs(internal=GRAFANA, ip="127.0.0.1")],  # `docker port` has it
            envs=[f"{key}={value}" for key, value in sorted(own.items())],
        )
        return self._called("grafana")

    def _called(self, part: str) -> str:
        return f"{self._args.prefix}-{part}-{self._args.machine.clone}"

    def _files(self, part: str, contents: Mapping[str, str], folder: str) -> Files:
        name = self._called(f"{part}-files")
        args = FilesArgs(name=name, contents=contents, machine=self._args.machine, folder=folder)
        return Files(f"{part}-files", args, pulumi.ResourceOptions(parent=self))

    def _run(
        self,
        part: str,
        image: str,
        files: Files,
        folder: str,
        *,
        memory: int,
        port: int,
        address: str | None = None,
        ports: list[docker.ContainerPortArgs] | None = None,
        networks: Mapping[str, str | None] | None = None,
        data: Mapping[str, tuple[pulumi.Input[str], bool]] | None = None,
        entrypoints: list[str] | None = None,
        command: list[str] | None = None,
        envs: list[str] | None = None,
    ) -> docker.Container:
        return contained(
            part,
            machine=self._args.machine,
            role=part,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[files]),
            memory=memory,
            health=listens(port, address or "127.0.0.1"),
            networks={self._args.machine.metrics_network: address, **(networks or {})},
            marks={"files": files.filled.digest},
            tmpfs=64,
            name=self._called(part),
            image=image,
            entrypoints=entrypoints,
            command=command,
            envs=envs,
            ports=ports,
            volumes=[
                docker.ContainerVolumeArgs(volume_name=files.filled.volume, container_path=folder, read_only=True),
                *(
                    docker.ContainerVolumeArgs(volume_name=volume, container_path=path, read_only=read_only)
                    for path, (volume, read_only) in (data or {}).items()
                ),
            ],
        )
