"""The executor's HTTP API, as the double answers it."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import Field, FiniteFloat, StringConstraints
from starlette.requests import ClientDisconnect

from webnext import context
from webnext.audit.own import own_key
from webnext.contract.audit import AuditEntryV1, ListRequest
from webnext.contract.base import Identifier, Text
from webnext.contract.base import Request as Body
from webnext.contract.evidence import ArchiveRequest, EvidenceRequest
from webnext.contract.guardrails import Breach
from webnext.double.journal import Journal
from webnext.double.objects import MAX_BYTES, PATH, Objects
from webnext.double.receiver import Receiver
from webnext.double.trading import Batch, TradingDesk
from webnext.envelope import TRACE_ID

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")

Key = Annotated[str | None, Header(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$")]
"""An idempotency key as web-next hands it over, one of its own or a caller's."""
Actor = Annotated[str, Header(pattern=r"^[ -~]{0,100}$")]
Strategies = Annotated[list[Identifier], Field(max_length=1000)]
Expires = Annotated[int, Query(ge=0, le=10**12)]
Signature = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")]
Trace = Annotated[str, StringConstraints(pattern=f"^{TRACE_ID.pattern}$")]
Size = Annotated[int | None, Query(ge=1, le=MAX_BYTES)]


class PauseRequest(Body):
    """The strategies to pause on account of a breach."""

    breachId: Identifier  # noqa: N815
    strategyIds: Strategies  # noqa: N815


class PromoteRequest(Body):
    """The strategies of a batch to make live."""

    batchId: Identifier  # noqa: N815
    strategyIds: Strategies  # noqa: N815


class BreachRequest(Body):
    """The breach to have; without a value it is somewhat above its threshold."""

    guardrail: Text = "maxDrawdown"
    value: FiniteFloat | None = None
    strategyId: Identifier | None = None  # noqa: N815


class Message(Body):
    """What Slack's webhook takes, as far as it is looked at: Slack cuts a text at 40 000 characters."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=40_000)]


class RefuseRequest(Body):
    """Whose messages to refuse, and how many; 0 ends it."""

    traceId: Trace  # noqa: N815
    times: Annotated[int, Field(ge=0, le=100)]


def trading(desk: TradingDesk) -> APIRouter:
    """Guardrails, strategies, batches, and how to have a breach or a batch."""
    routes = APIRouter()

    @routes.api_route("/healthz", methods=["GET", "HEAD"], response_class=PlainTextResponse)
    async def alive() -> str:
        return "ok\n"

    @routes.get("/guardrails")
    async def guardrails() -> dict[str, Any]:
        return desk.guardrails()

    @routes.get("/strategies")
    async def strategies() -> dict[str, Any]:
        return {"items": desk.strategies()}

    @routes.post("/strategies/pause")
    async def pause(wanted: PauseRequest) -> dict[str, Any]:
        return {"paused": await desk.pause(wanted.breachId, wanted.strategyIds)}

    @routes.get("/batches")
    async def batches() -> dict[str, Any]:
        return {"pending": desk.pending()}

    @routes.post("/strategies/promote")
    async def promote(wanted: PromoteRequest) -> dict[str, Any]:
        return {"promoted": await desk.promote(wanted.batchId, wanted.strategyIds)}

    @routes.post("/double/breach")
    async def breach(wanted: BreachRequest) -> Breach:
        return await desk.breach(wanted.guardrail, wanted.value, wanted.strategyId)

    @routes.post("/double/batch")
    async def batch() -> Batch:
        return await desk.batch()

    @routes.post("/double/reset")
    async def reset() -> dict[str, bool]:
        """Strategies as they were at first, no breach, no batch."""
        await desk.reset()
        return {"ok": True}

    return routes


def audit(journal: Journal) -> APIRouter:
    """The audit proxy."""
    routes = APIRouter()

    @routes.post("/audit/push")
    async def push(entry: AuditEntryV1, idempotency_key: Key = None, x_actor: Actor = "") -> dict[str, Any]:
        """`ok` means that the entry is on the disk."""
        key = idempotency_key or own_key(str(uuid.uuid4()))
        await journal.take(entry, context.trace_id.get() or "", key, x_actor or None)
        return {"ok": True, "id": key}

    @routes.post("/audit/list")
    async def newest(wanted: ListRequest) -> dict[str, Any]:
        return {"items": await journal.newest(wanted.limit, wanted.traceId)}

    return routes


def evidence(objects: Objects, origin: str | None) -> APIRouter:
    """The evidence fallback. Its addresses begin with `origin`, else with the host that the request names."""
    routes = APIRouter()

    @routes.post("/evidence/zip")
    async def grant(wanted: EvidenceRequest, request: Request) -> dict[str, str]:
        host = request.headers.get("host", "")
        if not origin and not _HOST.fullmatch(host):
            raise HTTPException(400, f"Host is {host!r}: it must be a name or an address")
        return objects.grant(wanted, origin or f"http://{host}")

    @routes.post("/evidence/archive")
    async def archive(wanted: ArchiveRequest) -> dict[str, Any]:
        return await objects.archive(wanted)

    @routes.put(PATH + "{key:path}")
    async def put(key: str, request: Request, expires: Expires, signature: Signature, size: Size = None) -> Any:
        objects.check("PUT", key, expires, size, signature)
        if request.headers.get("content-type") != "application/zip":
            raise HTTPException(415, "evidence is put as application/zip")
        try:
            await objects.put(key, request.stream(), size)
        except ClientDisconnect:
            raise HTTPException(400, "the upload was broken off") from None
        return {"ok": True}

    @routes.get(PATH + "{key:path}")
    async def get(key: str, expires: Expires, signature: Signature) -> FileResponse:
        objects.check("GET", key, expires, None, signature)
        return FileResponse(objects.get(key), media_type="application/zip")

    return routes


def alerts(receiver: Receiver) -> APIRouter:
    """A webhook for alerts, what it was sent, and how to have it refuse some."""
    routes = APIRouter()

    @routes.post("/alerts/receive")
    async def receive(message: Message) -> dict[str, bool]:
        if not await receiver.take(message.text):
            raise HTTPException(500, "refused, as POST /alerts/refuse asked for")
        return {"ok": True}

    @routes.get("/alerts/received")
    async def received(traceId: Trace | None = None) -> dict[str, Any]:  # noqa: N803
        return {"items": await receiver.received(traceId)}

    @routes.post("/alerts/refuse")
    async def refuse(wanted: RefuseRequest) -> dict[str, bool]:
        receiver.refuse(wanted.traceId, wanted.times)
        return {"ok": True}

    return routes
