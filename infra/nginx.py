"""The edge: nginx's configuration, from one template in every runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from outputs.slots import EdgeAccess
from outputs.smoke import EdgeSummary

TEMPLATES = Path(__file__).parents[1] / "templates"
FOLDER = "/etc/nginx/edge"
"""What the docker runtime's edge reads: nginx.conf, and in weights/ which buckets are the candidate's."""
WEIGHTS = f"{FOLDER}/weights"
"""`now` in it leads to a folder with a file for each of the hundred buckets that go to the candidate."""
LINES = "/var/log/edge"
"""The log in memory: nginx writes `lines`, and its reader follows `read` (templates/edge.sh)."""


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """What nginx is told.

    `upstreams` maps each track to host:port. With `weights`, a folder, requests are split between `stable` and
    `candidate` by the files in it; without, there is one upstream, and it answers all. `rate_per_minute` and `burst`
    are for each client address. `tls` is False where a load balancer in front ends TLS; `trusted_proxies` are the
    networks whose X-Forwarded-For is believed, `trusted_callers` those that may ask for a track by X-Web-Next-Track.
    Whoever is not in the list of `access` for what they ask gets a 403, but for `trusted_callers`.
    `pinning` "cookie" keeps a browser on its bucket. `lines` is a file that gets the access log beside standard output.
    `edge_id` is followed by what each start of nginx adds.
    """

    edge_id: str
    server_name: str
    upstreams: Mapping[str, str]
    rate_per_minute: int
    burst: int
    access: EdgeAccess
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
        )


def render(config: EdgeConfig) -> str:
    """The text of nginx.conf. Raises jinja2.UndefinedError when the template names what is not here."""
    return rendered("nginx.conf.j2", **asdict(config), listen=config.listen, zone_size="10m")


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
