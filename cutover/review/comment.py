"""The comment of a review, in Markdown: the sentence, the dangers, what changes, and the rest folded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cutover.review.markdown import cell, code, fenced, one_line, prose

TEMPLATES = Path(__file__).parents[2] / "templates"
SCREEN, NAMES = 40, 3
"""Lines that a comment has at most, and names in a row of its table."""
ROOM = ((20, 12, 5), (12, 8, 3), (12, 4, 1), (8, 2, 1))
"""How many dangers, rows of the table and lines of each list there may be: the first of these that fits a screen."""
FOLDED = 50_000
"""Characters of the folded part: GitHub takes 65,536 in a comment."""


def comment(document: Mapping[str, Any]) -> str:
    """The comment for a review's document. Its first line marks it as this stack's, for whoever edits it in place."""
    rows = table(document["changes"])
    text = ""
    for dangers, most, lines in ROOM:
        text = _template().render(
            document,
            rows=rows[:most],
            more_rows=len(rows) - most,
            most_dangers=dangers,
            lines=lines,
            said=[one_line(line) for error in document["errors"] for line in fenced(error).splitlines()],
            back_time=_time(document["back"]["seconds"]),
            full=_full(document["changes"], document["dangers"][dangers:]),
            few=_joined,
        )
        if len(text.partition("\n<details>")[0].splitlines()) <= SCREEN:
            break
    return text


def table(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each thing that happens: resources of a kind to which the same is done are one."""
    rows: dict[tuple[str, str, str, str, str], list[str]] = {}
    for one in changes:
        for path, old, new in _seen(one):
            rows.setdefault((one["op"], one["kind"], path, old, new), []).append(one["name"])
    merged: dict[tuple[str, str, str, str], list[str]] = {}
    for (op, kind, path, old, new), names in rows.items():
        key = (op, "many kinds" if path.startswith("tags.") else kind, path, f"{old} → {new}" if path else "")
        merged.setdefault(key, []).extend(names)
    return [
        {
            "op": op,
            "kind": f"{cell(kind)} × {len(names)}" if len(names) > 1 else cell(kind),
            "names": _few(names),
            "path": code(path.replace("|", "¦")),
            "what": what,
        }
        for (op, kind, path, what), names in merged.items()
    ]


def _seen(change: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    if change["follows"]:
        return []
    chosen = [one for one in change["properties"] if not one["follows"]]
    return [(one["path"], _short(one["old"]), _short(one["new"])) for one in chosen] or [("", "", "")]


def _few(names: Sequence[str]) -> str:
    named = ", ".join(cell(name) for name in names[:NAMES])
    return named + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")


def _short(value: Any) -> str:
    return cell("—" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _time(seconds: int | None) -> str:
    if seconds is None:
        return "nothing brings it back"
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"


def _joined(names: Sequence[str], most: int) -> str:
    return "; ".join(prose(name) for name in names[:most]) + (
        f"; and {len(names) - most} more" if len(names) > most else ""
    )


def _full(changes: Sequence[Mapping[str, Any]], dangers: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"danger {one['name']}: {one['lost']}" for one in dangers]
    for one in changes:
        head = f"{one['op']} {one['type']} {one['name']}" + (f", for {', '.join(one['for'])}" if one["for"] else "")
        lines.append(one_line(head))
        for each in one["properties"]:
            lines += [f"    {one_line(each['path'])}", *_sides("-", each["old"]), *_sides("+", each["new"])]
        lines += [
            f"    {one_line(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in one["inputs"].items()
        ]
    text = fenced("\n".join(lines))
    return text if len(text) <= FOLDED else f"{text[:FOLDED]}\n… cut here; the JSON has all of it"


def _sides(mark: str, value: Any) -> list[str]:
    each = [] if value is None else value if isinstance(value, list) else [value]
    return [
        f"{mark}     {one_line(one) if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}" for one in each
    ]


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "code": code}
    return environment.get_template("review.md.j2")
