"""Filters of the ranking: checked when made, complete and in order, each served by its index."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from htc.errors import InputError
from htc.store import Database, Filters, find_structures, list_runs, start_campaign, start_run, top
from htc.store.tables import PRESSURE_BANDS

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Row = dict[str, Any]

ELEMENTS = ("B", "C", "H", "La", "Mg", "N", "Nb", "O")
MODELS = ("model-a", "model-b")
RUNS = ("run-a", "run-b")

# ------------------------------------------------------------------ wishes


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"elements": ("mg",)}, "no element 'mg'.*did you mean Mg"),
        ({"elements": ("Magnesium",)}, "no element.*Mg"),
        ({"without": ("",)}, "no element ''"),
        ({"only": ("B", "X9")}, "no element 'X9'"),
        ({"elements": ("B",), "without": ("B",)}, "B cannot be both"),
        ({"elements": ("B",), "only": ("Mg",)}, "not among the only"),
        ({"any_of": ("B", "C"), "only": ("Mg",)}, "B or C is asked for, but not among the only"),
        ({"any_of": ("B", "C"), "without": ("B", "C", "H")}, "B or C cannot be both"),
        ({"only": ("B",), "without": ("B", "C")}, "no element is left"),
        ({"min_tc_predicted": math.nan}, "min_tc_predicted: nan is not a number"),
        ({"max_pressure_required_gpa": math.inf}, "inf is not a number"),
        ({"min_tc_predicted": 9.0, "max_tc_predicted": 8.0}, "nothing lies between 9 and 8"),
        ({"min_pressure_required_gpa": 2.0, "max_pressure_required_gpa": 1.0}, "nothing lies between"),
        ({"min_confidence_level": "sure"}, "'sure' is no level.*low, medium, high"),
        ({"confidence_level": ("low", "Low")}, "'Low' is no level"),
        ({"confidence_level": ("low",), "min_confidence_level": "low"}, "exclude each other"),
        ({"model_id": ""}, "model_id: an empty text"),
        ({"experiment_id": "a\0b"}, "experiment_id: "),
    ],
)
def test_impossible_wishes_are_refused(wish: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Filters(**wish)
    assert re.search(message, str(refused.value))


def test_equal_wishes_are_equal() -> None:
    one = Filters(elements=("Mg", "B", "B"), confidence_level=("high", "medium"))
    assert one == Filters(elements=("B", "Mg"), confidence_level=("medium", "high"))
    assert one.levels == Filters(min_confidence_level="medium").levels == ("medium", "high")
    assert Filters(elements=("Mg",), phonon_stable=False).given == {
        "elements": ("Mg",),
        "phonon_stable": False,
    }


# ------------------------------------------------------------------ the same rows as by hand


def passes(row: Row, wish: Filters) -> bool:
    """What the filters mean, said a second time in the plainest words."""

    def between(value: float | None, low: float | None, high: float | None) -> bool:
        if low is None and high is None:
            return True
        if value is None or math.isnan(value):
            return False
        return (low is None or value >= low) and (high is None or value <= high)

    tc, elements = row["tc_predicted"], row["elements"]
    if tc is None or not 0.0 <= tc < math.inf:
        return False
    if (wish.elements or wish.any_of or wish.without or wish.only) and elements is None:
        return False
    return (
        (wish.include_set_aside or not row["set_aside"])
        and {*wish.elements} <= {*(elements or ())}
        and (not wish.any_of or bool({*wish.any_of} & {*(elements or ())}))
        and not {*wish.without} & {*(elements or ())}
        and (not wish.only or (bool(elements) and {*elements} <= {*wish.only}))
        and between(tc, wish.min_tc_predicted, wish.max_tc_predicted)
        and between(
            row["pressure_required_gpa"], wish.min_pressure_required_gpa, wish.max_pressure_required_gpa
        )
        and between(row["hull_distance_eV"], None, wish.max_hull_distance_eV)
        and (wish.phonon_stable is None or row["phonon_stable"] is wish.phonon_stable)
        and (wish.thermo_stable is None or row["thermo_stable"] is wish.thermo_stable)
        and (not wish.levels or row["confidence_level"] in wish.levels)
        and (wish.model_id is None or row["model_id"] == wish.model_id)
        and (wish.model_tier is None or row["model_tier"] == wish.model_tier)
        and (wish.experiment_id is None or row["experiment_id"] == wish.experiment_id)
        and (wish.formula is None or row["reduced_formula"] == wish.formula)
        and (wish.family is None or row["family"] == wish.family)
    )


def maybe(values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(st.none(), values)


TC = st.one_of(
    st.sampled_from([0.0, 0.5, 0.999, 1.0, 1.5, 2.0, 40.0, 250.0]),
    st.sampled_from([None, math.nan, math.inf, -1.0]),
    st.floats(0.0, 3.0),
)
PRESSURE = st.one_of(
    st.sampled_from([None, math.nan, 0.0, 1.0, 150.0, *PRESSURE_BANDS]), st.floats(0.0, 400.0)
)
HULL = st.one_of(st.sampled_from([None, math.nan, -0.1, 0.0, 0.025, 0.0251, 0.05]), st.floats(0.0, 0.3))
BOOL = st.sampled_from([None, True, False])
SYMBOLS = st.lists(st.sampled_from(ELEMENTS), unique=True)

ROW = st.fixed_dictionaries(
    {
        "tc_predicted": TC,
        "elements": maybe(SYMBOLS.filter(bool).map(sorted)),
        "pressure_required_gpa": PRESSURE,
        "hull_distance_eV": HULL,
        "phonon_stable": BOOL,
        "thermo_stable": BOOL,
        "confidence_level": st.sampled_from([None, "low", "medium", "high"]),
        "model_id": st.sampled_from([None, *MODELS]),
        "model_tier": st.sampled_from([None, "fast", "best"]),
        "experiment_id": st.sampled_from([None, *RUNS]),
        "reduced_formula": st.sampled_from(["MgB2", "Nb"]),
        "family": st.sampled_from([None, "boride"]),
        "set_aside": st.sampled_from([False, False, False, True]),
    }
)


@st.composite
def wishes(draw: DrawFn) -> Filters:
    """Some filters at once, mostly few."""
    wish: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(sorted(_WISH)), max_size=4, unique=True)):
        wish |= draw(_WISH[name])
    try:
        return Filters(**wish)
    except InputError:
        return Filters()


def one(name: str, values: SearchStrategy[Any]) -> SearchStrategy[Row]:
    return values.map(lambda value: {name: value})


def ends(low: str, high: str, values: SearchStrategy[float]) -> SearchStrategy[Row]:
    pair = st.tuples(maybe(values), maybe(values))
    return pair.map(
        lambda p: dict(
            zip((low, high), p if None in p else sorted(p), strict=True)  # type: ignore[type-var]
        )
    )


_FEW = st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=3, unique=True).map(tuple)
_WISH: dict[str, SearchStrategy[Row]] = {
    "elements": one("elements", _FEW),
    "any of": one("any_of", st.lists(st.sampled_from(ELEMENTS), min_size=1, unique=True).map(tuple)),
    "without": one("without", _FEW),
    "only": one("only", st.lists(st.sampled_from(ELEMENTS), min_size=1, unique=True).map(tuple)),
    "tc": ends("min_tc_predicted", "max_tc_predicted", st.floats(0.0, 3.0)),
    "pressure": ends("min_pressure_required_gpa", "max_pressure_required_gpa", st.floats(0.0, 400.0)),
    "hull": one("max_hull_distance_eV", st.floats(0.0, 0.3)),
    "phonon": one("phonon_stable", st.booleans()),
    "thermo": one("thermo_stable", st.booleans()),
    "least": one("min_confidence_level", st.sampled_from(["low", "medium", "high"])),
    "levels": one("confidence_level", st.just(("low", "high"))),
    "model": one("model_id", st.sampled_from(MODELS)),
    "tier": one("model_tier", st.sampled_from(["fast", "best"])),
    "run": one("experiment_id", st.sampled_from(RUNS)),
    "formula": one("formula", st.just("MgB2")),
    "family": one("family", st.just("boride")),
    "aside": one("include_set_aside", st.just(True)),
}


def store(database: Database, rows: list[Row]) -> list[Row]:
    """Replace the table's rows; also by such as only an earlier version could leave, without its marks."""
    columns = [name for name in rows[0] if name != "set_aside"] if rows else []
    numbered = [{"id": f"{i * 7919 % 1009:04d}-{i}", **row} for i, row in enumerate(rows)]
    with database.begin() as connection:
        connection.execute(text("DELETE FROM htc_predictions"))
        connection.execute(text("ALTER TABLE htc_predictions DISABLE TRIGGER USER"))
        checks = connection.execute(
            text(
                "SELECT conname FROM pg_constraint"
                " WHERE conrelid = 'htc_predictions'::regclass AND contype = 'c'"
            )
        ).scalars()
        for name in checks.all():
            connection.execute(text(f"ALTER TABLE htc_predictions DROP CONSTRAINT {name}"))
        connection.execute(
            text("INSERT INTO models (id) VALUES ('model-a'), ('model-b') ON CONFLICT DO NOTHING")
        )
        connection.execute(
            text(
                "INSERT INTO runs (id, kind, created_by) VALUES ('run-a', 'batch', 'x'),"
                " ('run-b', 'batch', 'x') ON CONFLICT DO NOTHING"
            )
        )
        if numbered:
            names = ["id", *columns]
            quoted = ", ".join(f'"{name}"' for name in names)
            connection.execute(
                text(
                    f"INSERT INTO htc_predictions ({quoted}, deleted_at, reason, created_by, legacy_defects)"
                    f" VALUES ({', '.join(f':{name}' for name in names)},"
                    " CASE WHEN :set_aside THEN now() END, 'made up', 'x', '{made up}')"
                ),
                numbered,
            )
    return numbered


