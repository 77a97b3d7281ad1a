"""Every error HTC raises on purpose.

    HTCError
    ├── InputError              what the caller gave cannot be used
    │   ├── FormulaError        a chemical formula
    │   ├── StructureError      a crystal structure
    │   ├── SpectrumError       an electron-phonon spectrum
    │   └── SettingsError       an option, an environment variable, the settings file
    ├── NotFoundError           a stored record that is not there
    ├── ConflictError           the request does not fit one that came before it
    ├── BusyError               more work at once than this process takes
    ├── AccessError             who asks may not do this
    │   ├── UnauthenticatedError   no access key, or none that is valid
    │   ├── ForbiddenError         the key, or where the request comes from, does not allow it
    │   └── TooManyRequestsError   more requests than the limit of the key or address
    ├── ConvergenceError        an iteration that did not reach its tolerance
    ├── ModelError              missing, damaged or unsuitable model weights
    ├── MissingExtraError       an optional dependency that is not installed
    ├── SourceUnavailableError  a provider of structures that cannot be asked
    └── StoreError              the database
        ├── DatabaseUnavailableError  no server, no login, connection lost
        ├── SchemaError         the database's revision does not fit this program
        └── StorageError        no room, no permission, not writable

A message has up to three parts: what is wrong, where, and what to do about it. They are kept apart so
that the command line, the HTTP problem answers and the logs can each lay them out their own way.
"""

from __future__ import annotations

__all__ = [
    "AccessError",
    "BusyError",
    "ConflictError",
    "ConvergenceError",
    "DatabaseUnavailableError",
    "ForbiddenError",
    "FormulaError",
    "HTCError",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "NotFoundError",
    "SchemaError",
    "SettingsError",
    "SourceUnavailableError",
    "SpectrumError",
    "StorageError",
    "StoreError",
    "StructureError",
    "TooManyRequestsError",
    "UnauthenticatedError",
]


class HTCError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: what is wrong, one sentence without a full stop.
        where: file, line, argument or table it was found in.
        hint: what the reader can do about it.
    """

    code = "error"
    """Stable machine-readable name, used in JSON answers."""

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Keep the parts of the message apart."""
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        """One line: ``where: what (hint)``."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.hint})" if self.hint else text

    def located(self, where: str) -> HTCError:
        """Return self with ``where`` filled in when it was still unknown."""
        if self.where is None:
            self.where = where
        return self


class InputError(HTCError):
    """What the caller gave cannot be used."""

    code = "invalid-input"


class FormulaError(InputError):
    """A chemical formula cannot be read."""

    code = "invalid-formula"


class StructureError(InputError):
    """A crystal structure cannot be read or is not physical."""

    code = "invalid-structure"


class SpectrumError(InputError):
    """An electron-phonon spectrum cannot be read or is not physical."""

    code = "invalid-spectrum"


class SettingsError(InputError):
    """An option, an environment variable or the settings file has an unusable value."""

    code = "invalid-settings"


class NotFoundError(HTCError):
    """A stored record that is not there."""

    code = "not-found"


class ConflictError(HTCError):
    """The request does not fit one that came before it."""

    code = "conflict"


class BusyError(HTCError):
    """More work at once than this process takes; asking again later helps."""

    code = "busy"


class AccessError(HTCError):
    """Who asks may not do this."""

    code = "access"


class UnauthenticatedError(AccessError):
    """No access key was given, or none that is valid."""

    code = "unauthenticated"


class ForbiddenError(AccessError):
    """The access key, or the place the request comes from, does not allow this."""

    code = "forbidden"


class TooManyRequestsError(AccessError):
    """More requests than the limit of the access key or the address."""

    code = "too-many-requests"


class ConvergenceError(HTCError):
    """An iteration did not reach its tolerance."""

    code = "not-converged"


class ModelError(HTCError):
    """Model weights are missing, damaged or unsuitable."""

    code = "model-unusable"


class MissingExtraError(HTCError):
    """An optional dependency is not installed."""

    code = "missing-extra"


class SourceUnavailableError(HTCError):
    """A provider of structures cannot be reached or answers nonsense; others may still know."""

    code = "source-unavailable"


class StoreError(HTCError):
    """The database refused or lost something."""

    code = "store"


class DatabaseUnavailableError(StoreError):
    """No server, no login, or the connection was lost."""

    code = "database-unavailable"


class SchemaError(StoreError):
    """The database's revision does not fit this program."""

    code = "schema-mismatch"


class StorageError(StoreError):
    """No room, no permission, or not writable."""

    code = "storage"
