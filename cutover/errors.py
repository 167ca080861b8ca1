"""What can go wrong, each with the exit code that a script may rely on.

    CutoverError              1   failed
    ├── NoGoError             3   the smoke suite says NO-GO
    ├── StackLockedError      4   another update changes the stack
    ├── StackMissingError     5   there is no such stack, or it was never brought up
    ├── NotPreparedError      6   the machine lacks a tool, its environment or the passphrase
    ├── MigrationError        7   a migration was refused or failed
    ├── UnreachableError      8   the audit database is out of reach
    ├── ContractError         9   a running image breaks the contract
    └── TrafficError         10   the traffic split cannot be read or set

What a check of a suite finds is a line of its report and no error: it never leaves the suite.
"""

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


class MigrationError(CutoverError):
    """The files break a rule, do not fit the database, or failed to apply. Nothing is half applied."""

    exit_code = 7


class UnreachableError(CutoverError):
    """The audit database cannot be reached; nothing was changed."""

    exit_code = 8


class ContractError(CutoverError):
    """A running image breaks a rule of the contract."""

    exit_code = 9


class TrafficError(CutoverError):
    """The split cannot be read or set. One line, with the way out."""

    exit_code = 10
