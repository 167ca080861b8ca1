"""Before an update begins: what would stop it in its middle is found while nothing has changed yet."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPS_PORT
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cutover.errors import NotPreparedError, UnreachableError
from cutover.schema import files, migrator
from cutover.schema.access import AuditDatabase
from cutover.schema.tunnel import MADE_ALONE
from cutover.stacks.outputs import Outputs
from outputs.access import WishedAccess
from outputs.network import TIERS, NetworkSettings, placed_in
from outputs.schema import applied_checksums
from outputs.shape import OutputError
from outputs.smoke import SmokeTarget

SECONDS = 5.0
"""How long a balancer may take to let a connection in."""
VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
QUEUES = "aws:elasticache/replicationGroup:ReplicationGroup"
PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 - a type
WRITERS = ("audit-writer", "audit-writer-2")
"""The passwords of the app's two logins. A rotation gives one of them the next generation, in turns."""
CONTAINER = "docker:index/container:Container"
RUNTIMES = ("::web-next:docker:Runtime$", "::web-next:docker:Candidate$")
"""What of these is in the URN of every container."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What is known before an update of `stack`: its file's `config`, and what its last update left, its `outputs`
    and the `resources` of its state. Both are empty before the first."""

    stack: str
    config: Mapping[str, Any]
    outputs: Outputs
    resources: Sequence[Mapping[str, Any]]

    def require_own_layout(self) -> None:
        """Raises NotPreparedError for a stack of this machine that an earlier revision brought up: its resources have
        other URNs, so that an update would make each of them a second time."""
        urns = [str(resource["urn"]) for resource in self.resources if resource["type"] == CONTAINER]
        if not all(any(part in urn for part in RUNTIMES) for urn in urns):
            raise NotPreparedError(
                f"stack {self.stack} was brought up by an earlier revision, which named its resources otherwise: "
                "run make clean, which removes its data too, then make up"
            )

    def require_unedited(self, folder: Path) -> None:
        """Raises MigrationError that names each migration whose file is not what was applied.

        Files that break a rule by themselves are left to the program, which says all that is wrong at once.
        """
        if not files.problems(folder):
            migrator.require_unedited(folder, applied_checksums(self.resources))

    def require_way_in(self, balanced: Outputs) -> None:
        """Raises UnreachableError where the balancer of `balanced` does not let this machine in: what the update brings
        up could not be smoked from here, and it would end as NO-GO with everything changed.

        AWS drops whom a security group does not name. Before the first verdict, and where nobody is there, the update
        goes on: it may be what brings a balancer up.
        """
        target = balanced.read("smoke_target", SmokeTarget.from_output)
        if target is None or target.edge.address is None:
            return
        try:
            port = urlsplit(target.edge.url).port or HTTPS_PORT
            socket.create_connection((target.edge.address, port), SECONDS).close()
        except TimeoutError:
            raise UnreachableError(
                f"{target.edge.address} does not let this machine in, so nothing that is brought up from here can be "
                f"smoked: run it where access.clients and edge.trustedCallers have the networks; an update that is to "
                f"let this one in is pulumi up -s {balanced.stack}, which ends with NO-GO"
            ) from None
        except OSError:
            return

    def require_ranges_that_stay(self) -> None:
        """Raises NotPreparedError where a subnet would take a range that is still another's, or the VPC be another.

        EC2 takes no two subnets that overlap, a new one is made before the old one is deleted, and database and queues
        leave no VPC: the update would stop in its middle.
        """
        zones = placed_in(self.config.get("web-next:zones") or (), str(self.config.get("web-next:region")))
        wished, made = self._network(len(zones)), self._inputs(SUBNET)
        if wished is None:
            return
        there = {(_tier(name), one["availabilityZone"]): IPv4Network(one["cidrBlock"]) for name, one in made.items()}
        for vpc in self._inputs(VPC).values():
            if wished.vpc_id or str(wished.cidr) != vpc["cidrBlock"]:
                raise NotPreparedError(
                    f"stack {self.stack} stands in a VPC of its own, {vpc['cidrBlock']}, and database and queues do "
                    "not leave it: put network.cidr back and remove network.vpcId, or bring up another stack"
                )
        for tier, ranges in wished.subnets(len(zones)).items():
            for zone, net in zip(zones, ranges, strict=False):
                for (other, where), taken in there.items():
                    if net.overlaps(taken) and (tier, zone, net) != (other, where, taken):
                        raise NotPreparedError(
                            f"zones is {', '.join(zones)}: the {tier} subnet of {zone} would get {net}, and the "
                            f"{other} subnet of {where} has {taken}; put zones back, or set network.appSubnets, "
                            "network.dataSubnets and network.publicSubnets so that each zone keeps its own and a new "
                            f"one gets what none has. There are {_listed(there)}"
                        )

    def require_next_rotation(self) -> None:
        """Raises NotPreparedError for a rotation of the app's password that is neither the last one nor the next: it
        would change the password of the login in use before the vault says so."""
        wish, passwords = self._wish(), self._inputs(PASSWORD)
        generations = [
            int((passwords[name].get("keepers") or {}).get("generation", 0)) for name in WRITERS if name in passwords
        ]
        last = sum(generations)
        if wish and generations and wish.writer_rotation not in (last, last + 1):
            raise NotPreparedError(
                f"database.writerRotation is {wish.writer_rotation}, and stack {self.stack} has {last}: another step "
                "than one more changes the password that the app uses before it knows the new one; "
                f"set it to {last}, or to {last + 1} for a new password"
            )

    def require_failover_at_once(self) -> None:
        """Raises NotPreparedError for the first replica of the queues, or the end of the last, where changes wait for
        the window: nodes come and go at once. A first one would not take over until then, and ElastiCache keeps the
        last while failover is on, so that the update would stop in its middle."""
        wished, made = self._replicas(), self._inputs(QUEUES).values()
        section = self.config.get("web-next:queues") or {}
        keys = (self.config.get("web-next:applyImmediately"), wished is not None and section.get("majorUpgrade"))
        at_once = any(str(key).lower() == "true" for key in keys)
        for there in (int(each["numCacheClusters"]) - 1 for each in made):
            if wished is not None and bool(wished) != bool(there) and not at_once:
                raise NotPreparedError(
                    f"queues.replicas is {wished}, and stack {self.stack} has {there}: nodes come and go at once, and "
                    "automatic failover would wait for maintenanceWindow; set applyImmediately to true for this update"
                )

    @contextmanager
    def reaching_the_database(self) -> Iterator[None]:
        """Keeps the database of the last update reachable for the block, through a tunnel where the file says so.

        There is nothing to reach before the first update, nor with database.access later. Raises UnreachableError.
        """
        wish = self._wish()
        last = self.outputs.read("audit_db_access", AuditDatabase.from_output)
        if wish and wish.access == "tunnel" and not (last and last.bastion):
            # What is made in the database is protected, and later would take it out of the state.
            filled = any(each["type"].startswith("postgresql:") for each in self.resources)
            way = MADE_ALONE if filled else "set web-next:database.access to later, bring it up, then set it to tunnel"
            raise UnreachableError(f"database.access is tunnel, and stack {self.stack} has no bastion yet: {way}")
        if not wish or wish.access == "later" or not last:
            yield
            return
        with replace(last, mode=wish.access, local_port=wish.tunnel_port).reachable():
            yield

    def _wish(self) -> WishedAccess | None:
        """What the file says of the way to the database; None when the program will refuse what it says."""
        try:
            return WishedAccess.from_output(self.config.get("web-next:database") or {})
        except OutputError:
            return None

    def _replicas(self) -> int | None:
        """What the file says of the queues' replicas; None when the program will refuse what it says."""
        try:
            return int((self.config.get("web-next:queues") or {}).get("replicas", 0))
        except (AttributeError, TypeError, ValueError):
            return None

    def _network(self, zones: int) -> NetworkSettings | None:
        """What the file says of the network; None when the program will refuse what it says."""
        try:
            network = NetworkSettings.model_validate(self.config.get("web-next:network") or {})
            ranges = [net for tier in network.subnets(zones).values() for net in tier]
        except ValueError:
            return None
        return None if any(one.overlaps(other) for one, other in combinations(ranges, 2)) else network

    def _inputs(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """The inputs of the state's resources of a type, by name."""
        found = (each for each in self.resources if each["type"] == kind)
        return {str(each["urn"]).rpartition("::")[2]: each["inputs"] for each in found}


def _tier(name: str) -> str:
    return next(tier for tier in TIERS if f"-{tier}-" in name)


def _listed(there: Mapping[tuple[str, str], IPv4Network]) -> str:
    return "; ".join(
        f"{tier}: " + ", ".join(f"{zone} {net}" for (own, zone), net in there.items() if own == tier) for tier in TIERS
    )
