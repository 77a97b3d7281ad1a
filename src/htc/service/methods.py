"""Tc of a stored prediction by every closed formula and every Eliashberg convention, at the usual mu*.

A material has one lambda and one omega_log, and as many Tc's as there are formulas and meanings of mu*. They
are laid side by side. What depends on a spectrum uses the stored one, or the surrogate of stored moments.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError, SpectrumError

if TYPE_CHECKING:
    from htc.service.state import Service
    from htc.spectra import Spectrum
    from htc.store.records import Record

__all__ = ["USUAL_MU_STARS", "methods_of", "prediction_methods", "spectrum_for"]

USUAL_MU_STARS: Final = (0.10, 0.13)
"""Where the field quotes Tc; the prediction's own comes on top."""

_MOMENTS: Final = ("lambda_ep", "omega_log", "omega_2")

_SAMPLES: Final = 4_000
"""Samples of an interval: its ends scatter by 2 %."""


def prediction_methods(service: Service, prediction_id: str, *, eliashberg: bool) -> Record:
    """A ``MethodsAnswer``.

    Raises:
        NotFoundError: no prediction has this id.
        InputError: several begin so.
        StoreError: the database does not answer.
    """
    from htc.store.records import prediction_record

    return methods_of(prediction_record(service.database, prediction_id), eliashberg=eliashberg)


def methods_of(record: Record, *, eliashberg: bool) -> Record:
    """A ``MethodsAnswer`` of a prediction's record with its spectrum.

    Args:
        record: as :func:`htc.store.records.prediction_record` gives it.
        eliashberg: also solve the Eliashberg equations, some 20 ms for each convention and mu*.
    """
    spectrum, origin = spectrum_for(record)
    mu_stars = sorted({*USUAL_MU_STARS, *([record["mu_star"]] if record["mu_star"] is not None else [])})
    rows: list[Record] = []
    if record["lambda_ep"] is not None and record["omega_log"] is not None:
        moments = tuple(record[name] for name in _MOMENTS)
        spreads = tuple(record[f"{name}_uncertainty"] for name in _MOMENTS)
        rows += [row for mu_star in mu_stars for row in _closed_formulas(moments, spreads, mu_star)]
    if eliashberg and spectrum is not None:
        key = (tuple(spectrum.omega_mev.tolist()), tuple(spectrum.alpha2f.tolist()))
        rows += [row for mu_star in mu_stars for row in _eliashberg(key, mu_star)]
    return {
        "prediction_id": record["id"],
        "mu_star": record["mu_star"],
        "spectrum_origin": origin,
        "rows": rows,
    }


def spectrum_for(record: Record) -> tuple[Spectrum | None, str | None]:
    """The spectrum a prediction stands on, and its origin: stored, or the surrogate of its moments.

    None where there is neither. Origins are ``measured``, ``surrogate`` (stored) and ``formed`` (just now).
    """
    from htc.spectra import Spectrum

    omega, values = record["alpha2f_omega"], record["alpha2f_alpha2f"]
    if omega is not None and values is not None:
        try:
            return Spectrum(omega, values, "", {}), record["spectrum_origin"] or "measured"
        except SpectrumError:  # rows of an earlier version may hold any arrays
            return None, None
    if record["lambda_ep"] is None or record["omega_log"] is None:
        return None, None
    formed = _surrogate(record["lambda_ep"], record["omega_log"], record["omega_2"])
    return formed, None if formed is None else "formed"


@lru_cache(maxsize=256)
def _surrogate(lambda_ep: float, omega_log: float, omega_2: float | None) -> Spectrum | None:
    from htc.models.surrogate_spectrum import surrogate_spectrum

    try:
        return surrogate_spectrum(lambda_ep, omega_log, omega_2_k=omega_2)
    except (InputError, SpectrumError):
        return None


@lru_cache(maxsize=1024)
def _closed_formulas(
    values: tuple[float | None, ...], spreads: tuple[float | None, ...], mu_star: float
) -> tuple[Record, ...]:
    from htc.theory import FORMULAS, log_covariance, propagate, status
    from htc.theory.empirical import Status

    rows = []
    for name, formula in FORMULAS.items():
        row = _row(name, formula.title, formula.doi, mu_star, None)
        n = 3 if formula.needs_omega_2 else 2
        known = [value for value in values[:n] if value is not None]
        widths = [spread for spread in spreads[:n] if spread is not None]
        if len(known) < n:
            row["reason"] = "omega_2 is not known"
            rows.append(row)
            continue
        omega_2 = known[2] if n == 3 else None
        try:
            row["tc_kelvin"] = float(formula(known[0], known[1], mu_star, omega_2_k=omega_2))
            code = status(name, known[0], known[1], mu_star, omega_2_k=omega_2)
            row["reason"] = Status(int(code)).reason
            if len(widths) == n:
                found = propagate(
                    known[0],
                    known[1],
                    mu_star,
                    covariance=log_covariance(known, widths),
                    omega_2_k=omega_2,
                    formula=name,
                    samples=_SAMPLES,
                )
                row["tc_lower_95ci"], row["tc_upper_95ci"] = found.lower_95, found.upper_95
        except InputError as error:
            row["reason"] = error.what
        rows.append(row)
    return tuple(rows)


@lru_cache(maxsize=64)
def _eliashberg(key: tuple[tuple[float, ...], tuple[float, ...]], mu_star: float) -> tuple[Record, ...]:
    from htc.spectra import Spectrum
    from htc.theory.eliashberg.conventions import CONVENTIONS
    from htc.theory.eliashberg.transition import transition

    spectrum = Spectrum(list(key[0]), list(key[1]), "", {})  # type: ignore[arg-type]  # it takes any sequence
    rows = []
    for name, convention in CONVENTIONS.items():
        row = _row("eliashberg", convention.title, "10.1103/RevModPhys.62.1027", mu_star, name)
        try:
            found = transition(spectrum, mu_star, name)
            row["tc_kelvin"], row["reason"] = found.tc_k, found.reason
        except HTCError as error:
            row["reason"] = error.what
        rows.append(row)
    return tuple(rows)


def _row(method: str, title: str, doi: str, mu_star: float, convention: str | None) -> dict[str, Any]:
    return {
        "method": method,
        "title": title,
        "doi": doi,
        "convention": convention,
        "mu_star": mu_star,
        "tc_kelvin": None,
        "tc_lower_95ci": None,
        "tc_upper_95ci": None,
        "reason": None,
    }
