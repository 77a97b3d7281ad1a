"""The closed formulas on published couplings: against the Tc their papers give, and against measurement.

Where a paper used one of the formulas itself, ours has to give the same Tc within the digits that are
printed. Where it solved the Eliashberg equations, the difference is the formula's. Where Tc was measured, the
difference is that of theory and calculation together.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import resources
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final

from htc.errors import InputError
from htc.theory.empirical import FORMULAS, Formula
from htc.validation.cases import Case, Pair, Suite, View, doi_in
from htc.validation.literature import Row, Source, literature
from htc.validation.suites.model_pairs import fingerprint_of

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["make"]

_NAMES: Final[Mapping[str, str]] = {
    "exponential": "exponential",
    "allen_dynes_f1": "Allen-Dynes f1",
    "allen_dynes": "Allen-Dynes f1 f2",
    "xie_2022": "Xie 2022",
}
_MU_STAR: Final = 0.10
"""Of the bundled spectra, for which no paper states one."""

_VIEWS: Final = (
    View(
        name="published",
        title="Tc by the paper's own formula against the Tc it prints",
        unit="K",
        known="Tc in the paper (K)",
        predicted="Tc by the same formula here (K)",
        group="formula",
        headline="within",
        case_tolerance=0.0,
        case_tolerance_share=1e-4,
        least_change=1e-6,
    ),
    View(
        name="eliashberg",
        title="Closed formulas against published Eliashberg Tc",
        unit="K",
        known="Tc by Eliashberg equations, published (K)",
        predicted="Tc by the closed formula (K)",
        group="formula",
        headline_part="formula: Allen-Dynes f1 f2",
        case_tolerance=0.0,
        case_tolerance_share=1e-4,
        least_change=1e-6,
    ),
    View(
        name="measured",
        title="Closed formulas on published couplings against measured Tc",
        unit="K",
        known="measured Tc (K)",
        predicted="Tc by the closed formula (K)",
        group="formula",
        headline_part="formula: Allen-Dynes f1",
        case_tolerance=0.0,
        case_tolerance_share=1e-4,
        least_change=1e-6,
    ),
)


def make(_data: Path | None = None) -> Suite:
    """The suite ``formulas``."""
    return _made()


@lru_cache(maxsize=1)
def _made() -> Suite:
    rows, sources = literature()
    excluded: Counter[str] = Counter(
        "its numbers could not be confirmed" for row in rows if not row.is_confirmed
    )
    good = [row for row in rows if row.is_confirmed]
    cases = [case for row in good for case in _cases(row, sources[row.source])]
    materials = len({row.formula for row in good})
    return Suite(
        name="formulas",
        title="Closed formulas against the literature",
        about=f"{len(good)} published rows of lambda, omega_log and mu* for {materials} materials, and two "
        "bundled spectra; Tc by every formula that a row has the numbers for.",
        cases=(*cases, *_bundled()),
        views=_VIEWS,
        cautions=(
            "Published Eliashberg Tc have mu* at a cutoff of 10 omega_max, formulas that of Allen and Dynes: "
            "at the same number the formulas come out lower (docs/explanation/mu-star.md).",
            "mu* is the one the source states: fitted to the measured Tc in some, assumed in others.",
            "A measured Tc is of a sample, not of the computed crystal; first-principles rows of soft "
            "lattices can be far off.",
        ),
        excluded=dict(excluded),
        fingerprint=fingerprint_of(row.model_dump_json() for row in rows),
    )


def _cases(row: Row, source: Source) -> list[Case]:
    """One case a formula."""
    found = []
    for name, formula in FORMULAS.items():
        if formula.needs_omega_2 and row.omega_2_k is None:
            continue
        if row.tc_measured_k is None and row.method not in (name, "eliashberg"):
            continue
        found.append(
            Case(
                label=f"{row.material}, {row.source}, {_NAMES[name]}",
                formula=row.formula,
                pressure_gpa=row.pressure_gpa,
                source=source.reference,
                doi=source.doi,
                compute=partial(_compare, row, name, formula),
                facts={
                    "lambda_ep": row.lambda_ep.value,
                    "omega_log": row.omega_log_k.value,
                    "mu_star": None if row.mu_star is None else row.mu_star.value,
                    "measured_doi": row.measured_doi,
                    "kind": row.kind,
                    "confirmed": row.confirmed,
                    **({"note": row.note} if row.note else {}),
                },
            )
        )
    return found


def _compare(row: Row, name: str, formula: Formula) -> list[Pair]:
    tc = _tc(row, formula)
    groups = {"formula": _NAMES[name], "couplings from": row.kind, "source": row.source}
    pairs = []
    if row.tc_calculated_k is not None and row.method in (name, "eliashberg"):
        same = row.method == name
        open_by = _left_open(row, formula) + row.tc_calculated_k.half_digit if same else None
        pairs.append(
            Pair(
                view="published" if same else "eliashberg",
                known=row.tc_calculated_k.value,
                predicted=tc,
                tolerance=open_by,
                within=None
                if open_by is None
                else abs(tc - row.tc_calculated_k.value) <= open_by * (1 + 1e-9),
                groups=groups,
            )
        )
    if row.tc_measured_k is not None:
        pairs.append(Pair(view="measured", known=row.tc_measured_k.value, predicted=tc, groups=groups))
    return pairs


def _tc(row: Row, formula: Formula, ends: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)) -> float:
    """Tc of the row, its numbers moved by so many half digits."""
    if row.mu_star is None:  # the schema asks for it
        raise InputError("a row without mu*", where=row.material)
    omega_2 = None if row.omega_2_k is None else row.omega_2_k.value + ends[3] * row.omega_2_k.half_digit
    return float(
        formula(
            max(row.lambda_ep.value + ends[0] * row.lambda_ep.half_digit, 0.0),
            row.omega_log_k.value + ends[1] * row.omega_log_k.half_digit,
            max(row.mu_star.value + ends[2] * row.mu_star.half_digit, 0.0),
            omega_2_k=omega_2,
        )
    )


def _left_open(row: Row, formula: Formula) -> float:
    """How far the printed digits of its arguments leave Tc open, K."""
    tc = _tc(row, formula)
    side = (-1.0, 1.0)
    corners = product(side, side, side, side)
    return max(abs(_tc(row, formula, corner) - tc) for corner in corners)


def _bundled() -> list[Case]:
    """Spectra of our own, whose material has a measured Tc."""
    folder = resources.files("htc.examples") / "spectra"
    manifest = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    return [
        Case(
            label=f"{row['formula']} ({row['file']}), {_NAMES[name]}",
            formula=row["formula"],
            pressure_gpa=0.0,
            source=row["source"],
            doi=doi_in(row["source"]),
            compute=partial(
                _of_spectrum, Path(str(folder / row["file"])), float(row["tc_measured_k"]), name, formula
            ),
            facts={"mu_star": _MU_STAR, "note": "a spectrum that comes with the program"},
        )
        for row in manifest["spectrum"]
        for name, formula in FORMULAS.items()
    ]


def _of_spectrum(path: Path, tc_measured_k: float, name: str, formula: Formula) -> list[Pair]:
    spectrum = _spectrum(path)
    tc = float(formula(spectrum.lambda_ep, spectrum.omega_log_k, _MU_STAR, omega_2_k=spectrum.omega_2_k))
    groups = {"formula": _NAMES[name], "couplings from": "first principles", "source": "bundled spectra"}
    return [Pair(view="measured", known=tc_measured_k, predicted=tc, groups=groups)]


@lru_cache(maxsize=4)
def _spectrum(path: Path) -> Spectrum:
    from htc.prediction import choose_spectrum
    from htc.spectra.readers import read_spectra

    return choose_spectrum(read_spectra(path))[0]
