"""The databases' families on the real engine: rds with roles, databases and grants inside, and elasticache."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Emulator, Project

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
key = aws.kms.Key("key", deletion_window_in_days=7, opts=opts)
log = aws.cloudwatch.LogGroup("slow", name="/NAME/slow", retention_in_days=7, opts=opts)
strict = {"rds.force_ssl": ("1", "immediate"), "log_statement": ("ddl", "immediate"),
    "shared_preload_libraries": ("pg_cron", "pending-reboot")}
database = aws.rds.Instance("audit", identifier="NAME", engine="postgres", engine_version="17",
    instance_class="db.t4g.micro", allocated_storage=20, max_allocated_storage=100, storage_type="gp3",
    username="master", password=master.result, opts=opts, storage_encrypted=True, kms_key_id=key.arn, multi_az=True,
    db_subnet_group_name=aws.rds.SubnetGroup("rds", name="NAME", subnet_ids=subnets, opts=opts).name,
    parameter_group_name=aws.rds.ParameterGroup("tls", name="NAME", family="postgres17", opts=opts,
        parameters=[{"name": name, "value": value, "apply_method": when}
            for name, (value, when) in strict.items() if name not in DROPPED]).name,
    vpc_security_group_ids=[guard.id], backup_retention_period=DAYS, backup_window="01:00-02:00",
    maintenance_window="sun:03:00-sun:04:00", delete_automated_backups=False, copy_tags_to_snapshot=True,
    enabled_cloudwatch_logs_exports=["postgresql", "upgrade"], performance_insights_enabled=True,
    performance_insights_retention_period=7, performance_insights_kms_key_id=key.arn,
    database_insights_mode="standard", ca_cert_identifier="rds-ca-ecc384-g1", auto_minor_version_upgrade=False,
    iam_database_authentication_enabled=True, apply_immediately=True, deletion_protection=PROTECTED,
    final_snapshot_identifier="NAME-final", publicly_accessible=False)
cache = aws.elasticache.ReplicationGroup("queues", replication_group_id="NAME", description="queues", engine="redis",
    engine_version="7.1", node_type="cache.t4g.micro", num_cache_clusters=NODES, automatic_failover_enabled=NODES > 1,
    multi_az_enabled=NODES > 1, opts=opts, at_rest_encryption_enabled=True, transit_encryption_enabled=True,
    kms_key_id=key.arn, auth_token=master.result, snapshot_retention_limit=DAYS, snapshot_window="01:00-02:00",
    maintenance_window="sun:03:00-sun:04:00", auto_minor_version_upgrade=True, apply_immediately=True,
    security_group_ids=[guard.id], log_delivery_configurations=[{"destination": log.name,
        "destination_type": "cloudwatch-logs", "log_format": "json", "log_type": "slow-log"}],
    subnet_group_name=aws.elasticache.SubnetGroup("cache", name="NAME", subnet_ids=subnets, opts=opts).name,
    parameter_group_name=aws.elasticache.ParameterGroup("noeviction", name="NAME", family="redis7", opts=opts,
        parameters=[{"name": name, "value": value} for name, value in (("maxmemory-policy", "noeviction"),
            ("timeout", "60"), ("notify-keyspace-events", "Ex")) if name not in DROPPED]).name)
pulumi.export("redis", cache.primary_endpoint_address)
host, port, password = database.address, database.port, master.result
"""
INSIDE = """
import pulumi, pulumi_postgresql as pg
inside = pulumi.ResourceOptions(
    provider=pg.Provider("pg", host=host, port=port, username="master", password=password, superuser=False))
owner = pg.Role("owner", name="NAME_owner", login=True, password=pulumi.Output.secret("TOKEN"), opts=inside)
writer = pg.Role("writer", name="NAME_writer", login=True, connection_limit=LIMIT, statement_timeout=30000,
    idle_in_transaction_session_timeout=IDLE, opts=inside)
audit = pg.Database("audit", name="NAME", owner=owner.name, encoding="UTF8", lc_collate="C", lc_ctype="C", opts=inside)
# Goes last: it leaves PUBLIC nothing, and the master, who isn't the database's owner, comes in as PUBLIC.
public = pg.Grant("no-temporary-tables", database=audit.name, role="public", object_type="database",
    privileges=["CONNECT"], opts=inside)
inside = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[public]))
schema = pg.Schema("log", name="log", database=audit.name, owner=owner.name, drop_cascade=True, opts=inside)
pg.Grant("connect", database=audit.name, role=writer.name, object_type="database", privileges=["CONNECT"],
    opts=inside)
pg.Grant("usage", database=audit.name, role=writer.name, object_type="schema", schema=schema.name,
    privileges=["USAGE"], opts=inside)
pg.Grant("none-for-all", database=audit.name, role="public", object_type="schema", schema="public", privileges=[],
    opts=inside)
pg.Extension("trusted", name="hstore", database=audit.name, opts=inside)
jobs = pg.Extension("of-the-image", name="pg_cron", database="postgres", opts=inside)
for kind, right, objects in (("schema", "USAGE", None), ("function", "EXECUTE", ["schedule_in_database"])):
    pg.Grant(f"jobs-{kind}", database=jobs.database, role=owner.name, object_type=kind, schema="cron",
        objects=objects, privileges=[right], opts=inside)
pg.DefaultPrivileges("write", database=audit.name, role=writer.name, owner=owner.name, schema=schema.name,
    object_type="table", privileges=["INSERT", "SELECT"], opts=inside)
pg.GrantRole("also", role=owner.name, grant_role=writer.name, opts=inside)
pulumi.export("host", host)
pulumi.export("port", port)
pulumi.export("password", password)
"""


