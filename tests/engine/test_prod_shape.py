"""prod without an account: what the real CLI previews of it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from offline.standins.values import UNKNOWN
from tests.support.prod import ROOT, flat, make_prod, without_credentials
from tests.support.prod_shape import UNKNOWN_BEFORE_UP, state_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def test_what_a_preview_cannot_know_is_only_what_refers_to_other_resources(tmp_path: Path, installed: Path) -> None:
    found: dict[str, set[str]] = {}
    for step in make_prod(tmp_path, installed).preview():
        for name, value in step["newState"].get("inputs", {}).items():
            kind = step["newState"]["type"].rpartition(":")[2]
            unknown = {path for path, leaf in flat(name, value) if UNKNOWN in json.dumps(leaf)}
            found[kind] = found.get(kind, set()) | unknown
    found = {kind: paths for kind, paths in found.items() if paths}

    assert found == {kind: set(paths.split()) for kind, paths in UNKNOWN_BEFORE_UP.items()}


def test_prod_as_committed_is_previewed_with_a_word_on_what_is_missing_and_leaves_nothing(installed: Path) -> None:
    before = content()
    done = subprocess.run(
        [sys.executable, "-m", "cutover", "preview", "-s", "prod"],
        cwd=ROOT,
        env=without_credentials()
        | {"PULUMI_HOME": str(installed), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("OFFLINE SHAPE of prod")
    assert (
        "warning: up will refuse this stack's placeholders, put the real values there: "
        "account, domain, executorUrl, image, buildSha, edge.image, edge.trustedCallers, access.clients, "
        "fargate.hostedZoneId, alarmTargets, operatorRoles, rollout.watchImage\n"
    ) in done.stdout
    assert "warning: database.access is later: the audit database gets NO roles, rights or schema" in done.stdout
    assert "postgresql:index" not in done.stdout
    after = content()
    changed = sorted(str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    assert changed == [], "the preview changed these files, or somebody edited them while this test ran"


def content() -> dict[Path, bytes]:
    """The repository's files, those that git ignores left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {path: path.read_bytes() for path in map(ROOT.joinpath, listed.stdout.splitlines()) if path.is_file()}


def test_a_preview_of_what_is_up_connects_to_no_database(tmp_path: Path, installed: Path) -> None:
    prod = make_prod(tmp_path, installed)
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = str(database.getsockname()[1])
        # The rights' state is made up and fits nothing: without protection they are replaced, which asks for more.
        settings = {"database.access": "tunnel", "database.tunnelPort": port, "mayDestroy": ["audit"]}
        (tmp_path / "up.json").write_text(state_of(prod.preview(**settings)))
        assert prod.pulumi("stack", "import", "--file", "up.json").returncode == 0

        again = {step["urn"].rpartition("::")[2]: step for step in prod.preview(**settings, auditRetentionMonths="84")}

        assert again["schema"]["op"] == "update"
        assert "audit_owner" not in again, "compared with its state, and the same"
        database.setblocking(False)
        with pytest.raises(BlockingIOError):
            database.accept()


def test_all_that_is_wrong_is_refused_at_once_before_anything_is_declared(tmp_path: Path, installed: Path) -> None:
    prod = make_prod(tmp_path, installed)
    shutil.copy(tmp_path / "migrations" / "003_audit_idempotency.sql", tmp_path / "migrations" / "003_again.sql")
    wrong = prod.file(
        evidenceBucket="Bad_Name",
        retentionDays="0",
        database={"class": "db.m9.huge"},
        network={
            "appSubnets": ["10.42.0.0/24", "10.42.0.0/25"],
            "dataSubnets": ["10.42.2.0/24", "10.42.3.0/24"],
            "publicSubnets": ["10.42.4.0/24", "10.42.5.0/24"],
        },
    )
    done = prod.pulumi("up", "--yes", "--skip-preview", "--config-file", wrong)

    assert done.returncode != 0
    _, _, told = done.stdout.rpartition("error: 5 problem(s) in this stack's settings:\n")
    for number, problem in enumerate(
        [
            "003_audit_idempotency.sql has number 003 as 003_again.sql has, 004 comes next",
            "web-next: evidenceBucket is 'Bad_Name'",
            "web-next: network.appSubnets[1] is 10.42.0.0/25: it overlaps network.appSubnets[0], 10.42.0.0/24",
            'web-next:database.class = "db.m9.huge"',
            'web-next:retentionDays = "0"',
        ]
    ):
        assert told.splitlines()[number].strip().startswith(problem)
    state = json.loads(prod.pulumi("stack", "export").stdout)
    assert [one["type"] for one in state["deployment"]["resources"]] == ["pulumi:pulumi:Stack"]
