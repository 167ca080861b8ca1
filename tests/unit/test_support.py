"""Rigs are shared from tests/support and other modules without tests: a test file or a conftest is nobody's library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from offline.machine import ROOT

BORROWED = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*(?:test_\w+|conftest)\b.*", re.MULTILINE)
GONE = re.compile(r"NetworkSettings[\"'\]\[.]+(?:IPAddress|Gateway|MacAddress|EndpointID)")
"""What Docker Engine 29 says of each network alone, and no more of the container."""


def test_no_test_and_no_bench_imports_from_another_test_file_or_a_conftest() -> None:
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("bench/*.py")]

    found = {str(file.relative_to(ROOT)): BORROWED.findall(file.read_text()) for file in files}

    assert len(found) > 100
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize("line", ["from tests.e2e.test_faults import stopped", "import tests.engine.conftest"])
def test_a_borrowed_rig_is_found(line: str) -> None:
    assert BORROWED.findall(f"import os\n{line}\n") == [line]
    assert not BORROWED.findall("from tests.support.faults import stopped\n")


def test_where_a_container_is_is_asked_of_its_networks() -> None:
    files = {*ROOT.glob("[!.]*/**/*.py"), *ROOT.glob("[!.]*/**/*.sh")} - {Path(__file__)}

    found = {str(file.relative_to(ROOT)): GONE.findall(file.read_text()) for file in files}

    assert len(found) > 100
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize("asked", ["{{.NetworkSettings.IPAddress}}", '["NetworkSettings"]["Gateway"]'])
def test_an_address_that_is_no_networks_is_found(asked: str) -> None:
    assert GONE.findall(asked)
    assert not GONE.findall("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
