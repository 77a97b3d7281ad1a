"""What each code means by mu* and by its cutoff, as data.

The same alpha2F and the same mu* give critical temperatures that differ by a factor of three between codes,
for mu* is defined at a cutoff and every code has its own. A `Convention` is a row of the table below; the
solver knows none of their names.

| name | phonon sum up to | Coulomb sum up to | mu* is meant at | Z sum |
|---|---|---|---|---|
| ``asis`` | 10 omega_max | same | that cutoff, as given | infinite |
| ``epw`` | wscut, here 10 omega_max unless given | same | that cutoff, as given | ends at the cutoff |
| ``ebmb`` | 15 omega_2 | same | omega_2, rescaled to the cutoff | infinite |
| ``elk`` | 20 omega_2 | 2 omega_2 | the Coulomb cutoff, as given | infinite |
| ``isome`` | 7000 meV | same | omega_max, rescaled to the cutoff | infinite |

omega_max is the highest frequency at which alpha2F is positive: zeros written behind it change nothing.
Rescaling follows Morel and Anderson: ``1/mu*(w2) = 1/mu*(w1) - ln(w2/w1)`` (doi:10.1103/PhysRev.125.1263).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Cutoffs",
    "Edge",
    "check_arguments",
    "get_convention",
    "highest_phonon",
    "is_number",
    "resolve",
]

Edge = Literal["step", "smooth"]
"""How the Matsubara sum ends: at the last frequency below the cutoff, as peers do, so that Tc steps when
their number changes; or with weights that fall smoothly to zero about the cutoff, so that nothing steps."""

SMALLEST_LAMBDA: Final[float] = 1e-12
"""A coupling below this is none."""

LARGEST_LAMBDA: Final[float] = 1e7
"""A coupling above this is a mode at zero frequency or a wrong unit, and no number follows from it."""

ENERGIES_MEV: Final[tuple[float, float]] = (1e-6, 1e8)
"""Between these lies the highest phonon of anything."""

LARGEST_MU_STAR: Final[float] = 100.0
"""No repulsion has a meaning above this."""

Scale = Literal["omega_max", "omega_2", "mev"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The meaning of mu* and of the cutoffs in one code."""

    name: str
    title: str
    phonon_cutoff: tuple[float, Scale]
    coulomb_cutoff: tuple[float, Scale]
    mu_star_at: Scale | None
    """Where mu* is defined, rescaled from there to the Coulomb cutoff; None: as given, at the cutoff."""
    rescaled_to_last: bool = False
    """Rescale to the first frequency left out at that temperature instead of to the nominal cutoff."""
    infinite_z: bool = True
    """Whether the sum in Z goes on beyond the phonon cutoff, where its terms cancel to a finite rest."""
    source: str = ""


