"""The edge: nginx's configuration, from one template in every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.naming import Names
from infra.settings import Settings

TEMPLATES = Path(__file__).parents[1] / "templates"
LISTEN = 8443
"""The port that nginx listens on inside its container."""


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """`upstreams` maps a track to host:port; `rate_per_minute` and `burst` are for each client address."""

    edge_id: str
    server_name: str
    upstreams: Mapping[str, str]
    rate_per_minute: int
    burst: int

    @classmethod
    def of(cls, settings: Settings, names: Names, *, upstreams: Mapping[str, str]) -> EdgeConfig:
        return cls(
            edge_id=f"{names.prefix}-edge",
            server_name=settings.domain,
            upstreams=upstreams,
            rate_per_minute=settings.rate_per_minute,
            burst=settings.burst,
        )


def render(config: EdgeConfig) -> str:
    """The text of nginx.conf. Raises jinja2.UndefinedError when the template names what is not here."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nginx's configuration, not HTML
    )
    return environment.get_template("nginx.conf.j2").render(
        edge_id=config.edge_id,
        server_name=config.server_name,
        listen=LISTEN,
        upstreams=config.upstreams,
        rate_per_minute=config.rate_per_minute,
        burst=config.burst,
        zone_size="10m",
        trusted_proxies=[],
    )
