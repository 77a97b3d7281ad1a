"""What an open server says of itself, and what it lets this user do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.store.database import MINIMUM_MAJOR
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding

if TYPE_CHECKING:
    from htc.store.database import Database
    from htc.store.doctor.login import Login

__all__ = ["check_answer", "check_privileges", "check_version", "check_writable", "not_answered", "not_asked"]

_ANSWER = Check("server.answer", "the server does not answer a query", "ran SELECT 1")
_VERSION = Check(
    "server.version", f"the server is older than PostgreSQL {MINIMUM_MAJOR}", "asked for server_version_num"
)
_WRITABLE = Check(
    "server.writable",
    "nothing can be written: a standby, or a read-only session",
    "asked pg_is_in_recovery() and transaction_read_only",
)
_SCHEMA = Check(
    "privileges.schema",
    "the user may not make or see tables here",
    "asked for CONNECT, USAGE and CREATE",
)
_TABLES = Check(
    "privileges.tables",
    "the user may not read or write HTC's tables",
    "asked for SELECT, INSERT, UPDATE and DELETE on each",
)
_OWNER = Check(
    "privileges.ownership",
    "the user may not migrate: the tables belong to somebody else",
    "compared the owners of tables and views with the user's roles",
)
_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")


def not_asked(reason: str) -> list[Finding]:
    """The findings where there is no session to ask in."""
    return [check.skipped(reason) for check in (_WRITABLE, _SCHEMA, _TABLES, _OWNER)]


def not_answered(reason: str) -> list[Finding]:
    """The findings where nobody was logged in."""
    return [check.skipped(reason) for check in (_ANSWER, _VERSION)]


def check_answer(login: Login) -> Finding:
    """The connectivity test that once was missing before a migration."""
    if login.answer_ms is None:
        return _ANSWER.failure(
            f"logged in, but SELECT 1 failed: {login.trouble}",
            "the server, a pooler or a proxy broke off: look at its log",
        )
    return _ANSWER.ok(f"answered in {login.answer_ms:.1f} ms", elapsed_ms=round(login.answer_ms, 2))


def check_version(login: Login) -> Finding:
    """PostgreSQL 15 or newer."""
    major, minor = divmod(login.server_version, 10_000)
    # Before 10 a version had three parts; nobody needs the exact one to know that it is too old.
    said = f"PostgreSQL {major}.{minor}" if major >= 10 else f"PostgreSQL {major}"
    if major < MINIMUM_MAJOR:
        return _VERSION.failure(
            f"{said}; {MINIMUM_MAJOR} or newer is needed",
            "upgrade the server, or unset HTC_DATABASE_URL to use the embedded one",
            version=login.server_version,
        )
    return _VERSION.ok(said, version=login.server_version)


def check_writable(connection: Connection, database: Database) -> list[Finding]:
    """A primary server, in a session that may write."""
    del database
    standby, default = connection.execute(
        text("SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'")
    ).one()
    if standby:
        return [
            _WRITABLE.failure(
                "the server is a standby (in recovery): it can be read, nothing can be stored",
                "name the primary server in HTC_DATABASE_URL, or all of them with "
                "target_session_attrs=read-write",
                standby=True,
            )
        ]
    if default:
        return [
            _WRITABLE.failure(
                "sessions are read-only here (default_transaction_read_only is on)",
                "an administrator turned it on for this role or database (often when a disk was full): when "
                "that is mended, `ALTER ROLE name RESET default_transaction_read_only` (or ALTER DATABASE)",
                standby=False,
            )
        ]
    return [_WRITABLE.ok("a primary server, sessions may write")]


def check_privileges(connection: Connection, database: Database) -> list[Finding]:
    """CONNECT, USAGE and CREATE; every table; ownership."""
    del database
    return [_check_schema(connection), *_check_tables(connection)]


def _check_schema(connection: Connection) -> Finding:
    user, schema, connect, path = connection.execute(
        text(
            "SELECT current_user, current_schema(), has_database_privilege(current_database(), 'CONNECT'),"
            " current_setting('search_path')"
        )
    ).one()
    if schema is None:
        return _SCHEMA.failure(
            f"no schema of the search path ({path}) exists or may be used by {user}",
            f"create one: `CREATE SCHEMA htc AUTHORIZATION {user}`, and put it on the role's search_path; or "
            f"`GRANT USAGE, CREATE ON SCHEMA public TO {user}`",
            user=user,
            search_path=path,
        )
    create = connection.execute(
        text("SELECT has_schema_privilege(:schema, 'CREATE')"), {"schema": schema}
    ).scalar_one()
    facts = {"user": user, "schema": schema, "connect": connect, "create": create}
    if not create:
        # Only the migrating role needs it; a service's role is better off without.
        return _SCHEMA.note(
            f"{user} may use the schema {schema}, but not make tables in it",
            f"needed for `htc db upgrade` only: `GRANT CREATE ON SCHEMA {schema} TO {user}`, or upgrade as "
            "the owner",
            **facts,
        )
    return _SCHEMA.ok(f"{user} may use the schema {schema} and make tables in it", **facts)


def _check_tables(connection: Connection) -> list[Finding]:
    from htc.store.tables import metadata, top_superconductors

    names = [*metadata.tables, top_superconductors.name]
    rows = connection.execute(
        text(
            "SELECT c.relname, c.relkind::text, pg_get_userbyid(c.relowner),"
            " pg_has_role(c.relowner, 'USAGE'),"
            " ARRAY(SELECT p FROM unnest(CAST(:privileges AS text[])) p"
            "       WHERE NOT has_table_privilege(c.oid, p)"
            "         AND (c.relkind IN ('r', 'p') OR p = 'SELECT'))"
            " FROM pg_class c WHERE c.relname = ANY (:names) AND c.relkind IN ('r', 'p', 'm', 'v')"
            " AND pg_table_is_visible(c.oid) ORDER BY 1"
        ),
        {"names": names, "privileges": list(_PRIVILEGES)},
    ).all()
    if not rows:
        reason = "there is no table of HTC yet"
        return [_TABLES.skipped(reason), _OWNER.skipped(reason)]
    user = connection.execute(text("SELECT current_user")).scalar_one()
    lacking = {name: list(missing) for name, _, _, _, missing in rows if missing}
    foreign = {name: owner for name, _, owner, ours, _ in rows if not ours}
    findings = []
    if lacking:
        listed = "; ".join(f"{name}: no {', '.join(missing)}" for name, missing in lacking.items())
        findings.append(
            _TABLES.failure(
                f"{user} lacks rights: {listed}",
                "as the owner: `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "
                f"{user}`",
                missing=lacking,
            )
        )
    else:
        findings.append(_TABLES.ok(f"{user} may read and write all {len(rows)}"))
    if foreign:
        owners = sorted(set(foreign.values()))
        findings.append(
            _OWNER.note(
                f"{', '.join(sorted(foreign))}: owned by {', '.join(owners)}, "
                f"of which {user} is not a member",
                f"upgrades and refreshes of the ranking need the owner: run them as {owners[0]}, or "
                f"`GRANT {owners[0]} TO {user}`",
                owners=foreign,
            )
        )
    else:
        findings.append(_OWNER.ok(f"all belong to {user} or a role it has"))
    return findings
