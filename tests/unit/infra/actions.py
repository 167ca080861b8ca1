"""The actions whose rights AWS asks for when the service's code calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.aws_calls import Call
from tests.unit.infra.account import Account
from tests.unit.infra.configs import ACCOUNT, REGION


def asked(call: Call, account: Account) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The actions that AWS asks a call's rights for, each with its resource and context (service authorization
    reference; for keys that may be missing the API reference of S3)."""
    given = call.parameters
    bucket = f"arn:aws:s3:::{given.get('Bucket')}"
    match call.operation:
        case "GetObject" | "HeadObject":
            yield "s3:GetObject", f"{bucket}/{given['Key']}", {}
            yield "s3:ListBucket", bucket, {}  # without it S3 answers 403 for a key that is missing
        case "PutObject" | "DeleteObject":
            yield f"s3:{call.operation}", f"{bucket}/{given['Key']}", {}
        case "DeleteObjects":
            for one in given["Delete"]["Objects"]:
                yield "s3:DeleteObject", f"{bucket}/{one['Key']}", {}
        case "ListObjectsV2":
            yield "s3:ListBucket", bucket, {"s3:prefix": given["Prefix"]}
        case "GetParameter":
            yield "ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{given['Name']}", {}
        case "GetSecretValue":
            yield "secretsmanager:GetSecretValue", account.secrets[given["SecretId"].rpartition("/")[2]], {}
            yield "kms:Decrypt", account.key, decrypts("secretsmanager", account)
        case operation:
            raise AssertionError(f"{operation}: look up which action AWS asks for, and add it here")


def decrypts(service: str, account: Account, aliases: tuple[str, ...] | None = None) -> dict[str, Any]:
    """What KMS knows of a request that comes by way of a service."""
    return {
        "kms:ViaService": f"{service}.{REGION}.amazonaws.com",
        "kms:ResourceAliases": account.aliases if aliases is None else aliases,
    }
