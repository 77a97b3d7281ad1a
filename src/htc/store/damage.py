"""A database of this chain that lost a part: told from a stamp that is ahead of an earlier deployment.

Taking a damaged database for an earlier one would put its later tables out of the way, rows and all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from htc.store.catalogue import Catalogue, Difference, closest, differences, expected, later_relations
from htc.store.schema import REVISIONS

__all__ = ["damage", "has_own_shape", "put_back", "remedy"]

_LAST_OF_THE_EARLY: Final = "003_htc_predictions"
"""Tables of the revisions up to here were also made by hand and by other programs."""


def damage(stamp: str | None, found: Catalogue) -> list[Difference]:
    """What a database lacks that was at its stamped revision; empty where it lacks nothing, or never was.

    It was there where a table, view or column is left that no earlier revision than the stamp's makes.

    Args:
        stamp: the one stamp it carries.
        found: what there is.
    """
    if stamp not in REVISIONS or REVISIONS.index(stamp) <= REVISIONS.index(_LAST_OF_THE_EARLY):
        return []
    wanted = expected(stamp)
    lacking = [d for d in differences(wanted, found) if d.essential]
    if not lacking:
        return []
    fits = max(closest(found) or REVISIONS[0], _LAST_OF_THE_EARLY, key=REVISIONS.index)
    earlier = expected(fits)
    columns = any(
        set(table.columns) & set(found.tables[name].columns) - set(earlier.tables[name].columns)
        for name, table in wanted.tables.items()
        if name in found.tables and name in earlier.tables
    )
    return lacking if columns or later_relations(found, fits) else []


def has_own_shape(name: str, found: Catalogue) -> bool:
    """Whether a table or view is as some revision of HTC makes it, with all its columns."""
    return any(
        name in (wanted := expected(revision)).relations
        and not any(d.essential for d in differences(wanted, found) if name in {d.name, d.parent})
        for revision in REVISIONS
    )


def put_back(revision: str, lacking: Iterable[Difference]) -> list[str]:
    """Statements that make the columns and views that are missing; not their rows, which are lost.

    What cannot be made by one statement alone is left out: tables, computed columns, columns that need a
    value in every row.
    """
    wanted = expected(revision)
    columns, views = [], []
    for one in lacking:
        if one.change != "missing":
            continue
        if one.kind == "column" and one.parent is not None:
            column = wanted.tables[one.parent].columns[one.name]
            default = column.default or ""
            if default.startswith(("generated", "identity")) or not (column.nullable or default):
                continue
            needs = (f" DEFAULT {default}" if default else "") + ("" if column.nullable else " NOT NULL")
            columns.append(f'ALTER TABLE {one.parent} ADD COLUMN "{one.name}" {column.type}{needs}')
        elif one.kind == "view":
            view = wanted.views[one.name]
            kind = "MATERIALIZED VIEW" if view.materialized else "VIEW"
            views.append(f"CREATE {kind} {one.name} AS {view.definition}")
            views += [index.definition for index in view.indexes.values()]
    return columns + views


def remedy(revision: str, lacking: Iterable[Difference]) -> str:
    """What to do about :func:`damage`, in words."""
    statements = put_back(revision, lacking)
    if not statements:
        return "restore a backup: `htc db restore FILE`"
    return (
        "restore a backup (`htc db restore FILE`), or put it back without its values: "
        + "; ".join(statements)
        + "; `htc db doctor` then names what else went with it"
    )
