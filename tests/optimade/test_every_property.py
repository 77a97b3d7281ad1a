"""Every property by every operator of its kind: PostgreSQL accepts it, and the answers fit together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from htc.optimade.filters import read_filter
from htc.optimade.properties import ENTRY_TYPES
from htc.optimade.refusals import OptimadeError
from htc.store.optimade import LISTS, Sort, count_entries, find_entries

VALUES = {
    "string": ['"B2Mg"', '""', '"%_\\\\"'],
    "integer": ["2", "2.5", "-99999999999999999999"],
    "float": ["2", "0.5", "-1e400"],
    "boolean": ["TRUE", "FALSE"],
    "timestamp": ['"2026-05-01T00:00:00.5Z"', '"0001-01-02T00:00:00Z"', '"9999-12-31T23:59:59Z"'],
}
KINDS = sorted(ENTRY_TYPES)


def filters_of(name: str, kind: Any) -> Iterator[str]:
    """Every comparison that a property of a kind understands."""
    if kind in LISTS:
        value = {"string": '"Nb"', "integer": "1", "float": "0.5"}[LISTS[kind]]
        for operator in ("", "!= ", "<", ">="):
            yield f"{name} HAS {operator}{value}"
            for quantifier in ("ALL", "ANY", "ONLY"):
                yield f"{name} HAS {quantifier} {operator}{value}, {value}"
            yield f"{name} LENGTH {operator or '= '}2"
        return
    operators = ("=", "!=") if kind == "boolean" else ("=", "!=", "<", "<=", ">", ">=")
    for value in VALUES[kind]:
        for operator in operators:
            yield f"{name} {operator} {value}"
        if kind == "string":
            for operator in ("CONTAINS", "STARTS WITH", "ENDS"):
                yield f"{name} {operator} {value}"
    yield f"{name} = {name}"


@pytest.mark.parametrize("type_name", KINDS)
def test_each_property_by_each_operator(served: Any, type_name: str) -> None:
    kind, database = ENTRY_TYPES[type_name], served.host.database
    whole = count_entries(database, kind.kind)
    for name, column in kind.kind.columns.items():
        known = count_entries(database, kind.kind, read_filter(f"{name} IS KNOWN", kind.vocabulary).wish)
        unknown = count_entries(database, kind.kind, read_filter(f"{name} IS UNKNOWN", kind.vocabulary).wish)
        assert known is not None
        assert unknown is not None
        assert known + unknown == whole, name
        for text in filters_of(name, column.kind):
            found, opposite = (
                count_entries(database, kind.kind, read_filter(each, kind.vocabulary).wish)
                for each in (text, f"NOT ({text})")
            )
            assert found is not None
            assert opposite is not None
            # Where the value is known, either a comparison or its negation holds; elsewhere neither.
            assert found + opposite == known, text
        if column.sortable:
            for falling in (False, True):
                page = find_entries(database, kind.kind, [name], 100, sort=[Sort(name, falling)])
                assert len(page.rows) == whole


PIECES = st.sampled_from(
    [
        "AND", "OR", "NOT", "(", ")", "=", "!=", "<", ">=", "HAS", "ALL", "ANY", "ONLY", "LENGTH", "IS",
        "KNOWN", "UNKNOWN", "CONTAINS", "STARTS", "WITH", "ENDS", ",", ":", ".", "TRUE", "elements",
        "elements_ratios",
        "nsites", "id", "_htc_tc_kelvin", "_x_y", "chemical_formula_reduced", "last_modified",
        "structure_features",
        '"Nb"', '"a\\"b"', '"', "1", "-2.5e3", "\\", "'", ";", "--", "\x00", "é", "a" * 60,
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=40))
@example("nsites = 1 AND " * 3)
@example("NOT " * 5 + "nsites=1")
def test_whatever_is_written_is_answered_or_refused(served: Any, text: str) -> None:
    kind = ENTRY_TYPES["structures"]
    with suppress(OptimadeError):
        wish = read_filter(text, kind.vocabulary).wish
        find_entries(served.host.database, kind.kind, ["nsites"], 5, wish=wish)
