"""What a step of a rollout reads and changes, one value each: for real in `world`, in a model in the unit tests."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from cutover.errors import CutoverError, RefusedError
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Record
from outputs.release import Track

T = TypeVar("T")


class ConflictError(RefusedError):
    """Somebody else has written the record meanwhile."""


@dataclass(frozen=True)
class Kept:
    """The record as the bucket has it, with what a conditional write asks for."""

    record: Record
    etag: str


@dataclass(frozen=True)
class ReadRecord:
    """The record in the bucket as Kept, None where there is none. Fails with UnreachableError, and with CutoverError
    where what is there is none."""


@dataclass(frozen=True)
class WriteRecord:
    """Writes it if the bucket still has `after`, or has none where that is None. Fails with ConflictError, and with
    UnreachableError: then it may have been written, now or later."""

    record: Record
    after: str | None


@dataclass(frozen=True)
class ReadCopy:
    """The newest record that this machine has seen, or None."""


@dataclass(frozen=True)
class KeepCopy:
    """Keeps the record on this machine, unless the copy there is newer. Fails with UnreachableError."""

    record: Record


@dataclass(frozen=True)
class ReadWeight:
    """What routes, as Share. Fails with TrafficError."""


@dataclass(frozen=True)
class ReadBeside:
    """What leads to a track whatever the weight is, a clause each. Fails with TrafficError."""


@dataclass(frozen=True)
class SetWeight:
    """Sets what the record says. Fails with TrafficError; with RefusedError where a newer revision is in force, or
    the rollout was taken back."""

    record: Record


@dataclass(frozen=True)
class TakeBack:
    """Weight 0, and from now on no other for this rollout and the one in force. Fails with TrafficError; with
    RefusedError where what routes is past the way back."""

    record: Record | None


@dataclass(frozen=True)
class Answers:
    """Whether a track's release answers within a second; None where that cannot be said."""

    track: Track


@dataclass(frozen=True)
class WriteFlags:
    """Writes a track's flags where they differ. Fails with UnreachableError."""

    track: Track
    flags: FlagValues


@dataclass(frozen=True)
class KeepTasks:
    """Has autoscaling take no task away, of either track, where the record keeps them, and stable follow the candidate;
    else lets it. Fails with UnreachableError."""

    record: Record


@dataclass(frozen=True)
class Tell:
    """Tells people of a turn, in the channel. Fails with UnreachableError."""

    record: Record


@dataclass(frozen=True)
class WriteDown:
    """Has the journal say what could not be reached, for `tick` to go on with; nothing is left where that is empty.
    Fails with UnreachableError."""

    record: Record
    left: tuple[str, ...]


@dataclass(frozen=True)
class ReadJournal:
    """What the newest turn could not reach, by name."""


@dataclass(frozen=True)
class Accepted:
    """How many alerts the candidate has accepted that are not delivered yet. Fails with UnreachableError."""


Effect = (
    ReadRecord
    | WriteRecord
    | ReadCopy
    | KeepCopy
    | ReadWeight
    | ReadBeside
    | SetWeight
    | TakeBack
    | Answers
    | WriteFlags
    | KeepTasks
    | Tell
    | WriteDown
    | ReadJournal
    | Accepted
)
Steps = Generator[Effect, Any, T]
"""Yields effects, is sent what each gave or thrown its CutoverError, and returns its result."""


class World(Protocol):
    """Where effects happen."""

    def do(self, effect: Effect) -> Any:
        """What the effect gives. Raises the CutoverError that it fails with."""


@dataclass
class Run:
    """Runs steps in a world. `done` has the effects in order."""

    world: World
    done: list[Effect] = field(default_factory=list)

    def __call__(self, steps: Steps[T]) -> T:
        """The result of the steps. Raises what they raise."""
        answer: Any = None
        error: CutoverError | None = None
        while True:
            try:
                effect = steps.throw(error) if error else steps.send(answer)
            except StopIteration as ended:
                result: T = ended.value
                return result
            self.done.append(effect)
            try:
                answer, error = self.world.do(effect), None
            except CutoverError as failure:
                answer, error = None, failure
