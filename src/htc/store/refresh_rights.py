"""Who may compute the ranking by formula anew, and how somebody may who does not own it.

PostgreSQL lets only the owner of a materialized view refresh it; from 17 on a role may be given MAINTAIN.
Before, the owner lends a function that does this and nothing else. It stands in a schema of its own: an
upgrade compares the schema of the tables with what it promises.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

__all__ = ["FUNCTION", "function_sql", "may_refresh", "way_to_refresh"]

FUNCTION: Final = "htc_upkeep.refresh_top_superconductors"

_MAY: Final = sa.text(
    "SELECT pg_has_role(relowner, 'USAGE') OR CASE"
    " WHEN current_setting('server_version_num')::int >= 170000 THEN has_table_privilege(oid, 'MAINTAIN')"
    " ELSE false END"
    " FROM pg_class WHERE oid = to_regclass('top_superconductors')"
)
_LENT: Final = sa.text(
    "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')"
    " FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
    " WHERE n.nspname || '.' || p.proname = :name AND p.pronargs = 1"
)


def may_refresh(connection: sa.Connection) -> bool:
    """Whether this user may refresh ``top_superconductors``, in either way."""
    return way_to_refresh(connection, concurrently=True) is not None


def way_to_refresh(connection: sa.Connection, *, concurrently: bool) -> str | None:
    """The statement by which this user refreshes the view; None: there is none."""
    if connection.execute(_MAY).scalar_one_or_none():
        how = "CONCURRENTLY " if concurrently else ""
        return f"REFRESH MATERIALIZED VIEW {how}top_superconductors"
    if connection.execute(_LENT, {"name": FUNCTION}).scalar_one_or_none():
        return f"SELECT {FUNCTION}({'true' if concurrently else 'false'})"
    return None


def function_sql(schema: str, role: str) -> str:
    """What the owner runs so that a role may refresh the view of a schema; both quoted where they must be.

    The search path is fixed: a function with the rights of its owner must not find tables of its caller's.
    """
    body = "; ".join(
        f"{when} REFRESH MATERIALIZED VIEW {how}{schema}.top_superconductors"
        for when, how in (("IF gradually THEN", "CONCURRENTLY "), ("ELSE", ""))
    )
    home = FUNCTION.partition(".")[0]
    return (
        f"CREATE SCHEMA IF NOT EXISTS {home}; "
        f"CREATE OR REPLACE FUNCTION {FUNCTION}(gradually boolean) RETURNS void LANGUAGE plpgsql"
        f" SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN {body}; END IF; END $$; "
        f"REVOKE ALL ON FUNCTION {FUNCTION}(boolean) FROM PUBLIC; "
        f"GRANT USAGE ON SCHEMA {home} TO {role}; "
        f"GRANT EXECUTE ON FUNCTION {FUNCTION}(boolean) TO {role}"
    )
