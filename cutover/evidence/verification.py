"""Whether a pack is what it was when it was made, and whether its verdict follows from what was observed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cutover.errors import PackError
from cutover.evidence.document import Document
from cutover.evidence.manifest import require, require_hashes
from cutover.evidence.pack import DOCUMENT, SAMPLES, Pack, pages, samples_text
from cutover.evidence.rendering import renderer
from cutover.smoke.decision import decide
from cutover.smoke.limit_run import Ruling, judge
from cutover.smoke.limiter import Limit
from cutover.smoke.probe import Sample
from outputs.smoke import Criterion


@dataclass(frozen=True)
class Verified:
    """A pack that is what its manifest says, with the verdict recomputed. `notes` say what was not compared."""

    pack: Pack
    notes: Sequence[str] = ()


def verified(files: Mapping[str, bytes], pack_id: str | None = None) -> Verified:
    """The pack that files make, by name, nobody being asked.

    Every hash is computed again, then the verdict from findings and rules at the pack's own time, the judgement of
    the rate limit from the samples, and the pages from both. Raises PackError that names each file that is changed,
    missing or too many, or what does not follow. Only with its id can a changed manifest be told from another pack.
    """
    require_hashes(files, pack_id)
    document, samples = _read(files)
    require(_verdict(document))
    require(_rate_limit(document, samples))
    notes = []
    if document.renderer == renderer():
        made = pages(document, samples)
        require(
            f"{name} is not what follows from {DOCUMENT} and {SAMPLES}"
            for name in made
            if made[name] != files.get(name)
        )
    else:
        notes.append(
            "its pages were made by another revision of this project: their hashes hold, no page was made anew"
        )
    return Verified(Pack(document, files), notes)


def _read(files: Mapping[str, bytes]) -> tuple[Document, list[Sample]]:
    try:
        document = Document.read(files[DOCUMENT].decode())
    except KeyError:
        raise PackError(f"{DOCUMENT} is not in this pack") from None
    except ValueError as error:
        raise PackError(f"{DOCUMENT}: {error}") from None
    try:
        text = files.get(SAMPLES, b"").decode()
        samples = [Sample.from_output(json.loads(line)) for line in text.splitlines()]
    except ValueError as error:
        raise PackError(f"{SAMPLES}: {error}") from None
    if samples_text(samples) != text:
        raise PackError(f"{SAMPLES} is not in the form in which packs are written")
    return document, samples


def _verdict(document: Document) -> Iterator[str]:
    follows = decide(document.findings, document.target.rules, document.at)
    if follows.output() != document.decision.output():
        yield (
            f"{DOCUMENT} says {document.decision.verdict}, and {follows.verdict} follows from its findings and rules"
            if follows.verdict is not document.decision.verdict
            else f"the decision in {DOCUMENT} is not what follows from its findings and rules"
        )


def _rate_limit(document: Document, samples: Sequence[Sample]) -> Iterator[str]:
    """A rate check that passed must follow from its requests; it may have failed for want of an answer too."""
    edge = document.target.edge
    limited = [each for each in samples if each.counted]
    judgement = judge(limited, Limit.of(edge.rate_per_minute, edge.burst))
    for finding in document.findings:
        if finding.criterion is not Criterion.RATE_LIMIT or not finding.outcome.stands:
            continue
        if judgement.ruling is not Ruling.HOLDS or not finding.saw.endswith(judgement.clause):
            yield f"{DOCUMENT} says that the rate limit holds, and from {SAMPLES} follows: {judgement.clause}"
