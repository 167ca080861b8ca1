"""Who may reach the console, as the stack's configuration says it: what balancer and edge are held against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from policy.resources import Stack

ANYONE = IPv4Network("0.0.0.0/0")
"""Whom a stack of this machine lets in where nothing is said: its edge listens to the machine alone, and its
own networks are PRIVATE."""
PRIVATE = [IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
LEAST_PREFIX = 16
"""No network of balancers is wider than a VPC."""
PARTS = {"console": "clients", "webhook": "webhook", "audit_push": "auditPush"}
"""What the edge calls them, and what `web-next:access` does."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Networks by part, those that may ask for a track, and those of balancers. `internal` is one without a public
    address."""

    parts: dict[str, Sequence[IPv4Network]]
    trusted: Sequence[IPv4Network]
    proxies: Sequence[IPv4Network] = ()
    internal: bool

    @classmethod
    def of(cls, stack: Stack) -> Access | None:
        """As `web-next:access` and `web-next:edge` have it, or a candidate's base; None where neither is known."""
        if stack.config.get("web-next:track") == "candidate":
            return cls._of_base(stack)
        if "web-next:access" not in stack.config:
            machine = stack.config.get("web-next:runtime") == "docker"
            return cls(parts={part: [ANYONE] for part in PARTS}, trusted=PRIVATE, internal=False) if machine else None
        access: dict[str, Any] = json.loads(stack.config["web-next:access"])
        edge: dict[str, Any] = json.loads(stack.config.get("web-next:edge", "{}"))
        console = _networks(access.get("clients") or [])
        return cls(
            parts={
                part: _networks(access[key]) if access.get(key) is not None else console for part, key in PARTS.items()
            },
            trusted=_networks(edge.get("trustedCallers", [])),
            proxies=[one for one in _networks(edge.get("trustedProxies", [])) if one.prefixlen >= LEAST_PREFIX],
            internal=bool(access.get("internal")),
        )

    @classmethod
    def _of_base(cls, stack: Stack) -> Access | None:
        for base in stack.of("pulumi:pulumi:StackReference"):
            told = ((base.inputs.get("outputs") or {}).get("slots") or {}).get("candidate", {}).get("edge")
            if told:
                return cls(
                    parts={part: _networks(told["access"][part]) for part in PARTS},
                    trusted=_networks(told["trusted_callers"]),
                    internal=False,
                )
        return None

    @property
    def everybody_named(self) -> list[IPv4Network]:
        """All that anything is open to."""
        return [*(one for networks in self.parts.values() for one in networks), *self.trusted]


def beyond(networks: Iterable[str], allowed: Iterable[IPv4Network]) -> list[str]:
    """Those of the networks that are wider than what is allowed, all of it together. Of a list of AWS' that others
    keep, `pl-…`, nobody knows the width."""
    joined = list(collapse_addresses(allowed))
    return [one for one in networks if one.startswith("pl-") or not _within(ip_network(one, strict=False), joined)]


def _within(network: IPv4Network | IPv6Network, allowed: Iterable[IPv4Network]) -> bool:
    return isinstance(network, IPv4Network) and any(network.subnet_of(one) for one in allowed)


def _networks(written: str | Sequence[str]) -> list[IPv4Network]:
    return [ANYONE] if written == "anyone" else [IPv4Network(one) for one in written]
