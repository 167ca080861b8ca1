"""What holds data outlives the stack, unless its end was asked for by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.infra.parts import run
from tests.unit.infra.recorder import DOCKER, FARGATE, Recorder, changed

KEEPSAKES: dict[str, set[tuple[str, str]]] = {
    "audit": {
        ("Instance", "audit"),
        ("Database", "audit-roles"),
        ("Role", "audit_owner"),
        ("Role", "audit_writer"),
        ("Role", "audit_reader"),
        ("DefaultPrivileges", "audit-roles-audit_writer-tables"),
        ("DefaultPrivileges", "audit-roles-audit_writer-sequences"),
        ("DefaultPrivileges", "audit-roles-audit_reader-tables"),
        ("Grant", "audit-roles-connect"),
        ("Grant", "audit-roles-cron-schema"),
        ("Grant", "audit-roles-cron-function"),
        ("Extension", "audit-roles-cron"),
    },
    "evidence": {("Bucket", "evidence")},
    "records": {("Bucket", "records")},
    "vault": {("Key", "vault")},
}
"""What is protected, by the name under which its end may be asked for."""


@pytest.mark.parametrize("named", [(), *((one,) for one in KEEPSAKES), tuple(KEEPSAKES)], ids="+".join)
@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_what_holds_data_is_protected_unless_its_end_is_asked_for_by_name(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch, config: Mapping[str, str], named: tuple[str, ...]
) -> None:
    run(monkeypatch, changed(config, mayDestroy=list(named)))
    protected = {(one.token.rpartition(":")[2], one.name) for one in engine.registered if one.protect}

    assert protected == {one for what, ones in KEEPSAKES.items() if what not in named for one in ones}


@pytest.mark.parametrize("kept", [True, False])
def test_a_deployment_record_outlives_the_stack_as_its_bucket_does(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    run(monkeypatch, changed(DOCKER, mayDestroy=[] if kept else ["records"]))
    record = engine.one("aws:s3/bucketObjectv2:BucketObjectv2")

    assert record.retain_on_delete is kept
    assert record.inputs["forceDestroy"] is not kept
