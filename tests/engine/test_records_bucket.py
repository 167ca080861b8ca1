"""Packs and approvals in a bucket under Object Lock, as a stack declares it: what is written stays, and once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cutover import aws
from cutover.errors import CutoverError, UnreachableError
from cutover.evidence.approvals import approve, approved, caller
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.evidence.form import Approval, Role
from cutover.evidence.keeping import keep_pack
from cutover.evidence.places import in_bucket, in_folder, upload
from cutover.evidence.verification import verified
from cutover.smoke import suite
from cutover.smoke.check import Check, Suite
from cutover.smoke.kept import Kept
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Places
from tests.support.edge_double import Edge
from tests.support.engine import Emulator
from tests.support.packs import GO, pack

pytestmark = pytest.mark.engine


@pytest.fixture
def places(emulator: Emulator) -> Iterator[Places]:
    """A base whose records bucket is empty, versioned and locks for a day; it is removed at the end."""
    made = replace(
        GO.target.places,
        account=emulator.account,
        emulator=emulator.url,
        records_bucket=f"records-{secrets.token_hex(4)}",
    )
    s3 = aws.client("s3", made)
    name = made.records_bucket
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": made.region},
    )
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    yield made
    for version in versions(made):
        s3.delete_object(
            Bucket=name, Key=version["Key"], VersionId=version["VersionId"], BypassGovernanceRetention=True
        )
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def bucket(places: Places) -> RecordsBucket:
    return RecordsBucket.of(places)


def versions(places: Places) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        aws.client("s3", places).list_object_versions(Bucket=places.records_bucket).get("Versions", [])
    )
    return found


def test_a_pack_is_uploaded_once_and_read_back_as_it_is_on_this_machine(
    places: Places, bucket: RecordsBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = replace(GO, target=replace(GO.target, places=places))
    with Kept.begin(report.target.stack) as kept:
        kept.report(report)

    line = keep_pack(report).line
    folder = Path(line.partition("  id ")[0])

    there = in_bucket(bucket, folder.relative_to(".local").as_posix())
    assert there == in_folder(folder)
    assert line.endswith(f"  id {verified(there).pack.id[:12]}")
    assert len(versions(places)) == len(there), "each file has been written once"
    upload(bucket, verified(there).pack)
    assert len(versions(places)) == len(there)


def test_what_is_there_is_refused_by_the_store_itself(places: Places, bucket: RecordsBucket) -> None:
    bucket.put_new("packs/r/t/pack.json", b"first")

    with pytest.raises(ExistsError):
        bucket.put_new("packs/r/t/pack.json", b"second")
    assert bucket.get("packs/r/t/pack.json") == b"first"
    assert bucket.get("packs/r/t/other") is None
    assert len(versions(places)) == 1


def test_of_many_who_sign_for_one_role_at_once_one_has(places: Places, bucket: RecordsBucket) -> None:
    def sign(number: int) -> Approval | None:
        try:
            return approve(bucket, "r", "p", Role.BACKEND, f"person {number}", "arn:aws:sts::1:ada")
        except CutoverError:
            return None

    with ThreadPoolExecutor(8) as pool:
        signed = [given for given in pool.map(sign, range(8)) if given]

    assert len(signed) == 1
    assert approved(bucket, "r", "p").given == {Role.BACKEND: signed[0]}
    assert len(versions(places)) == 1


def test_an_emulator_that_is_away_and_a_bucket_that_is_not_there_are_told_apart(places: Places) -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        RecordsBucket.of(replace(places, emulator="http://127.0.0.1:1")).keys("packs/")
    with pytest.raises(CutoverError, match="S3 answered NoSuchBucket"):
        RecordsBucket.of(replace(places, records_bucket="records-nowhere")).put_new("k", b"1")


def test_a_planted_secret_is_neither_in_the_bucket_nor_in_the_pack_nor_on_the_terminal(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hunter2-" + secrets.token_hex(8)
    leaks = [
        f"postgresql://audit_writer:{secret}@db:5432/audit",
        f"rediss://:{secret}@redis:6379",
        f"https://b/k?X-Amz-Signature={secret}",
        f"https://hooks.slack.com/services/T/B/{secret}",
        f'{{"password": "{secret}"}}',
    ]
    monkeypatch.chdir(tmp_path)
    edge = Edge(target=replace(GO.target, places=places))
    edge.answers["/leak"] = lambda _: httpx.Response(500, text=" ".join(leaks))

    def leak(probe: Probe) -> str:
        probe.send("GET", f"/healthz?X-Amz-Signature={secret}")
        probe.ask("GET", "/leak")
        return ""

    def said(text: str) -> Check:
        def look(_: Probe) -> str:
            raise CheckFailedError(text)

        return Check(name=text[:12], criterion=None, did="looked", look=look)

    checks = Suite(together=(Check(name="leak", criterion=None, did="asked", look=leak), *map(said, leaks)))
    with Kept.begin(edge.target.stack) as kept:
        probe = edge.probe()
        probe.samples.keep = kept.sample
        report = suite.run(checks, probe, follow=kept.report)
    line = keep_pack(report).line

    here = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    client, name = aws.client("s3", places), places.records_bucket
    there = {each["Key"]: client.get_object(Bucket=name, Key=each["Key"])["Body"].read() for each in versions(places)}
    assert len(there) == 6
    assert len(here) >= 6 + 3
    assert b"[redacted]" in there[next(key for key in there if key.endswith("pack.json"))]
    found = {**here, **there, "terminal": (report.table() + line).encode()}
    assert [place for place, content in found.items() if secret.encode() in content] == []


def test_a_signature_counts_for_the_pack_that_it_was_given_for_and_says_whose_credentials_it_was_given_with(
    bucket: RecordsBucket, places: Places
) -> None:
    made = pack()
    approve(bucket, made.document.target.digest, made.id, Role.DEVOPS, "Ada Lovelace", caller(places))

    found = approved(bucket, made.document.target.digest, made.id)
    assert found.given[Role.DEVOPS].signer == f"arn:aws:iam::{places.account}:root"
    assert (found.complete, found.missing) == (False, [Role.BACKEND, Role.FRONTEND])
    assert approved(bucket, made.document.target.digest, "another").given == {}
