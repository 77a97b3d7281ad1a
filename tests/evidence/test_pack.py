"""What is in a pack, that it is an RO-Crate, and that it is the same every time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from tests.evidence.conftest import sources_of

from htc.evidence import build_pack
from htc.evidence.pack import WHAT
from htc.evidence.record import record_schema
from htc.prediction import Prediction
from htc.spectra import Spectrum, read_spectra

Files = Mapping[str, bytes]

ALWAYS = {
    "README.md", "environment.json", "manifest-sha256.txt", "prediction.json", "prediction.schema.json",
    "ro-crate-metadata.json", "ro-crate-preview.html", "worksheet.html", "worksheet.json", "worksheet.md",
}  # fmt: skip
CRYSTAL = {"input/structure.json", "input/structure.cif"}
SPECTRUM = {"spectrum/alpha2f.csv", "spectrum/alpha2f.dat", "spectrum/alpha2f.json", "figures/alpha2f.svg"}
MODEL = {"model/card.json", "model/experiment.json"}


def test_a_pack_holds_what_its_prediction_has(packs: Mapping[str, Files]) -> None:
    assert set(packs["crystal"]) == ALWAYS | CRYSTAL | MODEL
    assert set(packs["surrogate"]) == ALWAYS | CRYSTAL | MODEL | SPECTRUM
    assert set(packs["measured"]) == ALWAYS | SPECTRUM
    assert set(packs["refusal"]) == ALWAYS | CRYSTAL
    assert {"model/card.json"} <= set(packs["composition"]) - ALWAYS <= MODEL
    assert all(set(files) <= set(WHAT) for files in packs.values())


def test_equal_predictions_give_equal_bytes(kind: str, predictions: Mapping[str, Prediction]) -> None:
    first, second = sources_of(predictions[kind]), sources_of(predictions[kind])
    assert build_pack(first).to_zip() == build_pack(second).to_zip()
    assert first.etag == second.etag


def test_the_etag_changes_with_whatever_is_in_the_pack(predictions: Mapping[str, Prediction]) -> None:
    p = predictions["measured"]
    assert p.spectrum is not None
    moved = Spectrum(p.spectrum.omega_mev, p.spectrum.alpha2f * 1.0000001, p.spectrum.label)
    others = [
        sources_of(replace(p, tc_predicted=1.0)),
        sources_of(replace(p, spectrum=moved)),
        sources_of(p, 2),
        sources_of(p, licence="CC-BY-4.0"),
        sources_of(p, database_revision="006_model_tiers"),
    ]
    etags = {sources.etag for sources in [sources_of(p), *others]}
    assert len(etags) == len(others) + 1


def test_the_record_follows_its_schema(kind: str, packs: Mapping[str, Files]) -> None:
    schema = json.loads(packs[kind]["prediction.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == record_schema()
    record = json.loads(packs[kind]["prediction.json"])
    jsonschema.Draft202012Validator(schema).validate(record)
    assert set(record) == set(schema["properties"])
    assert all(field["description"] for field in schema["properties"].values())


def test_the_manifest_is_one_of_sha256sum(kind: str, packs: Mapping[str, Files]) -> None:
    files = packs[kind]
    rows = dict(reversed(row.split("  ")) for row in files["manifest-sha256.txt"].decode().splitlines())
    assert rows == {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path != "manifest-sha256.txt"
    }


def test_the_crate_says_what_made_what_from_what(packs: Mapping[str, Files]) -> None:
    files = packs["surrogate"]
    crate = json.loads(files["ro-crate-metadata.json"])
    graph = {entity["@id"]: entity for entity in crate["@graph"]}
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.2/context"
    assert graph["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = graph["./"]
    assert root["@type"] == "Dataset"
    assert all(root[name] for name in ("name", "description", "datePublished", "license", "hasPart"))
    parts = {part["@id"] for part in root["hasPart"]}
    assert parts == set(files) - {"ro-crate-metadata.json", "ro-crate-preview.html", "manifest-sha256.txt"}
    for path in parts:
        assert graph[path]["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert graph[path]["contentSize"] == str(len(files[path]))
        assert graph[path]["name"]
        assert graph[path]["encodingFormat"]
    action = graph[root["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    assert graph[action["agent"]["@id"]]["name"] == "Ada Lovelace"
    assert {graph[i["@id"]]["@type"] for i in action["instrument"]} == {"SoftwareApplication"}
    # A surrogate spectrum follows from the prediction: it is no input.
    assert {o["@id"] for o in action["object"]} == CRYSTAL
    assert {graph[m["@id"]]["propertyID"] for m in root["variableMeasured"]} >= {"tc_predicted", "lambda_ep"}
    named = re.findall(r'"@id": "([^"]+)"', json.dumps(crate))
    assert {n for n in named if not n.startswith("http")} <= set(graph)


def test_a_given_spectrum_is_the_input(packs: Mapping[str, Files]) -> None:
    graph = {e["@id"]: e for e in json.loads(packs["measured"]["ro-crate-metadata.json"])["@graph"]}
    assert {o["@id"] for o in graph["#prediction"]["object"]} == {
        "spectrum/alpha2f.json",
        "spectrum/alpha2f.dat",
    }


@pytest.mark.parametrize(
    ("licence", "identity"),
    [
        (None, "#licence"),
        ("CC-BY-4.0", "https://spdx.org/licenses/CC-BY-4.0"),
        ("https://example.org/terms", "https://example.org/terms"),
        ("Only within the laboratory.", "#licence"),
    ],
)
def test_the_licence_is_the_one_that_was_set(
    licence: str | None, identity: str, predictions: Mapping[str, Prediction]
) -> None:
    files = build_pack(sources_of(predictions["refusal"], licence=licence)).files
    graph = {e["@id"]: e for e in json.loads(files["ro-crate-metadata.json"])["@graph"]}
    assert graph["./"]["license"] == {"@id": identity}
    assert (licence or "Nobody has said") in files["README.md"].decode().replace("\\", "")


def test_no_folder_of_anybody_is_in_a_pack(packs: Mapping[str, Files]) -> None:
    for path, content in packs["measured"].items():
        text = content.decode()
        assert "/laboratory/ada" not in text, path
        assert str(Path(__file__).parents[2]) not in text, path
    assert json.loads(packs["measured"]["prediction.json"])["source"] == "MgB2.a2f"


def test_the_readers_take_the_spectrum_back(packs: Mapping[str, Files], tmp_path: Path) -> None:
    file = tmp_path / "alpha2f.dat"
    file.write_bytes(packs["measured"]["spectrum/alpha2f.dat"])
    (spectrum,) = read_spectra(file)
    record = json.loads(packs["measured"]["prediction.json"])
    assert spectrum.lambda_ep == record["lambda_ep"]
    assert spectrum.omega_log_k == record["omega_log"]


def test_pages_are_well_formed_and_need_nothing_from_elsewhere(kind: str, packs: Mapping[str, Files]) -> None:
    page = packs[kind]["worksheet.html"].decode()
    assert not re.search(r'(?:src|href)="(?!https://doi\.org/)[^"#]', page)
    assert "<script" not in page
    if "figures/alpha2f.svg" in packs[kind]:
        ElementTree.fromstring(packs[kind]["figures/alpha2f.svg"])


def test_words_of_strangers_stay_words(predictions: Mapping[str, Prediction]) -> None:
    bad = '<script>alert("x")</script>`|**_[a](http://x)'
    p = replace(
        predictions["surrogate"],
        reduced_formula=bad,
        source=bad,
        extrapolation_reasons=(bad,),
        provenance={**predictions["surrogate"].provenance, "cautions": [bad], "notes": [bad]},
    )
    files = build_pack(sources_of(p)).files
    for path, content in files.items():
        if path.endswith((".html", ".svg")):
            assert b"<script" not in content, path
        if path.endswith(".md"):
            assert not re.search(rb"(?<!\\)(?:<script|\]\(http)", content), path
    ElementTree.fromstring(files["figures/alpha2f.svg"])


def test_a_fine_spectrum_is_drawn_with_its_peaks() -> None:
    from htc.evidence.figure import draw

    omega = np.linspace(0.1, 100.0, 50_000)
    values = np.where(np.arange(omega.size) == 31_234, 7.0, 0.1)
    svg = draw(Spectrum(omega, values), "spike")
    assert len(svg) < 300_000
    root = ElementTree.fromstring(svg)
    (line,) = [e for e in root.iter() if e.get("class") == "line"]
    heights = [float(point.split(",")[1]) for point in line.get("points", "").split()]
    assert min(heights) < 60.0


def test_a_row_of_an_earlier_version_has_a_pack(predictions: Mapping[str, Prediction]) -> None:
    old = Prediction(
        source="unknown",
        composition="Nb3Sn",
        reduced_formula="Nb3Sn",
        family="unknown",
        applicable=True,
        tc_predicted=float("nan"),
        mu_star=0.13,
        structure={"lattice": "lost", "sites": None},
    )
    files = build_pack(sources_of(old)).files
    assert "input/structure.cif" not in files
    assert json.loads(files["prediction.json"])["tc_predicted"] is None
    assert "no lambda" in files["worksheet.md"].decode().replace("\\", "")


def test_the_library_of_ro_crates_reads_it(packs: Mapping[str, Files], tmp_path: Path) -> None:
    from rocrate.rocrate import ROCrate

    for path, content in packs["surrogate"].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    crate = ROCrate(tmp_path)
    assert crate.root_dataset["name"] == "Evidence for the critical temperature of Nb3Sn"
    assert crate.root_dataset["mainEntity"].id == "worksheet.html"
    action = crate.root_dataset["mentions"]
    assert [part.id for part in action["result"]] == ["prediction.json"]
    assert {part.id for part in crate.data_entities} <= set(packs["surrogate"])
