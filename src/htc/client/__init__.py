"""The HTTP API from Python: typed answers, the errors of ``htc.errors``, retries where they are safe.

>>> from htc.client import Client                                            # doctest: +SKIP
>>> with Client("http://127.0.0.1:8000") as htc:
...     htc.predict("MgB2").tc_predicted
...     for line in htc.predict_batch(["Nb", "NbC", {"structure": open("x.cif").read()}]):
...         print(line.index, line.prediction or line.problem)
"""

from __future__ import annotations

from htc.client.client import Client
from htc.client.problems import error_of
from htc.client.streams import Event

__all__ = ["Client", "Event", "error_of"]
