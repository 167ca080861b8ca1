"""Rights of a role's session, by the policies that the stacks declare: what AWS would refuse it is refused here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from xml.etree import ElementTree

from offline.emulator.operations import Asked
from offline.emulator.refusal import NotAdmittedError
from offline.emulator.sessions import Caller, Session
from policy.iam import Policy, PolicyError, Principal, Request, decide

METADATA_ROLE = "web-next-metadata"
"""The role of whoever asks instance metadata, which no stack declares: it may take a role on, and nothing else."""
_DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
_OF_METADATA = json.dumps(_DOCUMENT)
_S3 = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
}
_LISTING = {"continuation-token", "delimiter", "encoding-type", "fetch-owner", "list-type", "max-keys", "prefix"}
_HEADERS = {
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-grant": "s3:PutObjectAcl",
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-object-lock-legal": "s3:PutObjectLegalHold",
    "x-amz-object-lock": "s3:PutObjectRetention",
    "x-amz-bypass": "s3:BypassGovernanceRetention",
}
"""What a header asks for beside the operation."""


class Action(NamedTuple):
    """What a request comes to for IAM; `policy` is the resource's own, as text."""

    name: str
    resource: str
    policy: str | None
    context: Mapping[str, Any]


class Rights:
    """Judges sessions by what the emulator `app` keeps of roles, buckets, secrets and keys. Every request comes as over
    TLS: the emulator speaks plain HTTP, and TlsOnly would refuse all."""

    def __init__(self, app: Any) -> None:
        self._module = app._get_module

    def require(self, session: Session, asked: Asked) -> None:
        """Raises NotAdmittedError where the session may not. Of a bucket that is not there everybody may know that."""
        for action in self._actions(session, asked):
            if asked.module != "s3" or self._is_there(asked):
                self._require(Caller(account=session.account, session=session), action)

    def require_absence_told(self, session: Session, asked: Asked) -> None:
        """Raises NotAdmittedError where the session may not know that an object is not there: only who may list may."""
        if self._is_there(asked):
            action = self._listing(self._bucket(asked)[0], {})
            self._require(Caller(account=session.account, session=session), action)

    def require_trust(self, caller: Caller, role_arn: str) -> None:
        """Raises NotAdmittedError where the caller may not take the role on, or there is none."""
        role = self._role(role_arn)
        self._require(caller, Action("sts:AssumeRole", role_arn, role["AssumeRolePolicyDocument"], {}))

    def _require(self, caller: Caller, action: Action) -> None:
        session = caller.session
        arn = session.role if session else f"arn:aws:iam::{caller.account}:user/deployer"
        who = session.arn if session else arn
        try:
            request = Request(
                principal=Principal(arn=arn, session=session.name if session else None),
                action=action.name,
                resource=action.resource,
                owner=caller.account,
                context=action.context,
            )
            identity = [_policy(text, of="identity") for text in self._identity(session)]
            of_resource = _policy(action.policy, of="resource") if action.policy else None
            decision = decide(request, identity, of_resource)
        except (PolicyError, ValueError) as error:
            raise NotAdmittedError(f"{who} may not: a policy on {action.resource} cannot be judged ({error})") from None
        if not decision.allowed:
            why = f"{', '.join(sorted(decision.because))} denies it" if decision.because else "nothing allows it"
            raise NotAdmittedError(f"{who} is not authorized to perform: {action.name} on {action.resource}: {why}")

    def _identity(self, session: Session | None) -> list[str]:
        if session is None or session.role.endswith(f":role/{METADATA_ROLE}"):
            return [_OF_METADATA]
        role = self._role(session.role)
        if role["AttachedPolicies"] or role.get("PermissionsBoundary"):
            raise NotAdmittedError(f"{session.role} has attached policies or a boundary, which are not judged here")
        return list(role["InlinePolicies"].values())

    def _role(self, arn: str) -> Any:
        role = self._module("iam")._roles.get(arn.rpartition("/")[2])
        if not role or role["Arn"] != arn:
            raise NotAdmittedError(f"nobody is authorized to perform: sts:AssumeRole on {arn}: there is no such role")
        return role

    def _actions(self, session: Session, asked: Asked) -> Iterator[Action]:
        place = f"{self._module('s3').get_region()}:{session.account}"
        match asked.module, asked.operation:
            case "s3", _:
                yield from self._of_s3(asked)
            case "secretsmanager", "GetSecretValue":
                yield from self._of_secret(place, _said(asked, "SecretId"))
            case "ssm", "GetParameter":
                name = _said(asked, "Name")
                _, found = self._module("ssm")._lookup_parameter(name)
                arn = found["ARN"] if found else f"arn:aws:ssm:{place}:parameter/{name.lstrip('/')}"
                yield Action("ssm:GetParameter", arn, None, {})
            case "sts", _:
                return
            case _:
                raise NotAdmittedError(f"{session.arn} asks for {asked.operation} of {asked.module}: no role here may")

    def _bucket(self, asked: Asked) -> tuple[str, str]:
        bucket, key = self._module("s3")._parse_bucket_key(asked.path, asked.headers)
        return str(bucket), str(key)

    def _is_there(self, asked: Asked) -> bool:
        return self._bucket(asked)[0] in self._module("s3")._buckets

    def _listing(self, bucket: str, context: Mapping[str, str]) -> Action:
        policy = self._module("s3")._bucket_policies.get(bucket)
        return Action("s3:ListBucket", f"arn:aws:s3:::{bucket}", policy, context)

    def _on_object(self, action: str, bucket: str, key: str, context: Mapping[str, str]) -> Action:
        return Action(action, f"arn:aws:s3:::{bucket}/{key}", self._module("s3")._bucket_policies.get(bucket), context)

    def _of_s3(self, asked: Asked) -> Iterator[Action]:
        bucket, key = self._bucket(asked)
        if bucket and not key and asked.method == "HEAD":
            yield self._listing(bucket, {})
        elif bucket and not key and asked.method == "GET" and {"list-type"} <= {*asked.query} <= _LISTING:
            yield self._listing(bucket, {"s3:prefix": asked.query.get("prefix", [""])[0]})
        elif asked.operation in _S3 and "x-amz-copy-source" not in asked.headers:
            version = "Version" if "versionId" in asked.query else ""
            wanted = asked.headers.get("if-none-match") if asked.operation == "PutObject" else None
            context = {"s3:if-none-match": wanted} if wanted else {}
            yield self._on_object(f"{_S3[asked.operation]}{version}", bucket, key, context)
            yield from self._by_headers(asked, bucket, key)
        elif asked.operation == "PostBucket?delete":
            said = _xml(asked.body)
            version = "Version" if said.find(".//{*}VersionId") is not None else ""
            for found in said.iterfind(".//{*}Key"):
                yield self._on_object(f"s3:DeleteObject{version}", bucket, found.text or "", {})
                yield from self._by_headers(asked, bucket, found.text or "")
        else:
            raise NotAdmittedError(f"{asked.operation} of S3 is judged for no session")

    def _by_headers(self, asked: Asked, bucket: str, key: str) -> Iterator[Action]:
        for beginning, action in _HEADERS.items():
            if any(name.startswith(beginning) for name in asked.headers):
                yield self._on_object(action, bucket, key, {})

    def _of_secret(self, place: str, name: str) -> Iterator[Action]:
        vault, keys = self._module("secretsmanager"), self._module("kms")
        _, secret = vault._resolve(name)
        unknown = name if name.startswith("arn:") else f"arn:aws:secretsmanager:{place}:secret:{name}-??????"
        arn = secret["ARN"] if secret else unknown
        policy = vault._resource_policies.get(arn)
        yield Action("secretsmanager:GetSecretValue", arn, policy, {})
        if secret and (key := keys._resolve_key(secret.get("KmsKeyId"))):
            of_key = [arn for arn, identity in keys._aliases.items() if identity == key["KeyId"]]
            context = {
                "kms:ResourceAliases": tuple(alias.rpartition(":")[2] for alias in of_key),
                "kms:ViaService": f"secretsmanager.{place.partition(':')[0]}.amazonaws.com",
                "kms:EncryptionContext:SecretARN": arn,
            }
            yield Action("kms:Decrypt", key["Arn"], key["Policy"], context)


@lru_cache(maxsize=256)
def _policy(text: str, *, of: str) -> Policy:
    return Policy.of_identity(text) if of == "identity" else Policy.of_resource(text)


def _xml(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - a session of this clone signed it
    except ElementTree.ParseError as error:
        raise NotAdmittedError(f"a body that is no XML ({error})", "MalformedXML") from None


def _said(asked: Asked, name: str) -> str:
    """A parameter of a request in JSON. What is no JSON, the service itself refuses."""
    try:
        return str(json.loads(asked.body)[name])
    except (ValueError, TypeError, KeyError):
        return ""
