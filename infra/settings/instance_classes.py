"""Instance classes of RDS for PostgreSQL and node types of ElastiCache: which there are, and what memory one has.

From AWS's lists of supported classes (RDS User Guide, "DB instance classes"; ElastiCache User Guide, "Supported
node types"). A newer class needs a row here: an unknown one is refused, because AWS would refuse it only after the
resources before it were made.
"""

from __future__ import annotations

_BURSTABLE = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_MULTIPLES = (
    "large",
    "xlarge",
    "2xlarge",
    "4xlarge",
    "8xlarge",
    "12xlarge",
    "16xlarge",
    "24xlarge",
    "32xlarge",
    "48xlarge",
)


def _sizes(large: int, largest: str) -> dict[str, int]:
    """Memory in GiB by size, from that of `large` up to `largest`. No family has both a 32xlarge and a 48xlarge."""
    sizes = [size for size in _MULTIPLES[: _MULTIPLES.index(largest) + 1] if size == largest or size != "32xlarge"]
    return {size: large * (1 if size == "large" else 2 * int(size.removesuffix("xlarge") or 1)) for size in sizes}


_DATABASE = {
    "t3": _BURSTABLE,
    "t4g": _BURSTABLE,
    "m5": _sizes(8, "24xlarge"),
    "m6g": _sizes(8, "16xlarge"),
    "m6i": _sizes(8, "32xlarge"),
    "m7g": _sizes(8, "16xlarge"),
    "m7i": _sizes(8, "48xlarge"),
    "m8g": _sizes(8, "48xlarge"),
    "r5": _sizes(16, "24xlarge"),
    "r6g": _sizes(16, "16xlarge"),
    "r6i": _sizes(16, "32xlarge"),
    "r7g": _sizes(16, "16xlarge"),
    "r7i": _sizes(16, "48xlarge"),
    "r8g": _sizes(16, "48xlarge"),
}

_CACHE = {
    **dict.fromkeys(("t3", "t4g"), ("micro", "small", "medium")),
    **dict.fromkeys(("m5", "r5"), ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge")),
    **dict.fromkeys(
        ("m6g", "r6g", "m7g", "r7g"), ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
    ),
}

CONNECTIONS_PER_GIB = 100
"""A little under RDS's own default, DBInstanceClassMemory / 9531392, and exact, so that an alarm can count on it."""


def database_memory(name: str) -> int | None:
    """Memory in GiB of an RDS class such as db.m7g.large; None when RDS for PostgreSQL has no such class."""
    family, _, size = name.removeprefix("db.").partition(".")
    return _DATABASE.get(family, {}).get(size)


def max_connections(name: str) -> int:
    """How many connections a database of this class takes; 5000 is RDS's ceiling. Raises KeyError for no class."""
    memory = database_memory(name)
    if memory is None:
        raise KeyError(name)
    return min(5000, CONNECTIONS_PER_GIB * memory)


def is_cache_node(name: str) -> bool:
    """Whether ElastiCache for Redis has the node type, such as cache.m7g.large."""
    family, _, size = name.removeprefix("cache.").partition(".")
    return size in _CACHE.get(family, ())


def database_families() -> str:
    """The families of RDS classes known here, for a message."""
    return ", ".join(_DATABASE)


def cache_families() -> str:
    """The families of cache node types known here, for a message."""
    return ", ".join(sorted(_CACHE))
