"""Energies of competing phases with one potential, each relaxed once and remembered."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from htc.errors import HTCError, MissingExtraError, StorageError
from htc.materials.symmetry import primitive_standardised
from htc.stability.cache import StabilityCache
from htc.stability.competitors.source import Competitor
from htc.stability.hull import LeftOut, Phase
from htc.stability.potentials.protocol import Potential
from htc.stability.relaxation import Progress, Relaxation, relax
from htc.stability.screening import GPA_PER_EV_A3, Screened, possible_gain

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.stability.potentials.protocol import EnergyForcesStress

__all__ = ["Energies", "phase_of"]

FMAX: Final = 0.02
"""eV/Å. The energy left in forces this small is some 0.1 meV/atom: competitors need no finer relaxation."""
MAX_STEPS: Final = 200

SCREENING: Final = 1
"""Raised whenever the same crystal would be screened to another result."""
_BULK_MODULUS: Final = 100.0
"""GPa, the guess for the first step of a volume search."""
_STEP: Final = 0.25
"""Longest step of ln V."""
_VOLUME_TOLERANCE: Final = 0.02
"""Of ln V: 1 meV/atom for a stiff crystal."""
_EVALUATIONS: Final = 10

_NOTHING: Final[dict[str, float | None]] = {"energy": None, "gain": None, "volume": None}
# What calculators raise for cells that no crystal has; anything else is a fault to be seen.
_NUMERICAL: Final = (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError)


def phase_of(relaxation: Relaxation, name: str, origin: str, *, reference: bool = False) -> Phase:
    """The phase that a relaxation ended in."""
    structure = relaxation.structure
    return Phase(
        name=name,
        origin=origin,
        amounts={str(k): float(v) for k, v in structure.composition.get_el_amt_dict().items()},
        energy_ev=relaxation.enthalpy_ev_per_atom,
        potential_id=relaxation.potential_id,
        pressure_gpa=relaxation.pressure_gpa,
        reference=reference,
        spacegroup=relaxation.spacegroup_after,
        volume_per_atom=structure.volume / len(structure),
    )


@dataclass(frozen=True, slots=True)
class Energies:
    """Energies of competitors, relaxed and before.

    Every energy is written to the cache as soon as it is known, the failures too: a killed run goes on with
    the next competitor.
    """

    potential: Potential
    pressure_gpa: float = 0.0
    cache: StabilityCache | None = None
    fmax: float = FMAX
    max_steps: int = MAX_STEPS

    def relaxed(self, competitor: Competitor, progress: Progress | None = None) -> Phase | LeftOut:
        """The phase a competitor relaxes into, or why it has no energy.

        Raises:
            MissingExtraError: ASE is not installed.
            StorageError: the cache cannot be written.
        """
        settings = self._settings(fmax=self.fmax, max_steps=self.max_steps)
        kept = self.cache.get("energy", competitor.structure, **settings) if self.cache else None
        if kept is None:
            kept = self._relax(competitor, progress)
            if self.cache:
                self.cache.put("energy", competitor.structure, kept, **settings)
        if kept["reason"] is not None:
            return LeftOut(competitor.name, competitor.origin, kept["reason"])
        return Phase(
            name=competitor.name,
            origin=competitor.origin,
            reference=competitor.reference,
            made_up=competitor.made_up,
            potential_id=self.potential.potential_id,
            pressure_gpa=self.pressure_gpa,
            **kept["phase"],
        )

    def glance(self, competitor: Competitor) -> Screened | None:
        """A made-up crystal as it is made, for one evaluation; None: no number.

        Raises:
            MissingExtraError: ASE is not installed.
            StorageError: the cache cannot be written.
        """
        return self._screened("glance", competitor, self._as_made)

    def static(self, competitor: Competitor) -> Screened | None:
        """At its best volume with the shape kept; None: no number.

        Costs a tenth of a relaxation.

        Raises:
            MissingExtraError: ASE is not installed.
            StorageError: the cache cannot be written.
        """
        return self._screened("static", competitor, self._best_volume)

    def _screened(
        self,
        kind: Literal["glance", "static"],
        competitor: Competitor,
        work_out: Callable[[Structure], dict[str, float | None]],
    ) -> Screened | None:
        found = self._remembered(kind, competitor, work_out)
        energy, gain = found["energy"], found["gain"]
        return None if energy is None or gain is None else Screened(energy, gain)

    def _remembered(
        self,
        kind: Literal["glance", "static"],
        competitor: Competitor,
        work_out: Callable[[Structure], dict[str, float | None]],
    ) -> dict[str, float | None]:
        """``energy`` and ``gain`` in eV/atom, ``volume`` in Å^3/atom; None where there is no number."""
        settings = self._settings(screening=SCREENING)
        kept = self.cache.get(kind, competitor.structure, **settings) if self.cache else None
        if kept is None:
            kept = work_out(primitive_standardised(competitor.structure).structure)
            if self.cache:
                self.cache.put(kind, competitor.structure, kept, **settings)
        return kept

    def _settings(self, **more: Any) -> dict[str, Any]:
        return {"potential": self.potential.potential_id, "pressure_gpa": float(self.pressure_gpa), **more}

    def _relax(self, competitor: Competitor, progress: Progress | None) -> dict[str, Any]:
        start = primitive_standardised(competitor.structure).structure
        if competitor.made_up:
            # Its volume is a guess, and a relaxation that begins far off goes astray.
            volume = self._remembered("static", competitor, self._best_volume)["volume"]
            if volume is None:
                return {"reason": "the potential gives no energy at any volume"}
            start.scale_lattice(volume * len(start))
        try:
            with warnings.catch_warnings():
                # A first step that is long is no fault: what it leads to is counted only where it converges.
                warnings.filterwarnings("ignore", "FixSymmetry adjust_cell may be ill behaved", UserWarning)
                relaxation = relax(
                    start,
                    self.potential,
                    pressure_gpa=self.pressure_gpa,
                    fmax=self.fmax,
                    max_steps=self.max_steps,
                    progress=progress,
                )
        except (MissingExtraError, StorageError):
            raise
        except HTCError as error:
            return {"reason": error.what}
        except _NUMERICAL as error:
            return {"reason": f"the potential failed: {error}"}
        if not relaxation.converged:
            return {"reason": relaxation.reason or "not converged"}
        if not np.isfinite(relaxation.enthalpy_ev_per_atom):
            return {"reason": "its energy is not a number"}
        phase = phase_of(relaxation, competitor.name, competitor.origin)
        fields = ("energy_ev", "spacegroup", "volume_per_atom")
        amounts = dict(phase.amounts)
        return {
            "reason": None,
            "phase": {name: getattr(phase, name) for name in fields} | {"amounts": amounts},
        }

    def _as_made(self, cell: Structure) -> dict[str, float | None]:
        try:
            found = self.potential.energy_forces_stress(cell)
        except _NUMERICAL:
            return _NOTHING
        return self._told(found, cell)

    def _told(self, found: EnergyForcesStress, cell: Structure) -> dict[str, float | None]:
        n = len(cell)
        enthalpy = (found.energy_ev + self.pressure_gpa / GPA_PER_EV_A3 * cell.volume) / n
        gain = possible_gain(found, cell.volume, self.pressure_gpa)
        if not (np.isfinite(enthalpy) and np.isfinite(gain)):
            return _NOTHING
        return {"energy": float(enthalpy), "gain": gain, "volume": float(cell.volume) / n}

    def _best_volume(self, cell: Structure) -> dict[str, float | None]:
        """At the lowest enthalpy, by secant steps of the pressure in ln V."""
        best = _NOTHING
        before: tuple[float, float] | None = None
        log_v = float(np.log(cell.volume))
        for _ in range(_EVALUATIONS):
            scaled = cell.copy()
            scaled.scale_lattice(float(np.exp(log_v)))
            try:
                found = self.potential.energy_forces_stress(scaled)
            except _NUMERICAL:
                return best
            told = self._told(found, scaled)
            if told["energy"] is None:
                return best
            if best["energy"] is None or told["energy"] < best["energy"]:
                best = told
            pressure = -float(np.trace(found.stress)) / 3.0 * GPA_PER_EV_A3 - self.pressure_gpa
            step = pressure / _bulk_modulus(before, log_v, pressure)
            before = log_v, pressure
            step = float(np.clip(step, -_STEP, _STEP))
            if abs(step) < _VOLUME_TOLERANCE:
                break
            log_v += step
        return best


def _bulk_modulus(before: tuple[float, float] | None, log_v: float, pressure: float) -> float:
    """-dP/d(ln V) from the last two points, GPa; the guess where it makes no sense."""
    if before is None or abs(log_v - before[0]) < 1e-9:
        return _BULK_MODULUS
    slope = -(pressure - before[1]) / (log_v - before[0])
    return slope if slope > 1.0 else _BULK_MODULUS
