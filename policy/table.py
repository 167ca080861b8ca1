"""The rules as the table of docs/policy.md: `python -m policy.table` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rule import Rule
from policy.rules import AREAS


def rows() -> Iterator[str]:
    """The table's lines, in the order of the areas."""
    yield "| Rule | Severity | What holds | What to do | Controls |"
    yield "|---|---|---|---|---|"
    for area in AREAS:
        for one in vars(area).values():
            if isinstance(one, Rule):
                covers = ", ".join(one.covers)
                yield f"| `{one.id}` | {one.severity} | {one.says} | {one.todo} | {covers} |".replace("|  |", "| |")


if __name__ == "__main__":
    print("\n".join(rows()))
