"""What a table refuses, read from the database itself, so that it is said in one pass over many rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from htc.store.bulk.target import Target

__all__ = ["Rules", "read_rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a table, and what this login may do about its triggers."""

    checks: dict[str, str]
    """Short name of each CHECK and NOT NULL -> SQL condition over the table's columns."""
    foreign: tuple[tuple[str, str, str], ...]
    """``(column, table, column there)`` of each foreign key."""
    may_skip_triggers: bool
    """Whether foreign keys may be checked by set instead of row by row: this login may say so, and no trigger
    but ours would be skipped."""


def read_rules(connection: Connection[Any], target: Target) -> Rules:
    """Read the rules that hold now."""
    prefix = f"ck_{target.name}_"
    checks = {
        name.removeprefix(prefix): condition
        for name, condition in connection.execute(
            "SELECT conname, pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conrelid = to_regclass(%s) AND contype = 'c' ORDER BY 1",
            [target.name],
        )
    }
    required = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0"
        " AND NOT attisdropped AND attnotnull AND attgenerated = '' AND attidentity = '' ORDER BY attnum",
        [target.name],
    )
    for (column,) in required:
        checks[f"{column} is missing"] = f'"{column}" IS NOT NULL'
    skip, strange = connection.execute(
        "SELECT has_parameter_privilege(current_user, 'session_replication_role', 'SET'), count(t.oid)"
        " FROM (SELECT 1) AS one LEFT JOIN pg_trigger AS t ON t.tgrelid = to_regclass(%s)"
        " AND NOT t.tgisinternal AND t.tgname <> 'htc_predictions_elements'",
        [target.name],
    ).fetchone() or (False, 1)
    foreign = tuple((column, table, key) for column, (table, key) in target.parents.items())
    return Rules(checks, foreign, bool(skip) and strange == 0)


def broken(rules: Rules, target: Target, stage: sql.Identifier) -> sql.Composed:
    """The statement that gives ``(row, names of the rules it breaks)`` of every row that breaks any."""
    cases = [
        sql.SQL("CASE WHEN ({}) IS FALSE THEN {} END").format(sql.SQL(condition), sql.Literal(name))
        for name, condition in rules.checks.items()
    ]
    for column, table, key in rules.foreign:
        here = sql.Identifier(column)
        found = sql.SQL("EXISTS (SELECT FROM {} AS p WHERE p.{} = {}.{})").format(
            sql.Identifier(table), sql.Identifier(key), stage, here
        )
        if table == target.name:
            # A parent may come with the same rows.
            found = sql.SQL("({} OR EXISTS (SELECT FROM {} AS p WHERE p.{} = {}.{}))").format(
                found, stage, sql.Identifier(key), stage, here
            )
        cases.append(
            sql.SQL("CASE WHEN {}.{} IS NOT NULL AND NOT {} THEN {} END").format(
                stage, here, found, sql.Literal(f"{column} is not in {table}")
            )
        )
    return sql.SQL(
        "SELECT htc_row, reasons FROM"
        " (SELECT htc_row, array_remove(ARRAY[{}]::text[], NULL) AS reasons FROM {}) AS judged"
        " WHERE cardinality(reasons) > 0"
    ).format(sql.SQL(", ").join(cases), stage)
