"""The account as a captured stack would make it: who is there, what there is, and which policies each has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy.iam import Decision, Policy, Request, decide
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.parts import bootstrap
from tests.unit.infra.recorder import Recording, Registered, arn_of

Document = dict[str, Any]

ADMINISTRATOR: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
"""AWS' managed policy AdministratorAccess."""
MANAGED: dict[str, Document] = {
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "ssm:DescribeAssociation",
                    "ssm:GetDeployablePatchSnapshotForInstance",
                    "ssm:GetDocument",
                    "ssm:DescribeDocument",
                    "ssm:GetManifest",
                    "ssm:GetParameter",
                    "ssm:GetParameters",
                    "ssm:ListAssociations",
                    "ssm:ListInstanceAssociations",
                    "ssm:PutInventory",
                    "ssm:PutComplianceItems",
                    "ssm:PutConfigurePackageResult",
                    "ssm:UpdateAssociationStatus",
                    "ssm:UpdateInstanceAssociationStatus",
                    "ssm:UpdateInstanceInformation",
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                    "ec2messages:*",
                ],
                "Resource": "*",
            }
        ],
    }
}
"""Policies of AWS' own that the program attaches, after the AWS managed policy reference guide."""
OF_KMS: Document = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}
"""What KMS gives a key that is made without a policy (KMS developer guide, "Default key policy")."""


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Documents by a name each; the names of those that a role has, by its ARN, and of its boundary; the name of the
    one that a resource has, by its ARN. `secrets` are the ARNs of the vault's entries by name, `aliases` those of its
    `key`, an ARN."""

    documents: Mapping[str, Document]
    of_role: Mapping[str, Sequence[str]]
    boundaries: Mapping[str, str]
    of_resource: Mapping[str, str]
    secrets: Mapping[str, str]
    key: str
    aliases: tuple[str, ...]

    @classmethod
    def of(cls, declared: Recording) -> Account:
        """The account of a captured stack, in which bootstrap has made the boundary."""
        policies = {
            arn_of(one.token, one.name, one.inputs): one
            for recording in (bootstrap(), declared)
            for one in recording.of("aws:iam/policy:Policy")
        }
        key = declared.one("aws:kms/key:Key")
        arns = _arns(declared)
        documents = {named(one): document for one in declared.registered for document in written(one)}
        of_role: dict[str, list[str]] = {arn: [] for (kind, _), arn in arns.items() if kind == "role"}
        of_resource = {arn: f"Role {name}" for (kind, name), arn in arns.items() if kind == "role"}
        for kind, holder in HOLDERS.items():
            for one in declared.of(kind):
                arn = arns[holder.partition("/")[0], _last(one.inputs[holder.partition("/")[2]])]
                if kind == "aws:iam/rolePolicy:RolePolicy":
                    of_role[arn].append(named(one))
                else:
                    of_resource[arn] = named(one)
        for one in declared.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
            made = policies.get(one.inputs["policyArn"])
            of_role[role_arn(one.inputs["role"])].append(named(made) if made else one.inputs["policyArn"])
        boundaries = {
            role_arn(one.inputs["name"]): policies[one.inputs["permissionsBoundary"]]
            for one in declared.of("aws:iam/role:Role")
            if "permissionsBoundary" in one.inputs
        }
        bounds = {named(one): json.loads(one.inputs["policy"]) for one in boundaries.values()}
        return cls(
            documents=documents | bounds | MANAGED | {"Key": OF_KMS},
            of_role=of_role,
            boundaries={arn: named(one) for arn, one in boundaries.items()},
            of_resource=of_resource | {arns["key", key.name]: "Key"},
            secrets={name: arn for (kind, name), arn in arns.items() if kind == "secret"},
            key=arns["key", key.name],
            aliases=tuple(one.inputs["name"] for one in declared.of("aws:kms/alias:Alias")),
        )

    def with_(self, name: str, document: Document) -> Account:
        """The account with another document of this name."""
        return replace(self, documents={**self.documents, name: document})

    def decide(self, request: Request, own: Sequence[str] | None = None, *, its: bool = True) -> Decision:
        """What AWS would answer. `own` are the names of the policies of whoever asks, by default the role's; without
        `its` the resource's policy only denies."""
        names = self.of_role.get(str(request.principal.arn), ()) if own is None else own
        bucket = request.resource.partition("/")[0]
        has = self.of_resource.get(bucket if bucket.startswith("arn:aws:s3:::") else request.resource)
        theirs = _read(Policy.of_resource, self.documents[has]) if has else None
        if theirs and not its:
            theirs = Policy(statements=[one for one in theirs.statements if not one.allows])
        everything = {**self.documents, "administrator": ADMINISTRATOR}
        bound = self.boundaries.get(str(request.principal.arn))
        return decide(
            request,
            [_read(Policy.of_identity, everything[name]) for name in names],
            theirs,
            _read(Policy.of_identity, self.documents[bound]) if bound else None,
        )


HOLDERS = {
    "aws:iam/rolePolicy:RolePolicy": "role/role",
    "aws:s3/bucketPolicy:BucketPolicy": "bucket/bucket",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "secret/secretArn",
    "aws:sns/topicPolicy:TopicPolicy": "topic/arn",
}
"""What a policy is of, and the input that says of which."""


def named(one: Registered) -> str:
    """A registration's type and name."""
    return f"{one.token.rpartition(':')[2]} {one.name}"


def written(one: Registered) -> Iterator[Document]:
    """The policies of IAM among a registration's inputs; no type has two."""
    for value in one.inputs.values():
        if isinstance(value, str) and '"Statement"' in value:
            yield json.loads(value)


def _arns(declared: Recording) -> dict[tuple[str, str], str]:
    """The ARNs of what has a policy, by kind and by what others refer to it with: a bucket's own name."""
    here = f"{REGION}:{ACCOUNT}"
    return {
        **{("role", one.name): role_arn(one.inputs["name"]) for one in declared.of("aws:iam/role:Role")},
        **{("key", one.name): f"arn:aws:kms:{here}:key/{one.name}" for one in declared.of("aws:kms/key:Key")},
        **{
            ("bucket", one.inputs["bucket"]): f"arn:aws:s3:::{one.inputs['bucket']}"
            for one in declared.of("aws:s3/bucket:Bucket")
        },
        **{
            ("secret", one.name): f"arn:aws:secretsmanager:{here}:secret:{one.inputs['name']}-a1B2c3"
            for one in declared.of("aws:secretsmanager/secret:Secret")
        },
        **{
            ("topic", one.name): f"arn:aws:sns:{here}:{one.inputs['name']}"
            for one in declared.of("aws:sns/topic:Topic")
        },
    }


def _last(reference: str) -> str:
    return re.split("[/:]", reference)[-1]


_READ: dict[int, tuple[Document, Policy]] = {}


def _read(reader: Callable[[Document], Policy], document: Document) -> Policy:
    """A document's policy, read once: documents are never changed in place."""
    if id(document) not in _READ:
        _READ[id(document)] = document, reader(document)
    return _READ[id(document)][1]
