"""Elements, ids and casts of whole columns."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.store import Database
from htc.store.bulk.casting import cast, unfit_json
from htc.store.bulk.elements import elements_of
from htc.store.bulk.identity import new_ids
from htc.store.bulk.pgcopy import Kind

FORMULAS = st.lists(
    st.none()
    | st.text(st.sampled_from("HBaNbXxuo ()0.5é\n"), max_size=12)
    | st.from_regex(r"\A([A-Z][a-z]?[0-9]?){1,5}\Z"),
    min_size=1,
    max_size=20,
)


@pytest.fixture(scope="module")
def any_database(embedded_server: Any) -> Any:
    with embedded_server.migrated() as fresh:
        yield fresh


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(FORMULAS)
def test_elements_are_those_the_database_finds(any_database: Database, formulas: list[str | None]) -> None:
    with any_database.connect() as connection:
        expected = connection.execute(
            sa.text(
                "SELECT htc_elements(f) FROM unnest(CAST(:f AS text[])) WITH ORDINALITY AS t(f, n) ORDER BY n"
            ),
            {"f": formulas},
        ).scalars()
        assert elements_of(pa.array(formulas, pa.string())).to_pylist() == list(expected)


def test_new_ids_sort_as_they_were_made() -> None:
    ids = new_ids(5000).to_pylist()
    assert ids == sorted(set(ids))
    assert {uuid.UUID(i).version for i in ids} == {7}


DAY = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("float8", [" 1e3", "+2", "", "x", "1e999", "-inf"], [1e3, 2.0, None, "bad", math.inf, -math.inf]),
        ("float8", [1, None, 2**53], [1.0, None, 2.0**53]),
        ("int4", ["1", "2.0", "2.5", "2147483648", ""], [1, 2, "bad", "bad", None]),
        ("int4", [1.0, 2.5, 1e10, None], [1, "bad", "bad", None]),
        ("int4", [2**31, -(2**31)], ["bad", -(2**31)]),
        ("bool", ["TRUE", "f", "Yes", "0", "maybe", " "], [True, False, True, False, "bad", None]),
        ("bool", [0, 1, 2], [False, True, "bad"]),
        ("timestamptz", ["2026-01-02", "2026-01-02T01:00:00+01", "soon"], [DAY, DAY, "bad"]),
        ("timestamptz", ["2026-01-02 00:00:00Z", "2026-01-02 00:00:00+00"], [DAY, DAY]),
        ("timestamptz", [dt.date(2026, 1, 2), None], [DAY, None]),
        ("timestamptz", [dt.datetime(2026, 1, 2)], [DAY]),
        ("uuid", ["00000000-0000-0000-0000-00000000000G", "0" * 32], ["bad", "0" * 32]),
        ("text", [1, 2], ["1", "2"]),
        ("text[]", ['["a", null]', "[1]", "{}"], [["a", None], "bad", []]),
        ("text[]", ['{a,"b ,\\"",NULL}'], [["a", 'b ,"', None]]),
        ("float8[]", ["[1, 2.5]", "{1,x}", '["NaN"]'], [[1.0, 2.5], "bad", ...]),
        ("json", [{"a": 1}, None], ['{"a": 1}', None]),
    ],
)  # fmt: skip
def test_values_that_fit_and_values_that_do_not(kind: Kind, values: list[Any], expected: list[Any]) -> None:
    column, unfit = cast(pa.array(values), kind)
    bad = [False] * len(values) if unfit is None else unfit.tolist()
    for got, is_bad, wanted in zip(column.to_pylist(), bad, expected, strict=True):
        assert is_bad == (wanted == "bad")
        assert wanted in ("bad", ...) or got == wanted


def test_a_type_that_fits_no_value() -> None:
    with pytest.raises(InputError, match="does not fit"):
        cast(pa.array([DAY]), "float8")


def test_json_as_each_type_takes_it() -> None:
    texts = pa.array(
        ['"\\u0000"', "NaN", '{"a": 1e999999}', '"\\ud800"', "[" * 3000, '{"a": [1.5e-3]}', None]
    )
    json_wrong, jsonb_wrong = unfit_json(texts, "json"), unfit_json(texts, "jsonb")
    assert json_wrong is not None
    assert jsonb_wrong is not None
    assert json_wrong.tolist() == [False, True, True, False, True, False, False]
    assert jsonb_wrong.tolist() == [True, True, True, True, True, False, False]
