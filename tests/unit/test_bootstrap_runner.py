"""Steps side by side: what is said, what is ended, what the exit code is."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from offline.bootstrap import __main__ as command
from offline.bootstrap import runner
from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import MachineError

pytestmark = pytest.mark.timeout(30)


class Fake(Step):
    def __init__(self, name: str, act: Callable[[Job], str] | None = None, needs: tuple[str, ...] = ()) -> None:
        self.name, self.needs, self.done, self.acted = name, needs, False, 0
        self._act = act or (lambda job: f"made {name}")

    def check(self) -> State:
        return State(self.done, f"{self.name} is there" if self.done else f"{self.name} is missing")

    def act(self, job: Job) -> str:
        self.acted += 1
        what = self._act(job)
        self.done = True
        return what


def fail(message: str) -> Callable[[Job], str]:
    def act(job: Job) -> str:
        raise StepError(message)

    return act


def sleep(marker: Path) -> Callable[[Job], str]:
    def act(job: Job) -> str:
        script = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(60)"
        job.run(sys.executable, "-c", script)
        return "slept"

    return act


def run(tmp_path: Path, *steps: Step) -> tuple[bool, list[str]]:
    out = io.StringIO()
    done = runner.run(steps, Console(out), tmp_path / "log")
    return done, out.getvalue().splitlines()


def test_each_step_says_one_line_with_its_time(tmp_path: Path) -> None:
    done, lines = run(tmp_path, Fake("first"), Fake("second", needs=("first",)))
    assert done
    assert [line.split()[:2] for line in lines] == [["made", "first"], ["made", "second"]]
    assert all(line.endswith(" s") for line in lines)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    step = Fake("only")
    run(tmp_path, step)
    done, lines = run(tmp_path, step)
    assert done
    assert step.acted == 1
    assert lines[0].startswith("ok    only")


def test_steps_that_need_nothing_of_each_other_run_at_once(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(job: Job) -> str:
        meeting.wait()
        return "met"

    assert run(tmp_path, Fake("one", meet), Fake("two", meet))[0]


def test_a_step_waits_for_those_it_needs(tmp_path: Path) -> None:
    order: list[str] = []

    def note(name: str, seconds: float) -> Callable[[Job], str]:
        def act(job: Job) -> str:
            time.sleep(seconds)
            order.append(name)
            return name

        return act

    run(tmp_path, Fake("late", note("late", 0), needs=("early",)), Fake("early", note("early", 0.1)))
    assert order == ["early", "late"]


def test_a_failed_step_is_one_line_and_those_that_need_it_are_left_out(tmp_path: Path) -> None:
    after = Fake("after", needs=("broken",))
    done, lines = run(tmp_path, Fake("broken", fail("saw 3, must be 4: do this")), after)
    assert not done
    assert after.acted == 0
    assert len(lines) == 1
    assert lines[0].startswith("FAIL  broken")
    assert "saw 3, must be 4: do this" in lines[0]


def test_a_failed_command_gives_its_code_its_last_words_and_its_log(tmp_path: Path) -> None:
    def act(job: Job) -> str:
        job.run(sys.executable, "-c", "print('early'); print('no space left'); raise SystemExit(9)")
        return ""

    _, lines = run(tmp_path, Fake("broken", act))
    assert "exited with 9: no space left" in lines[0]
    assert "broken.log" in lines[0]
    assert "early" in (tmp_path / "log" / "broken.log").read_text()


def test_a_failure_ends_the_commands_of_other_steps(tmp_path: Path) -> None:
    marker = tmp_path / "sleeping"

    def fail_once_the_other_sleeps(job: Job) -> str:
        while not marker.exists():
            time.sleep(0.02)
        raise StepError("broken")

    started = time.monotonic()
    done, lines = run(tmp_path, Fake("slow", sleep(marker)), Fake("broken", fail_once_the_other_sleeps))
    assert not done
    assert time.monotonic() - started < 25, "the sleeping command was ended, not waited for"
    assert lines[-1].startswith("stop  slow")


def test_an_optional_step_that_cannot_be_done_is_named_and_ends_nothing(tmp_path: Path) -> None:
    extra = Fake("extra", fail("no root"))
    extra.optional = True
    done, lines = run(tmp_path, extra, Fake("after", needs=("extra",)))
    assert done
    assert lines[0].startswith("miss  extra     no root")
    assert lines[1].startswith("made  after")


def test_a_machine_without_a_free_place_fails_the_step(tmp_path: Path) -> None:
    def act(job: Job) -> str:
        raise MachineError("all slots are taken: run `make clean`")

    done, lines = run(tmp_path, Fake("network", act))
    assert not done
    assert "all slots are taken" in lines[0]


def test_an_error_nobody_foresaw_fails_the_step_with_its_traceback_in_the_log(tmp_path: Path) -> None:
    def act(job: Job) -> str:
        raise KeyError("key")

    done, lines = run(tmp_path, Fake("odd", act))
    assert not done
    assert "KeyError" in lines[0]
    assert "Traceback" in (tmp_path / "log" / "odd.log").read_text()


def test_a_step_that_needs_what_nobody_gives_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lonely"):
        run(tmp_path, Fake("lonely", needs=("nothing",)))


def test_looking_changes_nothing_and_names_what_is_missing() -> None:
    out = io.StringIO()
    there, missing = Fake("there"), Fake("missing")
    there.done = True
    assert not runner.look([there, missing], Console(out))
    assert missing.acted == 0
    assert [line.split()[:2] for line in out.getvalue().splitlines()] == [["ok", "there"], ["miss", "missing"]]


@pytest.mark.parametrize(("name", "broken", "code"), [("up", False, 0), ("up", True, 1), ("doctor", True, 1)])
def test_the_exit_code_says_whether_all_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, broken: bool, code: int
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    steps = [Fake("step", fail("no") if broken else None)]
    monkeypatch.setattr(command, "all_steps", lambda: steps)
    monkeypatch.setitem(command.STEPS, "up", lambda: steps)
    assert command.main([name]) == code


def test_a_folder_that_takes_nothing_is_said_once_and_no_step_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".local").symlink_to("/proc")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    step = Fake("step")
    monkeypatch.setitem(command.STEPS, "up", lambda: [step])

    assert command.main(["up"]) == 1

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"FAIL  up        nothing can be written into {tmp_path}/.local (")
    assert line.endswith("MiB are free there): make room, or let this user write there, and run it again")
    assert step.acted == 0


def test_an_unknown_command_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["sideways"])
    assert refused.value.code == 2


def test_progress_is_quiet_where_nobody_watches() -> None:
    out = io.StringIO()
    Console(out).progress({"slow": ("compile", 3.0)})
    assert out.getvalue() == "", "a line every 15 s, not one per tick"
