"""The edge's configuration as a pure function of its variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

TEMPLATES = Path(__file__).parents[3] / "templates"

VARIABLES: dict[str, Any] = {
    "server_name": "localhost",
    "listen": 8443,
    "upstreams": {"stable": "10.213.7.11:3003"},
    "rate_per_minute": 60,
    "burst": 10,
    "zone_size": "10m",
    "trusted_proxies": [],
    "edge_id": "local-0",
}


def render(**changes: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render(VARIABLES | changes)


@pytest.mark.parametrize(
    "directive",
    [
        "limit_req_zone $binary_remote_addr zone=api:10m rate=60r/m;",
        "limit_req zone=api burst=10 nodelay;",
        "limit_req_status 429;",
        "listen 8443 ssl;",
        "http2 on;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "server_tokens off;",
        "proxy_next_upstream off;",
        "proxy_set_header X-Trace-ID $trace_id;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
    ],
)
def test_the_playbooks_directives_are_there(directive: str) -> None:
    assert directive in [line.strip() for line in render().splitlines()]


def test_the_limit_stands_in_the_api_location_only() -> None:
    lines = [line.strip() for line in render().splitlines()]

    assert sum(line.startswith("limit_req ") for line in lines) == 1
    assert lines[lines.index("limit_req zone=api burst=10 nodelay;") - 1] == "location /api/ {"


def test_each_track_is_an_upstream() -> None:
    text = render(upstreams={"stable": "10.213.7.11:3003", "candidate": "10.213.7.12:3003"})

    assert "upstream stable {\n        server 10.213.7.11:3003 " in text
    assert "upstream candidate {\n        server 10.213.7.12:3003 " in text


def test_no_proxy_is_trusted_unless_named() -> None:
    assert "set_real_ip_from" not in render()
    assert "real_ip_header" not in render()


def test_named_proxies_are_trusted() -> None:
    text = render(trusted_proxies=["10.0.0.0/16", "10.1.0.0/16"])

    assert "set_real_ip_from 10.0.0.0/16;" in text
    assert "set_real_ip_from 10.1.0.0/16;" in text
    assert "real_ip_header X-Forwarded-For;" in text


@pytest.mark.parametrize(("rate", "seconds"), [(60, 1), (120, 1), (45, 2), (1, 60)])
def test_retry_after_is_the_time_until_the_next_request_passes(rate: int, seconds: int) -> None:
    assert f'"429 " {seconds};' in render(rate_per_minute=rate)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_missing_variable_is_an_error(name: str) -> None:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined)
    rest = {key: value for key, value in VARIABLES.items() if key != name}

    with pytest.raises(jinja2.UndefinedError, match=name):
        environment.get_template("nginx.conf.j2").render(rest)


def test_an_upstream_for_stable_is_what_requests_go_to() -> None:
    text = render()

    assert "default stable;" in text
    assert text.count("proxy_pass http://$track;") == 2
