"""Entries for an OPTIMADE server: structures with their best prediction, and predictions, page by page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from htc.errors import InputError, StoreError
from htc.store import cursors
from htc.store.calendar import in_calendar
from htc.store.optimade import formulas
from htc.store.optimade.columns import Column, Kind, floating, plain
from htc.store.optimade.conditions import condition
from htc.store.optimade.expressions import Compare, Expression, properties

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "COUNT_TIMEOUT_S",
    "DOCUMENT",
    "PAGE_TIMEOUT_S",
    "PREDICTIONS",
    "STRUCTURES",
    "EntryKind",
    "EntryPage",
    "Sort",
    "count_entries",
    "find_entries",
    "get_entry",
]

PAGE_TIMEOUT_S: Final = 10.0
"""Seconds after which a filter that no index serves is given up."""
COUNT_TIMEOUT_S: Final = 2.0
"""Seconds after which counting is given up; the page itself is there by then."""

DOCUMENT: Final = "document"
"""Name under which a structure's pymatgen document can be asked for; it is no property."""

_ID: Final = "id"
_CURSOR: Final = "o"


@dataclass(frozen=True, slots=True)
class Sort:
    """A property to sort by. Entries without it come last, in either direction."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class EntryKind:
    """One kind of entry: where its rows come from and what they can be asked by."""

    source: str
    """FROM clause; the aliases in it are those of the columns."""
    visible: str
    """Condition: the row counts."""
    columns: Mapping[str, Column]
    """By property name. ``id`` is unique."""
    alone: tuple[str, str] | None = None
    """Source and visibility that say the same where no property of a prediction is asked for."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """SQL of what can be shown and is no property."""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some entries, each by property name, and where the next ones begin."""

    rows: tuple[Mapping[str, Any], ...]
    next_cursor: str | None
    """For ``after``; None on the last page."""


def _rank(alias: str) -> str:
    """Greater is better: the tier of the model, then the newer one; the id only settles ties."""
    return (
        f"(CASE {alias}.model_tier WHEN 'best' THEN 3 WHEN 'default' THEN 2 WHEN 'fast' THEN 1 ELSE 0 END,"
        f" coalesce({alias}.created_at, '-infinity'), {alias}.id)"
    )


# Written as "none is better" rather than "the first of them": so the planner may begin at either end, with
# the structures of some elements or with the predictions of highest Tc.
_STRUCTURES: Final = f"""structures AS s JOIN htc_predictions AS p
  ON p.structure_hash = s.hash AND p.deleted_at IS NULL AND NOT EXISTS (
    SELECT FROM htc_predictions AS q
    WHERE q.structure_hash = p.structure_hash AND q.deleted_at IS NULL AND {_rank("q")} > {_rank("p")})"""

_HAS_PREDICTION: Final = (
    "EXISTS (SELECT FROM htc_predictions AS p WHERE p.structure_hash = s.hash AND p.deleted_at IS NULL)"
)
_JOINED: Final = "p."
"""What columns of a structure's prediction begin with."""

_DISORDERED: Final = "jsonb_path_exists(s.structure, '$.sites[*].species[*].occu ? (@ < 0.99999)')"

_PREDICTED_AT: Final = f"(CASE WHEN {in_calendar('p.created_at')} THEN p.created_at END)"

# Word for word the condition of the ranking's indexes: rows of an earlier version may hold NaN, or below 0.
_TC_KNOWN: Final = "(p.tc_predicted >= 0 AND p.tc_predicted < 'Infinity')"

