"""The Eliashberg solver against what other codes give on the same alpha2F.

Some spectra come with the program. Those of other groups may not; they are read from the laboratory's data
folder where there is one, and counted as left out where not.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import NotFoundError
from htc.validation.cases import Case, Pair, Suite, View, doi_in
from htc.validation.printed import Printed
from htc.validation.suites.model_pairs import fingerprint_of

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["make"]

# A solver is to give the same number every time, and a worse one not at all.
_EXACT: Final[dict[str, Any]] = {"case_tolerance": 0.0, "case_tolerance_share": 1e-4, "least_change": 1e-6}

_VIEWS: Final = (
    View(
        name="tc",
        title="Tc by the solver against other codes",
        unit="K",
        mape_from=0.1,
        known="Tc of the reference (K)",
        predicted="Tc by this solver (K)",
        group="code",
        headline="mape",
        **_EXACT,
    ),
    View(
        name="report",
        title="Tc by the solver against reports that state no cutoff",
        unit="K",
        known="Tc of the report (K)",
        predicted="Tc by this solver (K)",
        group="code",
        headline="mape",
        **_EXACT,
    ),
    View(
        name="gap",
        title="Gap by the solver against EPW",
        unit="meV",
        mape_from=0.1,
        known="Δ(iω₀) by EPW (meV)",
        predicted="Δ(iω₀) by this solver (meV)",
        group="code",
        **_EXACT,
    ),
    View(
        name="lambda",
        title="λ from α²F against other codes",
        unit="",
        mape_from=0.1,
        known="λ of the reference",
        predicted="λ here",
        group="code",
        **_EXACT,
    ),
    View(
        name="omega_log",
        title="ω_log from α²F against other codes",
        unit="K",
        known="ω_log of the reference (K)",
        predicted="ω_log here (K)",
        group="code",
        **_EXACT,
    ),
)
_WIDTH: Final = 1e-3
"""Of a model mode, in parts of its energy: narrow enough not to be seen in Tc."""


def make(data: Path | None = None) -> Suite:
    """The suite ``eliashberg``."""
    text = (resources.files("htc.validation.data") / "eliashberg.toml").read_text("utf-8")
    table = tomllib.loads(text)
    folder = None if data is None or not (data / "spectra").is_dir() else data / "spectra"
    cases, absent = [], 0
    for row in table["reference"]:
        if "data" in row and (folder is None or not (folder / row["data"]).is_file()):
            absent += 1
            continue
        cases.append(_case(row, table["sources"][row["source"]], folder))
    return Suite(
        name="eliashberg",
        title="The Eliashberg solver against other codes",
        about="Tc, gaps and moments of the same alpha2F: EPW, Elk, ebmb, and limits that are known exactly.",
        cases=tuple(cases),
        views=_VIEWS,
        cautions=(
            "A reference is met within its printed digits and the tolerance stated for it; the reports name "
            "neither cutoff nor how Tc was looked for, and have none.",
        ),
        excluded={"the spectrum lies in the data folder, which is not there": absent} if absent else {},
        fingerprint=fingerprint_of([text, *(case.label for case in cases)]),
    )


def _case(row: Mapping[str, Any], source: str, folder: Path | None) -> Case:
    shown = ("quantity", "code", "mu_star", "convention", "cutoff_mev", "temperature_k")
    return Case(
        label=row["label"],
        formula=row["formula"],
        pressure_gpa=0.0,
        source=source,
        doi=doi_in(source),
        compute=partial(_compute, dict(row), folder),
        facts={name: row[name] for name in shown if name in row},
    )


def _compute(row: Mapping[str, Any], folder: Path | None) -> list[Pair]:
    from htc.theory.eliashberg.transition import transition

    spectrum = _spectrum(row, folder)
    known = Printed(row["value"])
    match row["quantity"]:
        case "tc":
            found = transition(
                spectrum, row["mu_star"], row["convention"], cutoff_mev=row.get("cutoff_mev")
            ).tc_k
        case "gap":
            found = _gap(spectrum, row)
        case "lambda":
            found = spectrum.lambda_ep
        case _:
            found = spectrum.omega_log_k
    allowed = None
    if "agreement" in row:
        allowed = known.half_digit + row["agreement"] * known.value
    return [
        Pair(
            view=row["quantity"] if "agreement" in row else "report",
            known=known.value,
            predicted=found,
            tolerance=allowed,
            within=None if allowed is None else abs(found - known.value) <= allowed,
            groups={"code": row["code"], **_convention(row)},
        )
    ]


def _convention(row: Mapping[str, Any]) -> dict[str, str]:
    return {"convention": row["convention"]} if "convention" in row else {}


def _gap(spectrum: Spectrum, row: Mapping[str, Any]) -> float:
    from htc.theory.eliashberg.gap_curve import gap

    found = gap(
        spectrum,
        row["mu_star"],
        row["convention"],
        cutoff_mev=row.get("cutoff_mev"),
        temperatures_k=[row["temperature_k"]],
    )
    return float(found.delta0_mev[0])


def _spectrum(row: Mapping[str, Any], folder: Path | None) -> Spectrum:
    if "einstein_mev" in row:
        return _einstein(float(row["einstein_mev"]), float(row["lambda_ep"]))
    if "bundled" in row:
        return _read(Path(str(resources.files("htc.examples") / "spectra" / row["bundled"])), None)
    if folder is None:  # rows whose folder is not there make no case
        raise NotFoundError("the spectrum lies in the data folder", where=row["data"], hint="set HTC_DATA")
    return _read(folder / row["data"], row.get("unit"))


@lru_cache(maxsize=4)
def _read(path: Path, unit: str | None) -> Spectrum:
    from htc.spectra.readers import read_spectra

    return read_spectra(path, unit=unit)[0]


def _einstein(omega_mev: float, lambda_ep: float) -> Spectrum:
    """A single mode, drawn as a narrow peak."""
    import numpy as np

    from htc.spectra import Spectrum

    grid = omega_mev * (1.0 + _WIDTH * np.linspace(-5.0, 5.0, 401))
    peak = np.exp(-0.5 * ((grid / omega_mev - 1.0) / _WIDTH) ** 2)
    made = Spectrum(grid, peak)
    return Spectrum(grid, peak * (lambda_ep / made.lambda_ep), label=f"Einstein mode at {omega_mev:g} meV")
