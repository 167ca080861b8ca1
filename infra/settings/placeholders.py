"""What of a stack's settings is still a committed file's placeholder."""

from __future__ import annotations

from infra.settings.keys import Settings
from outputs.placeholders import placeholders_in


def placeholders(settings: Settings) -> dict[str, str]:
    """The settings of an AWS stack that still hold a committed file's placeholder: key and value."""
    return {} if settings.machine else placeholders_in(settings.model_dump(mode="json", by_alias=True))
