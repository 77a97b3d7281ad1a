"""Stored predictions and electron-phonon runs as plain rows, for answers that go out as JSON at once.

A row is a dictionary under the names of the columns, with what the API says beside them; no record is built
and nothing is copied. What was a path is the name of the file, see :mod:`htc.store.naming`. For a prediction
as the program's own record see :func:`htc.store.get`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from htc.errors import InputError, NotFoundError
from htc.store.calendar import in_calendar
from htc.store.naming import file_name, without_folders
from htc.store.plain import plain_records

if TYPE_CHECKING:
    import sqlalchemy as sa

    from htc.store.database import Database

__all__ = [
    "RECORD_COLUMNS",
    "RECORD_SOURCE",
    "Record",
    "bete_run_record",
    "model_record",
    "model_records",
    "prediction_record",
    "prediction_records",
    "prediction_rows",
    "records_by_hash",
    "records_of_formula",
    "structure_id_of",
    "structure_record",
]

Record = dict[str, Any]

_SAME: Final = (
    "id",
    "composition",
    "reduced_formula",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "pressure_required_gpa",
    "pressure_uncertainty_gpa",
    "lambda_ep",
    "omega_log",
    "lambda_ep_uncertainty",
    "omega_log_uncertainty",
    "omega_2",
    "omega_2_uncertainty",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "mu_star",
    "xi_parameter",
    "phonon_stable",
    "phonon_verdict",
    "lowest_frequency_thz",
    "thermo_stable",
    '"hull_distance_eV"',
    "hull_competitors",
    "stability_potential",
    "imaginary_modes_count",
    "prediction_method",
    "confidence_level",
    "experiment_id",
    "created_by",
    "applicable",
    "reason",
    "family",
    "extrapolation_reasons",
    "structure_origin",
    "model_id",
    "model_tier",
    "source",
    "structure_hash",
    "input_hash",
)


def _time(column: str) -> str:
    # Times of an earlier version that no calendar has are NULL, as in htc.store.tables.
    name = column.rpartition(".")[2]
    return f"CASE WHEN {in_calendar(column)} THEN {column} AT TIME ZONE 'UTC' END AS {name}"


RECORD_COLUMNS: Final = ", ".join(
    [
        *(f"p.{name}" for name in _SAME),
        "coalesce(p.extrapolation_warning, false) AS extrapolation_warning",
        "p.bete_run_id::text AS bete_run_id",
        "p.elements",
        _time("p.created_at"),
        _time("p.deleted_at"),
        "b.spectrum_origin",
        # An earlier version took any JSON here, and kept the crystal in it.
        "CASE WHEN json_typeof(p.structure_info) = 'object'"
        " THEN (p.structure_info::jsonb - 'structure') END AS structure_info",
        "coalesce(p.provenance -> 'cautions', '[]') AS cautions",
        "coalesce(p.provenance -> 'notes', '[]') AS notes",
    ]
)
"""What is asked of a prediction, SQL."""
RECORD_SOURCE: Final = " FROM htc_predictions AS p LEFT JOIN bete_runs AS b ON b.id = p.bete_run_id"
"""Where it is asked: ``p`` is the prediction, ``b`` its electron-phonon run."""
_WHOLE: Final = (
    f"SELECT {RECORD_COLUMNS}, p.provenance, p.legacy_defects, b.alpha2f_omega, b.alpha2f_alpha2f,"
    " coalesce(s.structure, b.structure_json::jsonb) AS structure"
    f"{RECORD_SOURCE} LEFT JOIN structures AS s ON s.hash = p.structure_hash"
)

_RUN: Final = ", ".join(
    [
        "b.id::text AS id",
        *(
            f"b.{name}"
            for name in (
                "tc_kelvin",
                "structure_formula",
                "lambda_ep",
                "omega_log",
                "mu_star",
                "input_hash",
                "run_type",
                "parent_batch_id",
                "created_by",
                "structure_hash",
                "spectrum_origin",
                "alpha2f_omega",
                "alpha2f_alpha2f",
            )
        ),
        _time("b.created_at"),
        _time("b.deleted_at"),
        "(SELECT p.id FROM htc_predictions AS p WHERE p.bete_run_id = b.id ORDER BY p.id LIMIT 1)"
        " AS prediction_id",
    ]
)


def records_by_hash(database: Database, hashes: Sequence[str]) -> dict[str, Record]:
    """Live predictions by their ``input_hash``; those that are not there, or set aside, are left out.

    Raises:
        StoreError: the database does not answer.
    """
    text = (
        f"SELECT {RECORD_COLUMNS}{RECORD_SOURCE}"
        " WHERE p.input_hash = ANY(%(hashes)s) AND p.deleted_at IS NULL"
    )
    with database.connect() as connection:
        return {
            record["input_hash"]: record
            for record in prediction_rows(connection, text, {"hashes": list(hashes)})
        }


def prediction_records(database: Database, ids: Sequence[str]) -> dict[str, Record]:
    """Predictions by id, also those set aside; those that are not there are left out.

    Raises:
        StoreError: the database does not answer.
    """
    text = f"SELECT {RECORD_COLUMNS}{RECORD_SOURCE} WHERE p.id = ANY(%(ids)s)"
    with database.connect() as connection:
        return {record["id"]: record for record in prediction_rows(connection, text, {"ids": list(ids)})}


def prediction_record(database: Database, prediction_id: str) -> Record:
    """One prediction with crystal, spectrum and provenance.

    Args:
        database: an open database.
        prediction_id: an id, or as many of its first characters (four or more) as make it unique.

    Raises:
        NotFoundError: none begins so.
        InputError: several do, or the prefix is too short.
        StoreError: the database does not answer.
    """
    wanted = _plain_text(prediction_id, "prediction")
    with database.connect() as connection:
        found = prediction_rows(connection, f"{_WHOLE} WHERE p.id = %(id)s", {"id": wanted})
        if not found and len(wanted) >= 4:
            begins = wanted.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
            found = prediction_rows(
                connection, f"{_WHOLE} WHERE p.id LIKE %(begins)s ORDER BY p.id LIMIT 6", {"begins": begins}
            )
    if not found and len(wanted) < 4:
        raise InputError(f"{wanted!r} is too short to name a prediction", hint="give four characters or more")
    if not found:
        raise NotFoundError(f"no prediction has an id beginning with {wanted[:60]!r}")
    if len(found) > 1:
        shown = ", ".join(record["id"] for record in found[:5])
        raise InputError(
            f"several predictions begin with {wanted!r}", hint=f"give more characters: {shown}, ..."
        )
    record = found[0]
    record["provenance"] = without_folders(record["provenance"])
    return record


def records_of_formula(database: Database, reduced_formula: str, most: int) -> tuple[list[Record], int]:
    """The live predictions of a reduced formula, and how many there are in all.

    Those from a spectrum of their own come before the models', and of each kind the newest first.

    Raises:
        StoreError: the database does not answer.
    """
    values = {"formula": reduced_formula, "most": most}
    with database.connect() as connection:
        found = prediction_rows(
            connection,
            f"SELECT {RECORD_COLUMNS}, s.spacegroup_number, s.nsites, s.volume{RECORD_SOURCE}"
            " LEFT JOIN structures AS s ON s.hash = p.structure_hash"
            " WHERE p.reduced_formula = %(formula)s AND p.deleted_at IS NULL"
            " ORDER BY (p.model_id IS NULL AND p.bete_run_id IS NOT NULL) DESC,"
            " p.created_at DESC NULLS LAST, p.id LIMIT %(most)s",
            values,
        )
        if len(found) < most:
            return found, len(found)
        counted = connection.exec_driver_sql(
            "SELECT count(*) FROM htc_predictions WHERE reduced_formula = %(formula)s AND deleted_at IS NULL",
            values,
        ).scalar_one()
    return found, int(counted)


def bete_run_record(database: Database, run_id: str) -> Record:
    """One row of ``bete_runs`` with its spectrum, and the prediction it belongs to.

    Raises:
        NotFoundError: there is none of this id.
        StoreError: the database does not answer.
    """
    found: list[Record] = []
    if _is_uuid(run_id):
        with database.connect() as connection:
            found = plain_records(
                connection,
                f"SELECT {_RUN} FROM bete_runs AS b WHERE b.id = %(id)s::uuid",  # noqa: S608  # own text
                {"id": run_id},
            )
    if not found:
        raise NotFoundError(f"there is no electron-phonon run {run_id[:60]!r}")
    return found[0]


def structure_record(database: Database, structure_hash: str) -> Record:
    """One stored crystal, and the ids of the newest 100 predictions made of it.

    Raises:
        NotFoundError: there is none of this hash.
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        found = plain_records(
            connection,
            "SELECT hash, structure, reduced_formula, anonymous_formula, elements, nelements, nsites, volume,"
            " spacegroup_number, created_at AT TIME ZONE 'UTC' AS created_at FROM structures"
            " WHERE hash = %(hash)s",
            {"hash": _plain_text(structure_hash, "structure")},
        )
        if not found:
            raise NotFoundError(f"no stored crystal has the hash {structure_hash[:80]!r}")
        rows = connection.exec_driver_sql(
            "SELECT id FROM htc_predictions WHERE structure_hash = %(hash)s AND deleted_at IS NULL"
            " ORDER BY created_at DESC NULLS LAST, id LIMIT 100",
            {"hash": structure_hash},
        )
        found[0]["prediction_ids"] = list(rows.scalars())
    return found[0]


