"""First principles beat the model: in `htc predict`, in the ranking, on the material's page, in a pack."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from htc.cli import app
from htc.dft import parse, read_manifest
from htc.dft.manifest import write_manifest
from htc.evidence import build_pack, verify_pack
from htc.evidence.pack import zip_bytes
from htc.evidence.sources import gather
from htc.prediction import Prediction
from htc.settings import Settings
from htc.store import Database, Filters, get, save, start_run, top
from htc.store.calculated import calculated_records


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def model_says(make_prediction: Callable[..., Prediction]) -> Callable[..., Prediction]:
    """A model's prediction of aluminium."""

    def say(number: int, **changes: object) -> Prediction:
        aluminium: dict[str, object] = {
            "composition": "Al1",
            "reduced_formula": "Al",
            "family": "elemental",
            "tc_predicted": 9.0,
            "tc_lower_95ci": 0.0,
            "tc_upper_95ci": 20.0,
        }
        return make_prediction(number, **aluminium | changes)

    return say


def test_of_the_same_formula_and_pressure(
    finished: Path, database: Database, model_says: Callable[..., Prediction]
) -> None:
    run = start_run(database, "screen", created_by="me")
    model, pressed, aside = (
        saved.id
        for saved in save(
            database,
            [
                model_says(1),
                model_says(2, pressure_gpa=20.0),
                model_says(3, reduced_formula="Nb", composition="Nb1"),
            ],
            run=run,
        )
    )
    (calculated,) = save(database, [parse(finished).prediction], run=run)
    assert not save(database, [parse(finished).prediction])[0].is_new
    ranked = {row.id for row in top(database, filters=Filters(experiment_id=run)).rows}
    assert ranked == {model, pressed, aside, calculated.id}
    best = {row.id for row in top(database, filters=Filters(experiment_id=run, best_known=True)).rows}
    assert best == {pressed, aside, calculated.id}
    assert [r["id"] for r in calculated_records(database, ["Al"], pressure_gpa=0.0)["Al"]] == [calculated.id]
    assert calculated_records(database, ["Al"], pressure_gpa=20.0) == {}
    again = get(database, calculated.id).prediction
    assert again.spectrum is not None
    assert again.spectrum.first_principles == "Quantum ESPRESSO 6.7MaX"


def test_a_surrogate_outranks_nothing(
    database: Database, finished: Path, model_says: Callable[..., Prediction]
) -> None:
    said = parse(finished).prediction
    (model,) = save(database, [model_says(1)])
    save(database, [replace(said, spectrum_origin="surrogate")])
    assert model.id in {row.id for row in top(database, filters=Filters(best_known=True)).rows}


def test_through_the_commands(finished: Path, database_in_settings: Database) -> None:
    """prepare from a stored prediction, parse --store, and everything that shows aluminium afterwards."""
    (before,) = json.loads(command("predict", "Al", "--json"))
    assert before["calculated"] is None
    manifest = read_manifest(finished)
    assert manifest is not None
    write_manifest(replace(manifest, prediction_id=before["id"]), finished)
    (parsed,) = json.loads(command("dft", "parse", finished, "--store", "--json"))
    assert parsed["prediction_id"] == before["id"]
    (after,) = json.loads(command("predict", "Al", "--json"))
    assert after["id"] == before["id"]
    assert after["calculated"]["id"] == parsed["id"]
    assert after["calculated"]["tc_predicted"] == pytest.approx(parsed["tc_k"]["allen_dynes"])
    table = command("predict", "Al").splitlines()
    rows = [line for line in table if line.split()[:1] == ["Al"]]
    assert ("alpha2F" in rows[0], "library" in rows[1]) == (True, True)
    assert "Al †" in command("top")
    assert "Al †" not in command("top", "--best-known")
    assert len(json.loads(command("top", "--best-known", "--json"))) == 1


def test_the_pack_of_a_calculation_verifies(finished: Path, database: Database) -> None:
    (saved,) = save(database, [parse(finished).prediction])
    sources = gather(database, get(database, saved.id), Settings())
    found = verify_pack(zip_bytes(build_pack(sources).files))
    assert found.holds, found.summary


def test_the_best_of_a_run_are_prepared(
    database_in_settings: Database, finished: Path, tmp_path: Path, model_says: Callable[..., Prediction]
) -> None:
    """Highest Tc first, a folder each, one of each crystal; those without a crystal are passed over."""
    crystal = parse(finished).prediction.structure
    run = start_run(database_in_settings, "screen", created_by="me")
    lead = {"lattice": dict(crystal["lattice"], matrix=[[0, 2.5, 2.5], [2.5, 0, 2.5], [2.5, 2.5, 0]])}  # type: ignore[index,call-overload]  # a crystal
    saved = save(
        database_in_settings,
        [
            model_says(1, tc_predicted=5.0, structure=crystal),
            model_says(2, tc_predicted=7.0, structure=crystal, mu_star=0.2),
            model_says(3, tc_predicted=9.0, structure=None, structure_origin=None),
            model_says(4, tc_predicted=3.0, structure=dict(crystal, **lead), pressure_gpa=5.0),  # type: ignore[arg-type]  # a crystal
        ],
        run=run,
    )
    pseudo = tmp_path / "pseudo"
    pseudo.mkdir()
    (pseudo / "Al.UPF").write_text(
        '<PP_HEADER element="Al" pseudo_type="NC" functional="PBE" z_valence="3" wfc_cutoff="20"/>\n'
    )
    done = json.loads(
        command("dft", "prepare", run, "--out", tmp_path / "out", "-n", 2, "--pseudo-dir", pseudo, "--json")
    )
    assert [(d["prediction_id"], d["run_id"]) for d in done] == [(saved[1].id, run), (saved[3].id, run)]
    assert done[1]["pressure_gpa"] == 5.0
    assert all((Path(d["folder"]) / "run.sh").is_file() for d in done)
    # A crystal that is known at ambient pressure is where a relaxation under pressure begins.
    given = ("dft", "prepare", "Al", "--out", tmp_path / "under", "--pseudo-dir", pseudo, "--pressure", 30)
    (under,) = json.loads(command(*given, "--json"))
    assert under["pressure_gpa"] == 30.0
