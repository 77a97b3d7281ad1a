"""Which older programs a database still fits: what a roll-back, and the minutes of a deployment, depend on.

A deployment migrates first and moves traffic then, and goes back when the new program fails. All that while
the program before works on tables that a newer one made. Whether it may was decided by whoever wrote the
revisions; an upgrade writes it into the database, as the comment of ``alembic_version``, where the older
program reads it.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection, text

from htc.store.schema import HEAD, REVISIONS

__all__ = ["COMMENT", "FITS_SINCE", "fits", "mark"]

FITS_SINCE: Final = "006_model_tiers"
"""Oldest revision whose programs work on a database at HEAD. A revision that takes away, renames or narrows
what they use moves it up to itself; until then it stays, however many revisions add to the tables."""

COMMENT: Final = "obj_description(to_regclass('alembic_version'), 'pg_class')"
"""SQL expression of the mark."""

_MARK: Final = "at {head}, fits programs of {since} and later"
_READ: Final = re.compile(r"at (\w+), fits programs of (\w+) and later")


def fits(stamp: str | None, comment: str | None) -> bool:
    """Whether this program may use a database: it is of its own revision, or of a later one that fits it.

    Args:
        stamp: the revision the database stands at.
        comment: the mark in it. One of another stamp is of another time and says nothing.
    """
    if stamp == HEAD:
        return True
    found = _READ.fullmatch(comment or "")
    return found is not None and found[1] == stamp and found[1] not in REVISIONS and found[2] in REVISIONS


def mark(connection: Connection, stamp: str) -> None:
    """Write down which programs a database fits that was just brought to ``stamp``.

    Left out where the table is another role's: the mark is then that of another stamp, or none.
    """
    is_ours = connection.execute(
        text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('alembic_version')")
    ).scalar()
    if not is_ours:
        return
    words = f"'{_MARK.format(head=HEAD, since=FITS_SINCE)}'" if stamp == HEAD else "NULL"
    connection.execute(text(f"COMMENT ON TABLE alembic_version IS {words}"))
