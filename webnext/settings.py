"""What one process of web-next was started with: its environment, read once, checked, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

FLAGS = ("FEATURE_AUTO_PAUSE", "FEATURE_BATCH_PROMOTE")

_PREFIX = re.compile(r"[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]*/")


class SettingsError(ValueError):
    """The environment breaks a rule; the message names every variable that does."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The environment of one process. Nothing here is secret: secrets come from the vault at run time.

    `vault_prefix` and `executor_origin` are None where the environment has none; without a vault prefix
    the audit adapter is a mock. `flags` are shares between 0 and 1.
    """

    build_sha: str = "unknown"
    version: str = "0.0.0"
    environment: str = "development"
    vault_prefix: str | None = None
    executor_origin: str | None = None
    s3_bucket: str | None = None
    s3_region: str | None = None
    flags: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(FLAGS, 0.0))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that `environ` describes; an empty value counts as missing.

        Raises SettingsError naming every variable that breaks its rule, not only the first.
        """
        problems: list[str] = []

        prefix = environ.get("VAULT_PREFIX") or None
        if prefix and not _PREFIX.fullmatch(prefix):
            problems.append(
                f"VAULT_PREFIX is {prefix!r}: it must be a name that ends in '/', for example web-next-prod/"
            )

        executor = environ.get("NEXT_PUBLIC_EXECUTOR_URL") or None
        origin = _origin(executor) if executor else None
        if executor and not origin:
            problems.append(
                f"NEXT_PUBLIC_EXECUTOR_URL is {executor!r}: "
                "it must be an http or https address without credentials, for example https://executor.example.com"
            )

        flags: dict[str, float] = {}
        for name in FLAGS:
            value = environ.get(name) or "0"
            share = _share(value)
            if share is None:
                problems.append(f"{name} is {value!r}: a flag is a number between 0 and 1, for example 0.1")
            else:
                flags[name] = share

        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            build_sha=environ.get("BUILD_SHA") or cls.build_sha,
            version=environ.get("VERSION") or cls.version,
            environment=environ.get("ENVIRONMENT") or cls.environment,
            vault_prefix=prefix,
            executor_origin=origin,
            s3_bucket=environ.get("S3_BUCKET") or None,
            s3_region=environ.get("S3_REGION") or None,
            flags=flags,
        )


def _origin(url: str) -> str | None:
    """Return scheme, host and port of an http(s) address; None if it is none or carries credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    if not re.fullmatch(r"[a-z0-9.-]+", host):
        return None
    return f"{parts.scheme}://{host}{port}"


def _share(value: str) -> float | None:
    try:
        share = float(value)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
