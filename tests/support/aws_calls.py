"""What the service's code asks of AWS: every call that stands in it, made once, and none of them sent."""

from __future__ import annotations

import ast
import asyncio
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import xform_name

from tests.support.memory_audit import MemoryAudit
from webnext import aws, executor, exporter, postgres
from webnext.alerts import redis, slack
from webnext.assembly import vault_for
from webnext.audit.spool import PREFIX as SPOOLED
from webnext.audit.spool import Spool, Spooled
from webnext.bucket import Bucket, new_key
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError
from webnext.evidence.cleanup import clean
from webnext.flags import Flags
from webnext.settings import Settings

WEBNEXT = Path(aws.__file__).parent
SERVICES = ("s3", "secretsmanager", "ssm")
SECRETS = {module.__name__: module.SECRET for module in (postgres, redis, slack)}
"""The secrets that are read, by the module that reads each."""
ASKED_FOR = {module.__name__: module.SECRET for module in (executor, exporter)}
"""The same, where the settings ask for them."""
OLD = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """One call: the module and line where it stands, the service, the operation and its parameters."""

    module: str
    line: int
    service: str
    operation: str
    parameters: Mapping[str, Any]


class Recorder:
    """A session of boto3 that keeps what it is asked and answers it itself. Addresses that are signed are asked, too:
    whoever uses one asks with the signer's rights."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.session = boto3.session.Session(aws_access_key_id="nobody", aws_secret_access_key="nobody")
        self.session.events.register("provide-client-params", self._note)
        self.session.events.register("before-call", self._answer)

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.calls.append(Call(*_where(), model.service_model.service_name, model.name, dict(params)))

    def _answer(self, model: Any, params: Mapping[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        listed = {"Key": "evidence/run/1.zip", "LastModified": OLD, "Size": 1}
        answers: dict[str, dict[str, Any]] = {
            "GetObject": {"Body": io.BytesIO(b"{}")},
            "HeadObject": {"ContentLength": 1, "ETag": '"e"'},
            "ListObjectsV2": {"Contents": [listed]},
            "GetSecretValue": {"SecretString": "value"},
            "GetParameter": {"Parameter": {"Value": "{}"}},
        }
        return SimpleNamespace(status_code=200), {
            "ResponseMetadata": {"HTTPStatusCode": 200},
            **answers.get(model.name, {}),
        }


def _where() -> tuple[str, int]:
    """The module of the service that called, nearest first, and its line."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        name = str(frame.f_globals.get("__name__"))
        if name.startswith("webnext.") and name != aws.__name__:
            return name, frame.f_lineno
    raise AssertionError("a call of AWS by none of the service's modules")


def made(environment: Mapping[str, str]) -> list[Call]:
    """Every call that the service's processes make under this environment."""
    recorder = _recorder()
    recorder.calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws, "session", lambda: recorder.session)
        asyncio.run(_make(Settings.from_environment(environment)))
    return recorder.calls


@cache
def _recorder() -> Recorder:
    recorder = Recorder()
    for service in SERVICES:
        client = recorder.session.client(service, region_name="eu-central-1")
        client.close()  # what it has read of the service is kept, and no call's time goes to it
    return recorder


async def _make(settings: Settings) -> None:
    bucket = Bucket(str(settings.s3_bucket), settings.s3_region)
    key = new_key("run")
    bucket.probe()
    bucket.sign(key, 1)
    bucket.head(key)
    bucket.read(f"{key}.json")
    bucket.write(f"{key}.json", b"{}")
    bucket.remove(key)
    flags = Flags(settings)
    await flags.poll()
    await clean(settings, flags, MemoryAudit())
    spool = Spool(str(settings.s3_bucket), settings.s3_region)
    entry = Spooled(key="k", acceptedAt=OLD, traceId=None, entry=AuditEntryV1(action="a", result="ok"))
    await spool.set_aside(f"{SPOOLED}x.json", b"", "why")
    await spool.put(entry)
    spool._answered = -inf  # long ago, so that it looks whether there is one
    with pytest.raises(AwayError, match="holds no entry"):
        await spool.put(entry)
    async for _ in spool.pages():
        break
    spool.close()
    vault = vault_for(settings)
    for secret in (*SECRETS.values(), *settings.vault_entries):
        vault.read(secret)


@dataclass(frozen=True)
class Site:
    """A place in the service's source where a call stands: the operation as boto3 spells it, and the lines. Where the
    operation is handed on as a text, the call is made elsewhere."""

    module: str
    operation: str
    lines: range
    handed_on: bool

    def makes(self, call: Call) -> bool:
        """Whether the call was made here."""
        same = (call.module, xform_name(call.operation)) == (self.module, self.operation)
        return same and (self.handed_on or call.line in self.lines)


def standing() -> list[Site]:
    """The places in the service's source where a call stands."""
    return [found for path in sorted(WEBNEXT.rglob("*.py")) for found in _standing_in(path)]


def _standing_in(path: Path) -> Iterator[Site]:
    module = ".".join(path.relative_to(WEBNEXT.parent).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _operations():
            yield Site(module, node.func.attr, lines, handed_on=False)
        for one in node.args:
            if isinstance(one, ast.Constant) and one.value in _operations():
                yield Site(module, str(one.value), lines, handed_on=True)


@cache
def _operations() -> frozenset[str]:
    session = boto3.session.Session(region_name="eu-central-1")
    return frozenset(
        xform_name(operation)
        for service in SERVICES
        for operation in session._session.get_service_model(service).operation_names
        if operation != "SendCommand"  # of Systems Manager; a connection to Redis has a method of that name
    )
