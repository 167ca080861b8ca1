"""The program goes into cutover through four doors, and uses what they name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

INFRA = Path(__file__).parents[3] / "infra"
DOORS = {"cutover.rollout", "cutover.schema", "cutover.smoke", "cutover.traffic"}


def used(source: str) -> Iterator[tuple[str, str]]:
    """What a module uses of cutover: the module that it imports from, and the name."""
    tree = ast.parse(source)
    doors: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names if alias.name.partition(".")[0] == "cutover")
        if isinstance(node, ast.ImportFrom) and node.module == "cutover":
            doors |= {alias.asname or alias.name: f"cutover.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cutover."):
            yield from ((str(node.module), alias.name) for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in doors:
            yield doors[node.value.id], node.attr
    yield from ((door, "__name__") for door in doors.values() if door not in DOORS)


def beside_the_doors(source: str) -> set[tuple[str, str]]:
    return {
        (module, name)
        for module, name in used(source)
        if module not in DOORS or name not in import_module(module).__all__
    }


def test_infra_uses_of_cutover_what_its_four_doors_name() -> None:
    sources = [path.read_text() for path in INFRA.rglob("*.py")]

    assert {module for source in sources for module, _ in used(source)} == DOORS
    assert [beside for source in sources for beside in beside_the_doors(source)] == []


@pytest.mark.parametrize(
    "source",
    [
        "from cutover.schema.files import load",
        "from cutover.schema import tunnel",
        "from cutover import smoke\nsmoke.probe.Probe()",
        "from cutover import traffic\ntraffic.refusals",
        "from cutover import rollout\nrollout.steps.begin",
        "from cutover import errors",
        "import cutover.smoke",
        "import cutover",
        "def f():\n    from cutover.stacks.stack import Stack",
    ],
)
def test_a_way_in_beside_the_doors_is_found(source: str) -> None:
    assert beside_the_doors(source)


def test_a_program_that_applies_and_smokes_nothing_imports_no_client() -> None:
    script = "import sys, infra.schema, infra.deployment_record; print(*sys.modules)"
    imported = subprocess.run(
        [sys.executable, "-c", script], cwd=INFRA.parent, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "infra.deployment_record" in imported
    assert set(imported) & {"boto3", "docker", "httpx", "psycopg", "rich"} == set()
