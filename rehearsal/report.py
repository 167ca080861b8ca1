"""The report: what was declared to hold, what was seen, and how long each part took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was declared, whether it held, and what was seen."""

    declared: str
    held: bool
    saw: str


@dataclass(kw_only=True)
class Act:
    """A part of the rehearsal: what was found in it, and its seconds once it has ended."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    seconds: float | None = None


@dataclass(kw_only=True)
class Report:
    """All acts so far; `broken` says why the rehearsal ended before its end."""

    title: str
    acts: list[Act] = field(default_factory=list)
    broken: str | None = None

    @property
    def held(self) -> bool:
        """Whether it came to its end, and all that was declared held."""
        return self.broken is None and all(finding.held for act in self.acts for finding in act.findings)

    def document(self) -> dict[str, Any]:
        """The report for machines."""
        acts = [
            {"name": act.name, "seconds": act.seconds, "findings": [vars(finding) for finding in act.findings]}
            for act in self.acts
        ]
        return {"title": self.title, "held": self.held, "broken": self.broken, "acts": acts}

    def text(self) -> str:
        """The report for people: Markdown that a terminal shows as well."""
        lines = [f"# {self.title}", ""]
        for act in self.acts:
            lines += [f"## {act.name}{'' if act.seconds is None else f', {act.seconds:.0f} s'}", ""]
            lines += [*_table(act.findings), ""]
        if self.broken:
            lines += [f"Ended before its end: {self.broken}", ""]
        lines.append("All that was declared held." if self.held else "Not all that was declared held.")
        return "\n".join(lines) + "\n"


def _table(findings: Sequence[Finding]) -> list[str]:
    rows = [("", "declared", "seen"), *(("held" if one.held else "**not**", one.declared, one.saw) for one in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    head, *body = [f"| {row[0]:<{widths[0]}} | {row[1]:<{widths[1]}} | {row[2]} |" for row in rows]
    return [head, f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 2)}|---|", *body]
