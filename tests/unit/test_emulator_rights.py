"""What a session's request comes to for IAM: each of its parts is asked for, one object or many."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from offline.emulator.operations import Asked
from offline.emulator.refusal import NotAdmittedError
from offline.emulator.rights import Rights
from offline.emulator.sessions import Session

ROLE = "arn:aws:iam::111122223333:role/any"
SESSION = Session(role=ROLE, name="task", expires=2**40)
BYPASS = {"x-amz-bypass-governance-retention": "true"}
TWO = b"<Delete><Object><Key>k</Key><VersionId>v</VersionId></Object><Object><Key>l</Key></Object></Delete>"
DELETES = [
    Asked("s3", "DELETE", "/b/k", BYPASS, b"", {"versionId": ["v"]}),
    Asked("s3", "POST", "/b", BYPASS, TWO, {"delete": [""]}),
]


def rights(*actions: str, resource: str = "*") -> Rights:
    allows = {"Effect": "Allow", "Action": actions, "Resource": resource}
    role = {
        "Arn": ROLE,
        "AttachedPolicies": [],
        "InlinePolicies": {"any": json.dumps({"Version": "2012-10-17", "Statement": [allows]})},
    }
    modules = {
        "iam": SimpleNamespace(_roles={"any": role}),
        "s3": SimpleNamespace(
            _buckets={"b": {}},
            _bucket_policies={},
            _parse_bucket_key=lambda path, _headers: path.lstrip("/").partition("/")[::2],
            get_region=lambda: "eu-central-1",
        ),
    }
    return Rights(SimpleNamespace(_get_module=modules.__getitem__))


@pytest.mark.parametrize("asked", DELETES, ids=lambda one: one.method)
def test_whoever_may_delete_may_not_pass_over_a_retention_by_a_header(asked: Asked) -> None:
    may = ["s3:DeleteObject", "s3:DeleteObjectVersion"]

    with pytest.raises(NotAdmittedError, match="s3:BypassGovernanceRetention on arn:aws:s3:::b/k"):
        rights(*may).require(SESSION, asked)
    rights(*may, "s3:BypassGovernanceRetention").require(SESSION, asked)
