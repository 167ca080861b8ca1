"""Who has signed: once for each role, for one pack and one release, and only what may be signed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cutover.commands.app import main
from cutover.errors import CutoverError, PackError, UnreachableError
from cutover.evidence import approvals
from cutover.evidence.approvals import approve, approved
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.evidence.form import Role
from cutover.evidence.places import in_bucket, upload
from cutover.smoke.finding import Outcome
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from cutover.stacks.project import PROJECT
from tests.support.memory_bucket import Memory, MemoryS3
from tests.support.packs import CAVEATS, GO, NO_GO, TARGET, findings, pack, report_of

SIGNER = "arn:aws:sts::123456789012:assumed-role/web-next-on-call/ada"
ALL = ["devops", "backend", "frontend"]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def stack(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A stack whose records bucket is in memory, with the pack of a GO in it."""
    monkeypatch.setattr(RecordsBucket, "of", classmethod(lambda _cls, places: memory.bucket))
    monkeypatch.setattr(approvals, "caller", {TARGET.places: SIGNER}.__getitem__)
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"smoke_target": TARGET.output()}))
    upload(memory.bucket, pack())
    return memory


def sign(role: str, *more: str, what: str = "", by: str = "Ada") -> int:
    return main(["approve", what or pack().document.key, *(more or ("-s", "local")), "--role", role, "--by", by])


def test_nobody_has_signed_at_first(memory: Memory) -> None:
    found = approved(memory.bucket, "r", "p")

    assert (found.complete, found.missing) == (False, list(Role))


def test_three_signatures_are_all(memory: Memory) -> None:
    for role in Role:
        assert not approved(memory.bucket, "r", "p").complete
        approve(memory.bucket, "r", "p", role, f"{role} person", SIGNER)

    found = approved(memory.bucket, "r", "p")
    assert (found.complete, found.missing) == (True, [])
    assert {role: each.by for role, each in found.given.items()} == {role: f"{role} person" for role in Role}
    assert sorted(memory.s3.objects) == [f"approvals/r/p/{role}.json" for role in sorted(Role)]


def test_a_role_signs_once_and_the_second_is_told_who_did(memory: Memory) -> None:
    first = approve(memory.bucket, "r", "p", Role.BACKEND, "Ada", SIGNER)

    with pytest.raises(CutoverError, match=r"^backend has approved this pack already: Ada, .* UTC; an approval is"):
        approve(memory.bucket, "r", "p", Role.BACKEND, "Bob", SIGNER)
    assert approved(memory.bucket, "r", "p").given == {Role.BACKEND: first}


