"""Rows by the million, in and out.

>>> from htc.store.bulk import load                                       # doctest: +SKIP
>>> report = load(database, Path("predictions.parquet"), rejects=Path("rejects.jsonl"))
>>> report.inserted, report.rejected, report.reasons
"""

from htc.store.bulk.export import ExportReport, export
from htc.store.bulk.folder import export_everything, load_everything
from htc.store.bulk.load import LoadReport, load
from htc.store.bulk.target import INTERCHANGE

__all__ = [
    "INTERCHANGE",
    "ExportReport",
    "LoadReport",
    "export",
    "export_everything",
    "load",
    "load_everything",
]