def expected(rows: list[Row], wish: Filters) -> list[tuple[float, str]]:
    found = [(row["tc_predicted"], row["id"]) for row in rows if passes(row, wish)]
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))


def all_pages(database: Database, n: int, wish: Filters, candidates: int | None) -> list[tuple[float, str]]:
    seen: list[tuple[float, str]] = []
    cursor = None
    while True:
        page = top(database, n, wish, cursor, candidates=candidates)
        assert len(page.rows) <= n
        seen += [(row.tc_predicted, row.id) for row in page.rows]
        if page.next_cursor is None:
            return seen
        cursor = page.next_cursor


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements that look at a few candidates only, as the large ones of production would at millions."""
    from htc.store import walk

    monkeypatch.setattr(walk, "_FIRST", 3)
    monkeypatch.setattr(walk, "_LATER", 5)


def test_pages_of_any_size_are_what_one_finds_by_hand(database: Database, small_steps: None) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        rows=st.lists(ROW, max_size=40),
        asked=st.lists(
            st.tuples(wishes(), st.integers(1, 12), st.sampled_from([None, 1, 7, 1000])),
            min_size=1,
            max_size=6,
        ),
    )
    def check(rows: list[Row], asked: list[tuple[Filters, int, int | None]]) -> None:
        stored = store(database, rows)
        for wish, n, candidates in asked:
            assert all_pages(database, n, wish, candidates) == expected(stored, wish), wish

    check()


def test_each_filter_alone_on_a_table_with_everything(database: Database, small_steps: None) -> None:
    rows = [
        {
            "tc_predicted": tc,
            "elements": sorted(ELEMENTS[k % 8 : k % 8 + 1 + k % 7] or ELEMENTS[:7]),
            "pressure_required_gpa": (*PRESSURE_BANDS, 0.0, None)[k % 12],
            "hull_distance_eV": (0.0, 0.01, 0.03, 0.06, 0.15, 0.3, None)[k % 7],
            "phonon_stable": (True, False, None)[k % 3],
            "thermo_stable": (None, True, False)[k % 3],
            "confidence_level": ("low", "medium", "high", None)[k % 4],
            "model_id": (*MODELS, None)[k % 3],
            "experiment_id": (*RUNS, None)[k % 3],
            "reduced_formula": ("MgB2", "Nb")[k % 2],
            "family": "boride" if k % 5 == 0 else None,
            "set_aside": k % 11 == 0,
        }
        for k, tc in enumerate([0.0, 0.2, 0.9, 1.0, 1.0, 2.0, 2.0, 30.0] * 30)
    ]
    stored = store(database, rows)
    for wish in (
        Filters(),
        Filters(elements=("Nb",)),
        Filters(elements=("C", "La")),
        Filters(any_of=("B", "Nb")),
        Filters(any_of=("B", "C", "H"), phonon_stable=True),
        Filters(without=("O",)),
        Filters(only=("B", "C", "H")),
        Filters(only=ELEMENTS),
        Filters(min_pressure_required_gpa=5.0, max_pressure_required_gpa=100.0),
        Filters(min_pressure_required_gpa=20.00005),
        Filters(max_hull_distance_eV=0.05),
        Filters(phonon_stable=False),
        Filters(thermo_stable=True),
        Filters(min_confidence_level="medium"),
        Filters(model_id="model-b"),
        Filters(experiment_id="run-a"),
        Filters(formula="Nb"),
        Filters(family="boride"),
        Filters(include_set_aside=True),
        Filters(include_set_aside=True, elements=("C",), phonon_stable=True),
    ):
        assert all_pages(database, 7, wish, 20) == expected(stored, wish), wish
        assert expected(stored, wish)


def test_a_search_in_vain_stops_and_goes_on(database: Database, small_steps: None) -> None:
    common = dict.fromkeys(
        [
            "pressure_required_gpa",
            "hull_distance_eV",
            "phonon_stable",
            "thermo_stable",
            "confidence_level",
            "model_id",
            "experiment_id",
            "family",
        ]
    )
    rows = [
        common
        | {"tc_predicted": 5.0, "elements": ["B"] if k % 2 else ["O"], "set_aside": False}
        | {"reduced_formula": "Nb"}
        for k in range(60)
    ]
    store(database, rows)
    wish = Filters(elements=("B", "O"))
    page = top(database, 10, wish, candidates=10)
    assert page.rows == ()
    assert page.next_cursor is not None
    assert top(database, 10, wish, candidates=None) == top(database, 10, Filters(experiment_id="none"))
    assert all_pages(database, 10, wish, 10) == []
    with pytest.raises(InputError, match="too few"):
        top(database, 10, wish, candidates=0)


def test_a_damaged_cursor_is_refused(database: Database) -> None:
    store(database, [])
    for cursor in ("t1.", "t1.e30", "t2.WzEuMCwiYSJd", "t1.WzEsMl0", "t1.!!!!"):
        with pytest.raises(InputError, match="no place to go on from"):
            top(database, 1, after=cursor)
    with pytest.raises(InputError, match="no place"):
        list_runs(database, after="t1.WzEuMCwiYSJd")


# ------------------------------------------------------------------ indexes


def nodes(plan: Row) -> Iterator[Row]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


MANY = 20_000
FILL = f"""
    INSERT INTO htc_predictions
        (id, composition, reduced_formula, elements, tc_predicted, pressure_required_gpa, phonon_stable,
         thermo_stable, "hull_distance_eV", confidence_level, model_id, experiment_id, created_by,
         extrapolation_warning)
    SELECT lpad(i::text, 8, '0'), 'X', 'X' || i % 5000,
           (ARRAY['Al','B','C','H','La','Mg','N','Nb','O'])[1 + i % 5 : 1 + i % 5 + i % 8],
           CASE WHEN i % 4 = 0 THEN 1 + 50 * random() ELSE random() END,
           CASE WHEN i % 3 = 0 THEN 300 * random() ELSE 0 END,
           random() < 0.5, random() < 0.3, random() / 4,
           (ARRAY['low','medium','high'])[1 + i % 3], (ARRAY['model-a','model-b'])[1 + i % 2],
           'run-' || i % 50, 'x', false
    FROM generate_series(1, {MANY}) AS i
