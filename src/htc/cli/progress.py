"""Progress of long work, on stderr and only when a person is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from htc.cli.console import err

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["counter", "steps"]


@contextmanager
def counter(what: str) -> Iterator[Callable[[], None]]:
    """Count things whose number is not known before; call what is yielded for each."""
    from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda: progress.advance(task)


@contextmanager
def steps() -> Iterator[Callable[[str, int, int | None], None]]:
    """Bars for work that says ``(what, done, total)``, one bar for each ``what``; None: total not known."""
    from rich.progress import Progress as RichProgress

    with RichProgress(console=err, transient=True, disable=not err.is_terminal) as progress:
        yield _teller(progress)


def _teller(progress: Progress) -> Callable[[str, int, int | None], None]:
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done)

    return tell
