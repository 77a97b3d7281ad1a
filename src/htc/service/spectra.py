"""A spectrum given: its moments, its checks, and every critical temperature that follows from it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import CapacityLimiter, to_thread

from htc.errors import ConvergenceError, HTCError, InputError, SpectrumError
from htc.service.details import spectrum_of
from htc.service.problems import problem_body
from htc.store import save
from htc.store.records import Record, prediction_records

if TYPE_CHECKING:
    from htc.service.schemas import SpectrumOptions, SpectrumRequest
    from htc.service.state import Service
    from htc.spectra import Flag, Spectrum

__all__ = ["analyse", "wish_of"]

SCANNED: Final = tuple(round(0.04 + 0.01 * i, 2) for i in range(22))
"""mu* of a scan, 0.04 to 0.25."""

_NETCDF: Final = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")

_MEANING: Final = "as in the formula: at the phonon cutoff, without rescaling"

# The equations keep a core busy: a second one would only take from the requests that are quick.
_solvers = CapacityLimiter(1)
_readers = CapacityLimiter(2)


async def analyse(service: Service, wish: SpectrumRequest, created_by: str) -> Record:
    """A ``SpectrumAnswer``.

    Raises:
        InputError: neither a text nor arrays, or both; arrays without unit; nothing to store it as.
        SpectrumError: it is no spectrum.
        StoreError: it was to be stored and the database does not answer.
    """
    if wish.store and wish.formula is None:
        raise InputError(
            "it cannot be stored without a formula", where="formula", hint="say what material it is"
        )
    spectra = await to_thread.run_sync(_read, wish, limiter=_readers)
    answer, chosen = await to_thread.run_sync(_described, wish, spectra, limiter=_readers)
    answer["eliashberg"] = []
    if wish.eliashberg:
        # One after the other, so that others come in between.
        for name in _conventions(wish):
            with_gap = wish.gap and name == wish.convention
            solve = partial(_solved, chosen, wish.mu_star, name, with_gap=with_gap)
            answer["eliashberg"].append(await to_thread.run_sync(solve, limiter=_solvers))
    answer["mu_star_scan"] = None
    if wish.scan:
        answer["mu_star_scan"] = scan = await to_thread.run_sync(_scan_of_formulas, chosen, limiter=_readers)
        if wish.eliashberg:
            scan["tc_kelvin"]["eliashberg"] = [
                await to_thread.run_sync(_tc_or_none, chosen, mu_star, wish.convention, limiter=_solvers)
                for mu_star in SCANNED
            ]
    answer["prediction"] = None
    if wish.store:
        answer["prediction"] = await service.desk.in_thread(
            lambda: _stored(service, wish, spectra, chosen, created_by)
        )
    return answer


def wish_of(content: bytes, name: str | None, options: SpectrumOptions) -> SpectrumRequest:
    """The request that an uploaded file stands for.

    Raises:
        SpectrumError: it is empty, too large, or not text.
    """
    from htc.service.schemas import SpectrumRequest
    from htc.service.schemas.spectra import MAX_SPECTRUM_CHARACTERS

    where = (name or "file")[:200]
    if not content:
        raise SpectrumError("the file is empty", where=where)
    if content.startswith(_NETCDF):
        raise SpectrumError(
            "netCDF files are not read over the network", where=where, hint="`htc tc FILE --json` reads them"
        )
    if len(content) > MAX_SPECTRUM_CHARACTERS:
        raise SpectrumError(
            f"the file has {len(content) / 1e6:.1f} MB, more than {MAX_SPECTRUM_CHARACTERS / 1e6:g} MB",
            where=where,
        )
    said = {key: getattr(options, key) for key in type(options).model_fields if key != "file"}
    return SpectrumRequest(**said, text=content.decode("utf-8-sig", "replace"), file_name=where)


def _read(wish: SpectrumRequest) -> list[Spectrum]:
    from htc.spectra import Spectrum
    from htc.units import MEV_PER_UNIT

    arrays = wish.omega is not None and wish.alpha2f is not None
    if (wish.text is not None) == (wish.omega is not None or wish.alpha2f is not None) or (
        wish.text is None and not arrays
    ):
        raise InputError(
            "either the text of a file, or both arrays are required",
            where="text, omega, alpha2f",
        )
    if wish.text is not None:
        return _read_text(wish, wish.text)
    if wish.unit is None:
        raise InputError(
            "the unit of the frequencies is required", where="unit", hint="meV, eV, THz, cm-1, Ry, Ha or K"
        )
    scale = MEV_PER_UNIT[wish.unit.lower()]
    spectrum = Spectrum(
        [scale * value for value in wish.omega or ()],  # type: ignore[arg-type]  # it takes any sequence
        wish.alpha2f or [],  # type: ignore[arg-type]  # likewise
        wish.label or "",
        {"source": wish.file_name or "arrays", "format": "arrays", "unit": wish.unit},
    )
    if wish.negative == "refuse" and float(spectrum.alpha2f.min()) < 0.0:
        raise SpectrumError("alpha2F is negative somewhere", where="alpha2f", hint="clip it, or keep it")
    return [spectrum.clipped() if wish.negative == "clip" else spectrum]


def _read_text(wish: SpectrumRequest, text: str) -> list[Spectrum]:
    """The readers want a file; what they say of it goes back under the name it was given."""
    from htc.spectra import read_spectra

    name = wish.file_name or "spectrum"
    with tempfile.TemporaryDirectory(prefix="htc-spectrum-") as folder:
        # Some codes say the smearing in the name, so it is kept, as far as it is one.
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in Path(name).name)
        path = Path(folder) / (plain.lstrip(".")[:100] or "spectrum")
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            found = read_spectra(path, unit=wish.unit, negative=wish.negative)
        except HTCError as error:
            error.what = error.what.replace(str(path), name)
            error.where = None if error.where is None else error.where.replace(str(path), name)
            raise
    return [replace(s, provenance={**s.provenance, "source": name}) for s in found]


def _described(wish: SpectrumRequest, spectra: Sequence[Spectrum]) -> tuple[Record, Spectrum]:
    """Everything that costs nothing, and the spectrum it is about."""
    from htc.prediction import choose_spectrum
    from htc.spectra import check, find_plateau

    notes: list[str] = []
    plateau = None
    try:
        found = find_plateau(spectra)
        low, high = found.limits or (None, None)
        plateau = {
            "found": found.found,
            "criterion": found.criterion,
            "unit": found.unit,
            "lower": low,
            "upper": high,
        }
    except InputError:
        pass  # fewer smearings than a plateau needs
    try:
        chosen, middle = choose_spectrum(spectra, wish.label if wish.text is not None else None)
        if middle is not None:
            notes.append(f"{chosen.label}: middle of the plateau ({middle.criterion})")
    except SpectrumError as error:
        if wish.store:
            raise
        chosen = spectra[len(spectra) // 2]
        notes.append(f"{error.what}; shown is {chosen.label}, the middle one: name another by its label")
    answer = {
        "source": str(chosen.provenance.get("source", "")),
        "format": str(chosen.provenance.get("format", "")),
        "spectra": [
            {
                "label": s.label,
                "lambda_ep": s.lambda_ep,
                "omega_log": _finite(s.omega_log_k),
                "omega_2": _finite(s.omega_2_k),
                "max_omega_mev": s.max_omega_mev,
                "flags": _flags(check(s)),
            }
            for s in spectra
        ],
        "plateau": plateau,
        "chosen": chosen.label,
        "notes": notes,
        "spectrum": spectrum_of(chosen.omega_mev, chosen.alpha2f, chosen.label),
        "lambda_ep": chosen.lambda_ep,
        "omega_log": _finite(chosen.omega_log_k),
        "omega_2": _finite(chosen.omega_2_k),
        "flags": _flags(check(chosen)),
        "formulas": _formulas(chosen, wish.mu_star),
    }
    return answer, chosen


def _formulas(spectrum: Spectrum, mu_star: float) -> list[Record]:
    from htc.theory import FORMULAS, critical_temperature

    rows = []
    for name, formula in FORMULAS.items():
        tc, reason = None, None
        try:
            found = critical_temperature(spectrum, mu_star, name)
            tc, reason = found.tc_k, found.reason
        except (InputError, ConvergenceError) as error:
            reason = error.what
        rows.append(
            {
                "method": name,
                "title": formula.title,
                "doi": formula.doi,
                "mu_star": mu_star,
                "mu_star_convention": _MEANING,
                "tc_kelvin": tc,
                "reason": reason,
            }
        )
    return rows


def _conventions(wish: SpectrumRequest) -> list[str]:
    from htc.theory.eliashberg.conventions import CONVENTIONS

    others = [name for name in CONVENTIONS if name != wish.convention] if wish.all_conventions else []
    return [wish.convention, *others]


def _solved(spectrum: Spectrum, mu_star: float, convention: str, *, with_gap: bool) -> Record:
    """An ``EliashbergAnswer``."""
    from htc.theory.eliashberg.conventions import get_convention
    from htc.theory.eliashberg.transition import transition

    row = get_convention(convention)
    entry: Record = {
        "convention": row.name,
        "title": row.title,
        "mu_star": mu_star,
        "mu_star_at_cutoff": None,
        "cutoff_mev": None,
        "tc_kelvin": None,
        "converged": False,
        "reason": None,
        "warnings": [],
        "gap": None,
        "problem": None,
    }
    try:
        found = transition(spectrum, mu_star, convention)
    except HTCError as error:
        return {**entry, "problem": problem_body(error)}
    entry |= {
        "mu_star_at_cutoff": found.mu_star_at_cutoff,
        "cutoff_mev": found.omega_c_mev,
        "tc_kelvin": found.tc_k,
        "converged": found.converged,
        "reason": found.reason,
        "warnings": [str(flag) for flag in found.warnings],
    }
    if with_gap and found.tc_k > 0.0:
        entry |= _gap(spectrum, mu_star, convention, entry["warnings"])
    return entry


def _gap(spectrum: Spectrum, mu_star: float, convention: str, warnings: list[str]) -> Record:
    from htc.theory.eliashberg.gap_curve import gap

    try:
        curve = gap(spectrum, mu_star, convention)
    except HTCError as error:
        return {"warnings": [*warnings, f"gap: {error.what}"]}
    return {
        "warnings": list(dict.fromkeys([*warnings, *(str(flag) for flag in curve.warnings)])),
        "gap": {
            "temperature_kelvin": curve.temperature_k.tolist(),
            "delta0_mev": curve.delta0_mev.tolist(),
            "edge_mev": [_finite(value) for value in curve.edge_mev.tolist()],
            "zero_temperature_mev": curve.zero_temperature_mev,
            "ratio_2delta_ktc": curve.ratio_2delta_ktc,
        },
    }


def _scan_of_formulas(spectrum: Spectrum) -> Record:
    columns: dict[str, list[float | None]] = {}
    for mu_star in SCANNED:
        for row in _formulas(spectrum, mu_star):
            columns.setdefault(row["method"], []).append(row["tc_kelvin"])
    return {"mu_star": list(SCANNED), "tc_kelvin": columns}


def _tc_or_none(spectrum: Spectrum, mu_star: float, convention: str) -> float | None:
    from htc.theory.eliashberg.transition import transition

    try:
        return transition(spectrum, mu_star, convention).tc_k
    except HTCError:
        return None


def _stored(
    service: Service, wish: SpectrumRequest, spectra: Sequence[Spectrum], chosen: Spectrum, created_by: str
) -> Record:
    from htc.prediction import predict_from_spectrum

    prediction = predict_from_spectrum(
        spectra,
        wish.formula or "",
        source=str(chosen.provenance.get("source", "spectrum")),
        mu_star=wish.mu_star,
        pressure_gpa=wish.pressure_gpa,
        label=wish.label if wish.text is not None else None,
    )
    (saved,) = save(service.database, [prediction], created_by=created_by)
    if saved.is_new:
        service.rankings.note_new_row()
    return prediction_records(service.database, [saved.id])[saved.id]


def _flags(flags: Sequence[Flag]) -> list[Record]:
    return [{"code": flag.code, "message": flag.message} for flag in flags]


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
