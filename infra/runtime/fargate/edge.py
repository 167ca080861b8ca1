"""The nginx of a task: what it is told beside its track, and its configuration."""

from __future__ import annotations

from infra.naming import Names
from infra.nginx import EdgeConfig
from infra.release import PORT
from infra.settings.keys import Settings
from outputs.slots import TaskEdge

EDGE_MIB = 256
"""nginx's memory, for 2,047 connections in each worker. The app has the rest of the task's."""


def edge_settings(settings: Settings, names: Names) -> TaskEdge:
    """What every task's nginx is told beside its track; the real client's address comes from the balancer alone."""
    balancers = [] if settings.network.vpc_id else settings.network.subnets(len(settings.placed_in))["public"]
    return TaskEdge(
        edge_id=f"{names.prefix}-edge",
        server_name=settings.domain,
        rate_per_minute=settings.edge.rate_per_minute,
        burst=settings.edge.burst,
        limits=settings.edge.limits,
        trusted_proxies=[str(network) for network in [*balancers, *settings.edge.trusted_proxies]],
        trusted_callers=[str(network) for network in settings.edge.trusted_callers],
        access=settings.access.edge,
    )


def task_edge(track: str, told: TaskEdge) -> EdgeConfig:
    """The nginx beside one track's app: it ends no TLS and splits nothing, the balancer does both."""
    return EdgeConfig(
        edge_id=told.edge_id,
        server_name=told.server_name,
        upstreams={track: f"127.0.0.1:{PORT}"},
        rate_per_minute=told.rate_per_minute,
        burst=told.burst,
        limits=told.limits,
        tls=False,
        trusted_proxies=told.trusted_proxies,
        trusted_callers=told.trusted_callers,
        access=told.access,
        memory=EDGE_MIB,
    )
