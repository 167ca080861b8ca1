"""A rollout's report: its page after each tick, and once it is over a pack that is kept once and verifies."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.errors import PackError
from cutover.evidence.document import Rehearsal
from cutover.evidence.places import last_rehearsal, note_rehearsal
from cutover.rollout.history import History
from cutover.rollout.pack import RolloutPack
from cutover.rollout.record import KEY
from cutover.rollout.report import KEPT, Report
from cutover.rollout.store import Copy
from tests.support.memory_bucket import Memory
from tests.support.rollout_states import BEGUN, Rollout, named


class Reported:
    """A report over a bucket in memory that has every revision of the rollouts told of."""

    def __init__(self, root: Path) -> None:
        self.memory = Memory()
        self.copy = Copy("local", root)
        self.report = Report(self.copy, self.memory.bucket)

    def tell(self, rollout: Rollout) -> None:
        for sample in rollout.samples:
            sample.append_to(self.copy.folder)
        self.report.update(rollout.record, rollout.status)

    @property
    def page(self) -> str:
        return (self.copy.folder / "index.html").read_text()

    @property
    def kept(self) -> dict[str, bytes]:
        prefix = f"rollouts/{named('finished').record.id}/"
        return {
            name.removeprefix(prefix): content
            for name, content in self.memory.s3.objects.items()
            if name.startswith(prefix)
        }


@pytest.fixture
def reported(tmp_path: Path) -> Reported:
    return Reported(tmp_path)


def test_the_page_is_of_the_last_tick_and_nothing_is_kept_while_it_runs(reported: Reported) -> None:
    reported.tell(named("inconclusive"))
    assert "<h1>canary at 10 %</h1>" in reported.page
    reported.tell(named("held"))

    assert "<h1>staged at 50 %, held</h1>" in reported.page
    assert reported.kept == {}
    assert sorted(path.name for path in reported.copy.folder.iterdir()) == [
        "changes.jsonl",
        "index.html",
        "samples.jsonl",
    ]


def test_the_pack_of_a_rollout_that_is_over_has_its_record_its_samples_and_its_page(reported: Reported) -> None:
    rollout = named("rolled back")
    reported.tell(rollout)
    pack = RolloutPack.verified(reported.kept)

    assert list(reported.kept) == ["rollout.json", "samples.jsonl.gz", "index.html", "manifest.json"]
    assert pack.document.record.output() == rollout.record.output()
    assert pack.document.record.pack == "5d3f0a" * 10, "it names the candidate's"
    written = (reported.copy.folder / "samples.jsonl").read_bytes()
    assert len(written.splitlines()) == len(rollout.samples)
    assert gzip.decompress(reported.kept["samples.jsonl.gz"]) == written
    assert reported.kept["index.html"].decode() == reported.page
    assert (reported.copy.folder / KEPT).read_text().startswith(f"{rollout.record.id} {pack.id} ")


def test_it_is_kept_once_whatever_is_told_afterwards(reported: Reported) -> None:
    rollout = named("rolled back")
    reported.tell(rollout)
    before = dict(reported.kept)
    reported.report.update(rollout.record, replace(rollout.status, why="another"))
    (reported.copy.folder / KEPT).unlink()
    reported.report.update(rollout.record, replace(rollout.status, why="of another machine"))

    assert reported.kept == before


def test_once_it_is_over_its_samples_are_read_again_only_where_something_has_changed(
    reported: Reported, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, read = named("rolled back"), list[str]()
    reported.tell(rollout)

    def lines(_history: History, rollout: str) -> Iterator[str]:
        read.append(rollout)
        return iter(())

    monkeypatch.setattr(History, "lines", lines)
    later = replace(rollout.status, at=rollout.status.at + timedelta(days=1))

    reported.report.update(rollout.record, later)
    assert read == []
    reported.report.update(rollout.record, replace(later, left=["flags stable"]))
    assert set(read) == {rollout.record.id}
    assert "flags stable" in reported.page
    reported.report.update(replace(rollout.record, revision=99), replace(later, revision=99))
    assert "revision 99" in reported.page


@pytest.mark.parametrize("name", ["prepared", "held"])
def test_while_it_runs_the_page_is_written_at_each_tick(reported: Reported, name: str) -> None:
    rollout = named(name)
    reported.tell(rollout)
    later = rollout.status.at + timedelta(seconds=10)
    reported.report.update(rollout.record, replace(rollout.status, at=later))

    assert f'as of <time datetime="{later.isoformat()}"' in reported.page


def test_what_still_delivers_is_not_over(reported: Reported) -> None:
    rollout = named("rolled back")
    reported.report.update(replace(rollout.record, draining=True), rollout.status)

    assert reported.kept == {}


def test_a_bucket_that_is_away_is_asked_again_the_next_time(reported: Reported) -> None:
    reported.memory.s3.away = True
    reported.tell(named("rolled back"))
    assert not (reported.copy.folder / KEPT).exists()
    reported.memory.s3.away = False
    reported.report.update(named("rolled back").record, named("rolled back").status)

    assert RolloutPack.verified(reported.kept)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("samples.jsonl.gz", b"", r"samples\.jsonl\.gz has the SHA-256 .*, manifest\.json says"),
        ("more.txt", b"", r"more\.txt is not in manifest\.json"),
        ("manifest.json", b"{}", r"manifest\.json is no manifest"),
    ],
)
def test_whatever_is_changed_in_a_pack_is_named(name: str, content: bytes, said: str, reported: Reported) -> None:
    reported.tell(named("rolled back"))

    with pytest.raises(PackError, match=said):
        RolloutPack.verified({**reported.kept, name: content})


def test_another_pack_than_the_one_that_was_noted_is_told_by_its_id(reported: Reported) -> None:
    reported.tell(named("rolled back"))

    with pytest.raises(PackError, match="0123456789ab was expected"):
        RolloutPack.verified(reported.kept, "0123456789ab")


def test_the_record_of_the_pack_is_the_one_that_the_bucket_had(reported: Reported) -> None:
    rollout = named("rolled back")
    reported.memory.bucket.replace(KEY, rollout.record.text().encode(), None)
    reported.tell(rollout)

    assert [change["revision"] for change in json.loads(reported.kept["rollout.json"])["changes"]] == [9]


def test_the_newest_rehearsal_is_the_one_that_packs_name() -> None:
    bucket = Memory().bucket
    for seconds in (2.5, 1.5):
        note_rehearsal(bucket, Rehearsal(at=BEGUN, release="r", rollback_seconds=seconds))

    assert last_rehearsal(bucket) == Rehearsal(at=BEGUN, release="r", rollback_seconds=1.5)


def test_verify_says_how_the_rollout_of_a_folder_ended(
    reported: Reported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reported.tell(named("rolled back"))
    folder = tmp_path / "pack"
    folder.mkdir()
    for name, content in reported.kept.items():
        (folder / name).write_bytes(content)
    pack = RolloutPack.verified(reported.kept)

    assert main(["verify", str(folder), "--id", pack.id]) == 0
    assert capsys.readouterr().out == f"  rolled back  web-next 1.5.1 on local: every byte holds\n  id {pack.id}\n"
    assert main(["verify", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == f"rollouts/{pack.document.record.id}"
    (folder / "index.html").write_text("other")
    assert main(["verify", str(folder)]) == PackError.exit_code
