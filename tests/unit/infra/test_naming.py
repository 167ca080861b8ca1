"""Names: pinned, none shared by two stacks, and none that AWS would refuse."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from bootstrap.roles import ROLES
from infra.naming import ACCOUNTS, ENDS, Names, bucket_problem, stack_problem
from tests.unit.infra.configs import FARGATE, STACK, changed
from tests.unit.infra.parts import run
from tests.unit.policy import captured

ACCOUNT = "111122223333"
PROD = Names(stack="prod", account=ACCOUNT, region="eu-central-1")
LONGEST = Names(stack="a" * 24, account=ACCOUNT, region="eu-central-1")
PREFIX = f"web-next-{STACK}"
GIVEN = ("alarmName", "bucket", "dashboardName", "family", "identifier", "name", "replicationGroupId")
"""The inputs that give a resource its name."""
LATER = {"image": "later", "edge": {"image": "later"}}
"""The first `up`, which has the repositories."""


def test_the_app_role_of_prod_is_the_playbooks() -> None:
    assert PROD.app_role == "web-next-prod"
    assert PROD.app_role_arn == "arn:aws:iam::111122223333:role/web-next-prod"


def test_names_are_pinned_because_a_new_name_is_a_new_resource() -> None:
    assert PROD.prefix == "web-next-prod"
    assert PROD.bucket("evidence") == "web-next-prod-evidence-111122223333"
    assert PROD.bucket("records") == "web-next-prod-records-111122223333"
    assert PROD.vault_prefix == "web-next-prod/"
    assert PROD.flags_parameters.candidate == "/web-next-prod/flags/candidate"
    assert PROD.metrics == "web-next/prod"


def test_two_stacks_share_no_name() -> None:
    canary = Names(stack="canary", account=PROD.account, region=PROD.region)
    for name in ("prefix", "app_role", "app_role_arn", "vault_prefix", "flags_parameters", "metrics"):
        assert getattr(PROD, name) != getattr(canary, name), name
    for purpose in ("evidence", "records"):
        assert PROD.bucket(purpose) != canary.bucket(purpose)


def test_a_given_name_is_the_evidence_buckets_alone() -> None:
    given = Names(stack="prod", account=ACCOUNT, region="eu-central-1", evidence="spark-evidence-prod")

    assert given.bucket("evidence") == "spark-evidence-prod"
    assert given.bucket("records") == PROD.bucket("records")


def test_a_secrets_pattern_matches_its_arn_and_no_longer_name() -> None:
    pattern = PROD.secret_arns("AUDIT_DB_URL")
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:web-next-prod/AUDIT_DB_URL-a1B2c3"

    assert fnmatchcase(arn, pattern)
    assert not fnmatchcase(arn.replace("_URL-", "_URL-OTHER-"), pattern)
    assert not fnmatchcase(arn.replace("web-next-prod/", "web-next-canary/"), pattern)


@pytest.mark.parametrize("name", ["abc", "spark-evidence-prod", "1-2", "a" * 63, PROD.bucket("evidence")])
def test_a_name_that_s3_takes_is_taken(name: str) -> None:
    assert bucket_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Evidence",
        "evi_dence",
        "evi.dence",
        "-evidence",
        "evidence-",
        "evidence\n",
        "evi dence",
        "é" * 3,
    ],
)
def test_a_name_that_is_no_buckets_is_refused(name: str) -> None:
    assert "3 to 63 lower-case letters" in (bucket_problem(name) or "")


@pytest.mark.parametrize(
    "name", ["xn--evidence", "sthree-a", "amzn-s3-demo-a", "a-s3alias", "a--ol-s3", "a--x-s3", "a--table-s3"]
)
def test_a_name_that_s3_reserves_is_refused(name: str) -> None:
    assert "S3 reserves names" in (bucket_problem(name) or "")


@pytest.mark.parametrize("stack", ["prod", "p", "local-canary", "a1-b2", "a" * 24])
def test_a_stack_of_which_names_can_be_made_is_taken(stack: str) -> None:
    assert stack_problem(stack) is None


@pytest.mark.parametrize(
    "stack", ["", "Prod", "1st", "-a", "a-", "a--b", "a_b", "a.b", "a" * 25, "prod\n", "-".join("a" * 13)]
)
def test_a_stack_of_which_aws_would_refuse_names_is_refused(stack: str) -> None:
    assert "up to 24 lower-case letters" in (stack_problem(stack) or "")


@pytest.mark.parametrize("stack", [*ROLES, "state"])
def test_a_stack_that_would_have_a_name_of_the_accounts_own_is_refused(stack: str) -> None:
    said = f"web-next-{stack} is the account's own, as are {', '.join(ACCOUNTS)}; choose another name"

    assert stack_problem(stack) == said
    assert stack_problem(f"{stack}-2") is None


def test_the_accounts_own_names_are_those_that_bootstrap_gives() -> None:
    assert set(ACCOUNTS) == {*ROLES, "state"}


@pytest.mark.parametrize("end", ENDS)
def test_a_stack_that_is_called_as_another_stacks_own_is_refused(end: str) -> None:
    assert stack_problem(f"prod{end}") == (
        f"web-next-prod{end} is what a stack prod calls its own; choose a name without {end}"
    )
    assert stack_problem(f"{end[1:]}-prod") is None


def test_no_stack_that_is_taken_gives_a_name_on_aws_that_another_gives() -> None:
    given = {
        (one.token, key, value)
        for declared in (run(captured.PROD), run(changed(FARGATE, **LATER)), run(captured.CANARY))
        for one in declared.registered
        for key, value in one.inputs.items()
        if key in GIVEN and isinstance(value, str) and PREFIX in value
    }
    longer = {
        end.removesuffix(rest)
        for token, key, name in given
        for other, its, shorter in given
        if (token, key) == (other, its)
        for (before, _, end), (same, _, rest) in [(name.partition(PREFIX), shorter.partition(PREFIX))]
        if before == same and end != rest and end.endswith(rest)
    }
    taken = {end for end in longer if stack_problem(f"a{end}") is None}

    assert {"-watch", "-edge", "-candidate"} <= longer
    assert taken == set()


def test_the_longest_stacks_names_are_within_awss_bounds() -> None:
    assert stack_problem(LONGEST.stack) is None
    for purpose in ("evidence", "records"):
        assert bucket_problem(LONGEST.bucket(purpose)) is None
    assert len(f"{LONGEST.prefix}-queues") <= 40, "a replication group's id"
    assert len(f"{LONGEST.prefix}-bastion") <= 64, "an IAM role's name"
    assert len(f"{LONGEST.prefix}-audit-final-0badcafe") <= 255, "a snapshot's id"


def test_the_stacks_name_and_the_given_bucket_are_judged_apart() -> None:
    both = Names(stack="Prod", account=ACCOUNT, region="eu-central-1", evidence="Evidence")

    assert [problem.partition(":")[0] for problem in both.problems()] == [
        "the stack's name is 'Prod'",
        "evidenceBucket is 'Evidence'",
    ]
    assert list(PROD.problems()) == []
