"""Values that look right at a glance, or that somebody chose to do harm, each refused by its rule."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.infra.configs import ACCOUNT, IMAGE, at, changed
from tests.unit.infra.refusing import LISTED, refused

LINE = "it must be one line that says something"
WAIVER = {"criterion": "Health", "reason": "rebuilt", "owner": "Ada", "expires": "2026-12-31"}
STRANGE: list[tuple[str, Any, str]] = [
    ("account", "１２３４５６７８９０１２", "it must be an account id, 12 digits"),
    ("version", "１.５.１", "it must be three numbers"),
    ("version", "01.5.1", "it must be three numbers"),
    ("domain", "console..example.com", "it must be a DNS name"),
    ("domain", "console-.example.com", "it must be a DNS name"),
    ("domain", "a" * 64 + ".example.com", "it must be a DNS name"),
    ("domain", "a_b.example.com", "it must be a DNS name"),
    ("domain", "203.0.113.7", "it must be a DNS name"),
    *(
        (key, url, "it must be an http or https URL without credentials, its port from 1 to 65535")
        for key in ("executorUrl", "telemetry.endpoint")
        for url in (
            "https://executor.example.com;x",
            "https://executor.example.com'",
            "https://executor.example.com/$host",
            "https://executor.example.com\\\\",
            "https://executor..example.com",
            "https://*.example.com",
            "https://:443",
            "https:///path",
            "https://?",
            "https://executor.example.com/?a=b",
            "https://executor.example.com/#a",
            "https://exécuteur.example.com",
        )
    ),
    ("smoke.run", 1, "it must be true or false"),
    ("applyImmediately", "yes", "it must be true or false"),
    ("smoke.mustPass", [], "it must be a list of criteria"),
    ("smoke.onCall", "", LINE),
    ("smoke.onCall", "Ada\nBob", LINE),
    ("rollout.watchImage", "watch:1.5.1@" + IMAGE, "it must be repository@sha256:…, never a tag"),
    ("rollout.watchImage", "Watch@" + IMAGE, "it must be repository@sha256:…, never a tag"),
    ("rollout.watchImage", "watch;x@" + IMAGE, "it must be repository@sha256:…, never a tag"),
    ("workerCommand", [], "it must be a list of words, the command that runs the alert worker"),
    ("fargate.certificateArn", "arn:aws:acm:x:certificate/y", "it must be an ACM certificate's ARN"),
]
INSIDE: list[tuple[str, str, Any, str]] = [
    ("smoke.waivers", "[0].reason", [WAIVER | {"reason": " "}], LINE),
    ("smoke.waivers", "[0].owner", [WAIVER | {"owner": "Ada\n# all"}], LINE),
    ("smoke.waivers", "[0].expires", [WAIVER | {"expires": "31.12.2026"}], "it must be a date, YYYY-MM-DD"),
    ("rollout.freeze", "[0].reason", [{"days": "mon", "from": "09:30", "to": "16:00", "reason": " "}], LINE),
    ("workerCommand", "[0]", [""], "it must be a list of words, the command that runs the alert worker"),
    ("healthCommand", "[0]", ["a\x00"], "it must be a list of words that asks /healthz"),
    ("operatorRoles", "[0]", [f"arn:aws:iam::{ACCOUNT}:role/*"], "it must be a list of role ARNs"),
    ("operatorRoles", "[0]", [f"arn:aws:iam::{ACCOUNT}:role/dep?oyer"], "it must be a list of role ARNs"),
    ("operatorRoles", "[0]", [f"arn:aws:iam::{ACCOUNT}:role/${{aws:username}}"], "it must be a list of role ARNs"),
    ("operatorRoles", "[0]", [f"arn:aws:iam::{ACCOUNT}:role//x"], "it must be a list of role ARNs"),
    ("operatorRoles", "[0]", [f"arn:aws:iam::{ACCOUNT}:role/" + "a" * 65], "it must be a list of role ARNs"),
    ("alarmTargets", "[0]", ["<script>@example.com"], "it must be a list of e-mail addresses and https URLs"),
    ("alarmTargets", "[0]", ["mailto:a@example.com"], "it must be a list of e-mail addresses and https URLs"),
    ("alarmTargets", "[0]", ["https://hook"], "it must be a list of e-mail addresses and https URLs"),
    ("access.clients", "[0]", [1], LISTED),
    ("edge.trustedCallers", "[0]", [1], "it must be a list of networks, such as 203.0.113.7/32"),
    ("edge.trustedProxies", "[0]", [True], "it must be a list of networks, such as 10.42.8.0/22"),
    ("network.cidr", "", 1, "it must be a network, such as 10.42.0.0/16"),
    ("network.appSubnets", "[0]", [True], "it must be a network, such as 10.42.0.0/16"),
]
"""What is wrong inside a list: the key, where in it, the list, the rule."""


@pytest.mark.parametrize(("key", "value", "rule"), STRANGE)
def test_a_strange_value_is_named_with_the_rule(key: str, value: Any, rule: str) -> None:
    assert refused(changed(**at(key, value))).startswith(f"web-next:{key} = {json.dumps(value)}: {rule}")


@pytest.mark.parametrize(("key", "where", "value", "rule"), INSIDE)
def test_what_is_wrong_inside_a_list_is_named_with_its_place(key: str, where: str, value: Any, rule: str) -> None:
    assert re.fullmatch(
        rf"{re.escape(f'web-next:{key}{where}')} = .*: {re.escape(rule)}.*", refused(changed(**at(key, value)))
    )
