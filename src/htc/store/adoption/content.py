"""Checksums of what tables hold: equal before and after, or nothing is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.adoption.conversions import TEXT_BOOLEANS
from htc.store.migrating.transaction import quoted

__all__ = ["Checksum", "checksum", "expressions_at_head", "refuse_changes"]

_CHECKSUM: Final = """
    SELECT count(*), coalesce(sum(hashtextextended(row_text, 0)::numeric), 0)::text,
           coalesce(sum(hashtextextended(row_text, 1)::numeric), 0)::text
    FROM (SELECT ROW({columns})::text AS row_text FROM {table}) AS rows_of_it
"""
"""Sums, so that the order of the rows does not matter and no sort is needed."""

_PLAIN: Final = "lower(btrim({q}::text))"
_BOOLEAN: Final = (
    f"CASE WHEN {_PLAIN} IN ('true', 't', 'yes', '1') THEN 'true'"
    f" WHEN {_PLAIN} IN ('false', 'f', 'no', '0') THEN 'false' ELSE {{q}}::text END"
)


@dataclass(frozen=True, slots=True)
class Checksum:
    """Of all rows of a table, whatever their order."""

    rows: int
    first: str
    second: str


def checksum(connection: Connection, table: str, columns: Sequence[str]) -> Checksum:
    """Count and hash the rows of a table.

    Args:
        connection: an open connection.
        table: its name.
        columns: SQL expressions of type text.
    """
    statement = _CHECKSUM.format(columns=", ".join(columns), table=quoted(table))
    return Checksum(*connection.exec_driver_sql(statement.replace("%", "%%")).one())


def expressions_at_head(head: str, table: str) -> tuple[str, list[str]]:
    """Where the content of a table of 003 is read at ``head``, and what must be as it was at 003.

    htc_predictions is read through its view of the old shape, with every column; of the others, the columns
    whose type no later revision changed. ``input_hash`` is left out: 004 makes equal ones different.
    """
    old, new = catalogue.expected("003_htc_predictions").tables[table], catalogue.expected(head)
    view = f"{table}_v003"
    if table == "htc_predictions" and view in new.views:
        return view, [
            (_BOOLEAN if name in TEXT_BOOLEANS else "{q}::text").replace("{q}", quoted(name))
            for name in sorted(old.columns)
        ]
    kept = new.tables[table].columns
    return table, [
        f"{quoted(name)}::text"
        for name, column in sorted(old.columns.items())
        if name in kept and kept[name].type == column.type and name != "input_hash"
    ]


def refuse_changes(
    before: Mapping[str, Checksum], after: Mapping[str, Checksum], when: str, where: str
) -> None:
    """Nothing, where both are the same.

    Raises:
        SchemaError: a row was lost or changed; the transaction must not be committed.
    """
    wrong = [
        f"{table}: {old.rows} rows before, {after[table].rows} after"
        + ("" if old.rows != after[table].rows else ", with other content")
        for table, old in before.items()
        if after[table] != old
    ]
    if wrong:
        raise SchemaError(
            f"{when} the rows were not what they had been, so nothing was changed: {'; '.join(wrong)}",
            where=where,
            hint="please report this with the output of `htc db adopt --dry-run --json`",
        )
