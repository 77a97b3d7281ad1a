"""What an open server says of itself, and what it lets this user do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.store.database import MINIMUM_MAJOR
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.refresh_rights import function_sql, may_refresh

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
    "asked for SELECT, INSERT, UPDATE and DELETE where the program needs them",
)
_OWNER = Check(
    "privileges.ownership",
    "the user may not migrate: the tables belong to somebody else",
    "compared the owners of tables and views with the user's roles",
)
_REFRESH = Check(
    "privileges.refresh",
    "the user may not compute the ranking by formula anew",
    "asked whether the user owns it, has MAINTAIN, or was lent the function that refreshes it",
)
_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_DELETING: Final[Mapping[str, str]] = {
    "idempotency_keys": "`htc serve` cannot clear away what has expired",
    "campaign_candidates": "`htc runs prune` cannot drop what did not pass",
}
"""Tables whose rows are removed, and what does not work without. Nothing else is ever removed."""
_READ_ONLY: Final = frozenset({"alembic_version", "top_superconductors"})
"""Written by upgrades and refreshes only, which need their owner."""
_UPDATING: Final[Mapping[str, str]] = {
    "runs": "`htc predict`, `htc import`",
    "bete_runs": "`htc delete`, `htc import --update`, `htc predict` of what was deleted",
    "htc_predictions": "`htc delete`, `htc import --update`, `htc predict` of what was deleted",
    "structures": "`htc import --update`",
    "campaigns": "`htc import --update`",
    "models": "`htc import --update`",
    "test_telemetry": "`htc import --update`",
    "jobs": "`htc worker`, `htc serve`",
    "campaign_stages": "`htc screen`, `htc worker`",
    "campaign_candidates": "`htc screen`, `htc worker`",
    "optimisation_pool": "`htc optimize`",
    "api_keys": "`htc keys`, `htc serve`",
    "idempotency_keys": "`htc serve`",
}
"""Tables whose rows are changed, and the commands that do it."""
_MAINTAIN_SINCE: Final = 17
"""The first PostgreSQL with a privilege for refreshing what somebody else owns."""


def not_asked(reason: str) -> list[Finding]:
    """The findings where there is no session to ask in."""
    return [check.skipped(reason) for check in (_WRITABLE, _SCHEMA, _TABLES, _OWNER, _REFRESH)]


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
            f"`GRANT USAGE ON SCHEMA public TO {user}` (and CREATE for `htc db upgrade`)",
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
    from htc.store.tables import metadata

    rows = connection.execute(
        text(
            "SELECT c.relname, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),"
            " (SELECT rolsuper FROM pg_roles o WHERE o.oid = c.relowner),"
            " ARRAY(SELECT p FROM unnest(CAST(:privileges AS text[])) p"
            "       WHERE NOT has_table_privilege(c.oid, p))"
            " FROM pg_class c WHERE c.relname = ANY (:names) AND c.relkind IN ('r', 'p', 'm', 'v')"
            " AND pg_table_is_visible(c.oid) ORDER BY 1"
        ),
        {"names": [*metadata.tables, *_READ_ONLY], "privileges": list(_PRIVILEGES)},
    ).all()
    if not rows:
        reason = "there is no table of HTC yet"
        return [_TABLES.skipped(reason), _OWNER.skipped(reason), _REFRESH.skipped(reason)]
    user, quoted = connection.execute(text("SELECT current_user, quote_ident(current_user)")).one()
    lacking = {
        privilege: [name for name, *_, missing in rows if privilege in missing and _needed(name, privilege)]
        for privilege in _PRIVILEGES
    }
    foreign = {name: owner for name, owner, ours, *_ in rows if not ours}
    powerful = {owner for _, owner, _, is_superuser, _ in rows if is_superuser}
    return [
        _judge_rights(user, quoted, lacking, len(rows)),
        _judge_owner(user, quoted, foreign, powerful),
        _check_refresh(connection, user, quoted),
    ]


def _check_refresh(connection: Connection, user: str, quoted: str) -> Finding:
    if may_refresh(connection):
        return _REFRESH.ok(f"{user} may refresh top_superconductors")
    schema, major = connection.execute(
        text(
            "SELECT quote_ident(n.nspname), current_setting('server_version_num')::int / 10000"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.oid = to_regclass('top_superconductors')"
        )
    ).one_or_none() or (None, 0)
    if schema is None:
        return _REFRESH.skipped("there is no ranking by formula yet")
    grant = (
        f"GRANT MAINTAIN ON top_superconductors TO {quoted}"
        if major >= _MAINTAIN_SINCE
        else function_sql(schema, quoted)
    )
    result = f"{user} may not refresh top_superconductors: the ranking by formula stays as its owner left it"
    writes = text("SELECT has_table_privilege(to_regclass('bete_runs'), 'INSERT')")
    if not connection.execute(writes).scalar_one():
        return _REFRESH.note(result, f"nothing, where it is to read only; else, as the owner: `{grant}`")
    return _REFRESH.warning(result, f"as the owner: `{grant}`")


def _needed(table: str, privilege: str) -> bool:
    if privilege == "UPDATE":
        return table in _UPDATING
    if privilege == "DELETE":
        return table in _DELETING
    return privilege == "SELECT" or table not in _READ_ONLY


def _judge_rights(user: str, quoted: str, lacking: Mapping[str, list[str]], tables: int) -> Finding:
    missing = {privilege: names for privilege, names in lacking.items() if names}
    grants = "; ".join(f"GRANT {p} ON {', '.join(names)} TO {quoted}" for p, names in missing.items())
    unread, unwritten, fixed, kept = (lacking[p] for p in _PRIVILEGES)
    if unread:
        return _TABLES.failure(
            f"{user} may not read {', '.join(unread)}", f"as the owner: `{grants}`", missing=missing
        )
    if unwritten:
        return _TABLES.warning(
            f"{user} can read only: no INSERT on {', '.join(unwritten)}"
            + (f", no UPDATE on {', '.join(fixed)}" if fixed else ""),
            f"nothing, where it is to read only; else, as the owner: `{grants}`",
            missing=missing,
        )
    if fixed:
        by_commands: dict[str, list[str]] = {}
        for name in fixed:
            by_commands.setdefault(_UPDATING[name], []).append(name)
        listed = "; ".join(f"on {', '.join(names)} for {what}" for what, names in by_commands.items())
        return _TABLES.warning(
            f"{user} reads and adds rows, but lacks UPDATE {listed}: these commands will not work",
            f"as the owner: `{grants}`",
            missing=missing,
        )
    if kept:
        return _TABLES.warning(
            f"{user} lacks DELETE on {', '.join(kept)}: " + ", ".join(_DELETING[name] for name in kept),
            f"as the owner: `{grants}`",
            missing=missing,
        )
    return _TABLES.ok(f"{user} may read and write all {tables}")


def _judge_owner(user: str, quoted: str, foreign: Mapping[str, str], powerful: Iterable[str]) -> Finding:
    if not foreign:
        return _OWNER.ok(f"all belong to {user} or a role it has")
    owners = sorted(set(foreign.values()))
    # Who is given a superuser's role may do everything on the server.
    grantable = [owner for owner in owners if owner not in set(powerful)]
    return _OWNER.note(
        f"{', '.join(sorted(foreign))}: owned by {', '.join(owners)}, of which {user} is not a member",
        f"needed only for `htc db upgrade`: run it as {', '.join(owners)}"
        + (f", or `GRANT {', '.join(grantable)} TO {quoted}`" if grantable == owners else ""),
        owners=dict(foreign),
    )
