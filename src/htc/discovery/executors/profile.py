"""A cluster's profile: what one job of its batch system asks for, in a TOML file."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from htc.discovery.executors.batch_jobs import job_class
from htc.errors import InputError, MissingExtraError

__all__ = ["ClusterProfile", "job_script", "load_profile", "missing_dask", "open_cluster", "parse_profile"]

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ADAPT_S: Final = 5
_IDLE_S: Final = 180
"""Jobs that had nothing to do for so long are ended."""
_Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\r\n]+$")]


def _one_word(path: str) -> str:
    """The script of a job holds paths as they are, so that `$SCRATCH` means what it means on the node."""
    if any(character.isspace() for character in path):
        raise ValueError("a path with blanks does not survive the script of a job: use one without")
    return path


_Path = Annotated[_Line, AfterValidator(_one_word)]


class ClusterProfile(BaseModel):
    """What one job asks for, and how many jobs there are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: Literal["slurm", "local"] = Field(
        default="slurm",
        description="Batch system: `slurm`, or `local`: the jobs run on this machine, to try a profile.",
    )
    processes: int = Field(
        ge=1, le=1024, description="Worker processes of a job; each has one core and works on one chunk."
    )
    memory: str = Field(
        pattern=r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B$",
        description='Memory of a job, e.g. "64GB"; a process that holds more than its share is started anew.',
    )
    walltime: str = Field(
        default="04:00:00",
        pattern=r"^([0-9]+-)?[0-9]{1,3}:[0-5][0-9]:[0-5][0-9]$",
        description="How long a job may take, [days-]hours:minutes:seconds. Its workers leave before.",
    )
    min_jobs: int = Field(default=0, ge=0, le=10_000, description="Jobs that are kept even without work.")
    max_jobs: int = Field(default=1, ge=1, le=10_000, description="Jobs at most; they come and go with work.")
    queue: _Line | None = Field(default=None, description="Partition, `-p` of Slurm.")
    account: _Line | None = Field(default=None, description="Who pays, `-A` of Slurm.")
    directives: tuple[_Line, ...] = Field(
        default=(), description='Further lines of `#SBATCH`, e.g. "--constraint=zen4".'
    )
    prologue: tuple[_Line, ...] = Field(
        default=(), description='Commands before the workers start, e.g. "module load python/3.12".'
    )
    python: _Path | None = Field(
        default=None, description="Python of the environment with HTC on the nodes; null: the one here."
    )
    interface: _Line | None = Field(
        default=None, description="Network interface of nodes and scheduler, e.g. `ib0`; null: the default."
    )
    scheduler_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the scheduler on this machine; 0: any."
    )
    local_directory: _Path | None = Field(
        default=None, description="Scratch folder on the nodes; null: the working folder."
    )
    log_directory: _Path | None = Field(
        default=None, description="Where jobs write their logs; null: the working folder."
    )

    @model_validator(mode="after")
    def _jobs(self) -> Self:
        if self.min_jobs > self.max_jobs:
            raise ValueError("min_jobs is above max_jobs")
        if _seconds(self.walltime) < 600:
            raise ValueError("walltime: a job of less than ten minutes does hardly any work")
        return self

    @property
    def lifetime_s(self) -> int:
        """After so many seconds a worker finishes its chunk and leaves, before the batch system kills it."""
        return int(0.9 * _seconds(self.walltime))


