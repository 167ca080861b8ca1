"""What ECS itself may do to start a task; what the app may do is the task role's (infra/role.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.runtime.fargate.registry import repository_arns

TASKS = "ecs-tasks.amazonaws.com"
"""The service that takes the roles of tasks on."""


def execution_permissions(repositories: Sequence[str], log_groups: Sequence[str]) -> list[dict[str, Any]]:
    """Pulling from these repositories and writing into these log groups; no secret, for no container is given one."""
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    write = ["logs:CreateLogStream", "logs:PutLogEvents"]
    images = {"Sid": "Images", "Effect": "Allow", "Action": pull, "Resource": list(repositories)}
    return [
        # It names no resource: the token is the registry's.
        {"Sid": "Token", "Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"},
        *([images] if repositories else []),
        {"Sid": "Logs", "Effect": "Allow", "Action": write, "Resource": [f"{arn}:*" for arn in log_groups]},
    ]


@dataclass(frozen=True, kw_only=True)
class ExecutionRoleArgs:
    """ARNs of the repositories and log groups that the stack's tasks use."""

    names: Names
    repositories: Sequence[str]
    log_groups: Sequence[str]

    @classmethod
    def of(cls, names: Names, images: Sequence[str], log_groups: Sequence[str]) -> ExecutionRoleArgs:
        """For tasks of these images, which log into the groups of these names."""
        start = f"arn:aws:logs:{names.region}:{names.account}:log-group"
        return cls(
            names=names,
            repositories=repository_arns(*images),
            log_groups=[f"{start}:{group}" for group in log_groups],
        )


class ExecutionRole(pulumi.ComponentResource):
    """The role that pulls images and carries logs."""

    called: str
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ExecutionRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:ExecutionRole", name, None, opts)
        statements = execution_permissions(args.repositories, args.log_groups)
        self.called = f"{args.names.prefix}-execution"
        self.arn = service_role(
            name,
            self.called,
            service=TASKS,
            names=args.names,
            statements=statements,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"arn": self.arn})


def service_role(
    name: str,
    called: str,
    *,
    service: str,
    names: Names,
    statements: Sequence[Mapping[str, Any]],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Declares a role that a service of AWS takes on for this account, and its one policy. Returns its ARN, known once
    it has its rights: what starts before has none."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": names.account}},
    }
    role = aws.iam.Role(
        name,
        name=called,
        assume_role_policy=_document([trust]),
        permissions_boundary=names.boundary_arn,
        opts=opts,
    )
    rights = aws.iam.RolePolicy(name, name=called, role=role.id, policy=_document(statements), opts=opts)
    return pulumi.Output.all(role.arn, rights.id).apply(lambda known: str(known[0]))


def _document(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
