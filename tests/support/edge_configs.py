"""Sound configurations of the edge in both runtimes, some fields changed."""

from __future__ import annotations

from typing import Any

from infra.nginx import WEIGHTS, EdgeConfig


def on_docker(**changes: Any) -> EdgeConfig:
    """The one edge of a machine, which splits between both slots."""
    fields: dict[str, Any] = {
        "edge_id": "web-next-test-edge",
        "server_name": "localhost",
        "upstreams": {"stable": "10.213.7.11:3003", "candidate": "10.213.7.13:3003"},
        "rate_per_minute": 60,
        "burst": 10,
        "weights": WEIGHTS,
        "trusted_callers": ["10.213.7.1"],
        "reader": "10.213.7.14:1514",
    }
    return EdgeConfig(**{**fields, **changes})


def beside_an_app(track: str = "stable", **changes: Any) -> EdgeConfig:
    """The nginx of one task, behind a load balancer."""
    fields: dict[str, Any] = {
        "edge_id": "web-next-test-edge",
        "server_name": "console.web-next.test",
        "upstreams": {track: "127.0.0.1:3003"},
        "rate_per_minute": 60,
        "burst": 10,
        "tls": False,
        "trusted_proxies": ["10.42.128.0/20"],
    }
    return EdgeConfig(**{**fields, **changes})
