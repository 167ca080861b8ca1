"""What holds data outlives the stack, unless its end was asked for by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import run, stands_on
from tests.unit.infra.recorder import Recording

BUCKET = "aws:s3/bucket"
KEEPSAKES = {
    "balancer": (("aws:lb/loadBalancer:", "balancer"), (BUCKET, "access-logs")),
    "audit": (("aws:rds/instance:", "audit"), ("postgresql:", None)),
    "evidence": ((BUCKET, "evidence"),),
    "records": ((BUCKET, "records"),),
    "vault": (
        ("aws:kms/", "vault"),
        ("aws:secretsmanager/secret:", None),
        ("aws:secretsmanager/secretPolicy:", None),
    ),
}
"""What is protected, by the name under which its end may be asked for: how its type begins, and its name, None being
any. `pulumi destroy --exclude-protected` takes what guards it too, unless that is protected itself."""


def kept_by(declared: Recording, what: str) -> set[tuple[str, str]]:
    """Type and name of all that one name keeps."""
    return {
        (one.token, one.name)
        for one in declared.registered
        for beginning, name in KEEPSAKES[what]
        if one.token.startswith(beginning) and name in (None, one.name)
    }


@pytest.mark.parametrize("named", [(), *((one,) for one in KEEPSAKES), tuple(KEEPSAKES)], ids="+".join)
@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_what_holds_data_and_what_guards_it_is_protected_unless_its_end_is_asked_for_by_name(
    config: Mapping[str, str], named: tuple[str, ...]
) -> None:
    declared = run(changed(config, mayDestroy=list(named)))
    protected = {(one.token, one.name) for one in declared.registered if one.protect}
    kept = {what: kept_by(declared, what) for what in KEEPSAKES}

    assert protected == {one for what, ones in kept.items() if what not in named for one in ones}
    assert {what: len(ones) for what, ones in kept.items() if what != "audit"} == {
        "balancer": 0 if config is DOCKER else 8,
        "evidence": 8,
        "records": 7,
        "vault": 2 + 6 * 2,
    }
    assert len(kept["audit"]) > 6


def test_the_end_of_all_that_is_not_protected_leaves_what_the_protected_stands_on() -> None:
    """EC2 detaches no gateway from a VPC whose balancer has public addresses, and a policy that names a role which is
    made anew names nobody."""
    declared = run(FARGATE)
    stays = stands_on(declared, *(one.urn for one in declared.registered if one.protect))

    for token, name in (
        ("aws:ec2/internetGateway:InternetGateway", "network"),
        ("aws:iam/role:Role", "app"),
        ("aws:kms/key:Key", "vault"),
    ):
        assert declared.one(token, name).urn in stays


@pytest.mark.parametrize("kept", [True, False])
def test_a_deployment_record_outlives_the_stack_as_its_bucket_does(kept: bool) -> None:
    declared = run(changed(DOCKER, mayDestroy=[] if kept else ["records"]))
    record = declared.one("aws:s3/bucketObjectv2:BucketObjectv2")

    assert record.retain_on_delete is kept
    assert record.inputs["forceDestroy"] is not kept
