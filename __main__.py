"""web-next, from mock data to production: everything one stack stands on, top to bottom."""

import infra.lean  # noqa: F401, I001 - first: it makes the imports below quicker too

import pulumi

from infra import providers
from infra import settings as stack_settings
from infra.audit import Audit, AuditArgs
from infra.edge import EdgeConfig
from infra.evidence import Evidence, EvidenceArgs
from infra.flags import Flags, FlagsArgs
from infra.naming import Names
from infra.queues import Queues, QueuesArgs
from infra.record import DeploymentRecord, DeploymentRecordArgs
from infra.records import Records, RecordsArgs
from infra.release import release_of
from infra.role import AppRole, AppRoleArgs
from infra.runtime.docker import DockerEdge, DockerEdgeArgs, DockerRelease, DockerReleaseArgs
from infra.schema import Schema, SchemaArgs
from infra.vault import Vault, VaultArgs

try:
    settings = stack_settings.of_this_stack()
    stack_settings.require_supported(settings, preview=pulumi.runtime.is_dry_run())
except stack_settings.SettingsError as error:
    raise pulumi.RunError(str(error)) from None

names = Names(stack=pulumi.get_stack(), account=settings.account, region=settings.region)
using = [providers.aws_provider(settings), providers.random_provider()]
here = pulumi.ResourceOptions(providers=using)

vault = Vault("vault", VaultArgs(prefix=names.vault_prefix, keep=settings.keeps_data), here)
role = AppRole("app", AppRoleArgs(names=names, runtime=settings.runtime, key_arn=vault.key.arn), here)
# S3 refuses a bucket policy that names a role which does not exist yet.
after_role = pulumi.ResourceOptions(providers=using, depends_on=[role])
evidence = Evidence("evidence", EvidenceArgs.of(settings, names), after_role)
records = Records("records", RecordsArgs.of(settings, names), after_role)
audit = Audit("audit", AuditArgs.of(settings, names, vault), here)
schema = Schema("schema", SchemaArgs.of(settings, audit.owner_url_arn), pulumi.ResourceOptions(depends_on=audit.ready))
queues = Queues("queues", QueuesArgs.of(settings, names, vault), here)
flags = Flags("flags", FlagsArgs(parameter=names.flags_parameter), here)

if machine := settings.machine:
    using.append(providers.docker_provider())
    on_docker = pulumi.ResourceOptions(providers=using, depends_on=[schema, role, evidence])
    release = release_of(settings, names)
    app = DockerRelease("stable", DockerReleaseArgs.of(settings, names, release), on_docker)
    edge_config = EdgeConfig.of(settings, names, upstreams={"stable": app.address})
    edge = DockerEdge("edge", DockerEdgeArgs.of(settings, names, edge_config), on_docker)
    record = DeploymentRecord(
        "deployment",
        DeploymentRecordArgs(
            bucket=records.bucket.bucket.id,
            release=release,
            schema_version=schema.version,
            schema_digest=schema.digest,
            settings_digest=settings.digest,
            edge=edge_config,
            edge_url=edge.url,
            authority=machine.authority,
            keep=settings.keeps_data,
        ),
        pulumi.ResourceOptions(providers=using, depends_on=[app, edge, records, queues, flags]),
    )
    pulumi.export("edge_url", edge.url)
    pulumi.export("slots", {"stable": app.address, "candidate": None})
    pulumi.export("release", release.summary)
    pulumi.export("smoke_target", record.document)
    pulumi.export("deployment_record", record.record)

pulumi.export("flags_parameter", names.flags_parameter)
pulumi.export("evidence_bucket", evidence.bucket.name)
pulumi.export("evidence_region", settings.region)
pulumi.export("evidence_policy_role", names.app_role)
pulumi.export("records_bucket", records.bucket.name)
pulumi.export("audit_db_endpoint", audit.endpoint)
pulumi.export("redis_endpoint", queues.endpoint)
pulumi.export("vault", vault.arns)
pulumi.export("schema", {"version": schema.version, "digest": schema.digest})
