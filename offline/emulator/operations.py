"""Operations of AWS that local stacks are made of: of what changes something these and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from offline.emulator.refusal import NotAdmittedError

LOOKING = ("BatchGet", "Describe", "Get", "Head", "List")
"""How the names of operations begin that change nothing."""
_TAGS = "TagResource UntagResource"
_OF_RESOURCE = "AddTagsToResource RemoveTagsFromResource"
CHANGING = {
    "cloudwatch": f"PutMetricAlarm DeleteAlarms {_TAGS}",
    "cloudwatch_logs": "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy PutMetricFilter "
    f"DeleteMetricFilter {_TAGS}",
    "ec2": "CreateVpc DeleteVpc ModifyVpcAttribute CreateSubnet DeleteSubnet ModifySubnetAttribute CreateSecurityGroup "
    "DeleteSecurityGroup AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress "
    "RevokeSecurityGroupIngress ModifySecurityGroupRules AllocateAddress ReleaseAddress CreateInternetGateway "
    "DeleteInternetGateway AttachInternetGateway DetachInternetGateway CreateNatGateway DeleteNatGateway "
    "CreateRouteTable DeleteRouteTable AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation "
    "CreateRoute ReplaceRoute DeleteRoute CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints CreateTags DeleteTags",
    "elasticache": "CreateCacheParameterGroup DeleteCacheParameterGroup ModifyCacheParameterGroup "
    "ResetCacheParameterGroup CreateCacheSubnetGroup DeleteCacheSubnetGroup ModifyCacheSubnetGroup "
    "CreateReplicationGroup DeleteReplicationGroup ModifyReplicationGroup DecreaseReplicaCount IncreaseReplicaCount "
    f"{_OF_RESOURCE}",
    "iam": "CreateRole DeleteRole UpdateRole UpdateAssumeRolePolicy PutRolePolicy DeleteRolePolicy AttachRolePolicy "
    "DetachRolePolicy TagRole UntagRole CreateInstanceProfile DeleteInstanceProfile AddRoleToInstanceProfile "
    "RemoveRoleFromInstanceProfile TagInstanceProfile UntagInstanceProfile",
    "kms": "CreateKey ScheduleKeyDeletion EnableKeyRotation DisableKeyRotation UpdateKeyDescription PutKeyPolicy "
    f"CreateAlias UpdateAlias DeleteAlias {_TAGS}",
    "rds": "CreateDBInstance DeleteDBInstance ModifyDBInstance CreateDBParameterGroup DeleteDBParameterGroup "
    "ModifyDBParameterGroup ResetDBParameterGroup CreateDBSubnetGroup DeleteDBSubnetGroup ModifyDBSubnetGroup "
    f"{_OF_RESOURCE}",
    "s3": "PutBucket PutBucket?cors PutBucket?encryption PutBucket?lifecycle PutBucket?object-lock "
    "PutBucket?ownershipControls PutBucket?policy PutBucket?publicAccessBlock PutBucket?tagging PutBucket?versioning "
    "DeleteBucket DeleteBucket?cors DeleteBucket?encryption DeleteBucket?lifecycle DeleteBucket?ownershipControls "
    "DeleteBucket?policy DeleteBucket?publicAccessBlock DeleteBucket?tagging PostBucket?delete PutObject DeleteObject",
    "secretsmanager": "CreateSecret DeleteSecret UpdateSecret RestoreSecret PutSecretValue UpdateSecretVersionStage "
    f"PutResourcePolicy DeleteResourcePolicy {_TAGS}",
    "sns": f"CreateTopic DeleteTopic SetTopicAttributes Subscribe Unsubscribe SetSubscriptionAttributes {_TAGS}",
    "ssm": f"PutParameter DeleteParameter {_OF_RESOURCE}",
    "sts": "AssumeRole",
}
"""By the emulator's modules. S3's have no names in their requests: they are what is done to what, and to which part."""
_OF_JSON = ("cloudwatch_logs", "kms", "secretsmanager", "ssm")
"""The modules to which a name is x-amz-target's alone."""
_IN_PATH = re.compile(r"/operation/([^/?]+)")
_NO_PART = re.compile(r"X-Amz-.*|response-.*|x-id|versionId")
"""What of an address of S3 says no part of a bucket or an object."""


@dataclass(frozen=True)
class Asked:
    """A request to a service, as MiniStack's router hands it on."""

    module: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, Sequence[str]]

    @property
    def operation(self) -> str:
        """The operation's name. Raises NotAdmittedError for a request that names two."""
        if self.module == "s3":
            level = "Object" if self.path.lstrip("/").partition("/")[2] else "Bucket"
            part = "&".join(sorted(name for name in self.query if not _NO_PART.fullmatch(name)))
            return f"{self.method.capitalize()}{level}{part and f'?{part}'}"
        names = set(self._names())
        if len(names) > 1:
            raise NotAdmittedError(
                f"a request names {', '.join(sorted(names))[:80]!r}, {len(names)} operations of {self.module}"
            )
        return names.pop() if names else ""

    def _names(self) -> Iterator[str]:
        """Every name wherever one of the emulator's modules looks for one: which it takes differs from one to another,
        and by the type of the content. What a module of JSON is sent has none beside its target."""
        if target := self.headers.get("x-amz-target"):
            yield target.rpartition(".")[2]
        if self.module in _OF_JSON:
            return
        yield from _IN_PATH.findall(self.path)
        yield from self.query.get("Action", ())
        text = self.body.decode("utf-8-sig", "replace")
        yield from parse_qs(text).get("Action", ())
        with suppress(ValueError, RecursionError):
            said = json.loads(text)
            if isinstance(said, dict):
                yield from (str(value) for key, value in said.items() if key.lower() == "action")

    def require_used(self) -> None:
        """Raises NotAdmittedError for an operation that no local stack uses."""
        known = CHANGING.get(self.module, "").split()
        if not self.operation.startswith(LOOKING) and self.operation not in known and self.module != "imds":
            raise NotAdmittedError(
                f"{self.operation[:80]!r} of {self.module} is not answered: local stacks change things by "
                f"{', '.join(known) or 'nothing'}"
            )
