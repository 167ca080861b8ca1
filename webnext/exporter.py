"""Spans on their way to a collector, by OTLP over HTTP. Imported only where there is one: it costs 20 MB."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.util.re import parse_env_headers

from webnext import context
from webnext.dependency import one_line
from webnext.vault import Vault, VaultError

SECRET = "OTLP_HEADERS"  # noqa: S105  (the secret's name)
SECONDS = 5.0
"""For one batch, tries included."""

_TRACE_ID = re.compile("(?!0{32})[0-9a-f]{32}")

log = logging.getLogger("webnext.telemetry")


class TraceIds(RandomIdGenerator):
    """A trace that begins here has the id of the request, which people copy from the page, where that is of its form:
    the edge's are."""

    def generate_trace_id(self) -> int:
        asked = context.trace_id.get() or ""
        return int(asked, 16) if _TRACE_ID.fullmatch(asked) else super().generate_trace_id()


class Exporter(OTLPSpanExporter):
    """Drops what the collector does not take, and says so once, and once when it takes spans again."""

    def __init__(self, vault: Vault | None) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it says of a failure may quote a header
        self._sender = _Sender(vault)
        self._dropping = False
        super().__init__(timeout=SECONDS, session=self._sender)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        dropped = result is not SpanExportResult.SUCCESS
        if dropped and not self._dropping:
            log.warning("spans are dropped, the collector at %s takes none: %s", self._endpoint, self._sender.why)
        elif self._dropping and not dropped:
            log.info("the collector takes spans again")
        self._dropping = dropped
        return result


class _Sender(requests.Session):
    """Adds the headers that the vault has by now; `why` is what became of the last request."""

    def __init__(self, vault: Vault | None) -> None:
        super().__init__()
        self.trust_env = False
        self.why = ""
        self._vault = vault

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            added = _headers(self._vault) if self._vault else {}
            answer = super().request(*args, **kwargs | {"headers": kwargs["headers"] | added})
        except (requests.RequestException, VaultError) as error:
            first: BaseException = error  # requests wraps it, and names its own objects
            while first.__context__ and not isinstance(first, VaultError):
                first = first.__context__
            self.why = one_line(first)
            raise
        self.why = f"it answered {answer.status_code}"
        if self._vault and answer.status_code in (401, 403):
            self.why += f", put the headers that it takes into {SECRET}"
            self._vault.forget(SECRET)
        return answer


def _headers(vault: Vault) -> dict[str, str]:
    text = vault.read(SECRET)
    found = dict(parse_env_headers(text, liberal=True))
    if len(found) != text.count(",") + 1 or not all(one.isascii() and one.isprintable() for one in found.values()):
        raise VaultError(f"secret {SECRET} is no list of headers: it must be NAME=VALUE, with commas between several")
    return found
