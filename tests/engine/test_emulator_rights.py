"""What a role's session may at the emulator: what the stacks declare, no less and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.records_bucket import written_once
from infra.role import permissions
from infra.vault import APP_SECRETS
from tests.support.declared import OWNERS, REGION, Declared, client, declared, document
from tests.unit.infra.lessened import lessened

pytestmark = pytest.mark.engine

ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
Calls = dict[str, Callable[[], Any]]


@pytest.fixture(scope="module")
def stack() -> Iterator[Declared]:
    with declared() as made:
        yield made


@pytest.fixture
def app(stack: Declared) -> Iterator[Calls]:
    """What the app does in its work, as the app."""
    yield work(stack, stack.names.app_role)
    stack.allow(stack.names.app_role, *permissions(stack.names))


def work(stack: Declared, role: str) -> Calls:
    key = stack.session(role)
    s3, vault, ssm = (client(service, stack.machine, key) for service in ("s3", "secretsmanager", "ssm"))
    bucket = stack.names.bucket("evidence")
    calls: Calls = {}
    for prefix in ("evidence", "spool"):
        about = {"Bucket": bucket, "Key": f"{prefix}/x"}
        there = {"Bucket": bucket, "Key": f"{prefix}/there"}
        calls |= {
            f"put {prefix}": partial(s3.put_object, **about, Body=b"x"),
            f"put {prefix} once": partial(once, s3.put_object, **there, Body=b"x", IfNoneMatch="*"),
            f"head {prefix}": partial(s3.head_object, **there),
            f"get {prefix}": partial(s3.get_object, **there),
            f"list {prefix}": partial(s3.list_objects_v2, Bucket=bucket, Prefix=f"{prefix}/"),
            f"delete {prefix}": partial(s3.delete_object, **about),
            f"delete several {prefix}": partial(
                s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": f"{prefix}/{one}"} for one in "yz"]}
            ),
        }
    calls |= {"no bucket": partial(_refused, "NoSuchBucket", s3.get_object, Bucket=f"{bucket}-none", Key="evidence/x")}
    calls |= {"what is not there": partial(absent, s3.get_object, Bucket=bucket, Key="evidence/absent")}
    calls |= {name: partial(vault.get_secret_value, SecretId=stack.secret(name)) for name in APP_SECRETS}
    flags = stack.names.flags_parameters.output()
    return calls | {f"flags {track}": partial(ssm.get_parameter, Name=name) for track, name in flags.items()}


def once(put: Callable[..., Any], **parameters: Any) -> None:
    _refused("PreconditionFailed", put, **parameters)


def absent(get: Callable[..., Any], **parameters: Any) -> None:
    _refused("NoSuchKey", get, **parameters)


def _refused(code: str, call: Callable[..., Any], **parameters: Any) -> None:
    """Make a call that the service itself refuses to whoever may make it."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
    else:
        pytest.fail(f"{parameters} was taken")


def denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.FORBIDDEN:
            raise
        return True
    return False


def test_the_app_does_its_work_with_what_its_role_has(app: Calls) -> None:
    assert [name for name, call in app.items() if denied(call)] == []


def test_with_one_thing_less_some_work_is_denied(stack: Declared, app: Calls) -> None:
    stack.put_bucket_policy(uploads=False)
    whole = {"Version": "2012-10-17", "Statement": permissions(stack.names)}
    turned = {}
    for what, less in lessened(whole):
        if " without " in what:
            stack.allow(stack.names.app_role, *less["Statement"])
            turned[what] = [name for name, call in app.items() if denied(call)]
    stack.put_bucket_policy()

    assert [what for what, calls in turned.items() if not calls] == []
    assert len(turned) > 12


def test_the_app_may_nothing_else(stack: Declared) -> None:
    ask = partial(client, machine=stack.machine, key=stack.session(stack.names.app_role))
    s3, vault, bucket = ask("s3"), ask("secretsmanager"), stack.names.bucket("evidence")
    version = stack.as_deployer("s3").list_object_versions(Bucket=bucket, Prefix="evidence/there")["Versions"][0]
    there, flags = {"Bucket": bucket, "Key": "evidence/there"}, stack.names.flags_parameters.stable
    beyond = {
        "the owner's URL": partial(vault.get_secret_value, SecretId=stack.secret(OWNERS)),
        "a secret that is not there": partial(vault.get_secret_value, SecretId=stack.secret("ANOTHER")),
        "several secrets": partial(vault.batch_get_secret_value, SecretIdList=[stack.secret(OWNERS)]),
        "a new value": partial(vault.put_secret_value, SecretId=stack.secret(APP_SECRETS[0]), SecretString="x"),
        "who may read": partial(vault.delete_resource_policy, SecretId=stack.secret(OWNERS)),
        "another prefix": partial(s3.get_object, Bucket=bucket, Key="elsewhere"),
        "a put there": partial(s3.put_object, Bucket=bucket, Key="elsewhere", Body=b"x"),
        "what is absent there": partial(s3.head_object, Bucket=bucket, Key="absent"),
        "the whole list": partial(s3.list_objects_v2, Bucket=bucket),
        "a list of another prefix": partial(s3.list_objects_v2, Bucket=bucket, Prefix="else"),
        "a list in the older way": partial(s3.list_objects, Bucket=bucket, Prefix="evidence/"),
        "versions": partial(s3.list_object_versions, Bucket=bucket, Prefix="evidence/"),
        "an old version": partial(s3.get_object, **there, VersionId=version["VersionId"]),
        "the end of several": partial(
            s3.delete_objects,
            Bucket=bucket,
            Delete={"Objects": [{"Key": "evidence/there"}, {"Key": "elsewhere"}]},
        ),
        "the end of several versions": partial(
            s3.delete_objects,
            Bucket=bucket,
            Delete={"Objects": [{"Key": "evidence/there", "VersionId": version["VersionId"]}]},
        ),
        "the end of one": partial(s3.delete_object, **there, VersionId=version["VersionId"]),
        "tags beside": partial(s3.put_object, **there, Body=b"x", Tagging="a=b"),
        "a right beside": partial(s3.put_object, **there, Body=b"x", ACL="public-read"),
        "a copy of another": partial(s3.copy_object, **there, CopySource={"Bucket": bucket, "Key": "elsewhere"}),
        "the rights of an object": partial(s3.get_object_acl, **there),
        "the bucket's policy": partial(s3.get_bucket_policy, Bucket=bucket),
        "another policy": partial(s3.put_bucket_policy, Bucket=bucket, Policy="{}"),
        "all buckets": s3.list_buckets,
        "its flags": partial(ask("ssm").put_parameter, Name=flags, Value="{}", Overwrite=True),
        "all flags": partial(ask("ssm").get_parameters_by_path, Path="/"),
        "another role": partial(ask("sts").assume_role, RoleArn=stack.operator, RoleSessionName="task"),
        "a role's rights": partial(
            ask("iam").put_role_policy, RoleName=stack.names.app_role, PolicyName="rights", PolicyDocument="{}"
        ),
        "databases": ask("rds").describe_db_instances,
        "keys": ask("kms").list_keys,
        "networks": ask("ec2").describe_vpcs,
    }

    assert [what for what, call in beyond.items() if not denied(call)] == []
    assert ask("sts").get_caller_identity()["Arn"].endswith(f":assumed-role/{stack.names.app_role}/task")


