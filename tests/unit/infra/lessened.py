"""A policy with one thing less, to see which answer turns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from tests.unit.infra.account import Document


def lessened(document: Document) -> Iterator[tuple[str, Document]]:
    """The document with one thing less: an action, a resource, a value of a condition or the whole of one."""
    for index, statement in enumerate(document["Statement"]):
        sid = statement.get("Sid", index)
        for element in ("Action", "Resource"):
            for value in as_list(statement.get(element)):
                left = [one for one in as_list(statement[element]) if one != value]
                yield (
                    f"{sid} without {value}",
                    with_statement(document, index, {**statement, element: left} if left else None),
                )
        for operator, keys in statement.get("Condition", {}).items():
            for key, values in keys.items():
                for less in ([one for one in as_list(values) if one != value] for value in as_list(values)):
                    condition = copy.deepcopy(statement["Condition"])
                    condition[operator][key] = less
                    if not less:
                        del condition[operator][key]
                    yield (
                        f"{sid} with {operator} {key} {less}",
                        with_statement(document, index, {**statement, "Condition": condition}),
                    )


def with_statement(document: Document, index: int, statement: dict[str, Any] | None) -> Document:
    """The document with another statement in this place, or none."""
    statements = document["Statement"]
    there = [statement] if statement else []
    return {**document, "Statement": [*statements[:index], *there, *statements[index + 1 :]]}


def as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
