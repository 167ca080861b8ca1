"""The output schema, and what the state holds of the resource behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outputs.shape import Shape

MODULE, NAME = "web-next", "Schema"
_TYPE = f"pulumi-python:dynamic/{MODULE}:{NAME}"
"""The resource's type as Pulumi's SDK makes it of the two."""


@dataclass(frozen=True, kw_only=True)
class AppliedSchema(Shape):
    """The newest applied migration's number, 0 without any, and the digest over all of them."""

    version: int
    digest: str


def applied_checksums(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """File → checksum of the migrations that the resources of a state say were applied."""
    inputs = [resource.get("inputs") or {} for resource in resources if resource["type"] == _TYPE]
    return {file: checksum for each in inputs for file, checksum in (each.get("checksums") or {}).items()}
