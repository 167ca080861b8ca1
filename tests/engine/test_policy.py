"""The policy pack on the real engine: what it lets pass, what it refuses, what it cannot tell before an update."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.prod import ROOT, Prod, make_prod
from tests.support.prod_shape import state_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PACK = str(ROOT / "policy")


@pytest.fixture
def prod(tmp_path: Path, installed: Path, attached: str) -> Prod:
    """A prod that was never up; its program may be changed."""
    return make_prod(tmp_path, installed, attached)


def changed(prod: Prod, module: str, old: str, new: str) -> None:
    """Changes the program in one place."""
    path = prod.folder / module
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


def previewed(prod: Prod) -> tuple[int, str]:
    done = prod.pulumi("preview", "--policy-pack", PACK, "--color=never", "--config-file", prod.file())
    return done.returncode, done.stdout + done.stderr


def test_the_first_preview_of_prod_keeps_every_rule_and_leaves_none_unchecked(prod: Prod) -> None:
    code, said = previewed(prod)

    assert code == 0, said
    assert "web-next@v0.1.0" in said, "the pack was loaded"
    assert "[mandatory]" not in said
    assert "[advisory]" not in said


def test_a_program_that_breaks_a_rule_is_refused_by_its_name_with_the_way_out(prod: Prod) -> None:
    changed(prod, "infra/bucket.py", "block_public_acls=True", "block_public_acls=False")
    code, said = previewed(prod)

    assert code != 0
    assert re.search(r"\[mandatory\].*s3-public-access-blocked .*Bucket: evidence", said), said
    assert "evidence: blockPublicAcls not true" in said
    assert "declare BucketPublicAccessBlock with all four true" in said


def test_what_only_an_update_will_know_is_said_and_refuses_nothing(prod: Prod) -> None:
    changed(
        prod,
        "infra/vault.py",
        "policy=readers_policy([*app, *watch, *self._args.operators]),",
        "policy=secret.arn.apply(lambda _: readers_policy([*app, *watch, *self._args.operators])),",
    )
    code, said = previewed(prod)

    assert code == 0, said
    assert re.search(r"\[advisory\].*secrets-readers-named .*Secret: REDIS_URL", said), said
    assert "REDIS_URL: unchecked, policy of REDIS_URL is not known yet" in said
    assert "[mandatory]" not in said


def test_a_state_is_analysed_by_the_same_rules(prod: Prod) -> None:
    state = prod.folder / "up.json"
    state.write_text(state_of(prod.preview()).replace('"blockPublicAcls": true', '"blockPublicAcls": false', 1))
    assert prod.pulumi("stack", "import", "--file", str(state)).returncode == 0
    done = prod.pulumi("policy", "analyze", "--policy-pack", PACK, "--color=never")

    assert done.returncode != 0
    assert re.search(r"\[mandatory\].*s3-public-access-blocked", done.stdout), done.stdout + done.stderr
