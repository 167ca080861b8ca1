"""Sound configurations of the edge in both runtimes, some fields changed, for tests and benches."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.nginx import LINES, WEIGHTS, EdgeConfig, render
from infra.runtime.docker.edge import MEMORY_MIB
from infra.runtime.fargate.edge import EDGE_MIB
from outputs.slots import EdgeAccess, EdgeLimits

SOUND = EdgeConfig(
    edge_id="web-next-test-edge",
    server_name="localhost",
    upstreams={"stable": "10.213.7.11:3003"},
    rate_per_minute=60,
    burst=10,
    limits=EdgeLimits(webhook_per_minute=120, webhook_burst=60, pages_per_minute=1200, requests=100),
    access=EdgeAccess(console=["0.0.0.0/0"], webhook=["0.0.0.0/0"], audit_push=["0.0.0.0/0"]),
    memory=MEMORY_MIB,
)
"""One upstream, TLS, the settings' limits. A new field without a default gets its value here, and nowhere else."""


def on_docker(**changes: Any) -> EdgeConfig:
    """The one edge of a machine, which splits between both slots."""
    edge = replace(
        SOUND,
        upstreams={"stable": "10.213.7.11:3003", "candidate": "10.213.7.13:3003"},
        weights=WEIGHTS,
        trusted_callers=["10.213.7.1"],
        lines=f"{LINES}/lines",
    )
    return replace(edge, **changes)


def beside_an_app(track: str = "stable", **changes: Any) -> EdgeConfig:
    """The nginx of one task, behind a load balancer."""
    edge = replace(
        SOUND,
        server_name="console.web-next.test",
        upstreams={track: "127.0.0.1:3003"},
        tls=False,
        memory=EDGE_MIB,
        trusted_proxies=["10.42.128.0/20"],
        trusted_callers=["198.51.100.0/24"],
    )
    return replace(edge, **changes)


if __name__ == "__main__":  # python -m tests.support.edge_configs FOLDER: for linters of nginx
    for name, config in {"docker": on_docker(), "fargate": beside_an_app()}.items():
        Path(sys.argv[1], f"{name}.conf").write_text(render(config))
