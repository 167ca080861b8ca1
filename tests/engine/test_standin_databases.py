"""The databases' families on the real engine: rds with roles, databases and grants inside, and elasticache."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Emulator, Project

pytestmark = pytest.mark.engine

SERVERS = """
import pulumi_random as random
generator = pulumi.ResourceOptions(provider=random.Provider("random"))
master = random.RandomPassword("master", length=24, special=False, opts=generator)
vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, opts=opts)
subnets = [aws.ec2.Subnet(f"subnet-{zone}", vpc_id=vpc.id, cidr_block=f"10.0.{number}.0/24",
    availability_zone=f"eu-central-1{zone}", opts=opts).id for number, zone in enumerate("ab")]
guard = aws.ec2.SecurityGroup("guard", name="NAME", description="databases", vpc_id=vpc.id, opts=opts)
aws.vpc.SecurityGroupIngressRule("postgres", security_group_id=guard.id, ip_protocol="tcp", from_port=5432,
    to_port=5432, cidr_ipv4="10.0.0.0/16", opts=opts)
database = aws.rds.Instance("audit", identifier="NAME", engine="postgres", engine_version="17",
    instance_class="db.t4g.micro", allocated_storage=20, username="master", password=master.result, opts=opts,
    db_subnet_group_name=aws.rds.SubnetGroup("rds", name="NAME", subnet_ids=subnets, opts=opts).name,
    parameter_group_name=aws.rds.ParameterGroup("tls", name="NAME", family="postgres17",
        parameters=[{"name": "rds.force_ssl", "value": "1"}], opts=opts).name,
    vpc_security_group_ids=[guard.id], storage_encrypted=True, backup_retention_period=DAYS,
    skip_final_snapshot=True)
cache = aws.elasticache.ReplicationGroup("queues", replication_group_id="NAME", description="queues", engine="redis",
    engine_version="7.1", node_type="cache.t4g.micro", num_cache_clusters=1, opts=opts,
    subnet_group_name=aws.elasticache.SubnetGroup("cache", name="NAME", subnet_ids=subnets, opts=opts).name,
    parameter_group_name=aws.elasticache.ParameterGroup("noeviction", name="NAME", family="redis7",
        parameters=[{"name": "maxmemory-policy", "value": "noeviction"}], opts=opts).name)
pulumi.export("redis", cache.primary_endpoint_address)
host, port, password = database.address, database.port, master.result
"""
INSIDE = """
import pulumi, pulumi_postgresql as pg
inside = pulumi.ResourceOptions(
    provider=pg.Provider("pg", host=host, port=port, username="master", password=password, superuser=False))
owner = pg.Role("owner", name="NAME_owner", login=True, password=pulumi.Output.secret("TOKEN"), opts=inside)
writer = pg.Role("writer", name="NAME_writer", login=True, connection_limit=LIMIT, opts=inside)
audit = pg.Database("audit", name="NAME", owner=owner.name, opts=inside)
schema = pg.Schema("log", name="log", database=audit.name, owner=owner.name, drop_cascade=True, opts=inside)
pg.Grant("connect", database=audit.name, role=writer.name, object_type="database", privileges=["CONNECT"],
    opts=inside)
pg.Grant("usage", database=audit.name, role=writer.name, object_type="schema", schema=schema.name,
    privileges=["USAGE"], opts=inside)
pg.Grant("none-for-all", database=audit.name, role="public", object_type="schema", schema="public", privileges=[],
    opts=inside)
pg.DefaultPrivileges("write", database=audit.name, role=writer.name, owner=owner.name, schema=schema.name,
    object_type="table", privileges=["INSERT", "SELECT"], opts=inside)
pg.GrantRole("also", role=owner.name, grant_role=writer.name, opts=inside)
pulumi.export("host", host)
pulumi.export("port", port)
pulumi.export("password", password)
"""


def test_the_databases_live_from_up_to_destroy(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name, token = unique("db").replace("-", "_"), secrets.token_hex(12)
    program = SERVERS.replace("NAME", name.replace("_", "-")) + INSIDE.replace("NAME", name).replace("TOKEN", token)
    project.write(emulator.provider, program.replace("DAYS", "7").replace("LIMIT", "20"))
    project.up()
    project.unchanged()
    outputs = project.outputs()
    assert token not in project.state()
    assert str(outputs["password"]) not in project.state()

    project.write(emulator.provider, program.replace("DAYS", "14").replace("LIMIT", "30"))
    project.up()
    project.unchanged()

    def sql(statement: str, user: str = "master", password: object = outputs["password"]) -> None:
        at = {"host": outputs["host"], "port": outputs["port"], "user": user, "password": password}
        with psycopg.connect(**at, dbname=name, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(statement)

    sql("CREATE TABLE log.entry (id int)", f"{name}_owner", token)
    sql(f"ALTER ROLE {name}_writer NOLOGIN CREATEDB")
    sql(f"REVOKE USAGE ON SCHEMA log FROM {name}_writer", f"{name}_owner", token)
    sql(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA log REVOKE INSERT ON TABLES FROM {name}_writer",
        f"{name}_owner",
        token,
    )
    emulator.client("rds").modify_db_instance(
        DBInstanceIdentifier=name.replace("_", "-"), BackupRetentionPeriod=1, ApplyImmediately=True
    )
    drift = project.preview("--refresh")
    assert "login" in drift
    assert "true => false" in drift
    assert "backupRetentionPeriod" in drift
    assert '[0]: "INSERT" => "SELECT" - [1]: "SELECT"' in drift
    assert "+ 1 to create ~ 3 to update" in drift, "the grant, the role, the defaults, the instance"

    project.repair()
    project.unchanged()
    sql(f"SET ROLE {name}_writer; INSERT INTO log.entry VALUES (1)", f"{name}_owner", token)
    project.destroy()
    assert emulator.client("rds").describe_db_instances()["DBInstances"] == [], "the account is this run's own"
    assert emulator.client("elasticache").describe_replication_groups()["ReplicationGroups"] == []
