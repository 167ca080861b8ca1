"""Delivery: one alert as a message to the webhook that the vault holds under SLACK_WEBHOOK_URL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from webnext import aws
from webnext.dependency import one_line
from webnext.vault import Vault, VaultError

SECRET = "SLACK_WEBHOOK_URL"  # noqa: S105  (the secret's name)
SECONDS = 5.0
"""For one delivery, from look-up to answer."""
MAX_TEXT = 3000
"""Characters of a message's body, before its marks are escaped; Slack cuts a message at 40 000."""

_GONE = (401, 403, 404, 410)
"""What Slack answers to an address that was revoked."""


class DeliveryError(Exception):
    """The alert was not delivered; the message is why, in a line, without the address."""


class Slack:
    """The webhook, read from the vault at each delivery."""

    def __init__(self, vault: Vault, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._vault = vault
        self._http = httpx.AsyncClient(timeout=SECONDS, transport=transport, trust_env=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def deliver(self, alert: dict[str, Any], trace_id: str) -> None:
        """Post the alert. Raises DeliveryError unless the answer within SECONDS is a success."""
        try:
            async with asyncio.timeout(SECONDS):
                status = await self._post(message(alert, trace_id))
        except TimeoutError:
            raise DeliveryError(f"no answer within {SECONDS:g} s") from None
        if not 200 <= status < 300:
            if status in _GONE:
                self._vault.forget(SECRET)
            raise DeliveryError(f"answered with status {status}")

    async def _post(self, text: dict[str, str]) -> int:
        try:
            url = await aws.in_thread(lambda: self._vault.read(SECRET))
        except VaultError as error:
            raise DeliveryError(one_line(error)) from None
        try:
            return (await self._http.post(url, json=text)).status_code
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeliveryError(f"{type(error).__name__}: {one_line(error).replace(url, SECRET)}") from None


def message(alert: dict[str, Any], trace_id: str) -> dict[str, str]:
    """Return what is posted: title and severity, the text, the trace id. An alert that has none of the first three is
    shown as it is. Nothing in it can mention anybody: Slack's control sequences need the signs that are escaped."""
    title, severity = _short(alert.get("title"), 500), _short(alert.get("severity"), 50)
    body = _short(alert.get("text") or alert.get("message"), MAX_TEXT)
    if not (title or body):
        body = _short(json.dumps(alert, ensure_ascii=False, default=str), MAX_TEXT)
    head = " ".join(filter(None, [f"[{severity}]" if severity else "", title]))
    lines = [f"*{head}*" if head else "", body, f"trace {_short(trace_id, 100)}" if trace_id else ""]
    return {"text": "\n".join(filter(None, lines))}


def _short(value: Any, most: int) -> str:
    text = "" if value is None else str(value).encode(errors="replace").decode()
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
