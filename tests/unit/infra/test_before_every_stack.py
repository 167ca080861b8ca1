"""What comes before every stack on AWS: the bucket of their state, and the key of its secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pulumi
import pytest
import yaml

from bootstrap.roles import ROLES
from cutover.prerequisites.facts import Facts
from cutover.prerequisites.report import look
from policy.iam import Principal
from tests.support.first_day import FirstDay
from tests.unit.infra.account import Account
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.parts import BOOTSTRAP, bootstrap
from tests.unit.infra.questions import ALL_RIGHTS, ANYBODY, OBJECTS, STRANGER, VERSIONS

BUCKET = f"arn:aws:s3:::web-next-state-{ACCOUNT}"
ADMINISTRATOR = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/administrators", session="person")


def test_bucket_and_key_are_kept_and_the_key_is_made_anew_each_year() -> None:
    declared = bootstrap()
    key = declared.one("aws:kms/key:Key")

    assert declared.one("aws:s3/bucket:Bucket").protect
    assert key.protect
    assert (key.inputs["enableKeyRotation"], key.inputs["deletionWindowInDays"]) == (True, 30)
    assert declared.one("aws:kms/alias:Alias").inputs["targetKeyId"] == "state-key"


def test_all_of_it_is_made_in_the_one_account_and_region_that_the_file_names() -> None:
    declared = bootstrap()
    provider = declared.one("pulumi:providers:aws")

    assert (json.loads(provider.inputs["allowedAccountIds"]), provider.inputs["region"]) == ([ACCOUNT], REGION)
    assert {one.provider.partition("::")[0] for one in declared.registered if one.token.startswith("aws:")} != {""}


def test_a_region_of_another_partition_is_refused_before_anything_is_declared() -> None:
    with pytest.raises(pulumi.RunError, match="region is us-gov-west-1: that is partition aws-us-gov"):
        bootstrap(region="us-gov-west-1")


def test_its_outputs_are_the_backend_and_the_secrets_provider_that_preflight_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bootstrap().outputs
    day = FirstDay(tmp_path, monkeypatch)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///here")
    day.file = {}
    day.write()
    asked = {line.name: line.do or "" for line in look(Facts("prod")).lines}
    assert asked["state"].endswith(f"export PULUMI_BACKEND_URL='{made['backend']}'")
    assert f"--secrets-provider '{made['secrets_provider']}'" in asked["secrets provider"]

    monkeypatch.setenv("PULUMI_BACKEND_URL", made["backend"])
    day.file = {"secretsprovider": made["secrets_provider"]}
    day.asked.clear()
    day.write()
    assert look(Facts("prod")).next is None
    seen = dict(day.asked)
    assert f"arn:aws:s3:::{seen['s3 get_bucket_versioning']['Bucket']}" == BUCKET
    assert seen["kms describe_key"]["KeyId"] == bootstrap().one("aws:kms/alias:Alias").inputs["name"]


def test_an_identity_provider_that_the_account_has_already_is_not_made_again() -> None:
    provider = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    assert bootstrap().one(provider).inputs["url"] == "https://token.actions.githubusercontent.com"

    without = bootstrap("false")
    assert without.of(provider) == []
    assert len(without.of("aws:iam/role:Role")) == len(ROLES)


def test_the_state_is_reached_from_its_account_and_over_tls_alone() -> None:
    account = Account.of(bootstrap())
    state = f"{BUCKET}/.pulumi/stacks/web-next/prod.json"
    asked = [
        Question(who=ADMINISTRATOR, action=action, resource=state, own=ALL_RIGHTS, secure=secure, allowed=secure)
        for action in (*OBJECTS, *VERSIONS)
        for secure in (True, False)
    ]
    for who, own in ((STRANGER, ALL_RIGHTS), (ANYBODY, ()), (ADMINISTRATOR, ())):
        asked += [Question(who=who, action=action, resource=state, own=own, allowed=False) for action in OBJECTS]

    assert [str(one) for one in asked if not one.holds(account)] == []


def test_the_committed_file_names_an_account_that_the_provider_refuses_and_prods_region() -> None:
    files = (BOOTSTRAP / "Pulumi.account.yaml", BOOTSTRAP.parent / "Pulumi.prod.yaml")
    own, prod = (yaml.safe_load(file.read_text())["config"] for file in files)

    assert own.pop("web-next:githubProvider") is True
    assert own.pop("web-next:repository").startswith("example@")
    assert own.pop("web-next:evidenceBuckets") == []
    assert own.pop("web-next:hostedZones") == [prod["web-next:fargate"]["hostedZoneId"]]
    assert own == {key: prod[key] for key in ("web-next:account", "web-next:region")}
