"""The bundled inputs over HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from htc.materials.reading import read_structure
from htc.spectra.readers import read_spectra


def test_every_bundled_input_is_listed_and_can_be_read(client: httpx.Client, tmp_path: Path) -> None:
    listed = client.get("/api/htc/examples").json()["examples"]
    assert {"al_qe", "mgb2_epw", "Nb3Sn.cif"} <= {example["name"] for example in listed}
    for example in listed:
        answer = client.get(f"/api/htc/examples/{example['name']}")
        assert answer.status_code == 200
        assert example["file_name"] in answer.headers["content-disposition"]
        if example["formula"] is None:
            continue
        file = tmp_path / example["file_name"]
        file.write_text(answer.text, "utf-8")
        assert read_spectra(file) if example["kind"] == "spectrum" else read_structure(file).num_sites


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fmanifest.toml", "manifest.toml"])
def test_nothing_else_is_handed_out(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/api/htc/examples/{name}")
    assert answer.status_code == 404
