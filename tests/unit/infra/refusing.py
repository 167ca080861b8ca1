"""How settings are refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from infra.settings.problems import SettingsError
from infra.settings.reading import load

LISTED = "it must be a list of networks, such as 198.51.100.0/24, or the word anyone, which no networks may amount to"


def refused(config: Mapping[str, str]) -> str:
    """The one line of the refusal."""
    with pytest.raises(SettingsError) as raised:
        load(config, stack="test")
    (_, line) = str(raised.value).splitlines()
    return line.strip()
