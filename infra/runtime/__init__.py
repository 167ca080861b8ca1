"""Where a stack's service runs: the one place that knows there are two runtimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pulumi

from infra import providers
from infra.monitoring import Monitoring
from infra.naming import Names
from infra.network import Network
from infra.nginx import EdgeConfig
from infra.release import Release
from infra.role import AppRole
from infra.settings.keys import Settings
from outputs.slots import DockerSlots, FargateSlots
from outputs.smoke import DockerProcesses, FargateProcesses
from outputs.traffic import DockerTraffic, FargateTraffic

if TYPE_CHECKING:
    from infra.runtime.docker.candidate import DockerCandidate
    from infra.runtime.fargate.candidate import FargateCandidate


class Runtime(Protocol):
    """What every runtime shows of itself: the stack outputs of these names, and what must be there before a record."""

    edge_url: str
    edge: EdgeConfig
    metrics_url: pulumi.Input[str]
    parts: list[pulumi.Resource]
    receiver: str | None
    grafana: str | None

    @property
    def address(self) -> str | None: ...
    @property
    def slots(self) -> DockerSlots | FargateSlots: ...
    @property
    def traffic(self) -> DockerTraffic | FargateTraffic: ...
    @property
    def processes(self) -> DockerProcesses | FargateProcesses: ...


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What of the base a runtime may stand on. `after` must be there before the first process starts."""

    network: Network
    role: AppRole
    monitoring: Monitoring
    using: Sequence[pulumi.ProviderResource]
    after: Sequence[pulumi.Resource]

    def options(self, *more: pulumi.ProviderResource) -> pulumi.ResourceOptions:
        """The options of what runs: these providers and `more`, after the data."""
        return pulumi.ResourceOptions(providers=[*self.using, *more], depends_on=[*self.after])


def declare_registry(settings: Settings, names: Names, options: pulumi.ResourceOptions) -> None:
    """Declares where a base stack's images are pushed to: before its runtime, which runs what is there. A machine has
    its images."""
    if settings.machine is None:
        from infra.runtime.fargate.registry import Registry

        Registry("registry", names, options)


def runtime_of(settings: Settings, names: Names, release: Release, around: Surroundings) -> Runtime:
    """Declares the runtime of a base stack. Each is imported only where it is used: the SDK's parts cost time."""
    if settings.machine:
        from infra.runtime.docker.runtime import DockerRuntime, DockerRuntimeArgs

        on_docker = DockerRuntimeArgs.of(settings, names, release)
        return DockerRuntime("runtime", on_docker, around.options(providers.docker_provider()))
    from infra.runtime.fargate.runtime import FargateRuntime, FargateRuntimeArgs

    args = FargateRuntimeArgs.of(settings, names, release, around.network, around.role, around.monitoring)
    return FargateRuntime("runtime", args, around.options())


def candidate_of(
    settings: Settings,
    names: Names,
    release: Release,
    slot: pulumi.Output[Mapping[str, Any]],
    options: pulumi.ResourceOptions,
) -> DockerCandidate | FargateCandidate:
    """Declares a candidate's release in its base's slot."""
    if settings.machine:
        from infra.runtime.docker.candidate import DockerCandidate, DockerCandidateArgs

        on_docker = DockerCandidateArgs.of(settings, names, release, slot)
        more = pulumi.ResourceOptions(providers=[providers.docker_provider()])
        return DockerCandidate("candidate", on_docker, pulumi.ResourceOptions.merge(options, more))
    from infra.runtime.fargate.candidate import FargateCandidate, FargateCandidateArgs

    args = FargateCandidateArgs.of(settings, names, release, slot)
    return FargateCandidate("candidate", args, options)
