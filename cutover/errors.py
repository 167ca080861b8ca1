"""What can go wrong, each with the exit code that a script may rely on."""

from __future__ import annotations


class CutoverError(Exception):
    """A refusal or failure that one line explains: the value seen, the rule, the way out."""

    exit_code = 1


class NoGoError(CutoverError):
    """The smoke suite ran and a mandatory criterion did not pass."""

    exit_code = 3


class StackLockedError(CutoverError):
    """Another Pulumi process is changing the stack."""

    exit_code = 4


class StackMissingError(CutoverError):
    """There is no such stack, or it has never been brought up."""

    exit_code = 5


class NotPreparedError(CutoverError):
    """The machine is not prepared: a tool, a folder or the passphrase is missing or does not fit."""

    exit_code = 6


class UnreachableError(CutoverError):
    """The audit database cannot be reached; nothing was changed."""

    exit_code = 8


class ContractError(CutoverError):
    """A running image breaks a rule of the contract."""

    exit_code = 9
