"""``htc db stats``: what the server's statistics say, and what of it deserves a look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import out, print_json

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Group
    from rich.table import Table

    from htc.store.database import Database
    from htc.store.stats import DatabaseStats, IndexStats, Note

__all__ = ["register"]

_SHOWN_INDEXES = 15
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def register(app: typer.Typer) -> None:
    """Add the command to ``htc db``."""
    app.command()(stats)


def stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        float | None,
        typer.Option("--watch", min=0.5, metavar="SECONDS", help="Look again and again; stop with Ctrl-C."),
    ] = None,
    slow: Annotated[
        int,
        typer.Option("--slow", min=0, max=1000, metavar="N", help="Show so many of the slowest statements."),
    ] = 5,
) -> None:
    """Say how large tables and indexes are, whether they are used, and what the server is busy with.

    Reads the server's statistics only: it takes no longer when the tables are large, and changes nothing.
    What deserves attention is named at the end. What your user may not see is said to be so.

    Example: `htc db stats --slow 10`

    Every five seconds: `htc db stats --watch 5`
    """
    from htc.errors import DatabaseUnavailableError, InputError
    from htc.settings import get_settings
    from htc.store.database import Database
    from htc.store.embedded import EmbeddedServer
    from htc.store.stats import stats as look

    if watch is not None and as_json:
        raise InputError(
            "--watch and --json do not go together", hint="call `htc db stats --json` repeatedly"
        )
    settings = get_settings()
    if settings.database_url is None:
        server = EmbeddedServer(settings.home).status()
        if server.state == "absent":
            raise DatabaseUnavailableError(
                "there is no database yet",
                where=str(server.data_dir),
                hint="the first prediction makes it, or `htc db start`",
            )
    with Database.open(settings, ensure_schema=False) as database:
        if watch is not None:
            _watch(database, watch, slow)
            return
        found = look(database, slow=slow)
    if as_json:
        print_json(found.as_dict())
    else:
        out.print(_page(found, slow))


def _watch(database: Database, seconds: float, slow: int) -> None:
    from rich.live import Live

    from htc.store.stats import stats as look

    try:
        if not out.is_terminal:
            while True:
                out.print(_page(look(database, slow=slow), slow), "")
                time.sleep(seconds)
        with Live(console=out, screen=True, auto_refresh=False) as live:
            while True:
                live.update(_page(look(database, slow=slow), slow), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:
        return


def _page(found: DatabaseStats, slow: int) -> Group:
    from rich.console import Group
    from rich.text import Text

    from htc.store.stats import attention

    notes = attention(found)
    marked = {note.subject for note in notes}
    parts: list[Table | Text] = [_facts(found, notes)]
    for table in (_tables(found, marked), _views(found, marked), _indexes(found, marked)):
        if table is not None:
            parts += [Text(), table]
    if found.slow_statements:
        parts += [Text(), _statements(found)]
    hidden = {name: why for name, why in found.unknown.items() if slow or name != "slow_statements"}
    if hidden:
        parts.append(Text())
        parts += [Text(f"{_words(name)}: {why}", style="dim") for name, why in hidden.items()]
    parts.append(Text())
    if notes:
        for note in notes:
            parts.append(Text.assemble(("attention ", "bold yellow"), note.text))
            parts.append(Text(f"  {note.action}", style="dim"))
    else:
        parts.append(Text("nothing deserves attention", style="green"))
    return Group(*parts)


def _facts(found: DatabaseStats, notes: tuple[Note, ...]) -> Table:
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    kinds = {note.kind for note in notes}
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("database", Text(found.where))
    facts.add_row("PostgreSQL", f"{found.server_version}, revision {found.revision or 'none'}")
    if found.size_bytes is not None:
        log = f", write-ahead log {decimal(found.wal_bytes)}" if found.wal_bytes is not None else ""
        facts.add_row("size", decimal(found.size_bytes) + log)
    if (sessions := found.connections) is not None:
        states = ", ".join(f"{count} {state}" for state, count in sessions.by_state.items())
        waiting = f", {sessions.waiting_for_locks} wait for a lock" if sessions.waiting_for_locks else ""
        facts.add_row(
            "connections",
            Text(
                f"{states}{waiting}; {sessions.server} of the server's {sessions.limit - sessions.reserved}",
                style=_alarm(bool(kinds & {"connections", "idle-in-transaction"})),
            ),
        )
    if (pool := found.pool) is not None and pool.capacity is not None:
        facts.add_row(
            "this process",
            Text(f"{pool.checked_out} of {pool.capacity} connections in use", _alarm(pool.is_exhausted)),
        )
    if (counted := found.activity) is not None:
        facts.add_row(
            "transactions",
            f"{counted.commits:,} committed, {counted.rollbacks:,} rolled back,"
            f" {counted.deadlocks:,} deadlocks",
        )
        ratio = (
            "none read yet"
            if counted.cache_hit_ratio is None
            else f"{counted.cache_hit_ratio:.1%} from cache"
        )
        facts.add_row("blocks", ratio)
        facts.add_row("temporary files", f"{counted.temp_files:,}, {decimal(counted.temp_bytes)}")
        if counted.since is not None:
            facts.add_row("counted since", f"{counted.since:%Y-%m-%d %H:%M} UTC")
    if (oldest := found.oldest_transaction) is not None:
        who = f"process {oldest.pid}, {oldest.state}" if oldest.pid is not None else oldest.state
        facts.add_row(
            "oldest transaction",
            Text(f"{_span(oldest.age_s)} ({who})", style=_alarm("old-transaction" in kinds)),
        )
    for slot in found.slots:
        use = "in use" if slot.is_active else "not in use"
        facts.add_row(
            "replication slot", Text(f"{slot.name}, {use}, keeps {decimal(slot.held_bytes)} of log")
        )
    return facts


def _tables(found: DatabaseStats, marked: set[str]) -> Table | None:
    from rich.text import Text

    if not found.tables:
        return None
    shown = _table(
        "table",
        "~rows",
        "dead",
        "heap",
        "toast",
        "indexes",
        "seq. scans",
        "index scans",
        "vacuumed",
        "analyzed",
    )
    for table in found.tables:
        dead = "-" if not table.dead_rows else f"{table.dead_share or 0:.0%}"
        shown.add_row(
            Text(table.name),
            f"{table.rows:,}",
            Text(dead, style=_alarm(table.name in marked)),
            _size(table.heap_bytes),
            _size(table.toast_bytes),
            _size(table.indexes_bytes),
            f"{table.sequential_scans:,}",
            f"{table.index_scans:,}",
            _ago(table.last_vacuum, found.taken_at),
            _ago(table.last_analyze, found.taken_at),
        )
    return shown


def _views(found: DatabaseStats, marked: set[str]) -> Table | None:
    from rich.text import Text

    if not found.views:
        return None
    shown = _table("materialized view", "rows", "size", "refreshed", "took", "newer rows")
    for view in found.views:
        style = _alarm(view.name in marked)
        newer = "?" if view.newer_rows is None else f"{view.newer_rows:,}"
        age = "?" if view.age_s is None else f"{_span(view.age_s)} ago"
        shown.add_row(
            Text(view.name),
            "?" if view.rows is None else f"{view.rows:,}",
            _size(view.bytes),
            Text(age if view.is_populated else "never filled", style=style),
            "?" if view.refresh_s is None else f"{view.refresh_s:.2f} s",
            Text(newer, style=style),
        )
    return shown


def _indexes(found: DatabaseStats, marked: set[str]) -> Table | None:
    from rich.text import Text

    if not found.indexes:
        return None
    shown = _table("index", "size", "scans", "entries read", "last used")
    first = [index for i, index in enumerate(found.indexes) if i < _SHOWN_INDEXES or index.name in marked]
    for index in first:
        shown.add_row(
            Text.assemble(index.name, (f" on {index.table}", "dim")),
            _size(index.bytes),
            f"{index.scans:,}",
            f"{index.entries_read:,}",
            Text(_use(index, found.taken_at), style=_alarm(index.name in marked)),
        )
    left = [index for index in found.indexes if index not in first]
    if left:
        unused = sum(index.is_unused for index in left)
        shown.add_row(Text(f"{len(left)} more, {unused} of them unused (--json lists them)", style="dim"))
    return shown


def _use(index: IndexStats, now: datetime) -> str:
    if not index.is_valid:
        return "not valid"
    if index.is_unused:
        return "unused"
    return _ago(index.last_used, now)


def _statements(found: DatabaseStats) -> Table:
    from rich.text import Text

    shown = _table("slowest statements", "calls", "mean ms", "total ms", "rows")
    shown.columns[0].overflow = "ellipsis"
    shown.columns[0].no_wrap = True
    for one in found.slow_statements:
        shown.add_row(
            Text(one.query), f"{one.calls:,}", f"{one.mean_ms:,.2f}", f"{one.total_ms:,.0f}", f"{one.rows:,}"
        )
    return shown


def _table(first: str, *others: str) -> Table:
    from rich.table import Table

    shown = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    shown.add_column(first, overflow="fold")
    for name in others:
        shown.add_column(name, justify="right", no_wrap=True)
    return shown


def _alarm(is_on: bool) -> str:
    return "bold yellow" if is_on else ""


def _size(size: int | None) -> str:
    from rich.filesize import decimal

    return "locked" if size is None else decimal(size)


def _ago(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else f"{_span((now - at).total_seconds())} ago"


def _span(seconds: float) -> str:
    seconds = max(seconds, 0.0)
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _words(part: str) -> str:
    return part.removesuffix("_bytes").replace("_", " ").replace(".", ": ").replace("wal", "write-ahead log")