def structure_id_of(database: Database, given: str) -> str:
    """The hash of the crystal that an id means: its own, that of a prediction, or of an electron-phonon run.

    Raises:
        NotFoundError: nothing has this id, or what has it has no crystal.
        StoreError: the database does not answer.
    """
    wanted = _plain_text(given, "crystal")
    query = (
        "SELECT hash FROM structures WHERE hash = %(id)s"
        " UNION ALL SELECT structure_hash FROM htc_predictions WHERE id = %(id)s"
    )
    if _is_uuid(wanted):
        query += " UNION ALL SELECT structure_hash FROM bete_runs WHERE id = %(id)s::uuid"
    with database.connect() as connection:
        hashes = list(connection.exec_driver_sql(query, {"id": wanted}).scalars())
    known = [found for found in hashes if found is not None]
    if known:
        return str(known[0])
    if hashes:
        raise NotFoundError(
            f"the prediction {wanted!r} has no crystal", hint="it was made from a composition or a spectrum"
        )
    raise NotFoundError(
        f"nothing stored has the id {wanted[:80]!r}",
        hint="give the hash of a crystal, or the id of a prediction or an electron-phonon run",
    )


def model_records(database: Database) -> list[Record]:
    """Every model that ever spoke here, newest first, without its card.

    Raises:
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        return plain_records(
            connection,
            "SELECT id, first_used_at AT TIME ZONE 'UTC' AS first_used_at, card ->> 'description'"
            " AS description FROM models ORDER BY first_used_at DESC, id",
            {},
        )


def model_record(database: Database, model_id: str) -> Record | None:
    """One model with its card, or None.

    Raises:
        StoreError: the database does not answer.
    """
    if "\0" in model_id:
        return None
    with database.connect() as connection:
        found = plain_records(
            connection,
            "SELECT id, first_used_at AT TIME ZONE 'UTC' AS first_used_at, card FROM models"
            " WHERE id = %(id)s",
            {"id": model_id},
        )
    return found[0] if found else None


def prediction_rows(connection: sa.Connection, text: str, values: Record) -> list[Record]:
    """Rows with a ``source``, which leaves without its folders."""
    found = plain_records(connection, text, values)
    for record in found:
        if record["source"] is not None:
            record["source"] = file_name(record["source"])
    return found


def _plain_text(given: str, what: str) -> str:
    wanted = given.strip()
    if not wanted or "\0" in wanted:  # no text of a database
        raise NotFoundError(f"{given[:60]!r} names no {what}")
    return wanted


def _is_uuid(text: str) -> bool:
    import uuid

    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
