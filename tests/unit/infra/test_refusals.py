"""The program refuses before anything is declared, all at once, and says beforehand what it will refuse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.unit.infra.configs import FARGATE, changed
from tests.unit.infra.parts import program, run
from tests.unit.infra.recorder import Recording, record


def refusal(config: Mapping[str, str]) -> list[str]:
    """The lines of the refusal; nothing was declared before it."""
    declared = Recording()
    with pytest.raises(pulumi.RunError) as refused:
        record(lambda: program(config), into=declared)
    assert declared.registered == []
    return [line.strip() for line in str(refused.value).splitlines()]


def test_five_mistakes_are_refused_at_once_before_anything_is_declared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name in ("001_audit_log.sql", "001_other.sql"):
        (folder / name).write_text("SELECT 1;\n")
    monkeypatch.chdir(tmp_path)
    network = {
        "appSubnets": ["10.42.0.0/24", "10.42.1.0/24"],
        "dataSubnets": ["10.42.1.0/25", "10.42.2.0/24"],
        "publicSubnets": ["10.42.3.0/24", "10.42.4.0/24"],
    }
    mistakes: dict[str, Any] = {
        "evidenceBucket": "Spark_Evidence",
        "retentionDays": "0",
        "database": {"class": "db.m7g.huge"},
        "network": network,
    }
    heading, *lines = refusal(changed(FARGATE, **mistakes))

    assert heading == "5 problem(s) in this stack's settings:"
    (numbered,) = [line for line in lines if not line.startswith("web-next:")]
    assert "001" in numbered
    assert [line.partition(" is ")[0].partition(" = ")[0] for line in lines if line != numbered] == [
        "web-next: evidenceBucket",
        "web-next: network.dataSubnets[0]",
        "web-next:database.class",
        "web-next:retentionDays",
    ]


def test_those_mistakes_mended_are_taken() -> None:
    network = {
        f"{tier}Subnets": [f"10.42.{n}.0/25", f"10.42.{n}.128/25"] for n, tier in enumerate(("app", "data", "public"))
    }
    declared = run(
        changed(
            FARGATE,
            evidenceBucket="spark-evidence",
            retentionDays="1",
            database={"class": "db.m7g.large"},
            network=network,
        ),
    )

    assert declared.registered


def test_placeholders_are_refused_by_an_up_before_anything_is_declared() -> None:
    heading, line = refusal(changed(FARGATE, domain="console.example.com"))

    assert heading == "1 problem(s) in this stack's settings:"
    assert line == 'web-next:domain = "console.example.com": a placeholder; put the real value there'


def test_a_preview_names_placeholders_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    config = changed(FARGATE, domain="console.example.com", database={"access": "later"})
    declared = record(lambda: program(config))

    assert declared.one("aws:rds/instance:Instance").protect
    assert [note.partition(":")[0] for note in said] == [
        "up will refuse this stack's placeholders, put the real values there",
        "database.access is later",
    ]
