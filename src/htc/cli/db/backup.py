"""``htc db backup|restore``: the whole database in one file, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.progress import steps

if TYPE_CHECKING:
    from htc.store.backup import Restored

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``htc db``."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="File to write. Default: HTC_HOME/backups/htc-TIME.dump.", show_default=False),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify", help="Restore it into a temporary database and compare before it is done."
        ),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the whole database into one file and prove that it can be restored.

    Work goes on meanwhile. FILE.json beside it says what the backup holds. Other users cannot read either.

    Example: `htc db backup /mnt/safe/htc.dump`
    """
    from rich.filesize import decimal

    from htc.settings import get_settings
    from htc.store.backup import back_up

    with steps() as tell:
        made = back_up(get_settings(), file, check=verify, tell=tell)
    manifest = made.manifest
    if as_json:
        print_json({"file": str(made.file), **manifest.as_dict()})
        return
    contents = manifest.contents
    out.print(f"{made.file}", soft_wrap=True, markup=False)
    out.print(
        f"  {decimal(manifest.size_bytes)}, {contents.rows} rows in {len(contents.tables)} tables, "
        f"revision {contents.revision or 'none'}",
        soft_wrap=True,
    )
    if manifest.verified_on is None:
        out.print("  not verified")
    else:
        out.print(
            f"  verified: restored on PostgreSQL {_version(manifest.verified_on)}, every row compared",
            soft_wrap=True,
        )


def restore(
    file: Annotated[Path, typer.Argument(help="What `htc db backup` wrote.", show_default=False)],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace/--into-empty",
            help="Put it in the place of a database that holds something; the old one is kept under another "
            "name. Default: only into an empty database.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before replacing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring a backup back: all of it, or nothing.

    With --replace the old database is in place until the new one is complete and compared.

    Example: `htc db restore /mnt/safe/htc.dump --replace`
    """
    from htc.errors import InputError
    from htc.settings import get_settings
    from htc.store.backup import restore as bring_back

    settings = get_settings()
    if replace and not yes:
        if not sys.stdin.isatty():
            raise InputError(
                "--replace asks before it replaces a database, and there is no terminal to ask at",
                where="htc db restore --replace",
                hint="add --yes to go ahead without being asked; the old database is kept",
            )
        typer.confirm("Replace the database by this backup? The old one is kept.", abort=True, err=True)
    with steps() as tell:
        restored = bring_back(settings, file, replace=replace, tell=tell)
    if as_json:
        print_json(restored.as_dict())
    else:
        _print_restored(restored)


def _print_restored(restored: Restored) -> None:
    from htc.store.schema import HEAD

    out.print(f"restored into {restored.where}", soft_wrap=True, markup=False)
    compared = "compared with its manifest" if restored.compared else "no manifest to compare with"
    out.print(
        f"  {sum(restored.rows.values())} rows in {len(restored.rows)} tables, "
        f"revision {restored.revision or 'none'}, {compared}",
        soft_wrap=True,
    )
    if restored.kept_as:
        out.print(
            f"  the old database is kept as {restored.kept_as}; when you need it no more:", soft_wrap=True
        )
        out.print(f"  htc db psql -- -c 'DROP DATABASE \"{restored.kept_as}\"'", soft_wrap=True, markup=False)
    if restored.revision != HEAD:
        err.print(f"the backup is of another revision than this program ({HEAD}): run `htc db upgrade`")
    if not restored.with_grants:
        err.print("privileges of other roles were not restored: grant them again where you had any")


def _version(number: int) -> str:
    return f"{number // 10_000}.{number % 10_000}"
