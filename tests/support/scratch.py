"""A scratch clone whose emulator makes databases and replication groups, and what they answer."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import psycopg
from psycopg import sql

from infra.role import trust
from offline.emulator.launcher import Emulator
from offline.machine import Machine
from tests.support import clones
from tests.support.containers import docker, wait_until
from tests.support.declared import document

PASSWORD = secrets.token_hex(8)
"""The master's, of every database."""


@dataclass
class Clone:
    """A scratch clone with its own network and emulator."""

    emulator: Emulator

    @property
    def machine(self) -> Machine:
        return self.emulator.machine

    def client(self, service: str, account: str = "") -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.machine.emulator,
            aws_access_key_id=account or self.machine.account,
            aws_secret_access_key=self.emulator.key.read_text(),
        )

    def assumed(self, service: str) -> Any:
        """A client of who has taken on a new role, which may do everything."""
        iam, name = self.client("iam"), f"app-{secrets.token_hex(4)}"
        may = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust("docker", self.machine.account)))[
            "Role"
        ]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document(may))
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return botocore.session.Session().create_client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.machine.emulator,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def database(self, name: str = "audit", version: str = "17", account: str = "") -> tuple[str, int]:
        """Creates a database; returns its endpoint."""
        rds = self.client("rds", account)
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBName="audit",
            Engine="postgres",
            EngineVersion=version,
            DBInstanceClass="db.t3.micro",
            AllocatedStorage=20,
            MasterUsername="master",
            MasterUserPassword=PASSWORD,
        )
        wait_until(lambda: self.status(name, account) == "available", "the database")
        return self.endpoint(name, account)

    def status(self, name: str = "audit", account: str = "") -> str:
        found = self.client("rds", account).describe_db_instances(DBInstanceIdentifier=name)
        return str(found["DBInstances"][0]["DBInstanceStatus"])

    def endpoint(self, name: str = "audit", account: str = "") -> tuple[str, int]:
        found = self.client("rds", account).describe_db_instances(DBInstanceIdentifier=name)
        endpoint = found["DBInstances"][0]["Endpoint"]
        return endpoint["Address"], endpoint["Port"]

    def drop(self, name: str = "audit", account: str = "") -> None:
        self.client("rds", account).delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    def cache(self, name: str, **options: Any) -> tuple[str, int]:
        """Creates a replication group; returns its endpoint."""
        self.client("elasticache").create_replication_group(
            ReplicationGroupId=name,
            ReplicationGroupDescription="queues",
            Engine="redis",
            EngineVersion="7.1",
            CacheNodeType="cache.t3.micro",
            NumCacheClusters=2,
            **options,
        )
        return self.cache_endpoint(name)

    def cache_endpoint(self, name: str) -> tuple[str, int]:
        groups = self.client("elasticache").describe_replication_groups(ReplicationGroupId=name)
        endpoint = groups["ReplicationGroups"][0]["NodeGroups"][0]["PrimaryEndpoint"]
        return endpoint["Address"], endpoint["Port"]

    def rotate(self, name: str, token: str, strategy: str) -> None:
        """Gives a replication group another token."""
        self.client("elasticache").modify_replication_group(
            ReplicationGroupId=name, AuthToken=token, AuthTokenUpdateStrategy=strategy, ApplyImmediately=True
        )

    def names(self, *listing: str) -> set[str]:
        """The clone's containers or volumes."""
        return {*docker(*listing, "--quiet", "--filter", f"label={self.machine.label}").split()}


@contextmanager
def scratch() -> Iterator[Clone]:
    """A clone that leaves nothing, whatever happens."""
    with clones.clone() as emulator:
        yield Clone(emulator)


def query(endpoint: tuple[str, int], statement: str) -> list[tuple[Any, ...]]:
    host, port = endpoint
    login = f"user=master password={PASSWORD} dbname=audit connect_timeout=3"
    with psycopg.connect(login, host=host, port=port, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(statement))
        return list(cursor.fetchall()) if cursor.description else []


def redis(endpoint: tuple[str, int], *commands: str, trust: Path | None = None) -> str:
    """The answer to the last command, by TLS if an authority to trust is given."""
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(endpoint, 3))
        if trust:
            context = ssl.create_default_context(cafile=str(trust))
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname=endpoint[0]))
        for command in commands:
            connection.sendall(command.encode() + b"\r\n")
            answer = connection.recv(4096).decode().strip()
    return answer
