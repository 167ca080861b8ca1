"""Every key that a stack file may have."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.settings.keys import SECTIONS, Settings


def keys() -> dict[str, FieldInfo]:
    """Every key as it is written in a stack file, those of sections by their path, the sections among them."""
    models: dict[str, type[BaseModel]] = {"": Settings, **{f"{section}.": model for section, model in SECTIONS.items()}}
    return {
        f"{prefix}{field.alias}": field for prefix, model in models.items() for field in model.model_fields.values()
    }


def leaves() -> set[str]:
    """The paths of all keys that are no sections."""
    return keys().keys() - SECTIONS.keys()


def bounds(field: FieldInfo) -> list[str]:
    """A number's bounds, the lower first; none where it has none."""
    return [str(getattr(part, name)) for part in field.metadata for name in ("ge", "le") if hasattr(part, name)]
