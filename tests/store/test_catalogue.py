"""What the schema should be at each revision is what the migrations make, on every server."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.catalogue import Difference, closest, differences, expected, read
from htc.store.database import Database
from htc.store.schema import HEAD, REVISIONS

SCRIPT = Path(__file__).parents[2] / "scripts" / "catalogues.py"


@pytest.fixture(scope="module")
def generator() -> Any:
    if not SCRIPT.exists():
        pytest.skip("the checkout's scripts are not part of a source distribution")
    spec = importlib.util.spec_from_file_location("catalogues_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_revision_is_as_described(generator: Any, empty_database: Database) -> None:
    made = generator.made_by_the_chain(empty_database)
    for revision in REVISIONS:
        found = differences(expected(revision), made[revision])
        assert [d.in_words() for d in found] == []
        file = catalogue.FOLDER / f"{revision}.json"
        assert generator.as_text(made[revision]) == file.read_text(encoding="utf-8"), (
            "run python scripts/catalogues.py"
        )
        assert closest(made[revision]) == revision


def test_no_description_is_left_over() -> None:
    assert {file.stem for file in catalogue.FOLDER.glob("*.json")} == set(REVISIONS)


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("DROP INDEX ix_htc_predictions_ranking", ("index", "missing", "ix_htc_predictions_ranking", "")),
        ("DROP VIEW htc_predictions_v003", ("view", "missing", "htc_predictions_v003", "")),
        ("ALTER TABLE test_telemetry DROP COLUMN branch", ("column", "missing", "branch", "")),
        (
            "ALTER TABLE test_telemetry ALTER COLUMN lines_added TYPE text",
            ("column", "differs", "lines_added", "type"),
        ),
        (
            "ALTER TABLE test_telemetry ALTER COLUMN test_name DROP NOT NULL",
            ("column", "differs", "test_name", "nullability"),
        ),
        (
            "ALTER TABLE htc_predictions ALTER COLUMN mu_star SET DEFAULT 0.1",
            ("column", "differs", "mu_star", "default"),
        ),
        (
            "ALTER TABLE htc_predictions ADD COLUMN note text",
            ("column", "extra", "note", ""),
        ),
        (
            "ALTER TABLE htc_predictions ADD CONSTRAINT mine CHECK (mu_star < 1) NOT VALID",
            ("constraint", "invalid", "mine", ""),
        ),
        ("CREATE TABLE mine (x int)", ("table", "extra", "mine", "")),
    ],
)
def test_each_kind_of_difference_is_seen(
    database: Database, statement: str, difference: tuple[str, str, str, str]
) -> None:
    with database.begin() as connection:
        connection.execute(text(statement))
        found = differences(expected(HEAD), read(connection))
    assert difference in [(d.kind, d.change, d.name, d.aspect) for d in found]


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        ("tc_predicted DESC, id", "(tc_predicted DESC, id)"),  # NULLS FIRST by default
        ("tc_predicted, id", "(tc_predicted, id)"),
    ],
)
def test_the_order_of_an_index_and_its_nulls_count(database: Database, columns: str, order: str) -> None:
    with database.begin() as connection:
        connection.execute(text("DROP INDEX ix_htc_predictions_ranking"))
        connection.execute(text(f"CREATE INDEX ix_htc_predictions_ranking ON htc_predictions ({columns})"))
        (found,) = differences(expected(HEAD), read(connection))
    assert (found.kind, found.change, found.name) == ("index", "differs", "ix_htc_predictions_ranking")
    assert order in str(found.found)
    assert "(tc_predicted DESC NULLS LAST, id)" in str(found.expected)


def test_objects_of_extensions_and_of_other_schemas_are_not_seen(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE EXTENSION pg_stat_statements"))
        connection.execute(text("CREATE SCHEMA theirs"))
        connection.execute(text("CREATE TABLE theirs.runs (x int)"))
        assert differences(expected(HEAD), read(connection)) == []


def test_what_is_written_comes_back(database: Database) -> None:
    with database.connect() as connection:
        found = read(connection)
    assert catalogue.Catalogue.from_dict(found.as_dict()) == found


@pytest.mark.parametrize(
    ("definition", "one_form"),
    [
        ("SELECT a.x,\n   a.y\n  FROM a\n WHERE a.x > 1;", "SELECT x, y FROM a WHERE x > 1"),
        ("SELECT a.x, b.y FROM a, b", "SELECT a.x, b.y FROM a, b"),
        ("SELECT a.x FROM a WHERE a.y = 'a.b'", "SELECT x FROM a WHERE y = 'a.b'"),
        ("SELECT x FROM a WHERE x > 1.0", "SELECT x FROM a WHERE x > 1.0"),
    ],
)
def test_view_bodies_have_one_form(definition: str, one_form: str) -> None:
    assert catalogue._view_body(definition) == one_form


@pytest.mark.parametrize(
    ("definition", "one_form"),
    [
        (
            "CHECK (x::text = ANY (ARRAY['a'::character varying::text, 'it''s'::character varying::text]))",
            "CHECK (x::text = ANY (ARRAY['a'::character varying, 'it''s'::character varying]::text[]))",
        ),
        (
            "CHECK (x::text = ANY (ARRAY[('a, b'::character varying)::text]))",
            "CHECK (x::text = ANY (ARRAY['a, b'::character varying]::text[]))",
        ),
        ("CHECK (x = ANY (ARRAY['a'::text, 'b'::text]))", "CHECK (x = ANY (ARRAY['a'::text, 'b'::text]))"),
        ("CHECK (x = ANY (ARRAY[1, 2]))", "CHECK (x = ANY (ARRAY[1, 2]))"),
    ],
)
def test_lists_of_words_have_one_form(definition: str, one_form: str) -> None:
    assert catalogue._list_form(definition) == one_form
    assert catalogue._list_form(one_form) == one_form


def test_types_that_hold_the_same_values_are_not_essential() -> None:
    def column(want: str, have: str) -> bool:
        return Difference("column", "differs", "x", "t", "type", want, have).essential

    assert not column("character varying(128)", "text")
    assert not column("timestamp without time zone", "timestamp with time zone")
    assert column("boolean", "character varying")
    assert column("double precision[]", "json")


def test_unknown_revisions_are_refused() -> None:
    with pytest.raises(SchemaError, match="no revision '001_add_test_telemetry'"):
        expected("001_add_test_telemetry")
