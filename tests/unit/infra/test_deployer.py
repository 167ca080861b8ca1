"""What the roles that deploy and look for drift amount to, held against what AWS publishes of rights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import yaml

from bootstrap.roles import READING
from policy.iam import Principal
from tests.unit.infra.account import Account, Document, role_arn
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, NAMES, REGION
from tests.unit.infra.deploying import (
    BEFORE_WRITES,
    BESIDE,
    DEPLOY,
    DRIFT,
    GETS,
    HAS,
    KEY,
    READS,
    VIA,
    of_resources,
    others,
)
from tests.unit.infra.deployment import NOT_OURS, TYPES, kinds, not_ours
from tests.unit.infra.lessened import as_list, lessened
from tests.unit.infra.operating import BEHIND, BRINGS_UP, FLIPS, LOOKS, PROD, PUSHES, STATE, STATE_FILE
from tests.unit.infra.parts import PROGRAM, bootstrap, run
from tests.unit.infra.published import binds_to, exists, fits, handlers
from tests.unit.infra.questions import ALL_RIGHTS
from tests.unit.policy.captured import CANARY
from tests.unit.policy.captured import PROD as CONFIG

OWN_ROLES = ("preview", "drift", "release", "deploy", "on-call", "rollback")
WHOLE = {
    "cloudwatch:GetMetricData": "what it binds to is no metric",
    "ssm:UpdateInstanceInformation": "a bastion has AWS' own id, and AWS' own policy gives it so",
    "ecs:ListTasks": "a service's tasks are listed, and it binds to an instance of a cluster",
}
"""Actions that a statement gives over everything though AWS binds them to something, and why."""
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}:"
LAUNCHES = {"ec2:LaunchTemplate": f"{EC2}launch-template/lt-1"}
BASTION = {"ssm:resourceTag/Name": f"{PROD.prefix}-bastion", "ssm:SessionDocumentAccessCheck": "true"}
DOCUMENT = f"arn:aws:ssm:{REGION}::document/AWS-StartPortForwardingSessionToRemoteHost"
PREFLIGHT = {"batch_get_image": PUSHES["batch_get_image"]}
may = partial(Question, who=DEPLOY, allowed=True)
may_not = partial(Question, who=DEPLOY, allowed=False)


def what_goes_with_it() -> Iterator[Question]:
    """Roles that are passed and linked, what is launched, keys by way of services, and an image's parameter."""
    for role, service in (("bastion", "ec2"), ("watch", "ecs-tasks"), ("watch-schedule", "scheduler")):
        passed = {"iam:PassedToService": f"{service}.amazonaws.com"}
        yield may(action="iam:PassRole", resource=role_arn(f"{NAMES.prefix}-{role}"), context=passed)
    services = ("autoscaling", "ecs", "ecs.application-autoscaling", "elasticache", "elasticloadbalancing", "wafv2")
    for service in (*services, "rds"):
        named = {"iam:AWSServiceName": f"{service}.amazonaws.com"}
        yield may(
            action="iam:CreateServiceLinkedRole", resource=role_arn("aws-service-role/x/AWSServiceRole"), context=named
        )
    launched = ("image", "instance", "launch-template", "network-interface", "security-group", "subnet", "volume")
    for resource in (*(f"{EC2}{one}/1" for one in launched), f"arn:aws:ec2:{REGION}::image/ami-1"):
        yield may(action="ec2:RunInstances", resource=resource, context=LAUNCHES)
        yield may_not(action="ec2:RunInstances", resource=resource)
    image = f"arn:aws:ssm:{REGION}::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    yield may(action="ssm:GetParameters", resource=image)
    yield may(action="elasticloadbalancing:SetWebACL", resource="*")
    uses = {
        "secretsmanager": {"Decrypt", "GenerateDataKey"},
        "elasticache": {"Encrypt", "GenerateDataKey"},
        "rds": set(),
    }
    for service, context in VIA.items():
        for action in ("Decrypt", "Encrypt", "GenerateDataKey"):
            allowed = action in uses[service]
            yield Question(who=DEPLOY, action=f"kms:{action}", resource=KEY, context=context, allowed=allowed)
        grants = {"kms:GrantIsForAWSResource": "true", **context}
        yield Question(
            who=DEPLOY, action="kms:CreateGrant", resource=KEY, context=grants, allowed=service != "secretsmanager"
        )


