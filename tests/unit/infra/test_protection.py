"""What holds data outlives the stack, unless its end was asked for by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import run

KEEPSAKES = {
    "balancer": {("aws:lb/loadBalancer:LoadBalancer", "balancer"), ("aws:s3/bucket:Bucket", "access-logs")},
    "audit": {("aws:rds/instance:Instance", "audit")},
    "evidence": {("aws:s3/bucket:Bucket", "evidence")},
    "records": {("aws:s3/bucket:Bucket", "records")},
    "vault": {("aws:kms/key:Key", "vault")},
}
"""What is protected, by the name under which its end may be asked for; all in the database goes with `audit`."""


@pytest.mark.parametrize("named", [(), *((one,) for one in KEEPSAKES), tuple(KEEPSAKES)], ids="+".join)
@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_what_holds_data_is_protected_unless_its_end_is_asked_for_by_name(
    config: Mapping[str, str], named: tuple[str, ...]
) -> None:
    declared = run(changed(config, mayDestroy=list(named)))
    protected = {(one.token, one.name) for one in declared.registered if one.protect}
    entries = {(one.token, one.name) for one in declared.of("aws:secretsmanager/secret:Secret")}
    inside = {(one.token, one.name) for one in declared.registered if one.token.startswith("postgresql:")}
    there = {(one.token, one.name) for one in declared.registered}
    keepsakes = {**KEEPSAKES, "audit": KEEPSAKES["audit"] | inside, "vault": KEEPSAKES["vault"] | entries}

    assert len(inside) > 5
    assert len(entries) == 6
    assert protected == {one for what, ones in keepsakes.items() if what not in named for one in ones} & there
    assert set.union(*keepsakes.values()) - there == (KEEPSAKES["balancer"] if config is DOCKER else set())


@pytest.mark.parametrize("kept", [True, False])
def test_a_deployment_record_outlives_the_stack_as_its_bucket_does(kept: bool) -> None:
    declared = run(changed(DOCKER, mayDestroy=[] if kept else ["records"]))
    record = declared.one("aws:s3/bucketObjectv2:BucketObjectv2")

    assert record.retain_on_delete is kept
    assert record.inputs["forceDestroy"] is not kept
