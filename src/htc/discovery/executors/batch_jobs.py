"""Jobs as dask-jobqueue submits them, and what becomes of those that cannot be."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["job_class"]


def job_class(system: str, refusals: list[str]) -> Any:
    """The kind of job of a batch system.

    Args:
        system: ``slurm`` or ``local``.
        refusals: grows by the reason of each job that could not be submitted. Dask says it in a log and tries
            again, for ever.

    Raises:
        ImportError: dask-jobqueue is not installed.
    """
    from dask_jobqueue.local import LocalJob
    from dask_jobqueue.slurm import SLURMJob

    class Slurm(SLURMJob):
        async def _submit_job(self, script_filename: str) -> str:
            try:
                submit: Any = super()._submit_job  # not annotated
                return str(await submit(script_filename))
            except FileNotFoundError:
                refusals.append(f"{self.submit_command} is not a command here")
                raise
            except Exception as error:
                refusals.append(str(error).rpartition("stderr:")[2])
                raise

    class Local(LocalJob):
        async def _submit_job(self, script_filename: str) -> str:
            # LocalJob starts the first word of the script, without a shell and without its prologue.
            script = Path(script_filename).read_text(encoding="utf-8")
            try:
                process = subprocess.Popen(
                    ["/usr/bin/env", "bash", "-c", script],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                refusals.append(str(error))
                raise
            _started[str(process.pid)] = process
            return str(process.pid)

        @classmethod
        async def _close_job(cls, job_id: str | None, cancel_command: str) -> None:  # noqa: ARG003  # as it calls
            process = _started.pop(str(job_id), None)
            if process is None:
                return
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(2.0)
                    return

    return Slurm if system == "slurm" else Local


_started: dict[str, subprocess.Popen[bytes]] = {}
