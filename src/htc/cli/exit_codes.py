"""The one place where errors become exit codes."""

from __future__ import annotations

from enum import IntEnum

from htc import errors

__all__ = ["ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """Exit codes of ``htc``."""

    OK = 0
    FAILED = 1
    """Every input failed, or a result could not be produced; of ``htc db doctor``: warnings."""
    USAGE = 2
    """The command line or an input cannot be used."""
    PARTIAL = 3
    """Some inputs failed, the others were processed."""
    DATABASE = 4
    """The database; of ``htc db doctor``: failures."""
    MODEL = 5
    NOT_FOUND = 6
    INTERRUPTED = 130
    TERMINATED = 143


_CODES: tuple[tuple[type[errors.HTCError], ExitCode], ...] = (
    (errors.InputError, ExitCode.USAGE),
    (errors.NotFoundError, ExitCode.NOT_FOUND),
    (errors.ModelError, ExitCode.MODEL),
    (errors.MissingExtraError, ExitCode.MODEL),
    (errors.StoreError, ExitCode.DATABASE),
)


def exit_code(error: errors.HTCError) -> ExitCode:
    """Exit code for an error raised on purpose."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
