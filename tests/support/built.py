"""The images that tests run: as the bootstrap built them, and built here where their files have changed since."""

from __future__ import annotations

from offline.images.build import build_all
from tests.support import fence


def images() -> dict[str, str]:
    """The id of each image by name. Their packages come from registries, whom nothing else in a test asks."""
    with fence.installing():
        return build_all(lambda _line: None)
