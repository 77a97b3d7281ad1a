"""What must hold before a migration begins. Nothing is changed and nothing locked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.errors import SchemaError, StorageError
from htc.store import catalogue
from htc.store.database import MINIMUM_MAJOR
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.doctor.migration_files import check_migration_files
from htc.store.doctor.migration_statements import check_migration_statements
from htc.store.migrating import dependents
from htc.store.migrating.blockers import blockers, in_words
from htc.store.migrating.chain import path_between
from htc.store.migrating.outcome import Kind, Step, Tell, quiet
from htc.store.schema import HEAD, REVISIONS, Standing

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["later_names", "preflight", "refuse_failures"]

LONG_S: Final = 30.0
"""A transaction on our tables that is older is worth a word before the migration queues behind it."""

_KIND: Final[dict[str, Kind]] = {"note": "note", "warning": "warning", "failure": "warning"}


def preflight(
    connection: Connection,
    database: Database,
    now: Standing,
    target: str = HEAD,
    *,
    tell: Tell = quiet,
    schema_too: bool = True,
    start: str | None = None,
) -> list[Finding]:
    """Examine whether an upgrade from ``now`` to ``target`` can succeed.

    Args:
        connection: one that holds the migration lock: what other migrators make half-way is not examined.
        database: the database it belongs to.
        now: where it stands.
        target: where it is to stand.
        tell: hears of every finding at once.
        schema_too: also compare the tables with the stamp; False where the stamp is known to be wrong.
        start: where the stamp is wrong, the revision after which it begins instead; None: with the first.

    Returns:
        The findings. A ``failure`` means that the migration must not begin.

    Raises:
        StoreError: the database went away meanwhile.
    """
    out: list[Finding] = []

    def keep(one: Finding) -> Finding:
        out.append(one)
        tell(
            Step(
                _KIND.get(one.verdict, "checked"),
                f"{one.result} ({one.action})" if one.action else one.result,
            )
        )
        return one

    begin = now.revision if schema_too else start
    if keep(_files(now, begin, target)).verdict == "failure":
        return out
    checks: list[Callable[[Connection], Finding]] = [_answers, _server, lambda c: _privileges(c, now)]
    if schema_too:
        checks += [lambda c: _tables(c, now), lambda c: _names(c, now, target)]
    checks += [
        lambda c: _dependents(c, begin, target, None if schema_too else catalogue.read(c)),
        lambda c: _activity(c, now),
        lambda c: _room(c, now, database),
    ]
    for check in checks:
        keep(check(connection))
    return out


def refuse_failures(findings: Iterable[Finding], where: str) -> None:
    """Nothing, where none of the findings is a failure.

    Raises:
        SchemaError: the first failure, with what to do.
        StorageError: it is about privileges or room.
    """
    for one in findings:
        if one.verdict == "failure":
            kind = StorageError if one.check_id in {"migrate.privileges", "migrate.room"} else SchemaError
            raise kind(f"{one.result}; nothing was changed", where=where, hint=one.action or None)


def later_names(start: str | None, end: str) -> frozenset[str]:
    """Names of tables, views and indexes that the revisions after ``start`` make, up to ``end``."""
    have = _names_at(start) if start else frozenset()
    return frozenset[str]().union(*map(_names_at, path_between(start, end))) - have


def _names_at(revision: str) -> frozenset[str]:
    known = catalogue.expected(revision)
    keys = ("PRIMARY KEY", "UNIQUE", "EXCLUDE")  # constraints that come with an index of their name
    indexed = {
        name
        for table in known.tables.values()
        for name, constraint in table.constraints.items()
        if constraint.definition.startswith(keys)
    }
    for table in known.tables.values():
        indexed |= set(table.indexes)
    for view in known.views.values():
        indexed |= set(view.indexes)
    return known.relations | indexed


def _files(now: Standing, start: str | None, target: str) -> Finding:
    check = Check(
        "migrate.files",
        "the migration files do not form one chain, or cannot be written out as SQL",
        "all files read, their links followed, their statements written out",
    )
    examined = check_migration_files()
    if not now.is_empty:
        # An empty database loses nothing when a statement turns out wrong, and is made more often.
        examined += check_migration_statements()
    for one in examined:
        if one.verdict == "failure":
            return check.failure(one.result, one.action)
    ahead = path_between(start if start in REVISIONS else None, target)
    return check.ok(f"{len(REVISIONS)} migration files in one line; to run: {', '.join(ahead) or 'none'}")


def _answers(connection: Connection) -> Finding:
    started = time.perf_counter()
    connection.execute(text("SELECT 1"))
    took_ms = (time.perf_counter() - started) * 1000
    check = Check("migrate.connection", "the database does not answer", "SELECT 1")
    return check.ok(f"SELECT 1 was answered in {took_ms:.1f} ms")


def _server(connection: Connection) -> Finding:
    check = Check(
        "migrate.server",
        "the server is too old or does not take changes",
        "server_version_num, pg_is_in_recovery() and transaction_read_only read",
    )
    version, standby, readonly = connection.execute(
        text(
            "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),"
            " current_setting('transaction_read_only')::bool"
        )
    ).one()
    major = version // 10_000
    if major < MINIMUM_MAJOR:
        return check.failure(
            f"the server is PostgreSQL {major}; {MINIMUM_MAJOR} or newer is needed", "upgrade the server"
        )
    if standby:
        return check.failure(
            "the server is a standby and cannot be written to", "connect to the primary server"
        )
    if readonly:
        return check.failure(
            "the database or the role is set to read-only transactions",
            "`ALTER ROLE ... RESET default_transaction_read_only`, or use another role",
        )
    return check.ok(f"PostgreSQL {major}.{version % 10_000}, takes changes")


def _privileges(connection: Connection, now: Standing) -> Finding:
    check = Check(
        "migrate.privileges",
        "the user may not create or change the tables",
        "has_schema_privilege(CREATE) and the owner of each table looked up",
    )
    role, schema, may_create = connection.execute(
        text(
            "SELECT current_user, current_schema(), CASE WHEN current_schema() IS NULL THEN NULL"
            " ELSE has_schema_privilege(current_schema(), 'CREATE') END"
        )
    ).one()
    if schema is None:
        return check.failure(
            f"the user {role} has a search_path without any schema",
            f"`ALTER ROLE {role} SET search_path = public`, or create the schema that it names",
        )
    if not may_create:
        return check.failure(
            f"the user {role} may not create tables in the schema {schema}",
            f"as its owner: `GRANT CREATE ON SCHEMA {schema} TO {role}`, or upgrade as another user",
        )
    foreign = connection.execute(
        text(
            "SELECT c.relname, pg_get_userbyid(c.relowner) FROM pg_class c"
            " WHERE c.relname = ANY (:names) AND pg_table_is_visible(c.oid)"
            " AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
        ),
        {"names": _names_of(now)},
    ).all()
    if foreign:
        owner = foreign[0][1]
        return check.failure(
            f"the user {role} may not change " + ", ".join(f"{n} (owner {o})" for n, o in foreign),
            f"upgrade as {owner}, or as a superuser: `GRANT {owner} TO {role}`",
        )
    return check.ok(f"{role} may create in schema {schema} and owns what is there")


def _tables(connection: Connection, now: Standing) -> Finding:
    check = Check(
        "migrate.stamp",
        "alembic_version disagrees with the real tables",
        "every table, column and view compared with those of the stamped revision",
    )
    if now.revision is None:
        return check.ok("no table of HTC is there")
    found = catalogue.differences(catalogue.expected(now.revision), catalogue.read(connection))
    lacking = [one for one in found if one.change != "extra"]
    essential = [one for one in lacking if one.essential]
    if essential:
        return check.failure(
            f"the tables are not those of {now.revision}: {_few(essential)}",
            "`htc db adopt` finds out what they are and brings them in order",
        )
    if lacking:
        return check.note(f"the tables are those of {now.revision}, except: {_few(lacking)}")
    return check.ok(f"the tables are those of {now.revision}")


def _names(connection: Connection, now: Standing, target: str) -> Finding:
    check = Check(
        "migrate.names",
        "something has a name that the upgrade needs",
        "tables, views and indexes looked for that the outstanding revisions create",
    )
    found = connection.execute(
        text(
            "SELECT c.relname, coalesce(t.relname, '') FROM pg_class c"
            " LEFT JOIN pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = x.indrelid"
            " WHERE c.relname = ANY (:names) AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"
        ),
        {"names": sorted(later_names(now.revision, target))},
    ).all()
    if not found:
        return check.ok("the names of what it creates are free")
    listed = ", ".join(f"{name} on {table}" if table else name for name, table in found)
    return check.failure(
        f"the upgrade makes {listed}, but something of this name is already there",
        "`htc db adopt` says what can be done about it, and asks before it does",
    )


def _dependents(
    connection: Connection, start: str | None, target: str, found: catalogue.Catalogue | None
) -> Finding:
    check = Check(
        "migrate.dependents",
        "views of yours stand on columns that the upgrade changes",
        "views on our tables looked up in pg_depend, their columns compared with those that it changes",
    )
    views = dependents.dependents(connection)
    blocking = dependents.blocking(views, dependents.altered_columns(start, target, found))
    if blocking:
        return check.failure(
            f"views of yours read what the upgrade changes: {', '.join(v.in_words() for v in blocking)};"
            " PostgreSQL changes nothing under a view",
            dependents.advice(blocking),
        )
    if views:
        return check.note(
            f"views of yours read our tables, but nothing that changes: {', '.join(v.name for v in views)}"
        )
    return check.ok("no view of yours reads our tables")


def _activity(connection: Connection, now: Standing) -> Finding:
    check = Check(
        "migrate.activity",
        "a long transaction holds our tables",
        f"pg_locks searched for transactions on our tables older than {LONG_S:.0f} s",
    )
    holding = [one for one in blockers(connection, _names_of(now)) if one.seconds > LONG_S or one.pid is None]
    if holding:
        return check.warning(
            f"in the way: {in_words(holding)}",
            "the upgrade waits for it as long as --wait says, then gives up",
        )
    return check.ok("no long transaction holds our tables")


def _room(connection: Connection, now: Standing, database: Database) -> Finding:
    check = Check(
        "migrate.room",
        "there is no room for the changed tables and their log",
        "the size of our tables compared with the free room",
    )
    needed = connection.execute(
        text(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
            " WHERE c.relname = ANY (:names) AND pg_table_is_visible(c.oid) AND c.relkind IN ('r', 'p', 'm')"
        ),
        {"names": _names_of(now)},
    ).scalar_one()
    wanted = f"a copy of every table may be written, {needed / 1e6:,.0f} MB"
    if database.embedded is None:
        return check.ok(f"{wanted}; the server's free space cannot be seen from here")
    free = shutil.disk_usage(database.embedded.data).free
    if free < 2 * needed:
        return check.failure(
            f"{wanted}; {free / 1e6:,.0f} MB are free",
            f"make room for {2 * needed / 1e6:,.0f} MB: the tables and their log",
        )
    return check.ok(f"{wanted}; {free / 1e6:,.0f} MB are free")


def _names_of(now: Standing) -> list[str]:
    views = {name for revision in REVISIONS for name in catalogue.expected(revision).views}
    return sorted({*now.tables, *views, "alembic_version"})


def _few(found: list[catalogue.Difference], limit: int = 4) -> str:
    more = f"; and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(one.in_words() for one in found[:limit]) + more
