"""Changes to prod as Pulumi's engine announced them, and the comments that a person has looked at.

The events are those of real previews through the stand-ins, on a state that was made of what a first preview said it
would make; outputs, and what stays as it is, are left out. `python -m tests.support.recorded_reviews` writes the
comments anew: look at each before it is committed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cutover.review.drift import drifted
from cutover.review.review import Said, said
from cutover.review.steps import Preview, read
from cutover.review.verdict import verdict

FOLDER = Path(__file__).parents[1] / "unit" / "review"
NAMES = sorted(path.stem for path in (FOLDER / "recorded").glob("*.jsonl"))


def events(name: str) -> list[dict[str, Any]]:
    """The events of a recorded preview."""
    return [json.loads(line) for line in (FOLDER / "recorded" / f"{name}.jsonl").read_text().splitlines()]


def reviewed(preview: Preview, *acknowledged: str, **others: Any) -> Said:
    """A review of prod with its own state, and nobody asked about policy or drift."""
    wanted = {"base": None, "shape": None, "found": None, "policy": None, "folder": FOLDER / "migrations"}
    return said("prod", preview, acknowledged, **(wanted | others))


def comment(name: str) -> str:
    """The comment of a recorded change, judged by the pack as it was then, or of recorded drift."""
    each = events(name)
    preview = read(each)
    if name == "drift":
        return reviewed(preview, found=drifted(each)).comment
    return reviewed(preview, policy=verdict(preview.policy)).comment


if __name__ == "__main__":
    for each in NAMES:
        (FOLDER / "recorded" / f"{each}.md").write_text(comment(each))
