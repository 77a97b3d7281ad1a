"""Whether the database answers and fits this program: one statement on a connection kept for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from htc.store.fitness import COMMENT, fits

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["Beat", "Pulse"]

_CONNECT_TIMEOUT_S: Final = 2
_ANSWER_TIMEOUT_MS: Final = 2000
_UNDEFINED_TABLE: Final = "42P01"

_LOOK: Final = f"SELECT string_agg(version_num, ', ' ORDER BY version_num), {COMMENT} FROM alembic_version"  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Beat:
    """What the database answered."""

    revision: str | None
    """Its stamp, several separated by commas; None: it has none."""
    fits: bool
    """Whether this program may use it as it is."""


class Pulse:
    """Asks a database how it is, apart from its pool: it must be heard when all of that is in use.

    Safe to share between threads, which then wait for one another.
    """

    def __init__(self, database: Database) -> None:
        """Nothing is asked yet."""
        self._database = database
        url = database.engine.url
        options = {"application_name": "htc health"}
        self._engine = create_engine(
            url.difference_update_query(["connect_timeout"]),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": str(_CONNECT_TIMEOUT_S),
                "tcp_user_timeout": str(_ANSWER_TIMEOUT_MS),
                **{name: value for name, value in options.items() if name not in url.query},
            },
        )

    def beat(self) -> Beat:
        """Ask.

        Raises:
            StoreError: it does not answer, and why.
        """
        with self._database.errors(), self._engine.connect() as connection:
            try:
                revision, comment = connection.execute(text(_LOOK)).one()
            except ProgrammingError as error:
                if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
                    raise
                return Beat(None, fits=False)
        return Beat(revision, fits(revision, comment))

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()
