"""The providers of a stack, made here and nowhere else; default providers are disabled in Pulumi.yaml."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker as docker
import pulumi_postgresql as postgresql
import pulumi_random as random

from cutover.schema import authorities
from infra.settings.keys import Settings
from outputs import emulator

SERVICES = (
    "acm",
    "appautoscaling",
    "autoscaling",
    "cloudwatch",
    "ec2",
    "ecr",
    "ecs",
    "elasticache",
    "elbv2",
    "iam",
    "kms",
    "logs",
    "rds",
    "route53",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "ssm",
    "sts",
    "wafv2",
)


def aws_provider(settings: Settings) -> aws.Provider:
    """The provider for the stack's one account and region.

    On a `docker` stack every endpoint is the emulator's, the access key is the emulator's way to name an account, and
    the secret is the clone's own: no credential of AWS exists, and AWS cannot be reached. Raises OSError before an
    emulator was started.
    """
    tags = aws.ProviderDefaultTagsArgs(
        tags={"service": "web-next", "stack": pulumi.get_stack(), "managed-by": "pulumi"}
    )
    if settings.machine is None:
        return aws.Provider("aws", region=settings.region, allowed_account_ids=[settings.account], default_tags=tags)
    return aws.Provider(
        "aws",
        region=settings.region,
        access_key=settings.account,
        secret_key=emulator.secret(),
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(SERVICES, settings.machine.emulator))],
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_requesting_account_id=True,
        default_tags=tags,
    )


def docker_provider() -> docker.Provider:
    """The provider for this machine's Docker engine."""
    return docker.Provider("docker", host="unix:///var/run/docker.sock")


def postgresql_provider(
    name: str,
    *,
    host: pulumi.Input[str],
    port: pulumi.Input[int],
    username: str,
    password: pulumi.Input[str],
    sslmode: str,
) -> postgresql.Provider:
    """The provider for one database server, as its master user, who is no superuser on RDS. Where `sslmode` verifies
    the server, RDS' authorities are believed."""
    return postgresql.Provider(
        name,
        host=host,
        port=port,
        username=username,
        password=password,
        database="postgres",
        superuser=False,
        sslmode=sslmode,
        # In the state: the same on every machine, from the program's folder, where its providers run.
        sslrootcert=str(authorities.FILE.relative_to(Path(__file__).parents[1])) if sslmode != "require" else None,
        connect_timeout=15,
    )


def random_provider() -> random.Provider:
    """The provider of generated passwords."""
    return random.Provider("random")