def test_a_role_that_is_no_operator_reads_neither_evidence_nor_secrets_whatever_it_may(stack: Declared) -> None:
    bucket = stack.names.bucket("evidence")
    for role, refused in ((stack.role("administrator", ALL), True), (stack.operator.rpartition("/")[2], False)):
        ask = partial(client, machine=stack.machine, key=stack.session(role))
        for name in (*APP_SECRETS, OWNERS):
            assert denied(partial(ask("secretsmanager").get_secret_value, SecretId=stack.secret(name))) is refused
        for key in ("evidence/there", "spool/there", "elsewhere"):
            assert denied(partial(ask("s3").get_object, Bucket=bucket, Key=key)) is refused
        assert not denied(partial(ask("s3").list_objects_v2, Bucket=bucket)), "NobodyElse is about objects"


def test_what_is_signed_is_written_once_whatever_a_role_may(stack: Declared) -> None:
    deployer, bucket = stack.as_deployer("s3"), stack.names.bucket("records")
    deployer.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    deployer.put_bucket_policy(Bucket=bucket, Policy=document(written_once(bucket)))
    s3 = client("s3", stack.machine, stack.session(stack.role("signer", ALL)))
    signed = {"Bucket": bucket, "Key": "approvals/r/p/devops.json"}
    put = partial(s3.put_object, **signed, Body=b"x")

    assert denied(put)
    assert not denied(partial(put, IfNoneMatch="*"))
    once(put, IfNoneMatch="*")
    assert denied(put)
    assert denied(partial(s3.copy_object, **signed, CopySource={"Bucket": bucket, "Key": "rollout.json"}))
    assert denied(partial(s3.create_multipart_upload, **signed))
    assert not denied(partial(s3.put_object, Bucket=bucket, Key="rollout.json", Body=b"x"))
    for key in ("rollout.json", signed["Key"]):
        deployer.delete_object(Bucket=bucket, Key=key)
    deployer.delete_bucket(Bucket=bucket)


def test_a_secret_is_closed_to_whoever_may_not_decrypt_with_its_key(stack: Declared) -> None:
    read = partial(work(stack, stack.operator.rpartition("/")[2])[APP_SECRETS[0]])
    assert not denied(read)

    stack.allow(stack.operator.rpartition("/")[2], ALL, {**ALL, "Effect": "Deny", "Action": "kms:Decrypt"})
    assert denied(read), "an explicit Deny"
    stack.allow(stack.operator.rpartition("/")[2], ALL)
    assert not denied(read)


def test_a_role_is_taken_on_by_whom_it_trusts(stack: Declared) -> None:
    tasks = stack.role("tasks", ALL, by={
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    })  # fmt: skip

    assert denied(partial(stack.session, tasks))
    assert denied(partial(stack.session, "nobodys"))


def test_what_cannot_be_judged_is_denied(stack: Declared) -> None:
    odd = stack.role("odd", {**ALL, "Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}})
    vault = client("secretsmanager", stack.machine, stack.session(odd))

    with pytest.raises(ClientError, match=r"cannot be judged .*DateLessThan"):
        vault.get_secret_value(SecretId=stack.secret(OWNERS))


def test_a_session_ends_with_its_role(stack: Declared) -> None:
    gone = stack.role("gone", ALL)
    s3 = client("s3", stack.machine, stack.session(gone))
    assert not denied(partial(s3.list_objects_v2, Bucket=stack.names.bucket("evidence")))
    stack.as_deployer("iam").delete_role_policy(RoleName=gone, PolicyName="rights")
    stack.as_deployer("iam").delete_role(RoleName=gone)

    assert denied(partial(s3.list_objects_v2, Bucket=stack.names.bucket("evidence")))