_PREDICTED: Final[dict[str, Column]] = {
    "_htc_tc_kelvin": Column("float", "p.tc_predicted", _TC_KNOWN, sortable=True),
    "_htc_tc_lower_95ci_kelvin": floating("p.tc_lower_95ci"),
    "_htc_tc_upper_95ci_kelvin": floating("p.tc_upper_95ci"),
    "_htc_tc_uncertainty_kelvin": floating("p.tc_uncertainty"),
    "_htc_tc_experiment_kelvin": floating("p.tc_experiment"),
    "_htc_tc_experiment_lower_95ci_kelvin": floating("p.tc_experiment_lower_95ci"),
    "_htc_tc_experiment_upper_95ci_kelvin": floating("p.tc_experiment_upper_95ci"),
    "_htc_lambda_ep": floating("p.lambda_ep"),
    "_htc_lambda_ep_uncertainty": floating("p.lambda_ep_uncertainty"),
    "_htc_omega_log_kelvin": floating("p.omega_log"),
    "_htc_omega_log_uncertainty_kelvin": floating("p.omega_log_uncertainty"),
    "_htc_omega_2_kelvin": floating("p.omega_2"),
    "_htc_mu_star": floating("p.mu_star"),
    "_htc_pressure_gpa": floating("p.pressure_required_gpa"),
    "_htc_hull_distance_ev_per_atom": floating('p."hull_distance_eV"'),
    "_htc_hull_competitors": plain("integer", "p.hull_competitors"),
    "_htc_thermo_stable": plain("boolean", "p.thermo_stable"),
    "_htc_phonon_verdict": plain("string", "p.phonon_verdict"),
    "_htc_phonon_stable": plain("boolean", "p.phonon_stable"),
    "_htc_imaginary_modes_count": plain("integer", "p.imaginary_modes_count"),
    "_htc_lowest_frequency_thz": floating("p.lowest_frequency_thz"),
    "_htc_stability_potential": plain("string", "p.stability_potential"),
    "_htc_confidence": plain("string", "p.confidence_level"),
    "_htc_extrapolation_warning": plain("boolean", "p.extrapolation_warning"),
    "_htc_applicable": plain("boolean", "p.applicable"),
    "_htc_reason": plain("string", "p.reason"),
    "_htc_family": plain("string", "p.family"),
    "_htc_prediction_method": plain("string", "p.prediction_method"),
    "_htc_model_id": plain("string", "p.model_id"),
    "_htc_model_tier": plain("string", "p.model_tier"),
    "_htc_structure_origin": plain("string", "p.structure_origin"),
    "_htc_predicted_at": Column(
        "timestamp", f"date_trunc('second', {_PREDICTED_AT})", in_calendar("p.created_at"), True
    ),
}
"""What both kinds of entries say about a prediction. Times are cut to seconds, as OPTIMADE shows them."""

STRUCTURES: Final = EntryKind(
    source=_STRUCTURES,
    visible="true",
    alone=("structures AS s", _HAS_PREDICTION),
    columns={
        _ID: plain("string", "s.hash", nullable=False),
        "type": Column("string", "'structures'::text"),
        "immutable_id": plain("string", "s.hash", nullable=False),
        "last_modified": Column(
            "timestamp", f"date_trunc('second', greatest(s.created_at, {_PREDICTED_AT}))", sortable=True
        ),
        "elements": Column("strings", "s.elements", length="s.nelements"),
        "nelements": plain("integer", "s.nelements", nullable=False),
        "elements_ratios": Column("floats", formulas.RATIOS, formulas.READABLE, length="s.nelements"),
        "chemical_formula_descriptive": plain("string", "s.reduced_formula", nullable=False),
        "chemical_formula_reduced": Column(
            "string", formulas.REDUCED, formulas.READABLE, equal=formulas.equal_reduced
        ),
        "chemical_formula_anonymous": Column(
            "string", formulas.ANONYMOUS, formulas.READABLE, equal=formulas.equal_anonymous
        ),
        "dimension_types": Column("integers", "ARRAY[1, 1, 1]"),
        "nperiodic_dimensions": Column("integer", "3"),
        "nsites": plain("integer", "s.nsites", nullable=False),
        "space_group_it_number": plain("integer", "s.spacegroup_number"),
        "structure_features": Column(
            "strings", f"(CASE WHEN {_DISORDERED} THEN ARRAY['disorder'] ELSE ARRAY[]::text[] END)"
        ),
        "_htc_volume_cubic_angstrom": floating("s.volume"),
        "_htc_prediction_id": plain("string", "p.id"),
        **_PREDICTED,
    },
    extra={DOCUMENT: "s.structure"},
)
"""Each structure that has a live prediction, with the best: of the highest tier, then the newest."""

PREDICTIONS: Final = EntryKind(
    source="htc_predictions AS p",
    visible="p.deleted_at IS NULL",
    columns={
        _ID: plain("string", "p.id", nullable=False),
        "type": Column("string", "'_htc_predictions'::text"),
        "immutable_id": plain("string", "p.id", nullable=False),
        "last_modified": Column(
            "timestamp", f"date_trunc('second', {_PREDICTED_AT})", in_calendar("p.created_at"), sortable=True
        ),
        "_htc_composition": plain("string", "p.composition"),
        "_htc_formula": plain("string", "p.reduced_formula"),
        "_htc_elements": Column("strings", "p.elements", "p.elements IS NOT NULL"),
        "_htc_structure_id": plain("string", "p.structure_hash"),
        "_htc_run_id": plain("string", "p.experiment_id"),
        **_PREDICTED,
    },
)
"""Each live prediction, also those of a composition without a structure."""


