"""What the edge's file lets one address send, held to the figures of web-next:edge."""

from __future__ import annotations

import json
from collections.abc import Iterator

from policy.nginx import Directive
from policy.resources import Stack

FIGURES = (
    ("limit_req_zone", "api", "rate={}r/m", 1, "ratePerMinute", 60),
    ("limit_req", "api", "burst={}", 1, "burst", 10),
    ("limit_req_zone", "webhook", "rate={}r/m", 1, "webhookRatePerMinute", 120),
    ("limit_req", "webhook", "burst={}", 1, "webhookBurst", 60),
    ("limit_req_zone", "pages", "rate={}r/m", 1, "pagesPerMinute", 1200),
    ("limit_req", "pages", "burst={}", 12, "pagesPerMinute", 1200),
)
AT_A_TIME = ("requests", 100)
"""Where keys of web-next:edge stand and what part of them counts, and what holds where it says nothing."""
OF_BODIES = (["bodies", "8"], ["all_bodies", "192"])
KEYS = {
    "api": "$binary_remote_addr",
    "webhook": "$binary_remote_addr",
    "pages": "$page_reader",
    "requests": "$binary_remote_addr",
    "bodies": "$large",
    "all_bodies": "$any_large",
}
"""By what each zone tells one from another. The zone of bodies of all is one address' alone."""
LEAST_ZONE_MIB = 1
"""About 16,000 addresses; a full zone answers everybody with the limit's status."""


def rates(file: Directive, stack: Stack) -> Iterator[str]:
    """What counts more than is configured, or nothing."""
    edge = json.loads(stack.config.get("web-next:edge", "{}"))
    for directive, zone, form, part, *figure in FIGURES:
        told = form.format(int(edge.get(*figure)) // part)
        for one in file.all(directive):
            if f"zone={zone}" in {arg.partition(":")[0] for arg in one.args} and told not in one.args:
                yield f"{' '.join(one.args)}, and {told} is configured"
    has = [one.args for http in file.own("http") for one in http.own("limit_conn")]
    for most in (["requests", str(edge.get(*AT_A_TIME))], *OF_BODIES):
        if most not in has:
            yield f"no limit_conn {' '.join(most)}"


def zones(file: Directive) -> Iterator[str]:
    """What is wrong with what the limits count in."""
    for zone in file.all("limit_req_zone", "limit_conn_zone"):
        told = dict(one.partition("=")[::2] for one in zone.args[1:])
        name, _, size = told["zone"].partition(":")
        if zone.args[0] != KEYS.get(name):
            yield f"the key of zone {name} is {zone.args[0]}, not {KEYS.get(name)}"
        if name != "all_bodies" and (not size.endswith("m") or int(size[:-1]) < LEAST_ZONE_MIB):
            yield f"zone {name} has {size}"
