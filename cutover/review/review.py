"""A whole review: everything looked at, said once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.errors import NotPreparedError
from cutover.review import dangers, engine, migrations
from cutover.review.comment import comment
from cutover.review.document import Review
from cutover.review.drift import Drifted, drifted
from cutover.review.steps import Preview
from cutover.review.verdict import Verdict, verdict
from cutover.review.way_back import way_back
from cutover.stacks.project import PROJECT, config

MIGRATIONS = PROJECT / "migrations"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A review as it is shown and kept: `comment` is Markdown, `red` says why the gate is, one line each."""

    comment: str
    json: str
    digest: str
    red: Sequence[str]


def look(
    stack: str,
    acknowledged: Sequence[str],
    *,
    against: str | None = None,
    drift: bool = False,
    whole: bool = False,
) -> Said:
    """Reviews what the project would do to the stack; `whole` is for whom an offline shape is not enough.

    Raises NotPreparedError then, and CutoverError where nothing can be looked at.
    """
    known = engine.has_state(stack)
    if not known and (whole or drift):
        raise NotPreparedError(
            f"the state of {stack} cannot be opened here, and nothing else will do: use a shell with "
            "PULUMI_BACKEND_URL, credentials and Pulumi's official providers"
        )
    preview = engine.preview(stack) if known else engine.shape(stack, against)
    return said(
        stack,
        preview,
        [*dangers.written(PROJECT, stack), *acknowledged],
        base=config(stack).get("web-next:base"),
        shape=None if known else _shape(stack, against),
        found=drifted(engine.refresh(stack)) if drift else None,
        policy=verdict(preview.policy) if engine.here(stack).pack else None,
        folder=MIGRATIONS,
    )


def said(
    stack: str,
    preview: Preview,
    acknowledged: Sequence[str],
    *,
    base: str | None,
    shape: str | None,
    found: Sequence[Drifted] | None,
    policy: Verdict | None,
    folder: Path,
) -> Said:
    """What there is to say of a preview."""
    pending = migrations.pending(preview.steps, folder)
    apart = dangers.dangers(preview.steps, acknowledged, pending)
    document = Review(
        stack=stack,
        shape=shape,
        preview=preview,
        dangers=apart,
        pending=pending,
        back=way_back(stack, base, preview.steps, apart, pending),
        policy=policy,
        drift=found,
    ).document()
    return Said(
        comment=comment(document),
        json=json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        digest=document["digest"],
        red=document["red"],
    )


def _shape(stack: str, against: str | None) -> str:
    rest = f"compared with what {against} declares" if against else "everything it declares is shown as new"
    return (
        f"OFFLINE SHAPE: previewed through stand-in providers, without the state of {stack}, an account or a secret; "
        f"{rest}. What is replaced, only the state tells."
    )
