"""web-next, from mock data to production: everything one stack stands on, top to bottom."""

import infra.quick_sdk  # noqa: F401, I001 - first: it makes the imports below quicker too

import pulumi

from infra import providers
from infra.audit import Audit, AuditArgs
from infra.audit_roles import READER, AuditRoles, AuditRolesArgs
from infra.bastion import Bastion, BastionArgs
from infra.candidate import Candidate
from infra.deployment_record import DeploymentRecord, DeploymentRecordArgs
from infra.evidence import Evidence, EvidenceArgs
from infra.flags import Flags, FlagsArgs
from infra.guard import UpdateGuard, told_of
from infra.monitoring import Monitoring, MonitoringArgs
from infra.naming import Names
from infra.network import Network, NetworkArgs
from infra.queues import Queues, QueuesArgs
from infra.records_bucket import Records, RecordsArgs
from infra.release import release_of, shared_environment
from infra.role import AppRole, AppRoleArgs
from infra.runtime import Surroundings, declare_registry, runtime_of
from infra.schema import Schema, SchemaArgs, migration_problems, required_version
from infra.settings.keys import Settings
from infra.settings.notes import notes_on
from infra.settings.outside import TOKEN
from infra.settings.problems import SettingsError
from infra.settings.reading import of_this_stack
from infra.vault import Vault, VaultArgs
from infra.shapes import later
from outputs.schema import AppliedSchema
from outputs.smoke import Places


def stable(settings: Settings, names: Names) -> None:
    """The base: data layer, stable release, the slot that a candidate may take, and the edge before both. Until there
    is an image, the data layer and where images are pushed to."""
    using = [providers.aws_provider(settings), providers.random_provider()]
    here = pulumi.ResourceOptions(providers=using)

    network = Network("network", NetworkArgs.of(settings, names), here)
    vault = Vault("vault", VaultArgs.of(settings, names), here)
    # Whoever owns the channel puts the value there. The executor's double, where there is one, takes alerts until then.
    vault.declare("SLACK_WEBHOOK_URL", first=settings.double and f"{settings.double}/alerts/receive")
    for entry in settings.vault_entries:
        # What the double takes nobody else can know.
        made = settings.double and entry == TOKEN
        vault.declare(entry, first=vault.password("executor-token") if made else None)
    role = AppRole("app", AppRoleArgs.of(settings, names), here)
    # S3 refuses a bucket policy that names a role which does not exist yet.
    after_role = pulumi.ResourceOptions(providers=using, depends_on=[role])
    evidence = Evidence("evidence", EvidenceArgs.of(settings, names), after_role)
    records = Records("records", RecordsArgs.of(settings, names), after_role)
    audit = Audit("audit", AuditArgs.of(settings, names, network, vault), here)
    bastion = Bastion("bastion", BastionArgs.of(names, network), here) if settings.has_bastion else None
    roles = AuditRoles("audit-roles", AuditRolesArgs.of(settings, audit, vault), here)
    access = roles.access(bastion)
    schema = Schema("schema", SchemaArgs.of(settings, access), roles.before_schema) if roles.rights else None
    applied = schema.applied if schema else AppliedSchema(version=0, digest="")
    queues = Queues("queues", QueuesArgs.of(settings, names, network, vault), here)
    flags = Flags("flags", FlagsArgs.of(settings, names), here)
    monitoring = Monitoring("monitoring", MonitoringArgs.of(settings, names, audit, queues), here)

    declare_registry(settings, names, here)

    pulumi.export("flags_parameters", names.flags_parameters.output())
    pulumi.export("evidence_bucket", evidence.bucket.name)
    pulumi.export("evidence_region", settings.region)
    pulumi.export("evidence_policy_role", names.app_role)
    pulumi.export("records_bucket", records.bucket.name)
    pulumi.export("audit_db_endpoint", audit.endpoint)
    pulumi.export("audit_db_access", access.output())
    pulumi.export("redis_endpoint", queues.endpoint)
    pulumi.export("vault", vault.arns)
    pulumi.export("egress_addresses", network.egress)
    pulumi.export("schema", applied.output())
    if not settings.has_release:
        return

    release = release_of(settings, shared_environment(settings, names, "stable"), schema=required_version())
    guard = UpdateGuard("release", told_of(settings, release, names.stack, names.bucket("records")))
    data = [guard, role, evidence, roles, *([schema] if schema else [])]
    around = Surroundings(network=network, role=role, monitoring=monitoring, using=using, after=data)
    runtime = runtime_of(settings, names, release, around)
    edge = runtime.edge.summary(
        url=runtime.edge_url,
        address=runtime.address,
        authority=settings.authority,
        most=settings.most_edges,
        firewall=settings.firewall,
    )
    places = Places(
        environment=names.stack,
        account=settings.account,
        region=settings.region,
        emulator=settings.emulator,
        evidence_bucket=evidence.bucket.name,
        records_bucket=later(records.bucket.bucket.id),
        database=roles.access(bastion, READER),
        executor=settings.executor,
        metrics_url=later(pulumi.Output.from_input(runtime.metrics_url)),
        receiver=runtime.receiver,
        grafana=runtime.grafana,
    )
    record = schema and DeploymentRecord(
        "deployment",
        DeploymentRecordArgs.of(
            settings,
            release,
            schema=applied.output(),
            edge=edge.output(),
            places=places.output(),
            processes=runtime.processes,
        ),
        pulumi.ResourceOptions(providers=using, depends_on=[*runtime.parts, records, queues, flags]),
    )

    pulumi.export("edge_url", runtime.edge_url)
    pulumi.export("slots", runtime.slots.output())
    pulumi.export("traffic", runtime.traffic.output())
    pulumi.export("metrics_url", runtime.metrics_url)
    pulumi.export("release", release.summary.output())
    if record:
        pulumi.export("smoke_target", record.document)
        pulumi.export("deployment_record", record.record.output())


def candidate(settings: Settings, names: Names) -> None:
    """The candidate release alone, in the slot that its base keeps for it."""
    placed = Candidate(settings, names)
    pulumi.export("release", placed.release.summary.output())
    pulumi.export("smoke_target", placed.record.document)
    pulumi.export("deployment_record", placed.record.record.output())


try:
    settings = of_this_stack(pulumi.get_stack(), others=migration_problems())
    for note in notes_on(settings, preview=pulumi.runtime.is_dry_run()):
        pulumi.log.warn(note)
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

{"stable": stable, "candidate": candidate}[settings.track](settings, Names.of(settings, pulumi.get_stack()))
