"""Predictions: written once, whole or not at all, and read back as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, InputError, NotFoundError, StoreError
from htc.spectra import Spectrum
from htc.store import Database, finish_run, get, save, save_each, start_run, top

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., "Prediction"]


def counts(database: Database) -> tuple[int, int]:
    """Rows of bete_runs and of htc_predictions."""
    with database.connect() as connection:
        bete = connection.execute(text("SELECT count(*) FROM bete_runs")).scalar_one()
        return bete, connection.execute(text("SELECT count(*) FROM htc_predictions")).scalar_one()


def test_a_prediction_comes_back_whole(database: Database, make_prediction: Make) -> None:
    spectrum = Spectrum(
        omega_mev=np.linspace(1.0, 40.0, 50),
        alpha2f=np.linspace(0.0, 0.5, 50),
        label="degauss 0.02 Ry",
        provenance={"format": "table", "smearing": np.float64(0.02)},
    )
    given = make_prediction(
        1,
        spectrum=spectrum,
        extrapolation_warning=True,
        extrapolation_reasons=("hydrogen under pressure", "new element"),
        pressure_gpa=150.0,
        provenance={"n": np.int64(3), "values": np.arange(2.0)},
    )
    (saved,) = save(database, [given], created_by="somebody")
    assert saved.is_new
    stored = get(database, saved.id)
    assert stored.prediction.as_dict() == given.as_dict()
    assert stored.prediction.structure == given.structure
    assert stored.prediction.spectrum is not None
    assert np.array_equal(stored.prediction.spectrum.omega_mev, spectrum.omega_mev)
    assert np.array_equal(stored.prediction.spectrum.alpha2f, spectrum.alpha2f)
    assert stored.prediction.spectrum.label == "degauss 0.02 Ry"
    assert stored.prediction.spectrum.provenance == {"format": "table", "smearing": 0.02}
    assert stored.prediction.provenance == {"n": 3, "values": [0.0, 1.0]}
    assert stored.created_by == "somebody"
    assert stored.bete_run_id is not None
    assert stored.structure_info == {"n_sites": 3, "lattice": {"a": 3.1, "b": 3.1, "c": 3.5, "volume": 29.0}}
    assert counts(database) == (1, 1)


EXAMINED: dict[str, Any] = {
    "phonon_stable": False,
    "phonon_verdict": "unstable",
    "imaginary_modes_count": 7,
    "lowest_frequency_thz": -1.25,
    "thermo_stable": False,
    "hull_distance_ev": 0.125,
    "hull_competitors": 14,
    "stability_potential": "sevennet-l3i5",
}


@pytest.mark.parametrize("tier", ["fast", "default", "best"])
def test_what_tier_stability_and_experiment_say_comes_back(
    database: Database, make_prediction: Make, tier: str
) -> None:
    given = make_prediction(
        1,
        omega_2_uncertainty=40.0,
        tc_experiment=35.0,
        tc_experiment_lower_95ci=0.0,
        tc_experiment_upper_95ci=60.5,
        model_tier=tier,
        **EXAMINED,
    )
    (saved,) = save(database, [given])
    stored = get(database, saved.id)
    assert stored.prediction.as_dict() == given.as_dict()
    assert stored.as_dict()["hull_distance_eV"] == 0.125
    (row,) = top(database, 1).rows
    assert row.model_tier == tier


@pytest.mark.parametrize("origin", ["measured", "surrogate"])
def test_the_origin_of_a_spectrum_comes_back(database: Database, make_prediction: Make, origin: str) -> None:
    spectrum = Spectrum(omega_mev=np.linspace(1.0, 40.0, 9), alpha2f=np.linspace(0.0, 0.5, 9))
    saved = save(
        database, [make_prediction(1, spectrum=spectrum, spectrum_origin=origin), make_prediction(2)]
    )
    origins = [get(database, one.id).prediction.spectrum_origin for one in saved]
    assert origins == [origin, None]
    with database.connect() as connection:
        found = connection.execute(
            text("SELECT spectrum_origin FROM bete_runs ORDER BY input_hash")
        ).scalars()
        assert found.all() == [origin, None]


def test_a_composition_writes_no_structure_run(database: Database, make_prediction: Make) -> None:
    save(database, [make_prediction(1, structure=None, structure_origin=None)])
    assert counts(database) == (0, 1)


def test_a_refusal_keeps_its_reason_and_its_structure(database: Database, make_prediction: Make) -> None:
    nothing = dict.fromkeys(
        (
            "tc_predicted",
            "tc_lower_95ci",
            "tc_upper_95ci",
            "tc_uncertainty",
            "lambda_ep",
            "omega_log",
            "omega_2",
            "mu_star",
            "confidence_level",
        )
    )
    refusal = make_prediction(1, applicable=False, reason="a cuprate", family="cuprate", **nothing)
    (saved,) = save(database, [refusal])
    stored = get(database, saved.id).prediction
    assert (stored.applicable, stored.reason, stored.tc_predicted) == (False, "a cuprate", None)
    assert stored.structure == refusal.structure
    assert counts(database) == (0, 1)


def test_the_same_input_is_recognised(database: Database, make_prediction: Make) -> None:
    first = save(database, [make_prediction(1), make_prediction(2), make_prediction(1)])
    assert [s.is_new for s in first] == [True, True, False]
    assert first[0].id == first[2].id
    again = save(database, [make_prediction(2), make_prediction(3)])
    assert [s.is_new for s in again] == [False, True]
    assert again[0].id == first[1].id
    assert counts(database) == (3, 3)


def test_concurrent_writers_of_the_same_inputs_agree(database: Database, make_prediction: Make) -> None:
    def write(offset: int) -> list[Any]:
        with Database.connect_to(database.engine.url) as own:
            order = [(i + 37 * offset) % 250 for i in range(250)]
            return sorted(zip(order, save(own, [make_prediction(i) for i in order]), strict=True))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    ids = [[saved.id for _, saved in result] for result in results]
    assert ids[0] == ids[1] == ids[2] == ids[3]
    assert sum(saved.is_new for result in results for _, saved in result) == 250
    assert counts(database) == (250, 250)


def test_runs_hold_their_predictions(database: Database, make_prediction: Make) -> None:
    run = start_run(database, "batch", created_by="me", label="a folder", settings={"mu_star": 0.1})
    (saved,) = save(database, [make_prediction(1)], run=run)
    finish_run(database, run)
    assert get(database, saved.id).run_id == run
    with database.connect() as connection:
        row = connection.execute(text("SELECT run_type, parent_batch_id FROM bete_runs")).one()
        finished = connection.execute(text("SELECT finished_at IS NOT NULL FROM runs")).scalar_one()
    assert tuple(row) == ("batch", run)
    assert finished
    with pytest.raises(NotFoundError):
        finish_run(database, "none")


def test_chunks_are_kept_when_the_source_fails(database: Database, make_prediction: Make) -> None:
    def source() -> Iterator[Prediction]:
        yield from (make_prediction(i) for i in range(250))
        raise RuntimeError("the reader broke")

    with pytest.raises(RuntimeError):
        save(database, source())
    assert counts(database) == (200, 200)


def test_one_row_against_the_rules_does_not_cost_the_others(
    database: Database, make_prediction: Make
) -> None:
    with pytest.raises(StoreError, match="rules refuse") as caught:
        save(database, [make_prediction(1), make_prediction(2, tc_upper_95ci=1.0), make_prediction(3)])
    assert caught.value.where == "input-2"
    assert counts(database) == (2, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_hash": ""}, "without input_hash"),
        ({"provenance": {"x": float("nan")}}, "cannot be stored as JSON"),
        ({"provenance": {"x": object()}}, "object has no JSON form"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    database: Database, make_prediction: Make, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        save(database, [make_prediction(1, **changes)])
    assert counts(database) == (0, 0)


def test_ids_may_be_shortened(database: Database, make_prediction: Make) -> None:
    saved = save(database, [make_prediction(i) for i in range(3)])
    assert get(database, f" {saved[0].id[:12].upper()} ").id == saved[0].id
    with pytest.raises(NotFoundError, match="beginning with 'zzzz'") as caught:
        get(database, "zzzz")
    assert "htc top" in str(caught.value.hint)
    with pytest.raises(InputError, match="too short"):
        get(database, "ab")
    with pytest.raises(NotFoundError):
        get(database, "%%%%")
    with database.begin() as connection:
        connection.execute(text("UPDATE htc_predictions SET id = 'abcd-' || left(id, 8)"))
    with pytest.raises(InputError, match="several"):
        get(database, "abcd")


KILLED = """
import os, sys
from htc.store.database import Database, user_url
from htc.store import predictions
from htc.prediction.record import Prediction
database = Database.connect_to(user_url(sys.argv[1]))
plain = predictions._insert
def insert(connection, table, rows):
    if table.name == "htc_predictions" and rows[0]["source"].startswith("1"):
        print("between", flush=True)   # bete_runs of this chunk are written, htc_predictions are not
        sys.stdin.read()
    return plain(connection, table, rows)
