"""Sound configurations of both runtimes, some keys changed, and the settings that they are read as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.naming import Names
from infra.settings.keys import Settings
from infra.settings.reading import load

STACK = "test"
ACCOUNT, REGION = "123456789012", "eu-central-1"
IMAGE = "sha256:" + "a" * 64
MACHINE = {
    "clone": "0a1b2c3d",
    "emulator": "http://10.213.7.1:4566",
    "network": "web-next-0a1b2c3d",
    "metricsNetwork": "metrics-web-next-0a1b2c3d",
    "outsideNetwork": "outside-web-next-0a1b2c3d",
    "edgeAddress": "10.213.7.10",
    "stableAddress": "10.213.7.11",
    "executorAddress": "10.213.7.12",
    "candidateAddress": "10.213.7.13",
    "candidateWorkerAddress": "10.213.7.17",
    "outsideAddress": "10.215.7.10",
    "readerAddress": "10.214.7.14",
    "prometheusAddress": "10.214.7.15",
    "edgePort": 8450,
    "prometheusPort": 9097,
    "edgeImage": "sha256:" + "e" * 64,
    "doubleImage": "sha256:" + "d" * 64,
    "prometheusImage": "sha256:" + "b" * 64,
    "readerImage": "sha256:" + "c" * 64,
    "tlsFolder": "tests/unit/infra/tls",
}
DOCKER = {
    "web-next:track": "stable",
    "web-next:runtime": "docker",
    "web-next:account": ACCOUNT,
    "web-next:region": REGION,
    "web-next:domain": "localhost",
    "web-next:executorUrl": "https://executor.web-next.test",
    "web-next:image": IMAGE,
    "web-next:buildSha": "4f2c1d9",
    "web-next:version": "1.5.1",
    "web-next:machine": json.dumps(MACHINE),
}
"""The configuration of a sound docker stack, as Pulumi hands it to the program."""
OPERATORS = [f"arn:aws:iam::{ACCOUNT}:role/deployer", f"arn:aws:iam::{ACCOUNT}:role/on-call"]
FARGATE = {
    **{key: value for key, value in DOCKER.items() if key != "web-next:machine"},
    "web-next:runtime": "fargate",
    "web-next:zones": json.dumps(["eu-central-1a", "eu-central-1b"]),
    "web-next:domain": "console.web-next.test",
    "web-next:image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web-next-test@{IMAGE}",
    "web-next:edge": json.dumps(
        {
            "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web-next-test-edge@sha256:{'e' * 64}",
            "trustedCallers": ["198.51.100.0/24"],
        }
    ),
    "web-next:access": json.dumps({"clients": ["198.51.100.0/24"]}),
    "web-next:fargate": json.dumps({"hostedZoneId": "Z0123456789ABCDEFGHIJ"}),
    "web-next:rollout": json.dumps(
        {"watchImage": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web-next-test-watch@sha256:{'f' * 64}"}
    ),
    "web-next:operatorRoles": json.dumps(OPERATORS),
    "web-next:alarmTargets": json.dumps(["on-call@web-next.test", "https://alerts.web-next.test/hook"]),
}
"""The configuration of a sound production stack, without a placeholder."""
NAMES = Names(stack=STACK, account=ACCOUNT, region=REGION)
_STATE = (Path(__file__).parents[3] / "offline/base/prod.json").read_text()
for _placeholder, _key in (
    ("111122223333", "account"),
    ("console.example.com", "domain"),
    ("https://executor.prod.example.com", "executorUrl"),
):
    _STATE = _STATE.replace(_placeholder, FARGATE[f"web-next:{_key}"])
BASE: dict[str, Any] = json.loads(_STATE)["deployment"]["resources"][0]["outputs"]
"""The outputs of a base on fargate, on which a candidate is previewed offline, in the place of FARGATE."""


def changed(config: Mapping[str, str] = DOCKER, /, **changes: Any) -> dict[str, str]:
    """A configuration with some keys changed: texts as they are, everything else as JSON. What an object has joins
    what it had."""
    texts = dict(config)
    for key, value in changes.items():
        name = f"web-next:{key}"
        joined = {**json.loads(texts.get(name, "{}")), **value} if isinstance(value, Mapping) else value
        texts[name] = joined if isinstance(joined, str) else json.dumps(joined)
    return texts


def at(path: str, value: object) -> dict[str, Any]:
    """The changes that put a value where a dotted path leads."""
    key, _, inner = path.partition(".")
    return {key: {inner: value} if inner else value}


def without(config: Mapping[str, str], *keys: str) -> dict[str, str]:
    """A configuration without some keys."""
    return {key: value for key, value in config.items() if key.partition(":")[2] not in keys}


def settings(config: Mapping[str, str] = DOCKER, /, **changes: Any) -> Settings:
    """The settings of a configuration, some keys changed."""
    return load(changed(config, **changes), stack=STACK)
