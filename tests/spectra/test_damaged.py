"""Spectra that were damaged, or made to harm: numbers or a SpectrumError, and nothing else.

The texts by name were found by mutating real files for hours: some were read for minutes, or for ever. The
drawn ones go on looking.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import SpectrumError
from htc.spectra.checks import check
from htc.spectra.readers import read_spectra

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "src/htc/examples/spectra", ROOT / "tests/data/spectra")
FILES = {
    str(path): path.read_bytes()
    for folder in FOLDERS
    for path in sorted(folder.rglob("*"))
    if path.is_file() and 0 < path.stat().st_size < 60_000 and path.suffix not in {".md", ".toml"}
}

EPW = "#  w[meV] a2f and integrated 2*a2f/w for 2 smearing values\n 1 2 3 4 5\n 2 3 4 5 6\n 3 4 5 6 7\n"

FOUND = {
    "digits before smearing": f"w[meV] a2f and integrated {'1' * 200_000}\n1 2\n2 3\n",
    "blanks behind the table of EPW": f"{EPW}a{' ' * 300_000}b\n",
    "a header of one word": f"# alpha2F {'a' * 200_000}\n1 2\n2 3\n",
    "a header of many brackets": "# alpha2F " + "w in (" * 40_000 + "\n1 2\n2 3\n",
    "a column of the spreadsheet that breaks off": 'freqs, THz,a2f (x\n1,2\n2,3\n"',
    "a broadening that is none": "# E(THz) . 1.0\n1 2 3\n2 3 4\n",
    "frequencies beyond numbers": "# alpha2F, omega (THz)\n1e308 1\n1.5e308 1\n",
    "numbers that are none": "# alpha2F, omega (THz)\nnan nan\ninf nan\n",
    "numbers without end": "# alpha2F, omega (THz)\n" + ("9" * 5000 + " 1\n") * 3,
    "one line of many numbers": "# alpha2F\n" + "1 " * 300_000,
    "quotes without end": 'freqs, THz,"' + '"' * 200_000 + "\n1,2\n",
}


@pytest.mark.parametrize("name", FOUND)
def test_found_by_fuzzing(name: str, tmp_path: Path) -> None:
    file = tmp_path / "alpha2F.dat"
    file.write_text(FOUND[name])
    try:
        spectra = read_spectra(file)
    except SpectrumError:
        pass
    else:
        assert all(math.isfinite(spectrum.lambda_ep) for spectrum in spectra)


def test_infinite_frequencies_of_matdyn(tmp_path: Path) -> None:
    whole = (ROOT / "tests/data/spectra/qe_al_example03").rglob("a2F.dos*")
    text = next(iter(sorted(whole))).read_text()
    for bad in ("1e999", "nan", "-1e308"):
        file = tmp_path / "a2F.dos1"
        lines = text.splitlines()
        lines[9] = lines[9].replace(lines[9].split()[0], bad)
        file.write_text("\n".join(lines))
        with pytest.raises(SpectrumError):
            read_spectra(file)


DamagedCopies = Callable[[list[bytes], tuple[str, ...]], st.SearchStrategy[bytes]]

TOKENS = (
    "#", "\x00", "\ufeff", "\r", "\x0c", " " * 300, "A" * 300, "nan", "inf", "-inf", "1e308", "1e-308",
    "1e999", "0", "-1", "9" * 30, "1.0-143", "1d5", "***", ".", "1_0", "meV", "THz", "Ry", "cm-1",
    "lambda", "smearing", "alpha2F", ",", ";", "\n\n", "&", "/", "\u0661",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), unit=st.sampled_from((None, "meV", "THz")))
def test_damaged_files_are_read_or_refused(
    tmp_path: Path, data: st.DataObject, unit: str | None, damaged_copies: DamagedCopies
) -> None:
    content = data.draw(damaged_copies(list(FILES.values()), TOKENS))
    file = tmp_path / "alpha2F.dat"
    file.write_bytes(content)
    try:
        spectra = read_spectra(file, unit=unit)
    except SpectrumError:
        pass
    else:
        assert spectra
        for spectrum in spectra:
            check(spectrum)
