"""The electronic density of states N(E) about the Fermi level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import SpectrumError
from htc.spectra.energy import mev_per, parse_unit, units_in_header
from htc.spectra.readers.source import SourceFile

__all__ = ["DensityOfStates", "read_density_of_states"]

FloatArray = NDArray[np.float64]

_FERMI = re.compile(r"E_?F(?:ermi)?\s*=\s*([-+]?\d*\.?\d+(?:[eEdD][-+]?\d+)?)\s*(\w+)?", re.IGNORECASE)
_PHONONS: Final = re.compile(r"Frequency\s*\[|phdos", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class DensityOfStates:
    """N(E), linear between its points and zero beyond them.

    Args:
        energy_mev: energies from the Fermi level, meV, shape ``(n,)``, increasing, on both sides of 0.
        states: N(E) >= 0 in any unit, > 0 at the Fermi level, shape ``(n,)``.
        provenance: source file and Fermi energy.

    Raises:
        SpectrumError: they are not that.
    """

    energy_mev: FloatArray
    states: FloatArray
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate, copy and freeze the arrays."""
        try:
            energy = np.array(self.energy_mev, dtype=np.float64)
            states = np.array(self.states, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpectrumError("energies and states must be numbers") from error
        if energy.ndim != 1 or energy.shape != states.shape or energy.size < 2:
            raise SpectrumError(
                f"a density of states has as many energies as values, at least 2, not {energy.shape} and "
                f"{states.shape}"
            )
        if not (np.isfinite(energy).all() and np.isfinite(states).all()):
            raise SpectrumError("the density of states holds NaN or infinity")
        if (np.diff(energy) <= 0.0).any():
            raise SpectrumError("the energies of a density of states must increase")
        if not energy[0] < 0.0 < energy[-1]:
            raise SpectrumError(
                f"energies from {energy[0]:g} to {energy[-1]:g} meV are not on both sides of the Fermi level",
                hint="they count from the Fermi level",
            )
        if (states < 0.0).any():
            raise SpectrumError(f"{int((states < 0.0).sum())} values of the density of states are negative")
        if not np.interp(0.0, energy, states) > 0.0:
            raise SpectrumError("the density of states is zero at the Fermi level: there is no metal")
        energy.flags.writeable = states.flags.writeable = False
        object.__setattr__(self, "energy_mev", energy)
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "provenance", dict(self.provenance))

    @property
    def at_fermi_level(self) -> float:
        """N(0), in the unit of `states`."""
        return float(np.interp(0.0, self.energy_mev, self.states))


def read_density_of_states(
    path: str | PathLike[str], *, unit: str | None = None, fermi: float | None = None
) -> DensityOfStates:
    """Read N(E) from a table that begins with energy and density, as dos.x of Quantum ESPRESSO writes it.

    Args:
        path: the file; further columns are left aside.
        unit: energy unit; None takes the header's.
        fermi: Fermi energy in that unit; None takes the header's ``EFermi = ...``.

    Raises:
        SpectrumError: the file is not such a table, or its unit or Fermi energy is not known.
    """
    file = SourceFile(Path(path).expanduser())
    block = file.numeric_block()
    header = "\n".join(block.header)
    if _PHONONS.search(header):
        raise file.error("is a phonon density of states", hint="give the electronic one, of dos.x")
    stated = units_in_header(header)
    chosen = parse_unit(unit) if unit is not None else (min(stated) if len(stated) == 1 else None)
    if chosen is None:
        raise file.error("nothing states the unit of its energies", hint="give it, e.g. eV")
    if fermi is None:
        found = _FERMI.search(header)
        if found is None:
            raise file.error("its header does not state the Fermi energy", hint="give it")
        fermi = float(found.group(1).replace("d", "e").replace("D", "e"))
    provenance = {"source": str(file.path), "unit": chosen, "fermi": fermi}
    try:
        return DensityOfStates((block.table[:, 0] - fermi) * mev_per(chosen), block.table[:, 1], provenance)
    except SpectrumError as error:
        raise error.located(str(file.path)) from None
