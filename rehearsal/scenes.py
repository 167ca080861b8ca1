"""The acts of the rehearsal, in their order."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from datetime import UTC, datetime

from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.document import Rehearsal
from cutover.evidence.places import note_rehearsal
from cutover.rollout.phases import PHASES, PhaseName
from cutover.rollout.record import State
from cutover.smoke.checks import audit, evidence, guardrails, queue
from cutover.smoke.finding import Outcome
from cutover.smoke.probe import Probe, Samples
from outputs.smoke import DockerProcesses
from rehearsal.books import Books
from rehearsal.faults import hung
from rehearsal.load import Load
from rehearsal.operator import RehearsalError
from rehearsal.play import Play
from rehearsal.report import Act
from rehearsal.stage import CANDIDATE, CRITERIA, STABLE
from rehearsal.witness import Witness

ACCEPTANCE = {"audit": audit.CHECK, "evidence": evidence.CHECK, "queue": queue.CHECK, "guardrails": guardrails.CHECK}
BACK_SECONDS = 30
"""From the fault to the last request that met it."""
DRAIN_SECONDS = 60
ROLES = ("devops", "backend", "frontend")
REFUSED, ROLLED_BACK = 13, 12
"""Exit codes of cutover."""


def set_the_stage(play: Play) -> None:
    """A base of 1.5.0 on mocks, from nothing: what an earlier rehearsal left is taken back and destroyed."""
    stage, operator = play.stage, play.operator
    with play.act("The stage: stable on mocks") as act:
        _clear(play)
        stage.set(STABLE, [], candidate=False)
        stage.set(CANDIDATE, [], candidate=True)
        operator.cutover("up", "-s", stage.base, quiet=True)
        play.say(f"look at {stage.url}/dashboard: every panel has a chip")
        with Witness.of(stage) as witness:
            chips = witness.chips("stable")
            play.find(act, f"{STABLE} shows a chip for each adapter", chips == list(CRITERIA), ", ".join(chips))


def adapter_by_adapter(play: Play) -> None:
    """The candidate, at weight 0, gets its adapters one by one; each has its acceptance and its time."""
    stage = play.stage
    with play.act(f"{CANDIDATE} adapter by adapter, at weight 0") as act:
        if stage.candidate not in _stacks(play):
            play.operator.pulumi("stack", "init", "--no-select", stage.candidate)
        for count, name in enumerate(CRITERIA, start=1):
            began = time.monotonic()
            stage.set(CANDIDATE, list(CRITERIA)[:count], candidate=True, proven=False)
            play.operator.pulumi("up", "--yes", "--skip-preview", "--stack", stage.candidate)
            target = play.deployed(stage.candidate)
            with Probe.of(target, Samples()) as probe, Witness.of(stage) as witness:
                probe.database = Books(target.places).database
                found = ACCEPTANCE[name].run(probe)
                chips = witness.chips("candidate")
            held = found.outcome in (Outcome.PASS, Outcome.RETRIED) and chips == list(CRITERIA)[count:]
            left = f"chips left: {', '.join(chips) or 'none'}"
            play.find(act, f"{name} is real", held, f"{time.monotonic() - began:.0f} s; {found.saw}; {left}")
        stage.set(CANDIDATE, list(CRITERIA), candidate=True)


def prepare(play: Play) -> None:
    """The candidate is proven at weight 0, and its pack is signed."""
    play.operator.cutover("canary", "-s", play.stage.base, expected=(REFUSED,))
    _sign(play)


def taken_back(play: Play, load: Load, books: Books) -> None:
    """The first attempt: the prepared candidate hangs with half of the traffic; a gate takes it back, and nothing is
    lost."""
    stage, operator = play.stage, play.operator
    with play.act("First attempt: the candidate hangs") as act, ExitStack() as faults:
        began = time.time()
        prepare(play)
        operator.cutover("canary", "-s", stage.base, "--wait", f"{2 * stage.holds['canary'] + 30}s")
        operator.cutover("staged", "-s", stage.base)
        time.sleep(5)
        before = books.holdings()
        candidate = play.deployed(stage.candidate)
        processes = candidate.processes
        assert isinstance(processes, DockerProcesses)
        fault = time.time()
        faults.enter_context(hung(processes.app))
        play.say(f"{processes.app} hangs")
        operator.cutover("status", "-s", stage.base, "--wait", "60s", expected=(ROLLED_BACK,))
        back = time.time()
        time.sleep(stage.patience + 1)
        faults.close()

        last = play.record.last if play.record else None
        why = (last.why if last else None) or "nothing did"
        play.find(act, "a gate took it back", bool(last and last.gate), why.partition("; ")[0])
        met = [each for each in load.between(began, back) if each.failed and each.received >= fault]
        seconds = max((each.sent for each in met), default=fault) - fault
        play.find(
            act,
            f"back within {BACK_SECONDS} s",
            bool(met) and seconds <= BACK_SECONDS,
            f"{seconds:.1f} s from the fault to the last request that met it; {len(met)} met it",
        )
        timed = Rehearsal(at=datetime.now(UTC), release=candidate.digest, rollback_seconds=round(seconds, 1))
        note_rehearsal(RecordsBucket.of(candidate.places), timed)
        time.sleep(3)
        after = load.between(back, time.time())
        tracks = {each.track for each in after}
        play.find(act, "stable has all of it", tracks == {"stable"}, f"{len(after)} requests since, {_named(tracks)}")
        play.find_requests(act, [each for each in load.between(began, time.time()) if each not in met])
        with Witness.of(stage) as witness:
            chips = witness.chips("stable")
        play.find(act, "the chips are back", chips == list(CRITERIA), ", ".join(chips))
        now = books.holdings()
        play.find(
            act,
            "the data is kept",
            now.kept(before),
            f"{before.rows} rows and {len(before.objects)} objects before, {now.rows} and {len(now.objects)} after",
        )
        _drain(play)
        _balance(play, act, load, books, began)


def carried_through(play: Play, load: Load, books: Books) -> None:
    """The second attempt: canary, staged, production, finish, and no request fails."""
    stage, operator = play.stage, play.operator
    with play.act("Second attempt: canary, staged, production, finish") as act:
        began = time.time()
        for verb in (each.name for each in PHASES):
            entered = time.time()
            operator.cutover(verb, "-s", stage.base, "--wait", f"{2 * stage.holds[verb] + 30}s")
            seen = load.between(entered, time.time())
            share = 100 * sum(each.track == "candidate" for each in seen) / max(1, len(seen))
            play.find(
                act,
                f"{verb} passes",
                bool(play.record and play.record.state.value == verb),
                f"{time.time() - entered:.0f} s, {len(seen)} requests, {share:.0f} % of them the candidate's",
            )
            _find_flags(play, act, verb)
        entered = time.time()
        operator.cutover("finish", "-s", stage.base)
        time.sleep(3)
        ended = load.between(entered, time.time())
        state = play.record.state if play.record else None
        play.find(act, "finish ends it", state is State.FINISHED, f"{state}, {time.time() - entered:.0f} s")
        play.find_none(act, "no mock answers in finish", [each for each in ended if each.mock], ended)
        play.find_requests(act, load.between(began, time.time()))
        with Witness.of(stage) as witness:
            version, chips = witness.version("stable"), witness.chips("stable")
        play.find(
            act,
            f"stable is {CANDIDATE} without chips",
            version == CANDIDATE and not chips,
            f"{version}, chips: {', '.join(chips) or 'none'}",
        )
        _balance(play, act, load, books, began)


def _find_flags(play: Play, act: Act, phase: PhaseName) -> None:
    """Holds the share that each track pauses by itself, as its healthz says, to the phase's; stable's is 0."""
    with Witness.of(play.stage) as witness:
        candidate, stable = witness.flags("candidate").auto_pause, witness.flags("stable").auto_pause
    asked = next(each for each in PHASES if each.name == phase).flags.auto_pause
    saw = f"FEATURE_AUTO_PAUSE {candidate:g} on the candidate, {stable:g} on stable"
    play.find(act, f"the tracks have {phase}'s flags", (candidate, stable) == (asked, 0), saw)


def _stacks(play: Play) -> set[str]:
    """The stacks that Pulumi knows."""
    return {each["name"] for each in json.loads(play.operator.pulumi("stack", "ls", "--json").text)}


def _clear(play: Play) -> None:
    """Destroys what an earlier rehearsal left; its rollout is ended first, because a candidate with traffic stays."""
    stage, operator = play.stage, play.operator
    there = _stacks(play)
    record = play.record
    if stage.candidate in there and record and (record.state.running or record.draining):
        stage.start()
        if record.state.running:
            operator.cutover("finish" if record.state is State.FINISHING else "rollback", "-s", stage.base, quiet=True)
        _drain(play)
    for stack in (stage.candidate, stage.base):
        if stack in there:
            operator.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
    play.forget()


def _sign(play: Play) -> None:
    """Three people approve the pack of the prepared release; here it is the rehearsal, and it says so."""
    release = play.deployed(play.stage.candidate).digest
    pack = max((play.stage.root / ".local" / "packs" / release).iterdir())
    key = f"packs/{release}/{pack.name}"
    for role in ROLES:
        by = f"the rehearsal, for {role}"
        play.operator.cutover("approve", key, "-s", play.stage.base, "--role", role, "--by", by)


def _drain(play: Play) -> None:
    """Waits until the candidate's worker has delivered what the candidate had accepted."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while play.record and play.record.draining:
        if time.monotonic() > deadline:
            raise RehearsalError(f"after {DRAIN_SECONDS} s the candidate still has alerts that are not delivered")
        time.sleep(2)
        play.operator.cutover("tick", "-s", play.stage.base, expected=(0, ROLLED_BACK), quiet=True)


def _balance(play: Play, act: Act, load: Load, books: Books, since: float) -> None:
    balance = books.balance(load.between(since, time.time()))
    play.find(act, "nothing accepted is lost, and no entry kept twice", balance.held, balance.line)


def _named(tracks: set[str | None]) -> str:
    return ", ".join(sorted(track or "no answer" for track in tracks)) or "nobody answered"
