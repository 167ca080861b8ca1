"""The templates of the pages that people read, and a digest that tells one revision of a pack's from another."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).parents[2] / "templates"
_MODULES = ("form", "junit", "page", "rendering")


def rendered(template: str, **values: Any) -> str:
    """A template filled in, the same from the same; a value that it lacks is an error."""
    return _environment().get_template(template).render(**values)


@cache
def renderer() -> str:
    """SHA-256 over the templates and what fills them in: with another one the pages of the same pack may differ."""
    digest = hashlib.sha256()
    modules = (Path(__file__).with_name(f"{name}.py") for name in _MODULES)
    for path in [*modules, _TEMPLATES / "page.css", *sorted((_TEMPLATES / "evidence").iterdir())]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def when(moment: datetime) -> str:
    """A time for people, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def markdown(text: str) -> str:
    """The text as it stands, in Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"when": when, "md": markdown}
    return environment
