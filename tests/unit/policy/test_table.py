"""docs/policy.md has the rules as they are."""

from __future__ import annotations

from pathlib import Path

from cutover.smoke.redaction import redacted
from policy.rules import ALL
from policy.table import rows

DOCUMENT = Path(__file__).parents[3] / "docs" / "policy.md"


def test_no_rule_is_told_in_words_that_look_like_a_secret() -> None:
    """A review redacts what it says, the rules' own words too."""
    for one in ALL:
        assert redacted(f"{one.says}: {one.todo}") == f"{one.says}: {one.todo}"


def test_the_document_has_each_rule_as_it_is() -> None:
    """`python -m policy.table` prints what belongs there."""
    assert "\n".join(rows()) in DOCUMENT.read_text()