CONVENTIONS: Final[Mapping[str, Convention]] = MappingProxyType(
    {
        convention.name: convention
        for convention in (
            Convention(
                name="asis",
                title="mu* as given at 10 omega_max",
                phonon_cutoff=(10.0, "omega_max"),
                coulomb_cutoff=(10.0, "omega_max"),
                mu_star_at=None,
                source="Allen and Dynes, doi:10.1103/PhysRevB.12.905",
            ),
            Convention(
                name="epw",
                title="EPW: mu* as given at wscut, Z truncated there",
                phonon_cutoff=(10.0, "omega_max"),
                coulomb_cutoff=(10.0, "omega_max"),
                mu_star_at=None,
                infinite_z=False,
                source="Lee et al., doi:10.1038/s41524-023-01107-3",
            ),
            Convention(
                name="ebmb",
                title="ebmb: mu* at omega_2, rescaled to 15 omega_2",
                phonon_cutoff=(15.0, "omega_2"),
                coulomb_cutoff=(15.0, "omega_2"),
                mu_star_at="omega_2",
                rescaled_to_last=True,
                source="Berges, doi:10.5281/zenodo.13341224",
            ),
            Convention(
                name="elk",
                title="Elk: mu* as given at 2 omega_2, phonons to 20 omega_2",
                phonon_cutoff=(20.0, "omega_2"),
                coulomb_cutoff=(2.0, "omega_2"),
                mu_star_at=None,
                source="elk.sourceforge.io, subroutine eliashberg",
            ),
            Convention(
                name="isome",
                title="IsoME: mu* of Allen and Dynes at omega_max, rescaled to 7 eV",
                phonon_cutoff=(7000.0, "mev"),
                coulomb_cutoff=(7000.0, "mev"),
                mu_star_at="omega_max",
                source="Kogler et al., doi:10.1016/j.cpc.2025.109720",
            ),
        )
    }
)
"""Conventions by name."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """A convention made numbers for one spectrum and one mu*."""

    phonon_mev: float
    coulomb_mev: float
    mu_star: float
    """As given."""
    mu_star_at_mev: float | None
    """Where the given mu* is defined; None: at the Coulomb cutoff."""
    rescaled_to_last: bool
    infinite_z: bool
    edge: Edge

    @property
    def mu_star_at_cutoff(self) -> float:
        """mu* at the nominal Coulomb cutoff."""
        return self.mu_star_at(self.coulomb_mev)

    def mu_star_at(self, energy_mev: float) -> float:
        """mu* rescaled to another cutoff; infinite where the rescaling has a pole on the way."""
        if self.mu_star_at_mev is None or self.mu_star == 0.0:
            return self.mu_star
        inverse = 1.0 / self.mu_star - np.log(energy_mev / self.mu_star_at_mev)
        return float(1.0 / inverse) if inverse > 0.0 else float("inf")


def get_convention(name: str | Convention) -> Convention:
    """The convention of that name.

    Raises:
        InputError: there is none.
    """
    if isinstance(name, Convention):
        return name
    if name not in CONVENTIONS:
        raise InputError(
            f"no convention is called {name!r}",
            where="convention",
            hint="there are: " + ", ".join(CONVENTIONS),
        )
    return CONVENTIONS[name]


def check_arguments(mu_star: float, edge: str) -> None:
    """Refuse a mu* or an edge that has no meaning.

    Raises:
        InputError: mu* is no number, negative, not finite or above `LARGEST_MU_STAR`, or the edge is unknown.
    """
    if not (is_number(mu_star) and 0.0 <= mu_star <= LARGEST_MU_STAR):
        raise InputError(
            f"mu_star must be a finite number >= 0 and at most {LARGEST_MU_STAR:g}, not {mu_star!r}",
            where="mu_star",
        )
    if edge not in ("step", "smooth"):
        raise InputError(f"edge must be 'step' or 'smooth', not {edge!r}", where="edge")


def resolve(
    convention: str | Convention,
    spectrum: Spectrum,
    mu_star: float,
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
) -> Cutoffs:
    """Cutoffs in meV and mu* of a spectrum under a convention.

    Args:
        convention: a key of `CONVENTIONS`, or one of your own.
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, at the energy the convention defines it at.
        cutoff_mev: replaces the phonon cutoff, EPW's ``wscut``; the Coulomb cutoff moves in proportion.
        edge: how the sum ends.

    Raises:
        InputError: an argument is not usable, or mu* has no rescaled value at the cutoff.
        SpectrumError: the convention needs omega_2 and the spectrum has none.
    """
    row = get_convention(convention)
    check_arguments(mu_star, edge)
    highest = highest_phonon(spectrum)
    _check_spectrum(spectrum, highest)
    phonon = _energy(row.phonon_cutoff, spectrum, highest)
    same = row.coulomb_cutoff == row.phonon_cutoff
    coulomb = phonon if same else _energy(row.coulomb_cutoff, spectrum, highest)
    if cutoff_mev is not None:
        if not (is_number(cutoff_mev) and cutoff_mev > highest):
            raise InputError(
                f"a cutoff of {cutoff_mev!r} meV must be finite and above the highest phonon frequency, "
                f"{highest:g} meV",
                where="cutoff_mev",
            )
        # The ratio first: rounding must not lift the one above the other where they are equal.
        phonon, coulomb = float(cutoff_mev), float(cutoff_mev) * (coulomb / phonon)
    if coulomb > phonon:
        raise InputError("the Coulomb cutoff must not exceed the phonon cutoff", where="convention")
    at = None if row.mu_star_at is None else _energy((1.0, row.mu_star_at), spectrum, highest)
    cutoffs = Cutoffs(phonon, coulomb, float(mu_star), at, row.rescaled_to_last, row.infinite_z, edge)
    if not np.isfinite(cutoffs.mu_star_at_cutoff):
        # Rounded down: a hint that is refused in its turn helps nobody.
        pole = np.floor(1e3 / np.log(coulomb / (at or coulomb))) / 1e3
        raise InputError(
            f"mu* = {mu_star:g} at {at:g} meV grows without bound when rescaled to {coulomb:g} meV, the "
            f"cutoff of the convention {row.name!r}",
            where="mu_star",
            hint=f"this convention needs mu* below {pole:.3f}",
        )
    return cutoffs


def is_number(value: object) -> bool:
    """Whether a value is a finite real number."""
    return isinstance(value, Real) and isfinite(value)


def _check_spectrum(spectrum: Spectrum, highest: float) -> None:
    if spectrum.lambda_ep > LARGEST_LAMBDA:
        raise SpectrumError(
            f"lambda is {spectrum.lambda_ep:.3g}: nothing follows from a coupling above {LARGEST_LAMBDA:g}",
            where=spectrum.label or None,
            hint="look for weight at zero frequency, or a wrong unit of alpha2F",
        )
    low, high = ENERGIES_MEV
    if not low <= highest <= high:
        raise SpectrumError(
            f"the highest phonon lies at {highest:.3g} meV, not between {low:g} and {high:g} meV",
            where=spectrum.label or None,
            hint="is the unit of the frequencies right?",
        )


def _energy(rule: tuple[float, Scale], spectrum: Spectrum, highest: float) -> float:
    factor, scale = rule
    if scale == "mev":
        return factor
    if scale == "omega_max":
        return factor * highest
    omega_2 = spectrum.omega_2_mev
    if not np.isfinite(omega_2):
        raise SpectrumError(
            "negative weight leaves omega_2, which sets the cutoff here, without a real value",
            where=spectrum.label or None,
            hint="clip the negative weight, or use a convention that goes by omega_max",
        )
    return factor * omega_2


def highest_phonon(spectrum: Spectrum) -> float:
    """omega_max, meV: the highest frequency with alpha2F > 0.

    Raises:
        SpectrumError: there is none.
    """
    positive = np.flatnonzero(spectrum.alpha2f > 0.0)
    if not positive.size:
        raise SpectrumError("alpha2F is nowhere positive", where=spectrum.label or None)
    return float(spectrum.omega_mev[positive[-1]])
