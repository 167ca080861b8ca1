"""The edge: nginx's configuration, from one template in every runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from outputs.slots import EdgeAccess, EdgeLimits
from outputs.smoke import EdgeSummary

TEMPLATES = Path(__file__).parents[1] / "templates"
FOLDER = "/etc/nginx/edge"
"""What the docker runtime's edge reads: nginx.conf, and in weights/ which buckets are the candidate's."""
WEIGHTS = f"{FOLDER}/weights"
"""`now` in it leads to a folder with a file for each of the hundred buckets that go to the candidate."""
LINES = "/var/log/edge"
"""The log in memory: nginx writes `lines`, and its reader follows `read` (templates/edge.sh)."""
WORKERS = 2
TMP_MIB = 64
"""The size of the edge's /tmp, which is memory of its container."""
BESIDE_MIB = 76
"""What nginx has beside /tmp and its connections: itself 10, the zones of addresses when they are full 52, and 100
requests under way of each of several addresses."""
TLS_KIB, PLAIN_KIB = 78, 29
"""What a connection has at most while its head is unfinished, with some slack: 16 KiB of head, and over TLS 17 of a
record that is unfinished too. tests/engine/test_edge_connections.py measures with nginx 1.26 how the container grows:
by 75 for each by HTTP/2, by 66 by HTTP/1.1, by 28 without TLS."""


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """What nginx is told.

    `upstreams` maps each track to host:port. With `weights`, a folder, requests are split between `stable` and
    `candidate` by the files in it; without, there is one upstream, and it answers all. `rate_per_minute` and `burst`
    are for each client address at the API; `limits` are what else it is held to. `tls` is False where a load balancer
    ends TLS; `trusted_proxies` are the networks whose X-Forwarded-For is believed, `trusted_callers` those that may ask
    for a track by X-Web-Next-Track.
    Whoever is not in the list of `access` for what they ask gets a 403, but for `trusted_callers`.
    `pinning` "cookie" keeps a browser on its bucket. `lines` is a file that gets the access log beside standard output.
    `edge_id` is followed by what each start of nginx adds. `memory` is its container's in MiB, without the log's.
    """

    edge_id: str
    server_name: str
    upstreams: Mapping[str, str]
    rate_per_minute: int
    burst: int
    limits: EdgeLimits
    access: EdgeAccess
    memory: int
    tls: bool = True
    weights: str | None = None
    trusted_proxies: Sequence[str] = ()
    trusted_callers: Sequence[str] = ()
    pinning: Literal["cookie", "none"] = "cookie"
    lines: str | None = None

    @property
    def listen(self) -> int:
        """The port that nginx listens on inside its container."""
        return 8443 if self.tls else 8080

    @property
    def connections(self) -> int:
        """How many each worker may have open, so that all of them at their largest fit into the memory."""
        each = TLS_KIB if self.tls else PLAIN_KIB
        return (self.memory - TMP_MIB - BESIDE_MIB) * 1024 // each // WORKERS

    @property
    def hsts(self) -> str:
        """What Strict-Transport-Security says. Of localhost it would bind a developer's other ports."""
        return "max-age=0" if self.server_name == "localhost" else "max-age=31536000"

    def summary(
        self, *, url: str, address: str | None, authority: str | None, most: int, firewall: int | None
    ) -> EdgeSummary:
        """What the deployment record says of the edge, and smoke needs; `authority` signed its certificate, and the
        rest is as EdgeSummary has it."""
        return EdgeSummary(
            url=url,
            address=address,
            authority=authority,
            rate_per_minute=self.rate_per_minute,
            burst=self.burst,
            config=hashlib.sha256(render(self).encode()).hexdigest(),
            most=most,
            firewall=firewall,
            hsts=self.hsts,
        )


def render(config: EdgeConfig) -> str:
    """The text of nginx.conf. Raises jinja2.UndefinedError when the template names what is not here."""
    derived = {"listen": config.listen, "hsts": config.hsts, "connections": config.connections, "workers": WORKERS}
    return rendered("nginx.conf.j2", **asdict(config), **derived, zone_size="10m")


def rendered(template: str, **values: Any) -> str:
    """A template of this project with its values. Raises jinja2.UndefinedError when it names what is not among them."""
    return _environment(TEMPLATES).get_template(template).render(values)


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration, not HTML
    )
