"""S3's CORS rules, kept: MiniStack stores them, and answers every origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

Rules = Callable[[str], Iterable[str]]
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a rule decides by; of a preflight the request that it asks about. `asked` are that one's own headers."""

    origin: str | None
    bucket: str
    method: str
    preflight: bool
    asked: tuple[str, ...]

    @classmethod
    def of(cls, scope: Any) -> Request:
        """The request in an ASGI scope; a path names its bucket first."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        preflight = scope["method"] == "OPTIONS"
        asked = headers.get(b"access-control-request-headers", "").split(",") if preflight else []
        return cls(
            origin=headers.get(b"origin"),
            bucket=str(scope["path"]).split("/")[1],
            method=headers.get(b"access-control-request-method", "") if preflight else str(scope["method"]),
            preflight=preflight,
            asked=tuple(name.strip().lower() for name in asked if name.strip()),
        )


def stored(app: Any) -> Rules:
    """Returns how to find each CORS configuration, as S3 keeps it, that an account's bucket of a name has."""
    return lambda bucket: [
        text for (_, name), text in app._get_module("s3")._bucket_cors._data.items() if name == bucket
    ]


def allowed(configuration: str, request: Request) -> Headers | None:
    """The headers of the answer by the first rule of a bucket's CORS configuration that allows the request."""
    for rule in ElementTree.fromstring(configuration).iterfind("{*}CORSRule"):  # noqa: S314 - a local stack wrote it
        every = {tag: [element.text or "" for element in rule.iterfind(f"{{*}}{tag}")] for tag in _TAGS}
        if (
            _any(every["AllowedOrigin"], request.origin or "")
            and request.method in every["AllowedMethod"]
            and all(_any(every["AllowedHeader"], name) for name in request.asked)
        ):
            return _headers(every, request)
    return None


def without(headers: Headers) -> Headers:
    """The headers without those by which MiniStack lets every origin in."""
    return [(name, value) for name, value in headers if not name.lower().startswith(b"access-control-")]


_TAGS = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds")


def _any(patterns: list[str], value: str) -> bool:
    """Whether a pattern, of which `*` stands for anything, is the value."""
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value, re.IGNORECASE) for pattern in patterns if pattern
    )


def _headers(rule: dict[str, list[str]], request: Request) -> Headers:
    values = {
        "access-control-allow-origin": request.origin or "",
        "access-control-allow-methods": ", ".join(rule["AllowedMethod"]),
        "access-control-allow-headers": ", ".join(request.asked),
        "access-control-expose-headers": ", ".join(rule["ExposeHeader"]),
        "access-control-max-age": "".join(rule["MaxAgeSeconds"]) if request.preflight else "",
        "vary": "Origin",
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in values.items() if value]
