"""Imports, beyond the contracts in pyproject.toml: the program's own, no circle, and no long ways in cutover."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import grimp
import pytest

PACKAGES = ("infra", "cutover", "outputs", "policy", "webnext", "offline", "tests", "bench")
ROOT = Path(__file__).parents[2]
COMPOSES = "cutover.commands.app"
"""Puts the commands together: no command itself."""
FURTHEST = 5
"""The longest way from a command to what it uses. A reader opens that many files."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGES[0], *PACKAGES[1:], cache_dir=None)


def circle(graph: grimp.ImportGraph) -> list[str]:
    """Modules that import each other round about; empty where there is none."""
    try:
        TopologicalSorter({one: graph.find_modules_directly_imported_by(one) for one in graph.modules}).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def long_ways(graph: grimp.ImportGraph) -> Iterator[str]:
    """The ways from a command to a module of cutover/ that take more than `FURTHEST` imports."""
    for command in graph.find_children("cutover.commands") - {COMPOSES}:
        for module in graph.find_descendants("cutover") - {command}:
            way = graph.find_shortest_chain(importer=command, imported=module) or ()
            if len(way) - 1 > FURTHEST:
                yield " -> ".join(way)


def test_the_program_imports_infra_and_the_shapes_of_its_outputs_alone() -> None:
    tree = ast.parse((ROOT / "__main__.py").read_text())
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]

    assert {name.partition(".")[0] for name in named} == {"infra", "outputs", "pulumi"}


def test_no_modules_import_each_other_round_about(graph: grimp.ImportGraph) -> None:
    assert len(graph.modules) > 400
    assert circle(graph) == []


def test_what_a_command_uses_is_five_imports_away_at_most(graph: grimp.ImportGraph) -> None:
    assert len(graph.find_children("cutover.commands")) > 5
    assert list(long_ways(graph)) == []


def test_a_circle_and_a_long_way_are_found() -> None:
    made = grimp.ImportGraph()
    way = ["cutover.commands.up", *(f"cutover.{letter}" for letter in "abcdef")]
    for importer, imported in [(COMPOSES, way[0]), *pairwise(way)]:
        made.add_import(importer=importer, imported=imported)
    for package in ("cutover", "cutover.commands"):
        made.add_module(package)

    assert list(long_ways(made)) == [" -> ".join(way)]
    assert circle(made) == []
    made.add_import(importer="cutover.d", imported="cutover.b")
    assert set(circle(made)) == {"cutover.b", "cutover.c", "cutover.d"}
