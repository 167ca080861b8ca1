"""A value that is known once its resource is made, where a shape of outputs/ has the value itself."""

from __future__ import annotations

from typing import TypeVar, cast

import pulumi

T = TypeVar("T")


def later(value: pulumi.Output[T]) -> T:
    """The Output as a shape's field: Pulumi puts the value there when it is known."""
    return cast("T", value)
