"""The work of a campaign's stages: a task in, a result out, in any process.

:func:`run_chunk` asks neither a database nor the settings. What it answers for a candidate has the same bits
whatever chunk the candidate comes in, whoever works on it, and whatever was worked on before.
"""

from htc.discovery.stages.chunk import run_chunk
from htc.discovery.stages.memory import Memory
from htc.discovery.stages.supplies import supplement_for

__all__ = ["Memory", "run_chunk", "supplement_for"]