def program(name: str, token: str, **values: object) -> str:
    text = SERVERS.replace("NAME", name.replace("_", "-")) + INSIDE.replace("NAME", name).replace("TOKEN", token)
    given = {"DAYS": 7, "LIMIT": 20, "NODES": 1, "IDLE": 60000, "DROPPED": (), "PROTECTED": True, **values}
    for mark, value in given.items():
        text = text.replace(mark, repr(value))
    return text


def test_the_databases_live_from_up_to_destroy(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name, token = unique("db").replace("-", "_"), secrets.token_hex(12)
    rds, elasticache = emulator.client("rds"), emulator.client("elasticache")
    project.write(emulator.provider, program(name, token))
    project.up()
    project.unchanged()
    project.run("refresh", "--preview-only", "--expect-no-changes")
    outputs = project.outputs()
    assert token not in project.state()
    assert str(outputs["password"]) not in project.state()

    project.write(
        emulator.provider,
        program(
            name,
            token,
            DAYS=14,
            LIMIT=30,
            NODES=2,
            IDLE=90000,
            PROTECTED=False,
            DROPPED=("log_statement", "notify-keyspace-events"),
        ),
    )
    project.up()
    project.unchanged()
    identifier = name.replace("_", "-")
    instance = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    assert instance["PreferredBackupWindow"] == "01:00-02:00"
    parameters = rds.describe_db_parameters(DBParameterGroupName=identifier, Source="user")["Parameters"]
    assert {each["ParameterName"] for each in parameters} == {"rds.force_ssl", "shared_preload_libraries"}
    group = elasticache.describe_replication_groups(ReplicationGroupId=identifier)["ReplicationGroups"][0]
    assert len(group["NodeGroups"][0]["NodeGroupMembers"]) == 2

    def connect(user: str = "master", password: object = outputs["password"], at: str = name) -> psycopg.Connection:
        where: dict[str, Any] = {"host": outputs["host"], "port": outputs["port"], "user": user, "password": password}
        return psycopg.connect(**where, dbname=at, autocommit=True)

    def sql(statement: str, user: str = "master", password: object = outputs["password"], at: str = name) -> None:
        with connect(user, password, at) as connection:
            connection.execute(statement)

    with connect() as connection:
        locale = "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()"
        assert connection.execute(locale).fetchone() == ("C", "C"), "the image's cluster has C.UTF-8"

    owner = (f"{name}_owner", token)
    sql(f"SELECT cron.schedule_in_database('a job', '@daily', 'SELECT 1', '{name}')", *owner, at="postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(f"SET ROLE {name}_writer; CREATE TEMPORARY TABLE entry (id int)", *owner)
    sql("CREATE TABLE log.entry (id int)", *owner)
    sql(f"ALTER ROLE {name}_writer NOLOGIN CREATEDB")
    sql(f"ALTER ROLE {name}_writer SET idle_in_transaction_session_timeout = '5min'")
    sql(f"REVOKE USAGE ON SCHEMA log FROM {name}_writer", *owner)
    sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA log REVOKE INSERT ON TABLES FROM {name}_writer", *owner)
    sql("DROP EXTENSION hstore")
    sql(f"REVOKE EXECUTE ON FUNCTION cron.schedule_in_database FROM {name}_owner", at="postgres")
    rds.modify_db_instance(DBInstanceIdentifier=identifier, BackupRetentionPeriod=1, ApplyImmediately=True)
    off = [{"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}]
    rds.modify_db_parameter_group(DBParameterGroupName=identifier, Parameters=off)
    evicting = [{"ParameterName": "maxmemory-policy", "ParameterValue": "allkeys-lru"}]
    elasticache.modify_cache_parameter_group(CacheParameterGroupName=identifier, ParameterNameValues=evicting)
    elasticache.modify_replication_group(ReplicationGroupId=identifier, SnapshotRetentionLimit=0)

    drift = project.preview("--refresh").replace(" :", ":")
    assert "login" in drift
    assert "true => false" in drift
    assert 'idleInTransactionSessionTimeout: 90000 => "5min"' in drift
    assert "backupRetentionPeriod" in drift
    assert '~ value: "1" => "0"' in drift, "TLS is no longer forced"
    assert '~ value: "noeviction" => "allkeys-lru"' in drift
    assert "snapshotRetentionLimit: 14 => 0" in drift
    assert '[0]: "INSERT" => "SELECT" - [1]: "SELECT"' in drift
    assert "+ 3 to create ~ 6 to update" in drift, (
        "two grants and the extension; the role, the defaults, the instance, the group, and both groups of parameters"
    )

    project.repair()
    project.unchanged()
    sql(f"SET ROLE {name}_writer; INSERT INTO log.entry VALUES (1)", *owner)
    project.destroy()
    assert rds.describe_db_instances()["DBInstances"] == [], "the account is this run's own"
    assert elasticache.describe_replication_groups()["ReplicationGroups"] == []
    assert [found["DBSnapshotIdentifier"] for found in rds.describe_db_snapshots()["DBSnapshots"]] == [
        f"{identifier}-final"
    ]
