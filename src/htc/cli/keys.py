"""``htc keys``: who may use the service, and what was done with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from htc.cli.console import err, out, print_json
from htc.errors import InputError

if TYPE_CHECKING:
    from htc.store.keys import AccessKey

__all__ = ["app"]

app = typer.Typer(
    name="keys", help="Access keys of the service, and the log of writes.", no_args_is_help=True
)

_SPAN: Final = re.compile(r"(\d{1,5})([hdwy])")
_HOURS: Final = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What the key is for, e.g. the person or program it is given to.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", help="What it may do: read < predict < run < admin. Each includes those before."
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="WHEN", help="A span (12h, 90d, 26w, 1y), a date (UTC) or 'never'."
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option("--requests-per-minute", min=1, help="Its own rate limit.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an access key and print it: this once, for only its hash is stored.

    Without --scope it may read, without --expires it is good for a year.

    Example: `htc keys create notebook --scope predict --expires 90d`
    """
    from htc.settings import get_settings
    from htc.store import Database
    from htc.store.keys import create_key

    with Database.open() as database:
        made = create_key(
            database,
            name,
            scope or ["read"],
            created_by=get_settings().created_by,
            expires_at=_expiry("1y" if expires is None else expires),
            requests_per_minute=requests_per_minute,
        )
    if as_json:
        print_json({"key": made.text, **_plain(made.key)})
        return
    out.print(made.text, soft_wrap=True)
    until = (
        f"until {made.key.expires_at:%Y-%m-%d %H:%M} UTC" if made.key.expires_at else "until it is revoked"
    )
    err.print(
        f"It may {' and '.join(made.key.scopes)}, {until}. It is not stored and cannot be shown again.",
        soft_wrap=True,
    )
    err.print("[dim]Send it as `Authorization: Bearer htc_...`[/]", soft_wrap=True)


@app.command(name="list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Revoked and expired keys too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access keys, newest first.

    Example: `htc keys list --all`
    """
    from rich.table import Table
    from rich.text import Text

    from htc.store import Database
    from htc.store.keys import list_keys

    with Database.open() as database:
        keys = [key for key in list_keys(database) if everything or key.fault() is None]
    if as_json:
        print_json([_plain(key) for key in keys])
        return
    if not keys:
        err.print("there is no usable key: `htc keys create NAME` makes one")
        return
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for title in ("prefix", "name", "scopes", "state", "expires (UTC)", "last used (UTC)", "made by"):
        table.add_column(title, overflow="fold")
    for key in keys:
        table.add_row(
            key.prefix,
            Text(key.name),
            ", ".join(key.scopes),
            key.fault() or "usable",
            _moment(key.expires_at),
            _moment(key.last_used_at),
            Text(key.created_by),
        )
    out.print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its prefix, its id, or its name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Revoke an access key for good; running services refuse it within five seconds.

    Example: `htc keys revoke 3f9a0c1d`
    """
    from htc.store import Database
    from htc.store.keys import revoke_key

    with Database.open() as database:
        revoked = revoke_key(database, key)
    if as_json:
        print_json(_plain(revoked))
    else:
        out.print(f"{revoked.prefix} ({revoked.name}) is revoked", markup=False)


@app.command()
def audit(
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many entries.")] = 50,
    key: Annotated[str | None, typer.Option("--key", help="Only those of a key, by prefix or id.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="A span back (12h, 7d) or a date (UTC).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was written over HTTP, and by whom, newest first.

    Example: `htc keys audit --since 7d`
    """
    from rich.table import Table
    from rich.text import Text

    from htc.store import Database
    from htc.store.audit import read_audit

    with Database.open() as database:
        entries = read_audit(database, n, key=key, since=_moment_before(since)).rows
    if as_json:
        print_json(
            [
                {
                    "id": e.id, "at": e.at.isoformat(), "actor": e.actor, "key_prefix": e.key_prefix,
                    "method": e.method, "route": e.route, "path": e.path, "status": e.status,
                    "client": e.client, "request_id": e.request_id, "details": dict(e.details),
                }
                for e in entries
            ]
        )  # fmt: skip
        return
    if not entries:
        err.print("nothing was written over HTTP")
        return
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for title in ("at (UTC)", "who", "what", "status", "details"):
        table.add_column(title, overflow="fold")
    for e in entries:
        told = ", ".join(f"{name}={value}" for name, value in e.details.items())
        row = (f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, f"{e.method} {e.path}", str(e.status), told)
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


def _span(text: str) -> timedelta | None:
    found = _SPAN.fullmatch(text)
    return timedelta(hours=int(found[1]) * _HOURS[found[2]]) if found else None


def _date(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is neither a span nor a date", where=option, hint="e.g. 12h, 90d, 1y or 2030-01-31"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _expiry(text: str) -> datetime | None:
    if text == "never":
        return None
    span = _span(text)
    return datetime.now(UTC) + span if span is not None else _date(text, "--expires")


def _moment_before(text: str | None) -> datetime | None:
    if text is None:
        return None
    span = _span(text)
    return datetime.now(UTC) - span if span is not None else _date(text, "--since")


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _plain(key: AccessKey) -> dict[str, Any]:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "state": key.fault() or "usable",
        "created_by": key.created_by,
        **{name: (at.isoformat() if (at := getattr(key, name)) else None) for name in times},
        "requests_per_minute": key.requests_per_minute,
    }