def load_profile(path: str | Path) -> ClusterProfile:
    """Read a profile.

    Raises:
        InputError: no such file, or not a profile.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text in UTF-8", where=str(path)) from error
    return parse_profile(text, source=str(path))


def parse_profile(text: str, *, source: str = "cluster profile") -> ClusterProfile:
    """A profile from its TOML.

    Raises:
        InputError: not TOML, or not a profile; ``where`` has the key.
    """
    try:
        return ClusterProfile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}", where=source) from error
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
        key = ".".join(str(part) for part in first["loc"])
        where = f"{source}: {key}" if key else source
        known = list(ClusterProfile.model_fields)
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, known, 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "there are: " + ", ".join(known)
            raise InputError(f"there is no key {key!r}", where=where, hint=hint) from error
        if first["type"] == "missing":
            raise InputError(f"the key {key!r} is missing", where=source) from error
        if first["type"] == "string_pattern_mismatch" and key in ClusterProfile.model_fields:
            meant = ClusterProfile.model_fields[key].description
            raise InputError(f"{first['input']!r} cannot stand here", where=where, hint=meant) from error
        raise InputError(first["msg"].removeprefix("Value error, "), where=where) from error


def missing_dask(error: ImportError) -> MissingExtraError:
    """The error for a package of the extra ``[dask]`` that is not there."""
    return MissingExtraError(
        f"{error.name or 'dask'} is not installed, and work on a cluster needs it",
        hint="pip install 'htc[dask]'",
    )


def job_script(profile: ClusterProfile, scheduler: str = "tcp://SCHEDULER:8786") -> str:
    """The script of one job, as it is submitted.

    Args:
        profile: of the cluster.
        scheduler: address that its workers connect to.

    Raises:
        MissingExtraError: dask-jobqueue is not installed.
    """
    try:
        from dask_jobqueue.local import LocalJob
        from dask_jobqueue.slurm import SLURMJob
    except ImportError as error:
        raise missing_dask(error) from error
    job: Any = SLURMJob if profile.system == "slurm" else LocalJob  # not annotated
    # A scheduler takes no two workers of one name, and the script may be submitted many times.
    name = '"htc-$SLURM_JOB_ID"' if profile.system == "slurm" else '"htc-$$"'
    return str(job(scheduler=scheduler, name=name, **_options(profile)).job_script())


def open_cluster(profile: ClusterProfile, refusals: list[str]) -> Any:
    """A scheduler in this process whose workers are jobs that come and go with the work.

    Args:
        profile: of the cluster.
        refusals: grows by the reason of each job that could not be submitted.

    Raises:
        MissingExtraError: dask-jobqueue is not installed.
    """
    try:
        from dask_jobqueue.local import LocalCluster
        from dask_jobqueue.slurm import SLURMCluster

        job = job_class(profile.system, refusals)
    except ImportError as error:
        raise missing_dask(error) from error
    options = _options(profile)
    scheduler: dict[str, Any] = {"port": profile.scheduler_port, "dashboard": False}
    if profile.interface is not None:
        scheduler["interface"] = profile.interface
    kind: Any = SLURMCluster if profile.system == "slurm" else LocalCluster  # not annotated
    cluster = kind(scheduler_options=scheduler, job_cls=job, **options)
    if profile.min_jobs == profile.max_jobs:
        cluster.scale(jobs=profile.max_jobs)
    else:
        # A job that has waited for its turn is not given back for a pause between two stages.
        cluster.adapt(
            minimum_jobs=profile.min_jobs,
            maximum_jobs=profile.max_jobs,
            interval=f"{_ADAPT_S}s",
            wait_count=_IDLE_S // _ADAPT_S,
        )
    return cluster


def _options(profile: ClusterProfile) -> dict[str, Any]:
    """What dask-jobqueue calls it."""
    options: dict[str, Any] = {
        # One core a process: a chunk is one thread's work.
        "cores": profile.processes,
        "processes": profile.processes,
        "memory": profile.memory,
        "job_extra_directives": list(profile.directives),
        "job_script_prologue": [*(f"export {name}=1" for name in _ONE_THREAD), *profile.prologue],
        # Those of one job do not leave all at once.
        "worker_extra_args": [
            "--lifetime",
            f"{profile.lifetime_s}s",
            "--lifetime-stagger",
            f"{profile.lifetime_s // 20}s",
        ],
        "death_timeout": 120,
        "job_name": "htc-worker",
    }
    if profile.system == "slurm":
        options |= {"walltime": profile.walltime, "queue": profile.queue, "account": profile.account}
    for name in ("python", "interface", "local_directory", "log_directory"):
        value = getattr(profile, name)
        if value is not None:
            options[name] = value
    return options


def _seconds(walltime: str) -> int:
    days, _, clock = walltime.rpartition("-")
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
