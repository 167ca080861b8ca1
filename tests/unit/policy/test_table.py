"""docs/policy.md has the rules as they are."""

from __future__ import annotations

from pathlib import Path

from policy.table import rows

DOCUMENT = Path(__file__).parents[3] / "docs" / "policy.md"


def test_the_document_has_each_rule_as_it_is() -> None:
    """`python -m policy.table` prints what belongs there."""
    assert "\n".join(rows()) in DOCUMENT.read_text()
