"""An evidence pack: what one run of the suite observed and decided, in files whose hashes are in a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cutover.evidence.document import Document, Supplied
from cutover.evidence.form import approval_form
from cutover.evidence.junit import junit
from cutover.evidence.manifest import MANIFEST, manifest
from cutover.evidence.page import page
from cutover.evidence.rendering import renderer
from cutover.smoke.probe import Sample
from cutover.smoke.report import Report

DOCUMENT, SAMPLES = "pack.json", "samples.jsonl"


@dataclass(frozen=True)
class Pack:
    """A pack's files by name, the manifest last: without it there is no pack."""

    document: Document
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, report: Report, supplied: Supplied) -> Self:
        """The pack of a report."""
        document = Document.of(report, supplied, renderer=renderer())
        samples = sorted(report.samples, key=lambda each: (each.sent, json.dumps(each.output())))
        files = {
            DOCUMENT: document.text().encode(),
            SAMPLES: samples_text(samples).encode(),
            **pages(document, samples),
        }
        return cls(document, {**files, MANIFEST: manifest(files).encode()})

    @property
    def id(self) -> str:
        """The SHA-256 of the manifest, and so of everything in it."""
        return hashlib.sha256(self.files[MANIFEST]).hexdigest()

    def write(self, root: Path) -> Path:
        """Writes the pack below a folder, whole or not at all; returns where. Raises OSError, also when there is one
        of that release and second."""
        folder = root / self.document.key
        new = folder.with_name(f".{folder.name}")
        new.mkdir(parents=True)
        for name, content in self.files.items():
            (new / name).write_bytes(content)
        new.rename(folder)
        return folder


def pages(document: Document, samples: Sequence[Sample]) -> dict[str, bytes]:
    """What is made of the observations for whoever reads them."""
    made = {
        "junit.xml": junit(document),
        "index.html": page(document, samples),
        "approval.md": approval_form(document),
    }
    return {name: text.encode() for name, text in made.items()}


def samples_text(samples: Sequence[Sample]) -> str:
    """A line of JSON for each request."""
    return "".join(json.dumps(each.output(), sort_keys=True, ensure_ascii=False) + "\n" for each in samples)
