"""A pack: what is in it, that the same run gives the same bytes, and that whatever is changed in it is named."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import pytest

from cutover.errors import PackError
from cutover.evidence import rendering, verification
from cutover.evidence.document import Document, Supplied, json_schema
from cutover.evidence.manifest import MANIFEST, manifest
from cutover.evidence.pack import Pack
from cutover.evidence.places import in_folder
from cutover.evidence.verification import verified
from cutover.smoke.decision import Verdict
from cutover.smoke.finding import Outcome
from cutover.smoke.report import Report
from tests.support.edge_double import NoLimit
from tests.support.packs import CAVEATS, GO, NO_GO, findings, pack, rate_samples, report_of

PUBLISHED = Path(__file__).parents[3] / "docs" / "pack.schema.json"
FILES = ["pack.json", "samples.jsonl", "junit.xml", "index.html", "approval.md", "manifest.json"]
Files = dict[str, bytes]


def with_manifest(files: Files) -> Files:
    """The files with a manifest that fits them, as a forger would write it."""
    rest = {name: content for name, content in files.items() if name != MANIFEST}
    return {**rest, MANIFEST: manifest(rest).encode()}


def changed(report: Report, change: Callable[[Document], Document]) -> Files:
    """The pack of a report whose document was changed before its pages were made."""
    made = pack(report)
    document = change(made.document)
    return with_manifest({**made.files, "pack.json": document.text().encode()})


def test_a_pack_has_its_files_and_the_manifest_last() -> None:
    assert list(pack().files) == FILES


def test_the_manifest_has_size_and_hash_of_every_other_file_and_its_own_hash_is_the_id() -> None:
    made = pack()
    listed = json.loads(made.files[MANIFEST])["files"]

    assert listed == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in made.files.items()
        if name != MANIFEST
    }
    assert made.id == hashlib.sha256(made.files[MANIFEST]).hexdigest()


def test_it_lies_by_release_and_by_the_second_of_the_verdict() -> None:
    assert pack().document.key == f"packs/{GO.target.digest}/20261129T021500Z"


@pytest.mark.parametrize("report", [GO, CAVEATS, NO_GO], ids=lambda report: report.decision.verdict)
def test_the_same_run_gives_the_same_bytes_in_whatever_order_its_requests_were_answered(report: Report) -> None:
    other = replace(report, samples=list(reversed(report.samples)))

    assert pack(report).files == pack(other).files


def test_the_published_schema_is_that_of_the_shapes() -> None:
    wanted = json.dumps(json_schema(), indent=2) + "\n"
    assert PUBLISHED.read_text() == wanted, "python -m cutover.evidence.document > docs/pack.schema.json writes it"


@pytest.mark.parametrize("report", [GO, CAVEATS, NO_GO], ids=lambda report: report.decision.verdict)
@pytest.mark.parametrize("supplied", [None, Supplied()], ids=["supplied", "not supplied"])
def test_every_pack_is_valid_by_the_published_schema(report: Report, supplied: Supplied | None) -> None:
    made = pack(report) if supplied is None else pack(report, supplied)
    schema = jsonschema_rs.validator_for(json.loads(PUBLISHED.read_text()))

    schema.validate(json.loads(made.files["pack.json"]))
    broken = {**json.loads(made.files["pack.json"]), "schema": 1}
    assert not schema.is_valid(broken)


@pytest.mark.parametrize("report", [GO, CAVEATS, NO_GO], ids=lambda report: report.decision.verdict)
def test_a_pack_that_was_written_and_read_again_verifies_with_its_verdict(report: Report, tmp_path: Path) -> None:
    made = pack(report)
    folder = made.write(tmp_path)

    found = verified(in_folder(folder), made.id)

    assert folder == tmp_path / made.document.key
    assert found.pack.document.decision == report.decision
    assert found.pack.id == made.id
    assert found.notes == []


def test_a_pack_is_never_written_over_another(tmp_path: Path) -> None:
    folder = pack().write(tmp_path)
    before = in_folder(folder)

    with pytest.raises(OSError, match="not empty"):
        pack(NO_GO).write(tmp_path)
    assert in_folder(folder) == before


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere_is_named(name: str) -> None:
    made = pack(CAVEATS)
    content = made.files[name]
    step = max(1, len(content) // 150)

    for place in {*range(0, len(content), step), len(content) - 1}:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(PackError, match=f"(^|; ){name} ") as refused:
            verified({**made.files, name: bytes(flipped)}, made.id)
        assert name == MANIFEST or str(refused.value).count("; ") == 0, "no file beside it is accused"
        with pytest.raises(PackError, match=name):
            verified({**made.files, name: bytes(flipped)})


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str) -> None:
    made = pack()

    with pytest.raises(PackError, match=f"^{name} is missing"):
        verified({other: content for other, content in made.files.items() if other != name}, made.id)


@pytest.mark.parametrize("name", ["note.txt", "more/index.html", ".hidden"])
def test_a_file_too_many_is_named_wherever_it_lies(name: str, tmp_path: Path) -> None:
    folder = pack().write(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")

    with pytest.raises(PackError, match=rf"^{name} is not in manifest\.json"):
        verified(in_folder(folder))


def test_a_pack_made_anew_as_a_whole_is_told_by_its_id_alone() -> None:
    first, forged = pack(NO_GO), pack(GO)

    assert verified(forged.files).pack.document.decision.verdict is Verdict.GO
    with pytest.raises(PackError, match=rf"^manifest\.json has the SHA-256 {forged.id}, {first.id} was expected"):
        verified(forged.files, first.id)


def test_a_part_of_the_id_is_enough_to_tell() -> None:
    assert verified(pack().files, pack().id[:12])
    with pytest.raises(PackError, match=r"^manifest\.json has"):
        verified(pack().files, "0" * 12)


def test_a_verdict_that_does_not_follow_from_the_findings_is_refused_though_every_hash_fits() -> None:
    files = changed(NO_GO, lambda document: replace(document, decision=GO.decision))

    with pytest.raises(PackError, match=r"^pack\.json says GO, and NO-GO follows from its findings and rules"):
        verified(files)


def test_a_criterion_that_does_not_follow_is_refused_under_the_same_verdict_too() -> None:
    whitewashed = replace(NO_GO.decision, caveats=[])
    files = changed(NO_GO, lambda document: replace(document, decision=whitewashed))

    with pytest.raises(PackError, match=r"^the decision in pack\.json is not what follows"):
        verified(files)


def test_rules_that_were_loosened_afterwards_are_refused() -> None:
    def loosen(document: Document) -> Document:
        rules = replace(document.target.rules, must_pass=[])
        return replace(document, target=replace(document.target, rules=rules))

    with pytest.raises(PackError, match="GO with caveats follows"):
        verified(changed(NO_GO, loosen))


def test_the_verdict_is_that_of_the_packs_own_time() -> None:
    late = replace(CAVEATS, at=CAVEATS.at + timedelta(hours=1))

    with pytest.raises(PackError, match="NO-GO follows"):
        verified(changed(late, lambda document: document))


@pytest.mark.parametrize("name", ["junit.xml", "index.html", "approval.md"])
def test_a_page_that_says_something_else_is_refused_though_every_hash_fits(name: str) -> None:
    made = pack(NO_GO)
    files = with_manifest({**made.files, name: made.files[name].replace(b"NO-GO", b"GO") + b"\n"})

    with pytest.raises(PackError, match=f"^{name} is not what follows from pack.json and samples.jsonl"):
        verified(files)


def test_a_rate_limit_that_does_not_follow_from_the_requests_is_refused_though_all_else_fits() -> None:
    forged = Pack.of(report_of(findings(), samples=rate_samples(limiter=NoLimit())), Supplied())

    with pytest.raises(PackError, match=r"the rate limit holds, and from samples\.jsonl follows: .* no limit"):
        verified(forged.files)


def test_a_rate_check_that_failed_for_want_of_an_answer_is_not_judged_by_its_requests() -> None:
    assert verified(
        Pack.of(report_of(findings(rate_limit=(Outcome.FAIL, "GET /api/smoke: no answer"))), Supplied()).files
    )


def test_samples_that_were_left_out_show_in_the_page() -> None:
    made = pack()
    lines = made.files["samples.jsonl"].splitlines(keepends=True)
    files = with_manifest({**made.files, "samples.jsonl": b"".join(lines[:-3])})

    with pytest.raises(PackError, match=r"index\.html is not what follows"):
        verified(files)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("pack.json", b"{}", "pack.json: .*Field required"),
        ("pack.json", b"no JSON", "pack.json: "),
        ("pack.json", b"\xff", "pack.json: "),
        ("samples.jsonl", b"{}\n", "samples.jsonl: .*Field required"),
        ("samples.jsonl", b"\n\n", "samples.jsonl: "),
    ],
)
def test_what_cannot_be_read_is_named(name: str, content: bytes, why: str) -> None:
    with pytest.raises(PackError, match=f"^{why}"):
        verified(with_manifest({**pack().files, name: content}))


def test_a_field_more_or_another_order_is_refused() -> None:
    made = pack()
    document = json.loads(made.files["pack.json"])
    more = json.dumps({**document, "more": 1}, indent=2, sort_keys=True).encode() + b"\n"
    order = json.dumps(dict(reversed(document.items())), indent=2).encode() + b"\n"

    for content in (more, order):
        with pytest.raises(PackError, match=r"^pack\.json: it is not in the form"):
            verified(with_manifest({**made.files, "pack.json": content}))


def test_a_pack_without_pack_json_is_refused_though_its_manifest_fits() -> None:
    files = {name: content for name, content in pack().files.items() if name != "pack.json"}

    with pytest.raises(PackError, match=r"^pack\.json is not in this pack"):
        verified(with_manifest(files))


def test_pages_of_another_revision_are_not_made_anew_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pack()
    monkeypatch.setattr(verification, "renderer", lambda: "another")

    assert verified(made.files).notes == [
        "its pages were made by another revision of this project: their hashes hold, no page was made anew"
    ]


def test_the_renderer_is_known_by_its_templates_and_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rendering.renderer()
    shutil.copytree(rendering._TEMPLATES, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(rendering, "_TEMPLATES", tmp_path)

    def digest() -> str:
        rendering.renderer.cache_clear()
        return rendering.renderer()

    (tmp_path / "rollout/index.html.j2").write_text("no page of a pack")
    assert digest() == before
    for template in ("evidence/index.html.j2", "page.css"):
        (tmp_path / template).write_text("other")
        assert digest() != before
        before = digest()
    rendering.renderer.cache_clear()


def test_a_run_without_a_request_has_a_pack_too() -> None:
    made = Pack.of(report_of(findings(rate_limit=(Outcome.FAIL, "no answer")), samples=[]), Supplied())

    assert made.files["samples.jsonl"] == b""
    assert verified(made.files, made.id)
