"""Delivery: one alert as a message to the webhook that the vault holds under SLACK_WEBHOOK_URL."""

from __future__ import annotations

import asyncio
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from webnext import aws
from webnext.contract.alerts import READ, short, text_of
from webnext.dependency import one_line
from webnext.vault import Vault, VaultError

SECRET = "SLACK_WEBHOOK_URL"  # noqa: S105  (the secret's name)
SECONDS = 5.0
"""For one delivery, from look-up to answer."""

_GONE = (401, 403, 404, 410)
"""What Slack answers to an address that was revoked."""


class DeliveryError(Exception):
    """The alert was not delivered; the message is why, in a line, without the address."""


class ThrottledError(DeliveryError):
    """The receiver takes no more for now: for so many `seconds`, where it said so."""

    def __init__(self, why: str, seconds: float | None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Slack:
    """The webhook, read from the vault at each delivery."""

    def __init__(self, vault: Vault, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._vault = vault
        self._http = httpx.AsyncClient(timeout=SECONDS, transport=transport, trust_env=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def deliver(self, alert: dict[str, Any], trace_id: str) -> None:
        """Post the alert. Raises DeliveryError unless the answer within SECONDS is a success, and ThrottledError where
        it is a 429 or says when to come again."""
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._post(message(alert, trace_id))
        except TimeoutError:
            raise DeliveryError(f"no answer within {SECONDS:g} s") from None
        if answer.is_success:
            return
        if answer.status_code in _GONE:
            self._vault.forget(SECRET)
        why, wait = f"answered with status {answer.status_code}", retry_after(answer.headers.get("retry-after", ""))
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or wait is not None:
            raise ThrottledError(why, wait)
        raise DeliveryError(why)

    async def _post(self, text: dict[str, str]) -> httpx.Response:
        try:
            url = _address(await aws.in_thread(lambda: self._vault.read(SECRET)))
        except VaultError as error:
            raise DeliveryError(one_line(error)) from None
        try:
            return await self._http.post(url, json=text)
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DeliveryError(f"{type(error).__name__}: {one_line(error).replace(str(url), SECRET)}") from None


def _address(url: str) -> httpx.URL:
    """The webhook that `url` means. Raises VaultError, which never quotes it, where it means none."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise VaultError(f"secret {SECRET} is no address: it must be https://HOST/PATH")
    return address


def retry_after(header: str) -> float | None:
    """The seconds that a header Retry-After means, in either of its forms; None where it means none."""
    if re.fullmatch(r"\d{1,9}", header):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def message(alert: dict[str, Any], trace_id: str) -> dict[str, str]:
    """Return what is posted: title and severity, the text, the trace id. An alert that has none of the first three is
    shown as it is. Nothing in it can mention anybody: Slack's control sequences need the signs that are escaped. Slack
    cuts a message at 40 000 characters."""
    title, severity = (_shown(alert.get(name), READ[name]) for name in ("title", "severity"))
    body = _shown(alert.get("text") or alert.get("message"), READ["text"])
    if not (title or body):
        body = _shown(alert, READ["text"])
    head = " ".join(filter(None, [f"[{severity}]" if severity else "", title]))
    lines = [f"*{head}*" if head else "", body, f"trace {_shown(trace_id, 100)}" if trace_id else ""]
    return {"text": "\n".join(filter(None, lines))}


def _shown(value: Any, most: int) -> str:
    text = short(text_of(value).encode(errors="replace").decode(), most)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
