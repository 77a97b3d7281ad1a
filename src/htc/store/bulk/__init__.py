"""Rows by the million, in and out."""

from htc.store.bulk.load import LoadReport, load

__all__ = ["LoadReport", "load"]
