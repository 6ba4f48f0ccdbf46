"""The errors a user can meet. Each says what went wrong and, in `hint`, what to do next."""

from __future__ import annotations

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class HwcompatError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns for it."""

    exit_code = 5

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HwcompatError):
    """The caller asked for something that cannot exist (a misspelt card, driver "abc", Python 2.7)."""

    exit_code = 2


class MachineError(HwcompatError):
    """This machine, or the tables, cannot serve the request (no torch, no such device)."""

    exit_code = 3


class NoBuildError(MachineError):
    """No torch build passes every gate; `rejected` lists what was tried and why each was refused."""

    def __init__(self, message: str, hint: str = "", rejected: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.rejected = rejected


class DataError(HwcompatError):
    """A data file that the user named cannot be used."""

    exit_code = 4
