"""The output flags_parameters: where each track's flags in force are."""

from __future__ import annotations

from dataclasses import dataclass

from outputs.shape import Shape


@dataclass(frozen=True, kw_only=True)
class FlagsParameters(Shape):
    """The name of each track's SSM parameter."""

    stable: str
    candidate: str
