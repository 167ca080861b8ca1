"""What the committed stack files hold until somebody puts the real values there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

LATER = "later"
"""An image's name while it is nowhere: the repository that it is pushed to comes first."""
_EXAMPLE = r"(?<![\w-])example\.com\b"
PLACEHOLDERS = {
    "account": "111122223333",
    "domain": _EXAMPLE,
    "executorUrl": _EXAMPLE,
    "image": "0{64}|111122223333",
    "buildSha": "0000000",
    "edge.image": "0{64}|111122223333",
    "edge.trustedCallers": r"203\.0\.113\.",
    "access.clients": r"203\.0\.113\.",
    "fargate.hostedZoneId": "Z0{20}",
    "alarmTargets": _EXAMPLE,
    "operatorRoles": "111122223333",
    "rollout.watchImage": "0{64}|111122223333",
}
"""A pattern of each key's placeholder."""


def placeholders_in(written: Mapping[str, Any]) -> dict[str, str]:
    """Those among an AWS stack's settings: key and value. Where there is no image yet, its commit and the watch's
    image may be one."""
    keys = PLACEHOLDERS if written.get("image") != LATER else PLACEHOLDERS.keys() - {"buildSha", "rollout.watchImage"}
    values = {key: json.dumps(_at(written, key)) for key in PLACEHOLDERS if key in keys}
    return {key: value for key, value in values.items() if re.search(PLACEHOLDERS[key], value)}


def _at(written: Mapping[str, Any], key: str) -> Any:
    section, _, inner = key.partition(".")
    value = written.get(section)
    return (value or {}).get(inner) if inner else value
