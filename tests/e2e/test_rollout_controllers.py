"""Controllers of a rollout that die, freeze and meet, and changes beside it: no weight rises that nobody asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cutover.rollout.record import State
from rehearsal.stage import CRITERIA
from tests.support.under_load import (
    REFUSED,
    ROLLED_BACK,
    STABLE,
    UNFINISHED,
    Rollouts,
    all_else_away,
    rollouts,
    updating,
)

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3600)]

INTERRUPTED = Path(__file__).parents[1] / "support" / "interrupted.py"
MOST_WRITES = 40
"""More than any verb makes."""


@pytest.fixture(scope="module")
def running() -> Iterator[Rollouts]:
    with rollouts() as made:
        yield made


@pytest.fixture(autouse=True)
def _taken_back(running: Rollouts) -> None:
    """A test that fails leaves its rollout running, which is not the next one's to explain."""
    if running.play.record and running.play.record.state.running:
        running.clean()


def started(running: Rollouts, name: str, nth: int, *words: str) -> subprocess.Popen[str]:
    """A verb that gets the signal before its nth write."""
    folder = running.system.folder
    return subprocess.Popen(
        [sys.executable, str(INTERRUPTED), name, str(nth), words[0], "-s", running.base, *words[1:]],
        cwd=folder,
        env=running.system.environment | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def require_true(running: Rollouts) -> None:
    """What `status` says routes is what routes."""
    assert running.status()["routes"]["weight"] == running.weight


@pytest.mark.parametrize("verb", ["canary", "staged", "production", "hold", "rollback"])
def test_killed_before_any_write_status_is_true_and_the_way_back_works(running: Rollouts, verb: str) -> None:
    words = {"canary": ("--unsigned", "a test"), "hold": ("a test",)}.get(verb, ())
    before = {"staged": "canary", "production": "staged", "hold": "canary", "rollback": "canary"}.get(verb)
    for nth in range(1, MOST_WRITES):
        if before:
            running.to(before)
        if verb in ("staged", "production"):
            running.wait()
        process = started(running, "SIGKILL", nth, verb, *words)
        said, _ = process.communicate(timeout=120)
        whole = process.returncode != -signal.SIGKILL
        assert not whole or process.returncode == 0, said
        require_true(running)
        running.cutover("rollback")
        running.clean()
        if whole:
            return
    raise AssertionError(f"{verb} makes more than {MOST_WRITES} writes")


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_one_that_is_frozen_before_a_write_and_thawed_after_a_rollback_raises_nothing(
    running: Rollouts, nth: int
) -> None:
    running.to("canary")
    running.wait()
    process = started(running, "SIGSTOP", nth, "staged")
    os.waitpid(process.pid, os.WUNTRACED)
    running.cutover("rollback")
    thawed = time.time()
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=60)

    assert process.returncode in (REFUSED, ROLLED_BACK), said
    time.sleep(3)
    late = [each for each in running.load.between(thawed + 1, time.time()) if each.track == "candidate"]
    assert late == []
    running.clean()


def test_of_two_that_raise_at_once_one_is_refused(running: Rollouts) -> None:
    running.to("canary")
    running.wait()
    both = [started(running, "SIGKILL", MOST_WRITES, "staged") for _ in range(2)]
    ended = [(process.communicate(timeout=60)[0], process.returncode) for process in both]

    assert sorted(code for _, code in ended) == [0, REFUSED], ended
    assert running.weight == 50
    require_true(running)
    running.clean()


def test_a_base_that_is_locked_by_an_update_is_no_obstacle_to_a_rollback(running: Rollouts) -> None:
    running.to("canary")
    locked = running.system.start("pulumi", "up", "--stack", running.base, "--skip-preview", "--yes")
    while not running.system.locks:
        time.sleep(0.05)
    running.cutover("rollback")

    locked.communicate(timeout=120)
    running.clean()


def test_a_migration_that_fails_and_a_configuration_that_nginx_refuses_change_no_weight(running: Rollouts) -> None:
    running.to("canary")
    migrations = running.system.folder / "migrations"
    broken = migrations / f"{len(list(migrations.glob('*.sql'))) + 1:03}_broken.sql"
    broken.write_text("CREATE TABLE half (id int); SELECT no_such_function();\n")
    refused = running.cutover("up", expected=(REFUSED,))
    broken.unlink()
    assert "which this would replace" in refused.last_line, "no migration begins while a rollout runs"
    template = running.system.folder / "templates" / "nginx.conf.j2"
    sound = template.read_text()
    template.write_text(sound.replace("proxy_http_version 1.1;", "proxy_http_version 1.1; nonsense on;"))
    refused = running.cutover("up", expected=(1,))
    template.write_text(sound)
    assert "nginx refuses the configuration" in refused.last_line

    assert running.weight == 10
    require_true(running)
    running.cutover("up")
    assert running.weight == 10
    running.clean()


@contextmanager
def quiet(running: Rollouts, folder: Path) -> Iterator[None]:
    """Nothing else goes on."""
    yield


@pytest.mark.parametrize(("meanwhile", "ends"), [(quiet, 0), (all_else_away, UNFINISHED), (updating, 0)])
def test_20_rollbacks_take_at_most_5_seconds_to_the_last_request_that_began_on_the_candidate(
    running: Rollouts,
    tmp_path: Path,
    meanwhile: Callable[[Rollouts, Path], AbstractContextManager[object]],
    ends: int,
) -> None:
    seconds = []
    for each in range(20):
        running.to("canary")
        time.sleep(2)
        folder = tmp_path / str(each)
        folder.mkdir()
        with meanwhile(running, folder):
            typed = time.time()
            running.cutover("rollback", expected=(ends,))
            time.sleep(2)
            seen = running.load.between(typed, time.time())
        seconds.append(max((one.sent for one in seen if one.track == "candidate"), default=typed) - typed)
        if ends == UNFINISHED:
            running.caught_up()
        running.clean()
    print(f"{meanwhile.__name__}: {' '.join(f'{one:.2f}' for one in sorted(seconds))}")
    assert sorted(seconds)[18] <= 5, seconds


def test_30_clean_phases_trip_nothing(running: Rollouts) -> None:
    began = time.time()
    for _ in range(10):
        running.to("production")
        running.wait()
        assert running.record.state is State.PRODUCTION
        running.clean()
    assert not [each for each in running.load.between(began, time.time()) if each.failed]


def test_a_base_does_not_go_back_to_the_release_that_a_finished_rollout_has_replaced(running: Rollouts) -> None:
    """The last of them: there is no rollout of a release that stable has."""
    running.to("production")
    running.wait()
    running.cutover("finish")
    running.play.stage.set(STABLE, list(CRITERIA), candidate=False)
    refused = running.cutover("up", expected=(REFUSED,))

    assert "is superseded" in refused.last_line
    assert running.weight == 0
