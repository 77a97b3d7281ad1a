"""Stored crystals and predictions as the entries of an OPTIMADE server: filters to SQL, pages, counts."""

from htc.store.optimade.columns import LISTS, Column, Kind
from htc.store.optimade.entries import (
    DOCUMENT,
    PREDICTIONS,
    STRUCTURES,
    EntryKind,
    EntryPage,
    Sort,
    count_entries,
    find_entries,
    get_entry,
)

__all__ = [
    "DOCUMENT",
    "LISTS",
    "PREDICTIONS",
    "STRUCTURES",
    "Column",
    "EntryKind",
    "EntryPage",
    "Kind",
    "Sort",
    "count_entries",
    "find_entries",
    "get_entry",
]
