"""What can go wrong, each with the exit code that a script may rely on.

    CutoverError               1
    ├── NoGoError              3
    ├── StackLockedError       4
    ├── StackMissingError      5
    ├── NotPreparedError       6
    ├── MigrationError         7
    ├── UnreachableError       8
    ├── ContractError          9
    ├── TrafficError          10
    ├── HeldError             11
    ├── RolledBackError       12
    ├── RefusedError          13
    ├── UnfinishedError       14
    ├── PackError             15
    ├── ImageError            16
    ├── NotReadyError         17
    ├── PolicyBrokenError     18
    └── ReviewError           19

The first paragraph of each docstring is its row in `cutover --help` and in the runbook. What a check of a suite finds
is no error: it is a line of a report.
"""

from __future__ import annotations

DONE, WRONG_USAGE, INTERRUPTED = 0, 2, 130


class CutoverError(Exception):
    """failed; the last line names the cause

    The line has the value seen, the rule, and the way out.
    """

    exit_code = 1


class NoGoError(CutoverError):
    """NO-GO: a mandatory criterion of the smoke suite did not pass, or what runs is not what was declared"""

    exit_code = 3


class StackLockedError(CutoverError):
    """the stack is locked by another update, or a smoke run of it goes on"""

    exit_code = 4


class StackMissingError(CutoverError):
    """no such stack, or it was never brought up"""

    exit_code = 5


class NotPreparedError(CutoverError):
    """the machine is not prepared: tool, environment or passphrase"""

    exit_code = 6


class MigrationError(CutoverError):
    """a migration was refused or failed, or migrate verify or a restore drill found a difference

    Nothing is half applied; what was applied before it stays.
    """

    exit_code = 7


class UnreachableError(CutoverError):
    """the audit database, the vault, the records bucket, Route 53 or metrics are out of reach; nothing was changed"""

    exit_code = 8


class ContractError(CutoverError):
    """the running image breaks a rule of the contract"""

    exit_code = 9


class TrafficError(CutoverError):
    """the split of the traffic cannot be read or set; it is as it was, unless the line says what it is"""

    exit_code = 10


class HeldError(CutoverError):
    """the rollout is held: a gate, what both tracks share, a freeze or a person stands against going on"""

    exit_code = 11


class RolledBackError(CutoverError):
    """the rollout was rolled back, by a gate or a person; stable has all of the traffic"""

    exit_code = 12


class RefusedError(CutoverError):
    """refused: the rollout's state, its approvals or its rules do not allow that; nothing was changed"""

    exit_code = 13


class NoRolloutError(RefusedError):
    """there is no rollout"""


class UnfinishedError(CutoverError):
    """done, by rollback the traffic is back; what could not be reached is written down, and tick goes on with it"""

    exit_code = 14


class PackError(CutoverError):
    """the evidence pack does not verify: it is not what was written, or its verdict does not follow"""

    exit_code = 15


class ImageError(CutoverError):
    """an image was not pushed: its tag is another image's, or Docker or the registry refuses it"""

    exit_code = 16


class NotReadyError(CutoverError):
    """something that the stack's first day needs is missing; the line names it and the next step"""

    exit_code = 17


class PolicyBrokenError(CutoverError):
    """what a stack has breaks a mandatory rule of the policy pack; the line names the first"""

    exit_code = 18


class ReviewError(CutoverError):
    """the review is red: a danger nobody acknowledged, the policy, a migration, drift, or not what was approved"""

    exit_code = 19


def exit_codes() -> dict[int, str]:
    """What each exit code means, in order; of a kind of errors with one code, what the first of them says."""
    means = {
        DONE: "done; for up and smoke: GO, with or without caveats",
        WRONG_USAGE: "wrong usage: the command line is not understood",
        INTERRUPTED: "interrupted, by Ctrl-C or a signal",
    }
    means |= {error.exit_code: (error.__doc__ or "").partition("\n")[0] for error in reversed(errors())}
    return dict(sorted(means.items()))


def errors(root: type[CutoverError] = CutoverError) -> list[type[CutoverError]]:
    """The error and all of its kind that have an exit code of their own, as the tree has them."""
    return [root, *(error for kind in root.__subclasses__() if "exit_code" in vars(kind) for error in errors(kind))]


def unforeseen(error: Exception) -> str:
    """What is said of an error that nobody foresaw, in one line."""
    return f"an error of cutover's own: {type(error).__name__}: {' '.join(str(error).split())}"