predictions._insert = insert
predictions.save(database, (
    Prediction(source=f"{i // 100}-{i}", composition="Nb", reduced_formula="Nb", family="elemental",
               applicable=True, tc_predicted=9.0, structure={"sites": [{"label": "Nb"}]}, input_hash=str(i))
    for i in range(300)))
"""


def test_a_client_killed_in_the_middle_leaves_nothing_half_written(
    database: Database, make_prediction: Make
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    client = subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "between\n"
    os.kill(client.pid, signal.SIGKILL)
    client.communicate()
    assert counts(database) == (100, 100)
    # The next writer of the same inputs is not held up by the dead one.
    assert save(database, [make_prediction(0, input_hash="150")])[0].is_new


def test_a_connection_lost_in_the_middle_is_said_and_the_next_one_works(
    database: Database, make_prediction: Make
) -> None:
    def source() -> Iterator[Prediction]:
        for i in range(250):
            if i == 150:
                with Database.connect_to(database.engine.url) as other, other.begin() as connection:
                    connection.execute(
                        text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                    )
            yield make_prediction(i)

    # Between chunks nothing is held: a lost idle connection is replaced without a word.
    assert len(save(database, source())) == 250

    def cut_off() -> None:
        with database.begin() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError, match=r"going down|connection to the database was lost"):
        cut_off()
    assert counts(database) == (250, 250)


def test_saving_is_lazy(database: Database, make_prediction: Make) -> None:
    saved = save_each(database, (make_prediction(i) for i in range(101)))
    next(saved)
    assert counts(database) == (100, 100)
    assert len(list(saved)) == 100
