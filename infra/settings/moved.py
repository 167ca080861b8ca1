"""Keys from before there were sections for them: where each is now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.settings.keys import SECTIONS

_BEFORE = {"database": "database", "queues": "queue", "edge": ""}
"""The sections that were keys of their own, with the start that their keys had."""
_NAMED_OTHERWISE = {"edge.image": "edgeImage"}


def _moved() -> Iterator[tuple[str, str]]:
    for section, start in _BEFORE.items():
        for field in SECTIONS[section].model_fields.values():
            key, now = str(field.alias), f"{section}.{field.alias}"
            yield _NAMED_OTHERWISE.get(now, f"{start}{key[0].upper()}{key[1:]}" if start else key), now


MOVED: Mapping[str, str] = dict(_moved())
"""The path that each of those keys has now."""
