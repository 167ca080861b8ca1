"""Prometheus' own tool for configuration and rules, out of its image."""

from __future__ import annotations

from pathlib import Path

from tests.support.containers import docker


def promtool(images: dict[str, str], folder: Path, *arguments: str) -> str:
    """What it says of the files in a folder."""
    mount = ("--volume", f"{folder}:/etc/prometheus:ro", "--workdir", "/etc/prometheus", "--network", "none")
    return docker("run", "--rm", *mount, "--entrypoint", "promtool", images["prometheus"], *arguments)
