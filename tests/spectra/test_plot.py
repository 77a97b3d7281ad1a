"""Pictures are written, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import InputError, StorageError
from htc.spectra import Spectrum, read_spectra
from htc.spectra.plot import plot_spectra, sparkline

EXAMPLES = Path(__file__).resolve().parents[2] / "src/htc/examples/spectra"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_of_two_files(tmp_path, suffix):
    spectra = [
        s for name in ("al_qe/alpha2F.dat", "mgb2_epw/MgB2.a2f") for s in read_spectra(EXAMPLES / name)
    ]
    path = tmp_path / f"a2f.{suffix}"
    plot_spectra(spectra, path)
    assert path.stat().st_size > 10_000


def test_what_cannot_be_drawn(tmp_path):
    spectrum = Spectrum([1.0, 2.0], [0.1, 0.0])
    with pytest.raises(InputError, match=r"\.docx"):
        plot_spectra([spectrum], tmp_path / "a.docx")
    with pytest.raises(InputError, match="0 files"):
        plot_spectra([], tmp_path / "a.png")
    with pytest.raises(StorageError, match="cannot be written"):
        plot_spectra([spectrum], tmp_path / "absent" / "a.png")


def test_sparkline():
    omega = np.linspace(0.1, 10.0, 100)
    assert sparkline(Spectrum(omega, np.where(omega > 5.0, 1.0, 0.0)), 10) == "     █████"
    assert sparkline(Spectrum(omega, 0.0 * omega), 4) == "    "
    rising = sparkline(Spectrum(omega, omega), 8)
    assert list(rising) == sorted(rising)
    assert rising[-1] == "█"
