"""Averages over the Fermi surface: velocities, and the coupling to the displacement of every site.

The coupling is the rigid-shift one of tight binding: a displaced site changes its hopping to all its
neighbours, δH = u · ∂H/∂u. Averaged over all pairs of states k, k' on the Fermi surface, as in the
electron-phonon parameter η = N(E_F) <I²> of W. L. McMillan, doi:10.1103/PhysRev.167.331, the square of the
matrix element factorises into sums over single states, because δH joins the displaced site with the rest:
with a the part of a state on the site and g the part of (∂H/∂u) ψ on it,
Σ_kk' |a_k* g_k' + g_k* a_k'|² = 2 Tr[Σ a a* Σ g g*] + 2 Re Tr[(Σ g a*)²].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.tight_binding.hamiltonian import Hamiltonian
from htc.models.features.tight_binding.mesh import Mesh, SymmetryOperations
from htc.models.features.tight_binding.slater_koster import N_ORBITALS, SHELL, orbital_rotation

__all__ = ["SMEARING", "FermiSurface", "fermi_surface", "gaussian"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

SMEARING: Final = 0.25
"""eV, standard deviation."""
_ADAPTIVE: Final = 1.0
_ADAPTIVE_RANGE: Final = (0.05, 0.5)
"""Smearing by the dispersion between mesh points, times this, within these bounds in eV
(J. R. Yates et al., doi:10.1103/PhysRevB.75.195121)."""
_DEGENERATE: Final = 1e-5
"""eV."""
_WINDOW: Final = 4.0
"""In units of the smearing."""


@dataclass(frozen=True, slots=True, eq=False)
class FermiSurface:
    """Averages at the Fermi level, both spins where a density of states is meant."""

    density: float
    """States/eV/cell, smeared by ``SMEARING``."""
    adaptive_density: float
    """The same with a smearing that follows the dispersion."""
    velocity_squared: FloatArray
    """<v_i v_j>, (eV Å)², shape ``(3, 3)``."""
    eta: FloatArray
    """McMillan-Hopfield parameter of every site, eV/Å², shape ``(n_sites,)``."""
    eta_local: FloatArray
    """Its part without the phases between neighbours, by shells of the site and of the neighbours,
    shape ``(n_sites, 3, 3)``."""


def gaussian(distance: FloatArray, width: float | FloatArray) -> FloatArray:
    """Normalised Gaussian."""
    values: FloatArray = distance / width
    np.square(values, out=values)
    np.multiply(-0.5, values, out=values)
    np.exp(values, out=values)
    np.divide(values, width * np.sqrt(2.0 * np.pi), out=values)
    return values


def fermi_surface(
    hamiltonian: Hamiltonian,
    mesh: Mesh,
    operations: SymmetryOperations,
    energies: FloatArray,
    states: ComplexArray,
    level: float,
) -> FermiSurface:
    """Averages over the states near the Fermi level.

    Args:
        hamiltonian: n orbitals.
        mesh: n_k wave vectors.
        operations: that leave the mesh as it is.
        energies: eV, shape ``(n_k, n)``.
        states: columns, shape ``(n_k, n, n)``.
        level: Fermi level, eV.
    """
    n_sites = len(hamiltonian.numbers)
    near = np.abs(energies - level) < _WINDOW * SMEARING
    in_any = np.flatnonzero(near.any(axis=0))
    rows = np.flatnonzero(near.any(axis=1))
    if not len(in_any):
        nothing = np.zeros(n_sites)
        return FermiSurface(0.0, 0.0, np.zeros((3, 3)), nothing, np.zeros((n_sites, 3, 3)))
    bands = slice(int(in_any[0]), int(in_any[-1]) + 1)
    vectors, away = mesh.wave_vectors[rows], energies[rows, bands] - level
    chosen = states[rows, :, bands]
    velocity_matrix, shift_matrix = hamiltonian.derivatives(vectors)
    weight = mesh.weights[rows, None] * gaussian(away, SMEARING)
    density = float(weight.sum())

    # Within a degenerate level only the whole block of the velocity has a meaning.
    velocity = chosen.conj().transpose(0, 2, 1)[:, None] @ (velocity_matrix @ chosen[:, None])
    same = np.abs(away[:, :, None] - away[:, None, :]) < _DEGENERATE
    velocity *= same[:, None]
    squares = (velocity[:, :, None] * velocity.conj()[:, None]).real.sum(axis=-1)  # (k, x, y, b)
    squared = np.einsum("kb,kxyb->xy", weight, squares) / max(density, 1e-12)
    turned = operations.cartesian @ squared @ operations.cartesian.transpose(0, 2, 1)
    speed = np.sqrt(np.einsum("kxxb->kb", squares))
    width = np.clip(_ADAPTIVE * speed * mesh.spacing, *_ADAPTIVE_RANGE)
    adaptive = float((mesh.weights[rows, None] * gaussian(away, width)).sum())

    # Moving a site changes the vectors to its neighbours by minus its displacement.
    force = -(shift_matrix @ chosen[:, None])
    place = hamiltonian.site * N_ORBITALS + hamiltonian.slot
    on_site = np.zeros((n_sites * N_ORBITALS, weight.size), dtype=np.complex128)
    pushed = np.zeros((3, n_sites * N_ORBITALS, weight.size), dtype=np.complex128)
    root = np.sqrt(weight).reshape(-1)
    on_site[place] = chosen.transpose(1, 0, 2).reshape(len(place), -1) * root
    pushed[:, place] = force.transpose(1, 2, 0, 3).reshape(3, len(place), -1) * root
    a = on_site.reshape(n_sites, N_ORBITALS, -1)
    g = pushed.reshape(3, n_sites, N_ORBITALS, -1)
    a_dagger = a.conj().transpose(0, 2, 1)
    # Time reversal makes the sums real.
    aa = (a @ a_dagger).real
    gg = (g @ g.conj().transpose(0, 1, 3, 2)).real.sum(axis=0)
    ga = (g @ a_dagger).real
    aa, gg, ga = _symmetrised(operations, aa, gg, ga)
    direct = np.einsum("sab,sba->s", aa, gg)
    crossed = np.einsum("xsab,xsba->s", ga, ga)
    # <|M|²> needs one Fermi sum more than the density squared has: η = Σ Σ |M|² / N, N for one spin.
    eta = 2.0 * (direct + crossed) / max(density, 1e-12)
    return FermiSurface(
        density=2.0 * density,
        adaptive_density=2.0 * adaptive,
        velocity_squared=turned.mean(axis=0),
        eta=eta,
        eta_local=_local(hamiltonian, aa) / max(density, 1e-12),
    )


def _symmetrised(
    operations: SymmetryOperations, aa: FloatArray, gg: FloatArray, ga: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums over the whole zone from those over its irreducible part."""
    if len(operations.image) == 1:
        return aa, gg, ga
    turn = orbital_rotation(operations.cartesian)[:, None]
    back = turn.transpose(0, 1, 3, 2)
    n, n_sites = operations.image.shape
    # The site that each one comes from, by operation.
    origin = (np.arange(n)[:, None], operations.image.argsort(axis=1))
    whole_aa, whole_gg = ((turn @ part @ back)[origin].sum(axis=0) / n for part in (aa, gg))
    vector = (turn[:, None] @ ga @ back[:, None]).reshape(n, 3, -1)  # (g, x, s * 81)
    vector = (operations.cartesian @ vector).reshape(n, 3, n_sites, N_ORBITALS, N_ORBITALS)
    whole_ga = vector.transpose(0, 2, 1, 3, 4)[origin].sum(axis=0) / n
    return whole_aa, whole_gg, whole_ga.transpose(1, 0, 2, 3)


_IN_SHELL: Final = (SHELL[:, None] == np.arange(3)).astype(np.float64)


def _local(hamiltonian: Hamiltonian, aa: FloatArray) -> FloatArray:
    """Σ over bonds of N_l |∂V_ll'/∂u|² N_l' of the two ends, each shell taken as spherical."""
    share = np.einsum("saa,al->sl", aa, _IN_SHELL) / np.array([1.0, 3.0, 5.0])
    squared = np.einsum("pbxij->pij", hamiltonian.gradients**2)
    by_shell = np.einsum("pij,il,jm->plm", squared, _IN_SHELL, _IN_SHELL)
    first, second = hamiltonian.pairs.T
    local = np.zeros((len(hamiltonian.numbers), 3, 3))
    np.add.at(local, first, 2.0 * by_shell * share[first][:, :, None] * share[second][:, None, :])
    return local