def find_entries(
    database: Database,
    kind: EntryKind,
    fields: Sequence[str],
    n: int,
    *,
    wish: Expression | None = None,
    sort: Sequence[Sort] = (),
    after: str | None = None,
    above: str | None = None,
    offset: int = 0,
) -> EntryPage:
    """A page of the entries that fulfil a filter.

    Args:
        database: an open database.
        kind: of the entries.
        fields: names of the columns wanted, and of ``extra``; the id always comes.
        n: rows a page, 1 or more.
        wish: the filter; None for all.
        sort: what to sort by, the most important first; then, and without any, by id.
        after: ``next_cursor`` of the page before, under the same sort.
        above: only ids after this one; without ``sort``.
        offset: rows to pass over.

    Raises:
        InputError: a damaged cursor or one of another sort, or a search longer than ``PAGE_TIMEOUT_S``.
        StoreError: the database does not answer.
    """
    keys = [_Key(s.name, kind.columns[s.name], s.descending) for s in sort]
    if all(key.name != _ID for key in keys):
        keys.append(_Key(_ID, kind.columns[_ID], False))
    place = _place(keys, after) if after is not None else None
    if above is not None:
        place = (above,)
    shown = [name for name in dict.fromkeys(fields) if name != _ID]
    selected = [
        kind.columns[_ID].value.label("c0"),
        *(_shown(kind, name).label(f"c{i}") for i, name in enumerate(shown, 1)),
        *(key.column.shown.label(f"k{i}") for i, key in enumerate(keys)),
    ]
    base = sa.select(*selected).select_from(sa.text(kind.source)).where(sa.text(kind.visible))
    if wish is not None:
        base = base.where(condition(kind.columns, wish))
    found: list[sa.Row[Any]] = []
    with _connected(database, PAGE_TIMEOUT_S) as connection:
        for query in _segments(base, keys, place, offset):
            if len(found) <= n:
                limited = query.limit(sa.literal_column(str(n + 1 - len(found))))
                found += connection.execute(limited).all()
    rows = tuple(
        {_ID: row[0]} | {name: _in_utc(row[i]) for i, name in enumerate(shown, 1)} for row in found[:n]
    )
    cursor = None
    if len(found) > n:
        last = [v.isoformat() if isinstance(v, datetime) else v for v in found[n - 1][1 + len(shown) :]]
        cursor = cursors.pack(_CURSOR, _order_name(keys), last)
    return EntryPage(rows, cursor)


def get_entry(
    database: Database, kind: EntryKind, entry_id: str, fields: Sequence[str]
) -> Mapping[str, Any] | None:
    """One entry by its id, None where there is none that counts.

    Raises:
        StoreError: the database does not answer.
    """
    if "\0" in entry_id:
        return None
    page = find_entries(database, kind, fields, 1, wish=Compare(_ID, "=", entry_id))
    return page.rows[0] if page.rows else None


def count_entries(database: Database, kind: EntryKind, wish: Expression | None = None) -> int | None:
    """How many entries fulfil a filter; None where counting takes longer than ``COUNT_TIMEOUT_S``.

    Raises:
        StoreError: the database does not answer.
    """
    source, visible = kind.source, kind.visible
    if kind.alone is not None and all(_JOINED not in kind.columns[name].text for name in properties(wish)):
        source, visible = kind.alone
    query = sa.select(sa.func.count()).select_from(sa.text(source)).where(sa.text(visible))
    if wish is not None:
        query = query.where(condition(kind.columns, wish))
    try:
        with _connected(database, COUNT_TIMEOUT_S) as connection:
            return int(connection.execute(query).scalar_one())
    except _TooLongError:
        return None


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    column: Column
    descending: bool

    @property
    def nullable(self) -> bool:
        return self.column.known is not None and self.name != _ID

    def ordered(self, *, known: bool = False) -> sa.ColumnElement[Any]:
        """For ORDER BY. Where every value is known, the order of NULLs is chosen as the indexes have it."""
        if not self.nullable:
            return self.column.value.desc() if self.descending else self.column.value.asc()
        if known:
            return (
                self.column.value.desc().nulls_last()
                if self.descending
                else self.column.value.asc().nulls_first()
            )
        value = self.column.shown
        return (value.desc() if self.descending else value.asc()).nulls_last()

    def beyond(self, value: Any) -> sa.ColumnElement[bool]:
        """Rows that come after a value of this key."""
        if value is None:
            return sa.false()
        bound = sa.literal(value)
        further = self.column.value < bound if self.descending else self.column.value > bound
        if not self.nullable:
            return further
        return sa.or_(sa.and_(self.column.is_known, further), self.column.is_unknown)

    def equal(self, value: Any) -> sa.ColumnElement[bool]:
        if value is None:
            return self.column.is_unknown
        return sa.and_(self.column.is_known, self.column.value == sa.literal(value))


