"""The sizes of tasks that Fargate has: memory goes with processors."""

from __future__ import annotations

from collections.abc import Iterator

MEMORY = {
    "256": [512, 1024, 2048],
    "512": list(range(1024, 4097, 1024)),
    "1024": list(range(2048, 8193, 1024)),
    "2048": list(range(4096, 16385, 1024)),
    "4096": list(range(8192, 30721, 1024)),
}
"""MiB that a Fargate task may have, by its CPU units."""


def problems(cpu: str, memory: int) -> Iterator[str]:
    """A clause where Fargate has no such memory for these units."""
    sizes = MEMORY[cpu]
    if memory not in sizes:
        yield (
            f"fargate.memory is {memory}: with cpu {cpu} Fargate has {sizes[0]} to {sizes[-1]} MiB in "
            f"steps of {sizes[1] - sizes[0]}"
        )
