"""After a run: where its pack lies, what the bucket supplied to it, and that nothing wrong there changes a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.commands.smoke import app_checks
from cutover.errors import CutoverError
from cutover.evidence import approvals
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.evidence.document import Rehearsal, RestoreDrill
from cutover.evidence.keeping import keep_pack
from cutover.evidence.places import in_folder, note_drill
from cutover.evidence.verification import verified
from cutover.smoke import kept
from tests.support.memory_bucket import Memory
from tests.support.packs import BUILD, GO, TARGET

KEY = f"packs/{TARGET.digest}/20261129T021500Z"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The records bucket in memory, the project's folder a temporary one in which the suite has run."""
    made = Memory()
    monkeypatch.setattr(RecordsBucket, "of", classmethod(lambda _cls, places: made.bucket))
    monkeypatch.chdir(tmp_path)
    with kept.Kept.begin("local") as run:
        run.report(GO)
    return made


def supplied(memory: Memory) -> dict[str, object]:
    found: dict[str, object] = json.loads(memory.s3.objects[f"{KEY}/pack.json"])["supplied"]
    return found


def test_the_pack_lies_on_this_machine_and_in_the_bucket_and_its_id_is_said(memory: Memory) -> None:
    line = keep_pack(GO).line
    here = in_folder(Path(".local") / KEY)

    assert line == f".local/{KEY}  id {verified(here).pack.id[:12]}"
    assert {f"{KEY}/{name}": content for name, content in here.items()} == memory.s3.objects
    assert memory.s3.written[-1] == f"{KEY}/manifest.json", "without its manifest a pack is none"


def test_for_machines_the_id_is_whole_and_no_problem_is_none(memory: Memory) -> None:
    kept_pack = keep_pack(GO)

    assert kept_pack.output() == {
        "folder": f".local/{KEY}",
        "id": verified(in_folder(Path(".local") / KEY)).pack.id,
        "problem": None,
    }


def test_where_the_pack_lies_is_kept_with_the_report(memory: Memory) -> None:
    line = keep_pack(GO).line

    saved = kept.saved("local", since=0)
    assert saved is not None
    assert (saved.pack, saved.url) == (line, "https://localhost:8452")


def test_a_new_run_forgets_the_pack_of_the_one_before(memory: Memory) -> None:
    keep_pack(GO)
    with kept.Kept.begin("local") as run:
        run.report(GO)

    saved = kept.saved("local", since=0)
    assert saved is not None
    assert saved.pack is None


def away(memory: Memory) -> None:
    memory.s3.away = True


def denied(memory: Memory) -> None:
    memory.s3.refuses = "AccessDenied"


def broken(memory: Memory) -> None:
    memory.s3.breaks_after = 3


def occupied(memory: Memory) -> None:
    memory.s3.objects[f"{KEY}/index.html"] = b"another"


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (away, "the records bucket records does not answer"),
        (denied, "S3 answered AccessDenied"),
        (broken, "the records bucket records does not answer"),
        (occupied, "index.html is there already, with another content"),
    ],
)
def test_an_upload_that_fails_is_one_line_that_says_where_the_pack_lies_and_why(
    harm: Callable[[Memory], None], why: str, memory: Memory
) -> None:
    harm(memory)

    line = keep_pack(GO).line

    assert line.startswith(f".local/{KEY}  id ")
    assert "; on this machine only: " in line
    assert why in line
    assert "\n" not in line
    assert f"{KEY}/manifest.json" not in memory.s3.objects
    assert verified(in_folder(Path(".local") / KEY))


def test_an_upload_that_was_broken_off_is_gone_on_with(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "caller", lambda _places: "arn:aws:sts::1:ada")
    memory.s3.breaks_after = 3
    keep_pack(GO)
    memory.s3.breaks_after, memory.s3.away = None, False

    assert main(["approve", str(Path(".local") / KEY), "--role", "backend", "--by", "Ada"]) == 0
    there = {name: content for name, content in memory.s3.objects.items() if name.startswith("packs")}
    assert there == {f"{KEY}/{name}": content for name, content in in_folder(Path(".local") / KEY).items()}


def test_a_folder_that_cannot_be_written_is_one_line_too(memory: Memory) -> None:
    Path(".local/packs").write_text("no folder")

    line = keep_pack(GO).line
    assert line.startswith("there is none: ")
    assert "\n" not in line


def test_a_second_pack_of_the_same_second_is_one_line_and_the_first_stays(memory: Memory) -> None:
    keep_pack(GO)
    before = dict(memory.s3.objects)

    assert keep_pack(GO).line.startswith("there is none: Directory not empty")
    assert memory.s3.objects == before


def test_the_version_before_is_that_of_the_recorded_stable_release(memory: Memory) -> None:
    record = TARGET.output() | {"version": "1.5.0", "digest": "0" * 64}
    memory.s3.objects["deployments/stable.json"] = json.dumps(record).encode()
    keep_pack(GO)

    assert supplied(memory)["version_before"] == "1.5.0"


@pytest.mark.parametrize("content", [json.dumps(TARGET.output()).encode(), b"{}", b"no JSON", None])
def test_a_record_of_this_release_or_none_that_can_be_read_supplies_no_version(
    content: bytes | None, memory: Memory
) -> None:
    if content is not None:
        memory.s3.objects["deployments/stable.json"] = content
    keep_pack(GO)

    assert supplied(memory)["version_before"] is None


def test_the_last_rehearsal_is_supplied_where_there_is_one(memory: Memory) -> None:
    last = Rehearsal(at=datetime(2026, 11, 28, tzinfo=UTC), release="r", rollback_seconds=2.5)
    memory.s3.objects["rehearsals/latest.json"] = json.dumps(last.output()).encode()
    keep_pack(GO)

    assert supplied(memory)["rehearsal"] == last.output()


def test_the_last_restore_drill_is_supplied_where_there_is_one(memory: Memory) -> None:
    last = RestoreDrill(at=datetime(2026, 11, 28, tzinfo=UTC), seconds=3.3, rows=9, schema_version=6)
    note_drill(memory.bucket, last)
    keep_pack(GO)

    assert supplied(memory)["drill"] == last.output()


def test_a_drill_whose_answer_was_lost_is_noted_and_one_that_met_anothers_is_not(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill = RestoreDrill(at=datetime(2026, 11, 28, tzinfo=UTC), seconds=3.3, rows=9, schema_version=6)
    memory.s3.lost = 1
    note_drill(memory.bucket, drill)
    assert json.loads(memory.s3.objects["drills/restore.json"]) == drill.output()

    monkeypatch.setattr(RecordsBucket, "read", lambda *_: (b"{}", "what was there before"))
    with pytest.raises(ExistsError):
        note_drill(memory.bucket, replace(drill, rows=8))


def test_what_the_apps_ci_says_is_supplied_by_its_file(memory: Memory) -> None:
    said = {"build_sha": BUILD, "typescript_errors": 0, "build_clean": True}
    Path("ci.json").write_text(json.dumps(said))
    keep_pack(GO, app_checks(Path("ci.json"), TARGET))

    assert supplied(memory)["app_checks"] == said


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"build_sha": "other", "typescript_errors": 0, "build_clean": true}', "is of build other, and 4f2c1d9a"),
        ('{"build_sha": "b"}', "is another form than"),
        ("no JSON", "is another form than"),
        (None, "No such file"),
    ],
)
def test_a_file_of_the_apps_ci_that_does_not_fit_is_refused(content: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "ci.json"
    if content:
        path.write_text(content)

    with pytest.raises(CutoverError, match=why):
        app_checks(path, TARGET)
