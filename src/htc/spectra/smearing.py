"""The spectra of one file against their smearing, and where the moments no longer depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htc.errors import SpectrumError
from htc.spectra.spectrum import Spectrum

__all__ = ["Plateau", "find_plateau"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Plateau:
    """Moments against smearing; every array has shape ``(n,)``, in the order of rising smearing.

    Args:
        smearing: broadening of each spectrum, in ``unit``.
        unit: unit of the smearing.
        lambda_ep: coupling constants.
        omega_log_k: logarithmic average frequencies, K.
        omega_2_k: roots of the second moments, K.
        flat: whether each smearing belongs to the plateau; all False where there is none.
        criterion: what counts as flat, in words.
    """

    smearing: FloatArray
    unit: str
    lambda_ep: FloatArray
    omega_log_k: FloatArray
    omega_2_k: FloatArray
    flat: NDArray[np.bool_]
    criterion: str

    @property
    def found(self) -> bool:
        """Whether there is a plateau."""
        return bool(self.flat.any())

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest smearing of the plateau, or None."""
        return (
            (float(self.smearing[self.flat][0]), float(self.smearing[self.flat][-1])) if self.found else None
        )

    def log_moments(self) -> FloatArray:
        """ln lambda, ln omega_log, ln omega_2 over the plateau, shape ``(3, members)``.

        Raises:
            SpectrumError: there is no plateau.
        """
        if not self.found:
            raise SpectrumError(
                "lambda and omega_log have no plateau against smearing", hint="use denser k and q meshes"
            )
        moments = np.array([self.lambda_ep, self.omega_log_k, self.omega_2_k])
        return np.asarray(np.log(moments[:, self.flat]))


def find_plateau(spectra: Sequence[Spectrum], *, tolerance: float = 0.05, min_members: int = 3) -> Plateau:
    """Where lambda and omega_log no longer depend on smearing.

    The plateau is the longest run of at least ``min_members`` neighbouring smearings over which lambda and
    omega_log each spread by no more than ``tolerance`` of their mean (highest less lowest). Of two runs of
    the same length the one in which lambda spreads less is taken.

    Args:
        spectra: the spectra of one file, each with ``smearing`` in its provenance.
        tolerance: allowed relative spread.
        min_members: fewest smearings that make a plateau.

    Raises:
        SpectrumError: fewer than ``min_members`` spectra, or one without smearing.
    """
    if len(spectra) < min_members:
        raise SpectrumError(f"a plateau needs at least {min_members} smearings, there are {len(spectra)}")
    for spectrum in spectra:
        if "smearing" not in spectrum.provenance:
            raise SpectrumError(f"{spectrum.label or 'a spectrum'} has no smearing")
    units = {str(s.provenance.get("smearing_unit") or "") for s in spectra}
    if len(units) > 1:
        raise SpectrumError(f"smearings in different units: {', '.join(sorted(units))}")
    ordered = sorted(spectra, key=lambda s: float(s.provenance["smearing"]))
    lambda_ep = np.array([s.lambda_ep for s in ordered])
    omega_log = np.array([s.omega_log_k for s in ordered])
    best: tuple[int, float, int] | None = None
    for start in range(len(ordered)):
        for stop in range(start + min_members, len(ordered) + 1):
            spreads = [_spread(m[start:stop]) for m in (lambda_ep, omega_log)]
            # Written so that NaN is not flat.
            if not all(spread <= tolerance for spread in spreads):
                break
            candidate = (stop - start, -spreads[0], start)
            best = candidate if best is None or candidate[:2] > best[:2] else best
    flat = np.zeros(len(ordered), dtype=np.bool_)
    if best is not None:
        flat[best[2] : best[2] + best[0]] = True
    return Plateau(
        smearing=np.array([float(s.provenance["smearing"]) for s in ordered]),
        unit=units.pop(),
        lambda_ep=lambda_ep,
        omega_log_k=omega_log,
        omega_2_k=np.array([s.omega_2_k for s in ordered]),
        flat=flat,
        criterion=f"at least {min_members} neighbouring smearings over which lambda and omega_log each "
        f"spread by no more than {tolerance:.0%} of their mean",
    )


def _spread(values: FloatArray) -> float:
    mean = float(values.mean())
    return float(np.ptp(values)) / mean if mean > 0.0 else float("inf")
