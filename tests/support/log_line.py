"""A line of the edge's log, in the format of nginx's template."""

from __future__ import annotations

import re
from typing import Any

from infra.nginx import TEMPLATES

_WELL = {
    "time_iso8601": "2026-11-29T09:52:16+00:00",
    "edge_instance": "0a1b2c3d4e5f",
    "track": "stable",
    "status": 200,
    "request_time": 0.012,
    "answered_by": "app",
    "mock": "false",
    "traffic": "user",
    "request_method": "POST",
    "uri": "/api/alerts/queue",
    "upstream_status": 200,
    "upstream_response_time": "0.011",
    "upstream_header_time": "0.011",
    "trace_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "remote_addr": "198.51.100.17",
    "body_bytes_sent": 512,
    "whole": "true",
}


def log_line(**values: Any) -> str:
    """What nginx writes of a request; some of its variables changed."""
    template = (TEMPLATES / "nginx.conf.j2").read_text()
    [found] = re.findall(r"log_format edge escape=json (.*?);\n", template, re.DOTALL)
    line = "".join(re.findall("'([^']*)'", found)).replace("{{ edge_id }}", "web-next-prod")
    known = _WELL | values
    for name in sorted(known, key=len, reverse=True):
        line = line.replace(f"${name}", str(known[name]))
    assert "$" not in line, line
    return line