def test_a_signature_whose_answer_was_lost_is_given_all_the_same(
    stack: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.s3.lost = 1

    assert sign("backend") == 0
    assert capsys.readouterr().out.startswith("  backend: Ada approves web-next 1.5.1")
    assert list(approved(stack.bucket, TARGET.digest, pack().id).given) == [Role.BACKEND]


def test_whoever_signs_for_two_roles_is_named_and_not_refused(
    stack: Memory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = f"  caveat  one signer for devops, frontend: {SIGNER}"
    sign("devops")
    monkeypatch.setattr(approvals, "caller", lambda _places: "arn:aws:sts::123456789012:assumed-role/backend/grace")
    sign("backend", by="Grace")
    assert "caveat" not in capsys.readouterr().out

    monkeypatch.setattr(approvals, "caller", lambda _places: SIGNER)
    assert sign("frontend", by="Alan") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [shared, "  all three have approved"]
    assert main(["approvals", pack().document.key, "-s", "local"]) == 0
    assert shared in capsys.readouterr().out.splitlines()


def test_approvals_of_a_revision_that_noted_no_signer_have_not_one_signer(memory: Memory) -> None:
    for role in Role:
        approve(memory.bucket, "r", "p", role, f"{role} person", "")

    assert approved(memory.bucket, "r", "p").shared == []


def test_a_signature_counts_for_its_pack_and_its_release_alone(memory: Memory) -> None:
    approve(memory.bucket, "r", "p", Role.BACKEND, "Ada", SIGNER)

    assert approved(memory.bucket, "r", "other").given == {}
    assert approved(memory.bucket, "other", "p").given == {}


@pytest.mark.parametrize(
    "to", ["approvals/r/q/backend.json", "approvals/q/p/backend.json", "approvals/r/p/devops.json"]
)
def test_a_signature_that_was_copied_elsewhere_is_refused(memory: Memory, to: str) -> None:
    approve(memory.bucket, "r", "p", Role.BACKEND, "Ada", SIGNER)
    memory.s3.objects[to] = memory.s3.objects["approvals/r/p/backend.json"]
    _, release, of, _ = to.split("/")

    with pytest.raises(CutoverError, match="approves something else than its name says"):
        approved(memory.bucket, release, of)


def test_what_is_no_approval_is_refused(memory: Memory) -> None:
    memory.s3.objects["approvals/r/p/backend.json"] = b"{}"

    with pytest.raises(CutoverError, match=r"s3://records/approvals/r/p/backend\.json is no approval"):
        approved(memory.bucket, "r", "p")


def test_a_signature_that_was_written_over_counts_for_nothing(memory: Memory) -> None:
    approve(memory.bucket, "r", "p", Role.BACKEND, "Ada", SIGNER)
    memory.s3.versions["approvals/r/p/backend.json"] *= 2

    with pytest.raises(CutoverError, match=r"backend\.json was written 2 times, and an approval is written once"):
        approved(memory.bucket, "r", "p")


@pytest.mark.parametrize("by", ["", "  "])
def test_a_signature_has_a_name(memory: Memory, by: str) -> None:
    with pytest.raises(CutoverError, match="--by is empty"):
        approve(memory.bucket, "r", "p", Role.BACKEND, by, SIGNER)
    assert memory.s3.objects == {}


@pytest.mark.parametrize("by", ["A" * 101, "Ada\nLovelace", "Ada\x1b[31m", "Ada\u202eecalevoL"])
def test_a_name_fits_on_the_form(memory: Memory, by: str) -> None:
    with pytest.raises(CutoverError, match="a name has 100 printable characters at most, in one line"):
        approve(memory.bucket, "r", "p", Role.BACKEND, by, SIGNER)
    assert memory.s3.objects == {}


def test_the_commands_sign_a_pack_of_the_bucket(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert [sign(role) for role in ALL] == [0, 0, 0]
    printed = capsys.readouterr().out.splitlines()

    assert printed[0] == f"  devops: Ada approves web-next 1.5.1, pack {pack().id[:12]}"
    assert printed[1] == f"  signed as {SIGNER}"
    assert printed[2] == "  still missing: backend, frontend"
    assert printed[-1] == "  all three have approved"


def test_whoever_may_not_read_versions_has_signed_all_the_same_and_is_told(
    stack: Memory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = MemoryS3.paginate

    def paginate(s3: MemoryS3, **of: str) -> list[dict[str, Any]]:
        if s3.listed == "list_object_versions":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectVersions")
        return listing(s3, **of)

    monkeypatch.setattr(MemoryS3, "paginate", paginate)

    assert sign("backend") == 0
    assert f"approvals/{TARGET.digest}/{pack().id}/backend.json" in stack.s3.objects
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [f"  backend: Ada approves web-next 1.5.1, pack {pack().id[:12]}", f"  signed as {SIGNER}"]
    assert printed[2].startswith("  who else has cannot be read: s3://records/approvals/")
    assert "S3 answered AccessDenied" in printed[2]


def test_the_runbook_gives_a_signer_the_rights_that_signing_asks_for(
    stack: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    put, get, listed = MemoryS3.put_object, MemoryS3.get_object, MemoryS3.paginate
    listings = {"list_objects_v2": "ListBucket", "list_object_versions": "ListBucketVersions"}

    def of(name: Callable[[MemoryS3, dict[str, Any]], str], call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(s3: MemoryS3, **words: Any) -> Any:
            asked.add(f"s3:{name(s3, words)}")
            return call(s3, **words)

        return noted

    monkeypatch.setattr(MemoryS3, "put_object", of(lambda _s3, _words: "PutObject", put))
    monkeypatch.setattr(
        MemoryS3, "get_object", of(lambda _s3, words: "GetObjectVersion" if "VersionId" in words else "GetObject", get)
    )
    monkeypatch.setattr(MemoryS3, "paginate", of(lambda s3, _words: listings[s3.listed], listed))

    assert sign("backend") == 0
    (line,) = (
        line for line in (PROJECT / "docs" / "runbook.md").read_text().splitlines() if "whoever signs may" in line
    )
    assert set(re.findall(r"s3:\w+", line)) == asked


def test_approvals_prints_the_signed_form(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    sign("frontend", by="Grace Hopper")
    capsys.readouterr()

    assert main(["approvals", pack().document.key, "-s", "local"]) == 0
    printed = capsys.readouterr().out
    assert f"| Frontend | Grace Hopper | {SIGNER} | 20" in printed
    assert printed.endswith("\n  still missing: devops, backend\n")


def test_approvals_are_json_on_request(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    sign("backend")
    capsys.readouterr()

    assert main(["approvals", pack().document.key, "-s", "local", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["complete"], printed["missing"], printed["pack"]) == (False, ["devops", "frontend"], pack().id)
    assert (printed["given"]["backend"]["by"], printed["given"]["backend"]["signer"]) == ("Ada", SIGNER)


def test_a_second_signature_of_a_role_is_refused_by_name(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    sign("backend")

    assert sign("backend", by="Bob") == 13
    assert "backend has approved this pack already: Ada" in capsys.readouterr().err


def test_a_no_go_is_not_signed(stack: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pack(NO_GO).write(tmp_path)

    assert main(["approve", str(folder), "--role", "backend", "--by", "Ada"]) == 3
    assert "the pack is a NO-GO (Audit Postgres, Rate limit, Queue stats)" in capsys.readouterr().err
    assert not [key for key in stack.s3.objects if key.startswith("approvals")]


def test_a_pack_of_another_build_than_it_names_is_not_signed(
    stack: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = report_of(findings(build=(Outcome.FAIL, "healthz buildSha is 'another', '4f2c1d9' expected")))
    folder = pack(other).write(tmp_path)

    assert main(["approve", str(folder), "--role", "backend", "--by", "Ada"]) == 3
    assert "the pack is not of the release that it names" in capsys.readouterr().err
    assert not [key for key in stack.s3.objects if key.startswith("approvals")]


def test_a_folder_is_not_looked_for_in_the_bucket(
    stack: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pack().write(tmp_path)

    assert sign("backend", what=str(folder)) == 2
    assert "is a folder: leave out -s local, or name the key" in " ".join(capsys.readouterr().err.split())


def test_what_does_not_verify_is_not_signed(stack: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pack().write(tmp_path)
    (folder / "approval.md").write_text("signed")

    assert main(["approve", str(folder), "--role", "backend", "--by", "Ada"]) == 15
    assert "cutover: approval.md has the SHA-256" in capsys.readouterr().err
    stack.s3.objects[f"{pack().document.key}/index.html"] = b"other"
    assert sign("backend") == 15
    assert not [key for key in stack.s3.objects if key.startswith("approvals")]


def test_a_folder_whose_pack_is_not_in_the_bucket_is_uploaded_before_it_is_signed(
    memory: Memory, stack: Memory, tmp_path: Path
) -> None:
    memory.s3.objects.clear()
    folder = pack(CAVEATS).write(tmp_path)

    assert main(["approve", str(folder), "--role", "backend", "--by", "Ada"]) == 0
    assert in_bucket(memory.bucket, pack(CAVEATS).document.key) == pack(CAVEATS).files


def test_a_folder_of_another_pack_than_the_buckets_is_not_signed(
    stack: Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pack(CAVEATS).write(tmp_path)

    assert main(["approve", str(folder), "--role", "backend", "--by", "Ada"]) == 15
    assert "holds another pack than this one" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--role", "boss", "--by", "Ada"], ["--role", "backend"], ["--by", "Ada"]])
def test_a_signature_wants_one_of_the_roles_and_a_name(more: list[str]) -> None:
    assert main(["approve", "packs/r/t", "-s", "local", *more]) == 2


def test_verify_says_the_verdict_of_a_folder_without_any_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pack().write(tmp_path)
    monkeypatch.setattr(RecordsBucket, "of", lambda _places: pytest.fail("a folder is verified without the bucket"))

    assert main(["verify", str(folder), "--id", pack().id]) == 0
    assert capsys.readouterr().out == (
        f"  GO  web-next 1.5.1 on local: every byte holds, and the verdict follows\n  id {pack().id}\n"
    )


def test_verify_of_the_bucket_is_json_on_request(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", pack().document.key, "-s", "local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "id": pack().id,
        "release": TARGET.digest,
        "key": pack().document.key,
        "verdict": "GO",
        "at": GO.at.isoformat(),
        "notes": [],
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "there is no folder"),
        (["packs/r/t", "-s", "local"], 1, "s3://records/packs/r/t/: there is no pack"),
        (["packs/r/t", "--id", "0123"], 2, "an id is a SHA-256 in hex"),
        (["packs/r/t", "--id", "not in hex at all"], 2, "an id is a SHA-256 in hex"),
    ],
)
def test_verify_of_what_is_no_pack(
    arguments: list[str], code: int, said: str, stack: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_pack_that_was_moved_in_the_bucket_is_refused(stack: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in pack().files.items():
        stack.s3.objects[f"packs/r/t/{name}"] = content

    assert main(["verify", "packs/r/t", "-s", "local"]) == PackError.exit_code
    assert "it was moved" in capsys.readouterr().err


def test_what_is_there_is_never_written_again(memory: Memory) -> None:
    memory.bucket.put_new("k", b"1")

    with pytest.raises(ExistsError):
        memory.bucket.put_new("k", b"2")
    assert memory.bucket.get("k") == b"1"
    assert memory.bucket.get("other") is None


def test_a_bucket_that_does_not_answer_is_out_of_reach(memory: Memory) -> None:
    memory.s3.away = True

    with pytest.raises(UnreachableError, match="the records bucket records does not answer"):
        memory.bucket.get("k")


def test_what_the_bucket_refuses_is_said_with_s3s_code(memory: Memory) -> None:
    memory.s3.refuses = "AccessDenied"

    with pytest.raises(CutoverError, match=r"^s3://records/k: S3 answered AccessDenied \(no\)"):
        memory.bucket.put_new("k", b"1")


def test_a_write_that_met_another_one_is_tried_again(memory: Memory) -> None:
    memory.s3.conflicts = 2

    approve(memory.bucket, "r", "p", Role.DEVOPS, "Ada", SIGNER)
    assert list(approved(memory.bucket, "r", "p").given) == [Role.DEVOPS]


def test_writes_that_meet_each_other_again_and_again_are_said_to(
    stack: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.s3.conflicts = 9

    assert sign("devops") == UnreachableError.exit_code
    assert "S3 answered ConditionalRequestConflict" in capsys.readouterr().err
    assert stack.s3.conflicts == 6
