"""Values as Pulumi writes them, in a state and to a policy pack: what is secret and what is not known is marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy.resources import UNKNOWN

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of one, in every state
_UNKNOWN = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # a text
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a truth value
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # a mapping
    "030794c1-ac77-496b-92df-f27374a8bd58",  # a file
    "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
}


def is_secret(value: Any) -> bool:
    """Whether the value is marked as a secret."""
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET


def plain(value: Any) -> Any:
    """The value without marks: UNKNOWN where it is not known yet, or a secret that nobody has opened."""
    if isinstance(value, str) and value in _UNKNOWN:
        return UNKNOWN
    if is_secret(value):
        return plain(value["value"]) if "value" in value else UNKNOWN
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
