"""What the app calls that is no part of the stack: where it is, and which secret people put into the vault for it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel

from infra.settings.forms import URL
from outputs.section import FORM, Switch, like

TOKEN, HEADERS = "EXECUTOR_TOKEN", "OTLP_HEADERS"
"""The vault's entries that a stack has where its settings ask for them."""


def _with_a_port(url: str) -> str:
    if urlsplit(url).port == 0:  # beyond 65535 it raises by itself
        raise ValueError("no such port")
    return url


Url = Annotated[
    Annotated[str, AfterValidator(_with_a_port)] | None,
    like(URL, "an http or https URL without credentials, its port from 1 to 65535"),
]


def port_of(url: str) -> int:
    """The port at which an http or https URL is reached."""
    parts = urlsplit(url)
    return parts.port or {"https": 443, "http": 80}[parts.scheme]


class TelemetrySettings(BaseModel):
    """Where spans are sent, by OTLP over HTTP, and whether the collector wants headers that the vault has."""

    model_config = FORM

    endpoint: Url = None
    headers: Switch = False
