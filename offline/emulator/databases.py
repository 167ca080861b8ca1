"""The emulator's databases: made or refused, forgotten with their data, brought back, asked whether they answer."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from offline.emulator.containers import KIND, Containers, refusal
from offline.emulator.patching import patch
from offline.emulator.transit import Transit

PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Kind:
    """How one kind of database is made: service, actions, the name's parameter, the record, its containers."""

    service: str
    create: str
    delete: str
    name: str
    records: str
    containers: str
    label: str


KINDS = (
    Kind("rds", "_create_db_instance", "_delete_db_instance", "DBInstanceIdentifier", "_instances",
         "_docker_container_id", "db_id"),
    Kind("elasticache", "_create_cache_cluster", "_delete_cache_cluster", "CacheClusterId", "_clusters",
         "_docker_container_id", "cluster_id"),
    Kind("elasticache", "_create_replication_group", "_delete_replication_group", "ReplicationGroupId",
         "_replication_groups", "_docker_container_ids", "rg_id"),
)  # fmt: skip


class Databases:
    """Keeps the emulator's records of databases and their containers in step."""

    def __init__(self, app: Any, containers: Containers, transit: Transit) -> None:
        self._app = app
        self._containers = containers
        self._transit = transit

    def install(self) -> None:
        """Wraps the create and delete actions of RDS and ElastiCache as soon as they are loaded."""
        wrapped: set[str] = set()

        def make(load: Any) -> Any:
            def loaded(name: str) -> Any:
                service = load(name)
                for kind in KINDS if name not in wrapped else ():
                    if kind.service == name:
                        self._wrap(service, kind)
                if name == "elasticache" and name not in wrapped:
                    self._transit.install(service)
                wrapped.add(name)
                return service

            return loaded

        patch(self._app, "_get_module", make)

    def restore(self) -> None:
        """Brings back the caches of the last run; RDS does so by itself."""
        if not self._app.load_state("elasticache"):
            return
        service = self._app._get_module("elasticache")
        for account, region, name in list(service._pending_cluster_respawn):
            # A replication group's members have no container of their own.
            if service._clusters.get_scoped(account, region, name).get("ReplicationGroupId"):
                service._pending_cluster_respawn.discard((account, region, name))
        self._transit.restore(service)
        service._ensure_live_containers()

    def answers(self) -> list[dict[str, object]]:
        """Returns every database of every account: what it is, where it is said to be, whether it answers there."""
        with ThreadPoolExecutor(8) as pool:
            return [asdict(row) for row in pool.map(lambda probe: probe(), [*_instances(), *_caches(self._transit)])]

    def _wrap(self, service: Any, kind: Kind) -> None:
        def forget(name: str) -> None:
            scope = {"account_id": service.get_account_id(), "region": service.get_region()}
            client = service._get_docker()
            if client is not None:
                self._containers.forget(client, **{KIND: kind.service, kind.label: name}, **scope)

        def create(original: Any) -> Any:
            def made(parameters: Any) -> Any:
                name = service._p(parameters, kind.name)
                records = getattr(service, kind.records)
                if name not in records:
                    forget(name)
                refusal.set("")
                answer = original(parameters)
                record = records.get(name)
                if refusal.get() and record and not record.get(kind.containers):
                    reason = refusal.get()
                    record["DeletionProtection"] = False
                    getattr(service, kind.delete)(parameters)
                    return service._error("InsufficientCapacity", f"Docker refused {name}: {reason}", 400)
                return answer

            return made

        def delete(original: Any) -> Any:
            def done(parameters: Any) -> Any:
                answer = original(parameters)
                if answer[0] < 400:
                    forget(service._p(parameters, kind.name))
                return answer

            return done

        patch(service, kind.create, create)
        patch(service, kind.delete, delete)
        if kind.service == "rds":  # which looks its actions up in a table
            patch(service._ACTION_MAP, "CreateDBInstance", lambda _: service._create_db_instance)
            patch(service._ACTION_MAP, "DeleteDBInstance", lambda _: service._delete_db_instance)


@dataclass(frozen=True)
class Answer:
    """One database: where the emulator says it is, and what it does there (answers, creating or silent)."""

    service: str
    account: str
    name: str
    address: str
    port: int
    state: str


def _instances() -> Iterator[Callable[[], Answer]]:
    rds = sys.modules.get("ministack.services.rds")
    for (account, _, name), record in rds._instances.all_items() if rds else ():
        if record["DBInstanceStatus"] != "stopped":
            yield partial(_ask_instance, rds, account, name, record)


def _ask_instance(rds: Any, account: str, name: str, record: Any) -> Answer:
    address, port = record["Endpoint"]["Address"], record["Endpoint"]["Port"]
    state = "creating" if record["DBInstanceStatus"] == "creating" else "silent"
    login = record["MasterUsername"], record["_MasterUserPassword"], record["DBName"]
    if state == "silent" and rds._try_database_connect(address, port, record["Engine"], *login):
        state = "answers"
    return Answer("rds", account, name, address, port, state)


def _caches(transit: Transit) -> Iterator[Callable[[], Answer]]:
    service = sys.modules.get("ministack.services.elasticache")
    if service is None:
        return
    endpoints = [
        (account, name, record["CacheNodes"][0]["Endpoint"], None)
        for (account, _, name), record in service._clusters.all_items()
        if not record.get("ReplicationGroupId")
    ] + [
        (account, name, group["PrimaryEndpoint"], transit.trust() if record["TransitEncryptionEnabled"] else None)
        for (account, _, name), record in service._replication_groups.all_items()
        for group in record["NodeGroups"]
    ]
    for account, name, endpoint, trust in endpoints:
        yield partial(_ask_cache, account, name, endpoint["Address"], endpoint["Port"], trust)


def _ask_cache(account: str, name: str, address: str, port: int, trust: ssl.SSLContext | None) -> Answer:
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((address, port), PROBE_SECONDS))
            if trust:
                connection = stack.enter_context(trust.wrap_socket(connection, server_hostname=address))
            connection.sendall(b"PING\r\n")
            state = "answers" if connection.recv(64).startswith((b"+PONG", b"-NOAUTH")) else "silent"
    except OSError:
        state = "silent"
    return Answer("elasticache", account, name, address, port, state)
