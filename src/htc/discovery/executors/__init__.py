"""Who does the chunks of a campaign: processes of this machine, or of a Dask cluster.

    executor = LocalExecutor(8)                            # this machine
    executor = DaskExecutor("tcp://head:8786")             # workers somebody has started
    executor = DaskExecutor(profile=text)                  # jobs of a batch system, as the profile says

All keep the :class:`Executor` protocol, and give the same results bit for bit. None of their processes needs
a database or settings.
"""

from htc.discovery.executors.local import LocalExecutor
from htc.discovery.executors.on_dask import DaskExecutor, check_scheduler
from htc.discovery.executors.profile import ClusterProfile, job_script, load_profile, parse_profile
from htc.discovery.executors.protocol import Executor

__all__ = [
    "ClusterProfile",
    "DaskExecutor",
    "Executor",
    "LocalExecutor",
    "check_scheduler",
    "job_script",
    "load_profile",
    "parse_profile",
]
