"""What a first-principles electron-phonon calculation is set up with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from htc.dft.meshes import K_SPACING, Q_SPACING, Mesh
from htc.dft.pseudopotentials import Kind
from htc.errors import InputError

__all__ = ["DftSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DftSettings:
    """Choices of a calculation; None lets the crystal and the pseudopotentials decide.

    Raises:
        InputError: a number is out of range.
    """

    q_mesh: Mesh | None = None
    k_mesh: Mesh | None = None
    dense_mesh: Mesh | None = None
    q_spacing: float = Q_SPACING
    """1/Å, with the factor 2 pi."""
    k_spacing: float = K_SPACING
    ecutwfc_ry: float | None = None
    ecutrho_ry: float | None = None
    degauss_ry: float = 0.02
    """Marzari-Vanderbilt smearing of the occupations, Ry."""
    sigma_ry: float = 0.005
    """Step of the Gaussian smearings of the double delta function, Ry."""
    n_sigma: int = 10
    """How many of them, ten at most: beyond, lambda.x breaks the lines of its table."""
    scf_threshold_ry: float = 1e-10
    phonon_threshold: float = 1e-14
    """``tr2_ph``."""
    mu_star: float = 0.10
    pressure_gpa: float = 0.0
    relax: bool = True
    """Whether the cell is relaxed at the pressure first."""
    functional: str | None = None
    pseudo_kind: Kind | None = None
    epw: bool = False
    """Whether inputs for EPW are written, too."""

    def __post_init__(self) -> None:
        """Check what no other part checks."""
        for name, low, high in (
            ("degauss_ry", 1e-4, 0.2),
            ("sigma_ry", 1e-4, 0.1),
            ("n_sigma", 1, 10),
            ("scf_threshold_ry", 1e-20, 1e-4),
            ("phonon_threshold", 1e-24, 1e-8),
            ("mu_star", 0.0, 0.5),
            ("pressure_gpa", 0.0, 1000.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{value:g} is not between {low:g} and {high:g}", where=name)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)
