"""``assess``: relaxation, phonons and hull distance of one crystal, in one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from htc.errors import StructureError
from htc.materials.reading import as_structure
from htc.stability import energies as competitor_energies
from htc.stability.applicability import check
from htc.stability.cache import StabilityCache
from htc.stability.competition import MOST_MADE_UP, compete
from htc.stability.competitors import CompetitorSource, bundled
from htc.stability.energies import Energies, phase_of
from htc.stability.hull import HullDistance
from htc.stability.phonons import Phonons, PhononSettings, phonons
from htc.stability.potentials.protocol import Potential
from htc.stability.relaxation import FMAX, MAX_STEPS, Progress, Relaxation, relax
from htc.stability.verdicts import Verdict

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["PhononSummary", "Stability", "assess"]

_RECIPE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PhononSummary:
    """What is remembered of a phonon calculation; frequencies are the potential's, too soft for omega_log."""

    verdict: Verdict
    reason: str
    lowest_frequency_thz: float
    """On the mesh and the wave vectors that fit the supercell, THz; negative for imaginary."""
    imaginary_modes_count: int
    """Modes on the mesh below the threshold of noise."""
    modes_count: int
    """Modes on the mesh."""
    supercell_atoms: int
    displacements: int
    softness: str
    """How the potential's phonons compare with measured ones."""

    @classmethod
    def of(cls, result: Phonons) -> PhononSummary:
        """The summary of a calculation."""
        return cls(
            verdict=result.verdict,
            reason=result.reason,
            lowest_frequency_thz=float(result.lowest_frequency_thz),
            imaginary_modes_count=result.imaginary_modes_count,
            modes_count=result.modes_count,
            supercell_atoms=result.supercell.atoms,
            displacements=result.displacements,
            softness=result.softness,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """Whether a crystal would exist, as far as one potential and the known phases tell."""

    source: str
    """The crystal as its giver named it."""
    composition: str
    """Formula of the cell."""
    reduced_formula: str
    pressure_gpa: float
    potential_id: str
    """Name and weights of the potential: energies of two ids are never compared."""
    refusals: tuple[str, ...] = ()
    """Why there is no number, one sentence each; everything below is None then."""
    cautions: tuple[str, ...] = ()
    """What speaks against trusting the numbers, one sentence each."""
    notes: tuple[str, ...] = ()
    """What was not done, one sentence each."""
    relaxation: Relaxation | None = None
    phonons: PhononSummary | None = None
    hull: HullDistance | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Everything else the result follows from."""

    @property
    def phonon_stable(self) -> bool | None:
        """Whether the lattice is dynamically stable; None where it was not computed or not decided."""
        if self.phonons is None or self.phonons.verdict == "undecided":
            return None
        return self.phonons.verdict == "stable"

    @property
    def thermo_stable(self) -> bool | None:
        """Whether it lies on the hull of the known phases; None where that is not known."""
        return None if self.hull is None else self.hull.on_hull

    @property
    def hull_distance_ev(self) -> float | None:
        """Energy above that hull, eV/atom: a lower bound of the true distance."""
        return None if self.hull is None else self.hull.distance_ev

    @property
    def hull_competitors(self) -> int | None:
        """How many competing phases the hull knew; None without a distance."""
        return None if self.hull is None or self.hull.distance_ev is None else self.hull.n_competitors

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields, with the relaxed structure as pymatgen's ``as_dict()``."""
        return {
            "source": self.source,
            "composition": self.composition,
            "reduced_formula": self.reduced_formula,
            "pressure_gpa": self.pressure_gpa,
            "potential_id": self.potential_id,
            "phonon_stable": self.phonon_stable,
            "phonon_verdict": None if self.phonons is None else self.phonons.verdict,
            "imaginary_modes_count": None if self.phonons is None else self.phonons.imaginary_modes_count,
            "lowest_frequency_thz": None if self.phonons is None else self.phonons.lowest_frequency_thz,
            "thermo_stable": self.thermo_stable,
            "hull_distance_ev": self.hull_distance_ev,
            "hull_competitors": self.hull_competitors,
            "refusals": list(self.refusals),
            "cautions": list(self.cautions),
            "notes": list(self.notes),
            "relaxation": None if self.relaxation is None else self.relaxation.as_dict(),
            "phonons": None if self.phonons is None else asdict(self.phonons),
            "hull": None if self.hull is None else self.hull.as_dict(),
            "settings": dict(self.settings),
        }


def assess(
    structure: Structure | Any,
    potential: Potential,
    *,
    source: str = "structure",
    pressure_gpa: float = 0.0,
    with_phonons: bool = True,
    with_hull: bool = True,
    competitors: Sequence[CompetitorSource] | None = None,
    phonon_settings: PhononSettings | None = None,
    cache: StabilityCache | None = None,
    progress: Progress | None = None,
) -> Stability:
    """Relax a crystal, compute its phonons, and measure its distance to the hull of the phases known.

    A crystal the potential must not be asked about comes back with ``refusals`` and without a number; one
    that does not converge has neither phonons nor a hull distance, and a note says so.

    Args:
        structure: an ordered crystal, as for ``htc.materials.structures.as_structure``.
        potential: from ``htc.stability.load_potential``.
        source: name for messages.
        pressure_gpa: hydrostatic pressure, GPa; the hull is one of enthalpies then.
        with_phonons: compute phonons.
        with_hull: compute the distance to the hull.
        competitors: sources of competing phases; None for those bundled.
        phonon_settings: None for the defaults, which the verdicts are tuned for.
        cache: finished parts are kept here and found again, also those of a killed run.
        progress: called as ``progress(done, of, what)``; to stop the work, raise from it.

    Raises:
        StructureError: not a sound structure.
        InputError: a competitor that cannot be read.
        MissingExtraError: ASE or phonopy is not installed.
        StorageError: the cache cannot be written.
    """
    # Partial occupancy is refused with a reason, like everything else the potential cannot be asked.
    if hasattr(structure, "is_ordered") and not structure.is_ordered:
        raise StructureError(
            "sites are disordered or partly occupied: a potential needs every atom in its place",
            where=source,
            hint="give an ordered structure, e.g. an ordered approximant of the alloy",
        )
    crystal = as_structure(structure, source=source)
    sources = bundled() if competitors is None else list(competitors)
    phonon_settings = phonon_settings or PhononSettings()
    allowed = check(crystal, pressure_gpa, potential)
    base: dict[str, Any] = {
        "source": source,
        "composition": crystal.composition.formula,
        "reduced_formula": crystal.composition.reduced_formula,
        "pressure_gpa": float(pressure_gpa),
        "potential_id": potential.potential_id,
        "cautions": allowed.cautions,
        "settings": _settings(phonon_settings if with_phonons else None, sources if with_hull else None),
    }
    if allowed.refusals:
        return Stability(**base | {"refusals": allowed.refusals})
    relaxation, summary = _crystal_alone(
        crystal, potential, pressure_gpa, phonon_settings if with_phonons else None, cache, progress
    )
    if not relaxation.converged:
        note = f"{relaxation.reason}: neither phonons nor a hull distance"
        return Stability(**base | {"relaxation": relaxation, "notes": (note,)})
    hull = None
    if with_hull:
        target = phase_of(relaxation, base["reduced_formula"], source)
        hull = compete(
            target,
            sources,
            Energies(potential, pressure_gpa, cache),
            crystal=relaxation.structure,
            progress=progress,
        )
    return Stability(**base | {"relaxation": relaxation, "phonons": summary, "hull": hull})


def _settings(
    phonon_settings: PhononSettings | None, sources: Sequence[CompetitorSource] | None
) -> dict[str, Any]:
    out: dict[str, Any] = {"recipe": _RECIPE, "fmax": FMAX, "max_steps": MAX_STEPS}
    if phonon_settings is not None:
        out["phonons"] = asdict(phonon_settings)
    if sources is not None:
        out["hull"] = {
            "sources": [s.name for s in sources],
            "fmax": competitor_energies.FMAX,
            "screening": competitor_energies.SCREENING,
            "most_made_up": MOST_MADE_UP,
        }
    return out


def _crystal_alone(
    crystal: Structure,
    potential: Potential,
    pressure_gpa: float,
    phonon_settings: PhononSettings | None,
    cache: StabilityCache | None,
    progress: Progress | None,
) -> tuple[Relaxation, PhononSummary | None]:
    """Relaxation and phonons, which follow from the crystal itself; its competitors may change, these not."""
    settings = {
        "potential": potential.potential_id,
        "pressure_gpa": float(pressure_gpa),
        **_settings(phonon_settings, None),
    }
    kept = cache.get("assessment", crystal, **settings) if cache else None
    if kept is not None:
        found = kept["phonons"]
        return Relaxation.from_dict(kept["relaxation"]), None if found is None else PhononSummary(**found)
    folder = cache.folder if cache else None
    relaxation = relax(crystal, potential, pressure_gpa=pressure_gpa, progress=progress, cache_dir=folder)
    summary = None
    if phonon_settings is not None and relaxation.converged:
        result = phonons(
            relaxation.structure, potential, settings=phonon_settings, progress=progress, cache_dir=folder
        )
        summary = PhononSummary.of(result)
    if cache:
        value = {
            "relaxation": relaxation.as_dict(),
            "phonons": None if summary is None else asdict(summary),
        }
        cache.put("assessment", crystal, value, **settings)
    return relaxation, summary