"""


@pytest.fixture(scope="module")
def filled_databases() -> Iterator[tuple[ExitStack, dict[str, Database]]]:
    """One filled database a server, made on first use."""
    with ExitStack() as stack:
        yield stack, {}


@pytest.fixture
def filled(server: Any, filled_databases: tuple[ExitStack, dict[str, Database]]) -> Database:
    """A table of some size, its statistics gathered."""
    stack, made = filled_databases
    if server.name not in made:
        database = stack.enter_context(server.migrated())
        with database.begin() as connection:
            connection.execute(text("INSERT INTO models (id) VALUES ('model-a'), ('model-b')"))
            connection.execute(
                text(
                    "INSERT INTO runs (id, kind, created_by)"
                    " SELECT 'run-' || i, 'batch', 'x' FROM generate_series(0, 49) AS i"
                )
            )
            connection.execute(text(FILL))
            connection.execute(text("ANALYZE htc_predictions"))
        made[server.name] = database
    return made[server.name]


SERVED: list[tuple[Filters, set[str]]] = [
    (Filters(), {"ranking"}),
    (Filters(min_tc_predicted=5.0, max_tc_predicted=20.0), {"ranking"}),
    (Filters(without=("O",)), {"ranking"}),
    (
        Filters(elements=("Nb",)),
        {"many_elements", *(f"element_{n}" for n in range(1, 7))},
    ),
    (
        Filters(any_of=("Nb", "La")),
        {"many_elements", *(f"element_{n}" for n in range(1, 7))},
    ),
    (Filters(only=("B", "C", "H")), {"system"}),
    (Filters(max_pressure_required_gpa=10.0), {"pressure"}),
    (Filters(min_pressure_required_gpa=100.0, max_pressure_required_gpa=150.0), {"pressure"}),
    (Filters(phonon_stable=True), {"phonon"}),
    (Filters(phonon_stable=False), {"phonon"}),
    (Filters(thermo_stable=True), {"thermo"}),
    (Filters(thermo_stable=False), {"thermo"}),
    (Filters(max_hull_distance_eV=0.05), {"hull"}),
    (Filters(min_confidence_level="medium"), {"confidence"}),
    (Filters(confidence_level=("high",)), {"confidence"}),
    (Filters(model_id="model-a"), {"model"}),
    (Filters(experiment_id="run-7"), {"run"}),
    (Filters(experiment_id="run-7", phonon_stable=True, min_confidence_level="medium"), {"run"}),
    (Filters(thermo_stable=True, max_pressure_required_gpa=200.0), {"thermo"}),
    (Filters(include_set_aside=True), {"ranking", "set_aside"}),
    (Filters(formula="X77"), {"reduced_formula"}),
]


@pytest.mark.parametrize(
    ("wish", "indexes"), SERVED, ids=lambda v: str(v.given) if isinstance(v, Filters) else ""
)
def test_each_filter_is_served_by_its_index(
    filled: Database, noted: Any, wish: Filters, indexes: set[str]
) -> None:
    with noted() as asked:
        first = top(filled, 20, wish)
        top(filled, 20, wish, first.next_cursor)
    assert len(asked) >= 2 or first.next_cursor is None
    with filled.connect() as connection:
        from htc.store.walk import _AS_INDEXED

        for statement, parameters in asked:
            if wish.formula is None:
                connection.exec_driver_sql(_AS_INDEXED)
            explained = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement, parameters)
            check_plan(explained.scalar_one()[0]["Plan"], indexes, sorts=wish.formula is not None)


def check_plan(plan: Row, indexes: set[str], *, sorts: bool = False) -> None:
    shown = json.dumps(plan, indent=1)
    kinds = {node["Node Type"] for node in nodes(plan)}
    assert "Seq Scan" not in kinds, shown
    assert sorts or not {"Sort", "Incremental Sort"} & kinds, shown
    used = {
        node["Index Name"].removeprefix("ix_htc_predictions_") for node in nodes(plan) if "Index Name" in node
    }
    assert used == indexes, shown
    if not sorts:  # an equality in front, or the order of the ranking itself: nothing is read for nothing
        scans = [node for node in nodes(plan) if "Index Name" in node]
        assert all(node["Node Type"] in {"Index Scan", "Index Only Scan"} for node in scans), shown


@pytest.mark.parametrize(
    ("wish", "indexes"), [SERVED[1], SERVED[3], SERVED[5], SERVED[7], SERVED[12], SERVED[14], SERVED[15]]
)
def test_prepared_statements_keep_their_index(filled: Database, wish: Filters, indexes: set[str]) -> None:
    """The driver prepares what comes often, and the server then plans it without its values."""
    from htc.store.rankings import _COLUMNS
    from htc.store.walk import _AS_INDEXED, Place, walk

    with filled.connect() as connection:
        for n in range(20):
            walk(connection, _COLUMNS, wish, Place(19.0 + 0.01 * n, "x"), 20, None)
        prepared = connection.execute(
            text(
                "SELECT name, cardinality(parameter_types), generic_plans FROM pg_prepared_statements"
                " WHERE statement LIKE '%FROM htc_predictions%' AND statement NOT LIKE 'EXPLAIN%'"
                " ORDER BY generic_plans DESC, length(statement) DESC LIMIT 1"
            )
        ).one()
        connection.exec_driver_sql(_AS_INDEXED + "; SET LOCAL plan_cache_mode = force_generic_plan")
        nothing = ", ".join(["NULL"] * prepared.cardinality)
        explained = connection.exec_driver_sql(f'EXPLAIN (FORMAT JSON) EXECUTE "{prepared.name}"({nothing})')
        check_plan(explained.scalar_one()[0]["Plan"], indexes)


# ------------------------------------------------------------------ runs and crystals


def test_runs_by_pages(database: Database) -> None:
    campaign = start_campaign(database, "search", created_by="x")
    ids = [
        start_run(
            database, "screening" if k % 2 else "batch", created_by="x", campaign=campaign if k < 4 else None
        )
        for k in range(9)
    ]
    with database.begin() as connection:  # some of one moment
        connection.execute(
            text("UPDATE runs SET created_at = date_trunc('year', created_at) WHERE kind = 'batch'")
        )
    seen: list[Any] = []
    cursor = None
    while True:
        page = list_runs(database, 2, after=cursor)
        seen += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(run.id for run in seen) == sorted(ids)
    assert seen == sorted(seen, key=lambda run: (-run.created_at.timestamp(), run.id))
    assert {run.id for run in list_runs(database, kind="screening", campaign=campaign).rows} == {
        ids[1],
        ids[3],
    }


def test_crystals_by_pages(database: Database) -> None:
    systems = [("B", "Mg"), ("B", "C", "Mg"), ("Nb",), ("O", "Zn")]
    with database.begin() as connection:
        for k in range(40):
            elements = systems[k % 4]
            connection.execute(
                text(
                    "INSERT INTO structures (structure, reduced_formula, anonymous_formula, elements, nsites,"
                    " spacegroup_number) VALUES (jsonb_build_object('k', CAST(:k AS int)), :f, :a, :e, 2, :g)"
                ),
                {
                    "k": k,
                    "f": "".join(elements),
                    "a": "ABC"[: len(elements)],
                    "e": list(elements),
                    "g": 1 + k % 5,
                },
            )

    def found(**wish: Any) -> list[Any]:
        rows, cursor = [], None
        while True:
            page = find_structures(database, 3, **wish, after=cursor)
            rows += page.rows
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [row.hash for row in rows] == sorted({row.hash for row in rows})
        return rows

    assert len(found()) == 40
    assert {row.elements for row in found(elements=["Mg"])} == {("B", "Mg"), ("B", "C", "Mg")}
    assert {row.elements for row in found(only=["B", "Mg"])} == {("B", "Mg")}
    assert len(found(elements=["B"], without=["C"])) == 10
    assert len(found(formula="Nb", spacegroup=3)) == 2
    assert len(found(anonymous_formula="AB")) == 20
    with pytest.raises(InputError, match="no space group 231"):
        find_structures(database, spacegroup=231)
    with pytest.raises(InputError, match="no element"):
        find_structures(database, elements=["Xx"])
