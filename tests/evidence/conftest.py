"""Packs of every kind of prediction, made once."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

import htc
from htc.evidence import Sources, build_pack
from htc.evidence.pack import manifest_of, zip_bytes
from htc.evidence.record import as_json
from htc.evidence.sources import installed_model
from htc.prediction import Prediction, predict_from_spectrum
from htc.prediction.surrogate import with_surrogate_spectrum
from htc.spectra import read_spectra
from htc.store import StoredPrediction

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "src" / "htc" / "examples" / "spectra"

KINDS = ("crystal", "surrogate", "composition", "measured", "refusal")


def sources_of(prediction: Prediction, number: int = 1, **changes: object) -> Sources:
    """What a pack of a prediction is made of, as if it were stored."""
    stored = StoredPrediction(
        id=f"00000000-0000-4000-8000-{number:012d}",
        prediction=prediction,
        created_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
        created_by="Ada Lovelace",
        run_id=None,
        bete_run_id=None,
        pressure_uncertainty_gpa=0.0,
        structure_info=None,
    )
    model = None if prediction.model_id is None else installed_model(prediction.model_id)
    known: dict[str, object] = {"database_revision": "007_service"}
    if model is not None:
        known["card"] = model.card
        if prediction.tc_experiment is not None and model.experiment is not None:
            known["experiment"] = model.experiment.to_dict()
    return Sources(stored=stored, **known | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def predictions() -> Mapping[str, Prediction]:
    """One prediction of every kind."""
    crystal, refusal, composition = htc.predict(["Nb3Sn", "YBa2Cu3O7", "Nb0.6Ti0.4"])
    spectra = read_spectra(EXAMPLES / "mgb2_epw" / "MgB2.a2f")
    measured = predict_from_spectrum(
        spectra, "MgB2", source="/laboratory/ada/MgB2.a2f", mu_star=0.16, label=spectra[0].label
    )
    return {
        "crystal": crystal,
        "surrogate": with_surrogate_spectrum(crystal),
        "composition": composition,
        "measured": measured,
        "refusal": refusal,
    }


@pytest.fixture(scope="session")
def packs(predictions: Mapping[str, Prediction]) -> Mapping[str, Mapping[str, bytes]]:
    """The files of a pack of every kind."""
    return {kind: build_pack(sources_of(each)).files for kind, each in predictions.items()}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of prediction."""
    return str(request.param)


def described(files: Mapping[str, bytes]) -> bytes:
    """The metadata of the crate with sizes and checksums that fit."""
    try:
        crate = json.loads(files["ro-crate-metadata.json"])
        for entity in crate["@graph"]:
            if entity["@id"] in files and "sha256" in entity:
                content = files[entity["@id"]]
                entity |= {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "contentSize": str(len(content)),
                }
    except (ValueError, TypeError, KeyError, RecursionError):
        return files["ro-crate-metadata.json"]
    return as_json(crate)


@pytest.fixture
def repacked() -> Callable[..., bytes]:
    """``repacked(files, sealed=True)``: a zip of them, with checksums that fit everywhere if ``sealed``."""

    def pack(files: Mapping[str, bytes], *, sealed: bool) -> bytes:
        files = dict(files)
        if sealed:
            if "ro-crate-metadata.json" in files:
                files["ro-crate-metadata.json"] = described(files)
            files["manifest-sha256.txt"] = manifest_of(files)
        return zip_bytes(files)

    return pack


@pytest.fixture
def unzipped() -> Callable[[bytes], dict[str, bytes]]:
    """The files of a zip."""

    def unzip(content: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    return unzip
