"""Spectra written are read back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import StorageError
from htc.spectra import Spectrum, check, read_spectra
from htc.spectra.writing import write_spectrum

OMEGA = np.linspace(0.1, 30.0, 77)
ALPHA2F = np.exp(-(((OMEGA - 17.0) / 4.0) ** 2)) * (OMEGA < 29.0)


@pytest.mark.parametrize("origin", ["surrogate", None])
def test_a_spectrum_comes_back_exactly_and_says_whether_it_is_a_surrogate(
    tmp_path: Path, origin: str | None
) -> None:
    provenance = {"origin": origin, "form": "c w^a (1 - w/w_max)^2"} if origin else {}
    written = Spectrum(OMEGA, ALPHA2F, origin or "total", provenance)
    write_spectrum(written, tmp_path / "x.a2f", title="MgB2, a model,\n0 GPa")
    (read,) = read_spectra(tmp_path / "x.a2f")
    np.testing.assert_array_equal(read.omega_mev, written.omega_mev)
    np.testing.assert_array_equal(read.alpha2f, written.alpha2f)
    assert read.is_surrogate is written.is_surrogate is (origin is not None)
    assert read.label == written.label
    assert [f.code for f in check(read)] == (["surrogate"] if origin else [])
    header = (tmp_path / "x.a2f").read_text("utf-8").splitlines()[:5]
    assert header[0] == "# MgB2, a model, 0 GPa"
    assert ("neither calculated nor measured" in header[1]) is (origin is not None)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_spectrum(Spectrum(OMEGA, ALPHA2F), tmp_path / "none" / "x.a2f")
