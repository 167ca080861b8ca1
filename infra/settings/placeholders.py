"""What the committed stack files hold until somebody puts the real values there."""

from __future__ import annotations

import json
import re
from functools import reduce
from operator import getitem

from infra.settings.keys import Settings

_EXAMPLE = r"(?<![\w-])example\.com\b"
PLACEHOLDERS = {
    "account": "111122223333",
    "domain": _EXAMPLE,
    "executorUrl": _EXAMPLE,
    "image": "0{64}|111122223333",
    "buildSha": "0000000",
    "edge.image": "0{64}|111122223333",
    "edge.trustedCallers": r"203\.0\.113\.",
    "fargate.hostedZoneId": "Z0{20}",
    "alarmTargets": _EXAMPLE,
    "operatorRoles": "111122223333",
}
"""A pattern of each key's placeholder."""


def placeholders(settings: Settings) -> dict[str, str]:
    """The settings of an AWS stack that still hold a committed file's placeholder: key and value."""
    if settings.machine is not None:
        return {}
    written = settings.model_dump(mode="json", by_alias=True)
    keys = PLACEHOLDERS if settings.has_release else PLACEHOLDERS.keys() - {"buildSha"}
    values = {key: json.dumps(reduce(getitem, key.split("."), written)) for key in PLACEHOLDERS if key in keys}
    return {key: value for key, value in values.items() if re.search(PLACEHOLDERS[key], value)}