def tunnels(who: Principal) -> Iterator[Question]:
    """A port to a stack's database, by way of its bastion and by the one document; no shell, and nobody else's end."""
    ask = partial(Question, who=who, action="ssm:StartSession")
    yield ask(resource=DOCUMENT, allowed=True)
    yield ask(resource=DOCUMENT.replace("AWS-StartPort", "AWS-StartSSH"), allowed=False)
    yield ask(resource=f"{EC2}instance/i-1", context=BASTION, allowed=True)
    for changed in ({"ssm:resourceTag/Name": "others"}, {"ssm:SessionDocumentAccessCheck": "false"}):
        yield ask(resource=f"{EC2}instance/i-1", context=BASTION | changed, allowed=False)
    own = {"aws:userid": "AROA1:ada", "ssm:resourceTag/aws:ssmmessages:session-id": "AROA1:ada"}
    session = f"arn:aws:ssm:{REGION}:{ACCOUNT}:session/ada-1"
    end = partial(Question, who=who, action="ssm:TerminateSession", resource=session)
    yield end(context=own, allowed=True)
    yield end(context=own | {"aws:userid": "AROA1:bob"}, allowed=False)


def not_to_become_an_administrator() -> Iterator[Question]:
    """Whoever makes roles gives none of them more than a stack's roles have, and takes none of the account's own."""
    for role in OWN_ROLES:
        for action in ("AttachRolePolicy", "DeleteRole", "PutRolePolicy", "UpdateAssumeRolePolicy", "TagRole"):
            yield may_not(action=f"iam:{action}", resource=role_arn(f"web-next-{role}"))
        for service in ("ecs-tasks", "ec2", "scheduler"):
            passed = {"iam:PassedToService": f"{service}.amazonaws.com"}
            yield may_not(action="iam:PassRole", resource=role_arn(f"web-next-{role}"), context=passed)
        if role != "deploy":
            yield may_not(action="sts:AssumeRole", resource=role_arn(f"web-next-{role}"))
    role, boundary = role_arn(f"{NAMES.prefix}-x"), {"iam:PermissionsBoundary": NAMES.boundary_arn}
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy"):
        yield may_not(action=f"iam:{action}", resource=role)  # without a boundary
        wider = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/web-next-network"}
        yield may_not(action=f"iam:{action}", resource=role, context=wider)
    administrator = boundary | {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
    yield may_not(action="iam:AttachRolePolicy", resource=role, context=administrator)
    for action in ("DeleteRolePermissionsBoundary", "PutRolePermissionsBoundary"):
        yield may_not(action=f"iam:{action}", resource=role, context=boundary)
    for action in ("CreatePolicyVersion", "DeletePolicy", "SetDefaultPolicyVersion"):
        yield may_not(action=f"iam:{action}", resource=NAMES.boundary_arn)
    for action in ("CreateUser", "CreateAccessKey", "CreateLoginProfile", "AttachUserPolicy", "PutUserPolicy"):
        yield may_not(action=f"iam:{action}", resource=f"arn:aws:iam::{ACCOUNT}:user/ada")
    for action in ("CreateOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint"):
        yield may_not(action=f"iam:{action}", resource=f"arn:aws:iam::{ACCOUNT}:oidc-provider/x")
    passed = {"iam:PassedToService": "lambda.amazonaws.com"}
    yield may_not(action="iam:PassRole", resource=role, context=passed)
    yield may_not(action="iam:PassRole", resource=role_arn("administrators"), context={**passed})


def not_what_is_others() -> Iterator[Question]:
    """The state's key and bucket, what lies under lock, and what has another's tag or gets ours in passing."""
    its = {"kms:ResourceAliases": ("alias/web-next-state",), **HAS}
    for action in ("ScheduleKeyDeletion", "PutKeyPolicy", "UntagResource"):
        yield may_not(action=f"kms:{action}", resource=KEY, context=its)
    for action in ("CreateAlias", "DeleteAlias", "UpdateAlias"):
        yield may_not(action=f"kms:{action}", resource=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/web-next-state")
    for action in ("DeleteBucket", "PutBucketPolicy", "PutBucketVersioning", "PutLifecycleConfiguration"):
        yield may_not(action=f"s3:{action}", resource=STATE)
    yield may_not(action="s3:PutObject", resource=f"{STATE}/bootstrap.json")
    yield may_not(action="s3:DeleteObjectVersion", resource=STATE_FILE)
    for action in ("DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention", "PutObjectRetention"):
        yield may_not(action=f"s3:{action}", resource=f"arn:aws:s3:::{PROD.bucket('records')}/rollout.json")
    for resource in ("vpc/vpc-1", "security-group/sg-1"):
        yield may_not(
            action="ec2:CreateTags", resource=f"{EC2}{resource}", context=GETS | {"aws:ResourceTag/service": "x"}
        )
    yield may_not(action="ec2:CreateTags", resource=f"{EC2}vpc/vpc-1", context=GETS)
    yield may_not(action="ec2:CreateTags", resource=f"{EC2}vpc/vpc-1")
    for action in ("CreateDBInstance", "RestoreDBInstanceToPointInTime"):
        yield may_not(action=f"rds:{action}", resource=f"arn:aws:rds:{REGION}:{ACCOUNT}:db:others")
    for action in ("ecr:PutImage", "ec2:TerminateInstances", "ecs:ExecuteCommand", "ssm:SendCommand", "sts:AssumeRole"):
        yield may_not(action=action, resource="*")


def denied() -> Iterator[Question]:
    """What stands in the way whatever else a deployer is given."""
    ask = partial(Question, who=DEPLOY, own=(*ALL_RIGHTS, "Policy bounds"))
    actions = "AddClientIDToOpenIDConnectProvider AttachRolePolicy CreatePolicyVersion DeleteRole DetachRolePolicy "
    actions += (
        "PassRole PutRolePolicy RemoveClientIDFromOpenIDConnectProvider SetDefaultPolicyVersion TagRole UntagRole "
    )
    for action in f"{actions}UpdateAssumeRolePolicy".split():
        kind = "oidc-provider/x" if "OpenID" in action else "policy/web-next-x" if "Version" in action else ""
        for what in [kind] if kind else [f"role/web-next-{role}" for role in OWN_ROLES]:
            yield ask(action=f"iam:{action}", resource=f"arn:aws:iam::{ACCOUNT}:{what}", allowed=False)
    yield ask(action="iam:GetRole", resource=role_arn("web-next-deploy"), allowed=True)
    state = {"kms:ResourceAliases": ("alias/web-next-state",)}
    actions = "DisableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription"
    for action in actions.split():
        for context in (state, {"kms:ResourceAliases": (PROD.key_alias,)}):
            yield ask(action=f"kms:{action}", resource=KEY, context=context, allowed=context is not state)
    for action in ("CreateAlias", "DeleteAlias", "UpdateAlias"):
        alias = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/web-next-state"
        yield ask(action=f"kms:{action}", resource=alias, allowed=False)


@cache
def account() -> Account:
    return Account.of(bootstrap())


@cache
def given() -> list[Question]:
    """All that whoever deploys must be given."""
    stacks = of_resources(run(CONFIG), run(CANARY))
    made = [
        Question(who=DEPLOY, action=action, resource=arn, context=dict(context), allowed=allowed)
        for (action, arn, context), allowed in stacks.items()
    ]
    calls = [right for table in (LOOKS, FLIPS, BRINGS_UP, PREFLIGHT) for rights in table.values() for right in rights]
    made += [
        Question(who=DEPLOY, action=action, resource=resource, context=context, allowed=True)
        for action, resource, context in (*calls, *BEHIND)
    ]
    return [*made, *what_goes_with_it()]


@cache
def asked() -> list[Question]:
    refused = [no for one in given() if one.allowed for no in others(one)]
    bounds = [*not_to_become_an_administrator(), *not_what_is_others(), *denied()]
    return [*given(), *refused, *bounds, *tunnels(DEPLOY), *for_drift()]


def for_drift() -> Iterator[Question]:
    """Whoever looks for drift reads each resource, and changes none."""
    yield from tunnels(DRIFT)
    state = {("s3:GetObject", STATE_FILE), ("s3:ListBucket", STATE)}
    for action, arn, told in of_resources(run(CONFIG), run(CANARY)):
        reads = action.partition(":")[2].startswith(READS) and action not in BEFORE_WRITES
        if not action.startswith("kms:") or reads:
            yield Question(who=DRIFT, action=action, resource=arn, context=dict(told), allowed=reads)
    for action, resource, context in BEHIND:
        decrypts = action == "kms:Decrypt"
        yield Question(
            who=DRIFT,
            action=action,
            resource=resource,
            context=context,
            allowed=decrypts or (action, resource) in state,
        )
    for service in VIA:
        yield Question(
            who=DRIFT, action="kms:Decrypt", resource=KEY, context=VIA[service], allowed=service == "secretsmanager"
        )


def test_whoever_deploys_may_make_change_and_end_each_resource_and_nothing_else() -> None:
    assert [str(one) for one in asked() if not one.holds(account())] == []
    assert len(given()) > 600


def test_a_policy_with_an_action_a_resource_or_a_condition_less_turns_an_answer() -> None:
    there = account()
    by_action: dict[str, list[Question]] = {}
    for one in asked():
        by_action.setdefault(one.action.lower(), []).append(one)
    shared = (*READING, "network", "balancing", "data", "running", "bounds")
    names = [*(f"Policy {name}" for name in shared), "RolePolicy deploy", "RolePolicy drift"]
    cases = [(name, what, less) for name in names for what, less in lessened(there.documents[name])]
    idle = [
        f"{name}: {what}"
        for name, what, less in cases
        if all(one.holds(there.with_(name, less)) for one in _touched(there.documents[name], less, by_action))
    ]

    assert idle == []
    assert len(cases) > 500


def _touched(before: Document, after: Document, by_action: dict[str, list[Question]]) -> Iterator[Question]:
    """The questions that a change of one statement can turn: those about its actions."""
    changed = [one for one in before["Statement"] if one not in after["Statement"]]
    of = {action.lower() for one in changed for action in as_list(one["Action"])}
    starts = tuple(action[:-1] for action in of if action.endswith("*"))
    for action, questions in by_action.items():
        if action in of or (starts and action.startswith(starts)):
            yield from questions


def test_each_type_of_a_stack_has_its_arns_and_each_exclusion_is_of_something_that_aws_asks_for() -> None:
    declared = {one.token for stack in (run(CONFIG), run(CANARY)) for one in stack.registered}
    tokens = {token.removeprefix("aws:") for token in declared if token.startswith("aws:")}
    published = {(kind, action) for token in tokens for kind in kinds(token) for action in handlers(kind)}

    assert tokens == TYPES.keys()
    assert {not_ours(kind, action) for kind, action in published} - {None} == NOT_OURS.keys()
    assert BESIDE.keys() <= {action for _, action in published}


def test_each_right_exists_and_is_bound_to_a_resource_wherever_aws_binds_it() -> None:
    for name, document in account().documents.items():
        if not name.startswith(("RolePolicy", "Policy")):
            continue
        for statement in document["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            for action in as_list(statement["Action"]):
                assert exists(action), action
                where = as_list(statement["Resource"])
                bound = action not in WHOLE and binds_to(action) != ()
                assert (where == ["*"]) is not bound, f"{name} {statement['Sid']} {action}"
                assert not bound or any(fits(one, action) for one in where), f"{name} {statement['Sid']} {action}"


def test_policies_are_as_short_as_aws_takes_them() -> None:
    declared = bootstrap()
    for policy in declared.of("aws:iam/policy:Policy"):
        assert len(policy.inputs["policy"]) <= 6144, policy.name
    for policy in declared.of("aws:iam/rolePolicy:RolePolicy"):
        assert len(policy.inputs["policy"]) <= 10240, policy.name
    for names in account().of_role.values():
        assert len([name for name in names if name.startswith("Policy ")]) <= 10


def test_a_workflow_asks_for_no_longer_session_than_its_role_gives() -> None:
    roles = {role.name: role.inputs["maxSessionDuration"] for role in bootstrap().of("aws:iam/role:Role")}
    for file in (PROGRAM.parent / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            for step in job["steps"]:
                if "configure-aws-credentials" in step.get("uses", ""):
                    role = str(step["with"]["role-to-assume"]).removeprefix("${{ vars.").partition("_ROLE")[0].lower()
                    assert int(step["with"].get("role-duration-seconds", 3600)) <= roles[role], file.name
