"""``htc screen``: a campaign from its file to a ranked list."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.errors import InputError

if TYPE_CHECKING:
    from htc.jobs.campaign.request import CampaignRequest
    from htc.settings import Settings
    from htc.store import Database
    from htc.store.campaigns import StoredStage
    from htc.store.jobs import Lease

__all__ = ["register"]

_LOST: Final = 5
"""Failed candidates that are named below the list."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="screen")(screen)


def screen(
    campaign: Annotated[
        Path | None, typer.Argument(metavar="CAMPAIGN.toml", help="The campaign's file.", show_default=False)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with this run: its id, or its beginning."),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Only say how large the space is and what each stage will take; store nothing."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the file and say what would be done; store nothing.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=1024, help="Worker processes; one for each core.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="tcp://...", help="Let the workers of a Dask scheduler do it."),
    ] = None,
    cluster: Annotated[
        Path | None,
        typer.Option("--cluster", metavar="PROFILE.toml", help="Let Slurm jobs do it, as this profile says."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave it to `htc worker` and come back at once.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="At most so many candidates, drawn at random (seeded)."),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--number", min=0, max=1000, help="Candidates to show.")] = 20,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FOLDER", help="Write a report there: Markdown, CSV and figures."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put the candidates of a campaign through its stages, and rank what is left.

    The run is in the database at any time: stopped, killed or cut off it goes on with --resume, and nothing
    is done twice.

    Example: `htc screen a15.toml --report a15`
    """
    if (campaign is None) == (resume is None):
        raise InputError(
            "a campaign's file or --resume with a run is needed, and not both", where="CAMPAIGN.toml"
        )
    if scheduler is not None and cluster is not None:
        raise InputError("--scheduler and --cluster exclude each other")
    if detach and report is not None:
        raise InputError("a run that is left to workers has no report yet", where="--report")
    if resume is not None and (estimate or dry_run or limit is not None):
        raise InputError("--resume goes on with a run as it was begun", hint="--workers, -n and --report fit")
    from htc.settings import get_settings

    settings = get_settings()
    if (scheduler is not None or cluster is not None) and not (detach or estimate or dry_run):
        from htc.discovery.executors import check_scheduler

        check_scheduler(scheduler)
    if campaign is None:
        elsewhere = {"workers": workers, "scheduler": scheduler, "cluster": _profile(cluster)}
        _resume(settings, str(resume), n, report, elsewhere, as_json=as_json, detach=detach)
        return
    request = _request(campaign, workers, scheduler, cluster, limit)
    if estimate or dry_run:
        from htc.cli.screen_plan import show_plan

        show_plan(settings, request, campaign.parent, with_estimate=estimate, as_json=as_json)
        return
    from htc.cli.screen_plan import uncompressed
    from htc.jobs.campaign.owners import owner_name
    from htc.jobs.campaign.submitting import submit_campaign
    from htc.store import Database

    if (caution := uncompressed(request.campaign)) is not None:
        err.print(caution, markup=False, soft_wrap=True)
    with Database.open(settings) as database:
        job, lease = submit_campaign(
            database,
            settings,
            request,
            created_by=settings.created_by,
            base=campaign.parent,
            owner=None if detach else owner_name(),
        )
        if lease is None:
            _say_detached(job.run_id, as_json=as_json)
            return
        _run(database, settings, lease, n, report, {}, as_json=as_json)


def _request(
    file: Path, workers: int | None, scheduler: str | None, cluster: Path | None, limit: int | None
) -> CampaignRequest:
    from pydantic import ValidationError

    from htc.discovery.campaign import load_campaign
    from htc.jobs.campaign.request import CampaignRequest
    from htc.jobs.campaign.spaces import within_limits

    try:
        return CampaignRequest(
            campaign=within_limits(load_campaign(file), limit),
            workers=workers,
            scheduler=scheduler,
            cluster=_profile(cluster),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(str(first["msg"]), where=f"--{first['loc'][0]}" if first["loc"] else None) from error


def _profile(cluster: Path | None) -> str | None:
    """Content of a cluster's profile, looked at before hours depend on it."""
    if cluster is None:
        return None
    from htc.discovery.executors import load_profile

    load_profile(cluster)
    return cluster.read_text(encoding="utf-8")


def _resume(
    settings: Settings,
    run: str,
    n: int,
    report: Path | None,
    elsewhere: dict[str, Any],
    *,
    as_json: bool,
    detach: bool,
) -> None:
    from htc.cli.runs import _whole_id
    from htc.jobs.campaign.owners import is_known_dead, owner_name
    from htc.store import Database
    from htc.store.jobs import give_back, run_summary
    from htc.store.jobs.holding import take_over

    with Database.open(settings) as database:
        run_id = _whole_id(database, run)
        summary = run_summary(database, run_id)
        if summary.kind != "campaign":
            raise InputError(
                f"run {run_id[:8]} is of kind {summary.kind}, not a campaign",
                where="--resume",
                hint="runs of workers go on by themselves",
            )
        if summary.state == "finished":
            err.print(f"run {run_id[:8]} is finished; this is what came of it")
            _show(database, settings, run_id, n, report, as_json=as_json)
            return
        lease = take_over(database, run_id, owner_name(), is_dead=is_known_dead)
        if detach:
            give_back(database, lease)
            _say_detached(run_id, as_json=as_json)
            return
        _run(database, settings, lease, n, report, elsewhere, as_json=as_json)


def _run(
    database: Database,
    settings: Settings,
    lease: Lease,
    n: int,
    report: Path | None,
    elsewhere: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    from htc.cli.screen_view import watching
    from htc.jobs.campaign.foreground import Stopped, run_here

    how = f"htc screen --resume {lease.run_id}"
    err.print(f"[dim]run {lease.run_id}[/]", soft_wrap=True)
    stopping = threading.Event()
    asked: list[int] = []
    try:
        with _told_to_stop(stopping, asked), watching() as watch:
            run_here(database, settings, lease, stopping=stopping, watch=watch, elsewhere=elsewhere)
    except Stopped as stopped:
        if stopped.reason == "lost":
            err.print("another process has taken this run over")
            raise typer.Exit(ExitCode.FAILED) from None
        said = "called off" if stopped.reason == "cancelled" and not asked else "stopped"
        err.print(f"{said}; what is done is stored. To go on: {how}", soft_wrap=True, markup=False)
        if asked and asked[0] == signal.SIGTERM:
            sys.exit(ExitCode.TERMINATED)
        raise typer.Exit(ExitCode.INTERRUPTED if asked else ExitCode.FAILED) from None
    except KeyboardInterrupt:
        err.print(f"what is done is stored. To go on: {how}", soft_wrap=True, markup=False)
        raise
    except Exception:
        err.print(f"[dim]what is done is stored; to go on once this is mended: {how}[/]", soft_wrap=True)
        raise
    _show(database, settings, lease.run_id, n, report, as_json=as_json)
    if _nothing_judged(database, lease.run_id):
        raise typer.Exit(ExitCode.FAILED)


def _nothing_judged(database: Database, run_id: str) -> bool:
    """Whether there were candidates, and every one of them was unreadable or failed."""
    from htc.store.campaigns import stages_of

    first, *_ = stages_of(database, run_id)
    return not first.done and bool(first.failed or first.rejections.get("unreadable"))


@contextmanager
def _told_to_stop(stopping: threading.Event, asked: list[int]) -> Iterator[None]:
    """Ctrl-C and SIGTERM put the run down in an orderly way; the second Ctrl-C does not wait for that."""

    def stop(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        stopping.set()

    before: dict[int, Any] = {}
    for one in (signal.SIGINT, signal.SIGTERM):
        before[one] = signal.signal(one, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_detached(run_id: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"run_id": run_id, "state": "queued"})
    else:
        out.print(run_id)
        err.print(
            f"`htc worker` takes it up; `htc runs show {run_id[:8]}` says how far it is",
            soft_wrap=True,
        )


def _show(
    database: Database, settings: Settings, run_id: str, n: int, report: Path | None, *, as_json: bool
) -> None:
    from htc.cli.screen_view import ranked_table, stage_table
    from htc.jobs.campaign.pruning import pruned_in_words
    from htc.jobs.campaign.top import top_rows
    from htc.store.campaigns import pruned_of, stages_of
    from htc.store.jobs import run_summary

    summary = run_summary(database, run_id)
    stages = stages_of(database, run_id)
    pruned = pruned_of(database, run_id)
    rows = top_rows(database, settings, run_id, n) if n else []
    written: list[Path] = []
    if report is not None:
        from htc.jobs.campaign.report import write_report

        with _progress_to_stderr("writing the report"):
            written = write_report(database, settings, run_id, report)
    if as_json:
        print_json(
            {
                "run_id": run_id,
                "state": summary.state,
                "stages": [one.as_dict() for one in stages],
                "costs": (summary.result or {}).get("costs"),
                "top": [row.as_dict() for row in rows],
                "report": [str(path) for path in written],
                "pruned": None if pruned is None else pruned.as_dict(),
            }
        )
        return
    out.print(stage_table(stages))
    if pruned is not None:
        err.print(pruned_in_words(pruned), style="dim", soft_wrap=True, markup=False)
    if rows:
        out.print(ranked_table(rows, out.width))
        for row in rows:
            for one in row.known:
                out.print(
                    f"  {row.rank:>4} {row.formula}: {one.where}: {one.says}", markup=False, soft_wrap=True
                )
    else:
        err.print("no candidate passes all stages")
    _say_what_was_lost(database, run_id, stages)
    for path in written:
        err.print(f"[dim]{path}[/]", soft_wrap=True)
    out.print(f"run {run_id}", markup=False, soft_wrap=True)


def _say_what_was_lost(database: Database, run_id: str, stages: Sequence[StoredStage]) -> None:
    """Why candidates are missing: rejected by which rule, failed or unreadable for which reason."""
    from htc.jobs.campaign.fates import told, unreadable

    rejections = stages[0].rejections if stages else {}
    if rejections:
        why = ", ".join(f"{rule} {n:,}" for rule, n in sorted(rejections.items(), key=lambda kv: -kv[1]))
        err.print(f"rejected before anything was predicted: {why}", markup=False, soft_wrap=True)
    lost = unreadable(database, run_id, _LOST + 1) if rejections.get("unreadable") else []
    if any(one.failed for one in stages):
        lost += told(database, run_id, _LOST + 1, state="failed")
    for one in lost[:_LOST]:
        err.print(f"  {one.label}: {one.outcome}, {one.says}", markup=False, soft_wrap=True)
    if len(lost) > _LOST:
        err.print(f"  all of them: htc runs candidates {run_id[:8]} --failed", markup=False, soft_wrap=True)


@contextmanager
def _progress_to_stderr(what: str) -> Iterator[Callable[[], None]]:
    if err.is_terminal:
        with err.status(what):
            yield lambda: None
    else:
        yield lambda: None
