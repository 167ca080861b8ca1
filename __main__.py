"""web-next, from mock data to production: everything one stack stands on, top to bottom."""

import gc

gc.disable()  # a short program that allocates much: collecting only makes every preview slower

import pulumi
import pulumi_aws as aws

from infra import providers, role, settings as stack_settings
from infra.audit import Audit, AuditArgs
from infra.edge import EdgeConfig, render
from infra.evidence import Evidence, EvidenceArgs
from infra.naming import Names
from infra.queues import Queues, QueuesArgs
from infra.record import DeploymentRecord, DeploymentRecordArgs
from infra.records import Records, RecordsArgs
from infra.release import release
from infra.runtime.docker import DockerEdge, DockerEdgeArgs, DockerRelease, DockerReleaseArgs
from infra.schema import Schema, SchemaArgs
from infra.vault import Vault, VaultArgs