def _segments(
    base: sa.Select[Any], keys: Sequence[_Key], place: tuple[Any, ...] | None, offset: int
) -> Iterator[sa.Select[Any]]:
    """The queries that together give the rows after a place, in order.

    Two where the first key may be unknown: those with it, along its index if it has one, then the rest.
    """
    first = keys[0]
    if offset or not first.nullable:
        query = base.order_by(*(key.ordered() for key in keys))
        if place is not None:
            query = query.where(_after(keys, place))
        yield query.offset(sa.literal_column(str(offset))) if offset else query
        return
    if place is None or place[0] is not None:
        query = base.where(first.column.is_known)
        query = query.order_by(first.ordered(known=True), *(key.ordered() for key in keys[1:]))
        if place is not None:
            value = first.column.value
            bound = sa.literal(place[0])
            edge = value <= bound if first.descending else value >= bound
            query = query.where(edge, _after(keys, place))
        yield query
    rest = base.where(first.column.is_unknown).order_by(*(key.ordered() for key in keys[1:]))
    if place is not None and place[0] is None:
        rest = rest.where(_after(keys[1:], place[1:]))
    yield rest


def _after(keys: Sequence[_Key], place: Sequence[Any]) -> sa.ColumnElement[bool]:
    key, value = keys[0], place[0]
    if len(keys) == 1:
        return key.beyond(value)
    return sa.or_(key.beyond(value), sa.and_(key.equal(value), _after(keys[1:], place[1:])))


def _shown(kind: EntryKind, name: str) -> sa.ColumnElement[Any]:
    if name in kind.extra:
        return sa.literal_column(kind.extra[name], JSONB)
    return kind.columns[name].shown


def _order_name(keys: Sequence[_Key]) -> str:
    return ",".join(f"{'-' if key.descending else ''}{key.name}" for key in keys)


def _place(keys: Sequence[_Key], cursor: str) -> tuple[Any, ...]:
    order, values = cursors.unpack(_CURSOR, cursor, str, list)
    place: list[Any] = []
    if order == _order_name(keys) and len(values) == len(keys):
        with suppress(TypeError, ValueError):
            place = [_value(key, value) for key, value in zip(keys, values, strict=True)]
    if not place:
        raise InputError(
            "this is no place to go on from in this list",
            where=cursor[:60],
            hint="follow the link to the next page as it was given, or begin at the first page",
        )
    return tuple(place)


def _value(key: _Key, value: Any) -> Any:
    """A value of a cursor, which a client may have changed."""
    kind = key.column.kind
    if value is None and key.nullable:
        return None
    if not _is_of_kind(kind, value):
        raise TypeError(kind)
    if (kind == "integer" and not -(2**63) <= value < 2**63) or (isinstance(value, str) and "\0" in value):
        raise ValueError(kind)
    if kind == "float":
        return float(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value).astimezone(UTC)
    return value


def _is_of_kind(kind: Kind, value: object) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "float":
        return isinstance(value, float | int) and math.isfinite(value)
    return isinstance(value, int if kind == "integer" else str)


class _TooLongError(InputError):
    """A statement that was given up; only counting can do without its answer."""

    code = "too-costly"


@contextmanager
def _connected(database: Database, seconds: float) -> Iterator[sa.Connection]:
    """A connection whose statements are given up after a time."""
    try:
        with database.connect() as connection:
            # Compiling a plan would cost more than most of these statements.
            # What is asked often is in memory, where a row by an index costs little more than the next one.
            connection.exec_driver_sql(
                "SET LOCAL jit = off; SET LOCAL random_page_cost = 1.1;"
                f" SET LOCAL statement_timeout = {int(seconds * 1000)}"
            )
            yield connection
    except StoreError as error:
        if isinstance(getattr(error.__cause__, "orig", None), psycopg.errors.QueryCanceled):
            raise _TooLongError(
                f"this search takes longer than {seconds:g} seconds",
                hint="narrow it by elements, nelements, a formula or a least Tc",
            ) from error
        raise


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
