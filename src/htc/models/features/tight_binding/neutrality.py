"""Self-consistent levels: shells are shifted in proportion to the electrons they gain.

With the shift of shell a, V_a = U_a (q_a - q_a⁰), the levels are the minimum of a convex function of the
shifts, so Newton's method with the exact static response of the bands converges in a few steps from
anywhere, where mixing of charges wanders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.tight_binding.hamiltonian import Hamiltonian
from htc.models.features.tight_binding.mesh import Mesh
from htc.models.features.tight_binding.occupation import fermi_function, fermi_level
from htc.models.features.tight_binding.parameters import element_parameters

__all__ = ["Shells", "neutral_shifts", "shells_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

REPULSION: Final = 3.0
"""eV an electron; s and p together, weakened by the Madelung field of the neighbours that is left out."""
REPULSION_OF_D_METAL: Final = 6.0
"""eV an electron, in both shells of a d metal: neither count changes from one compound to another."""
TEMPERATURE: Final = 0.25
"""k_B T of the occupations, eV, which makes a coarse mesh enough."""
TOLERANCE: Final = 0.003
"""Electrons a site."""
MOST_STEPS: Final = 16
_LARGEST_STEP: Final = 3.0
"""eV."""
_SHORTER: Final = 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Shells:
    """Shells that share a shift: s and p of an orbit, and d of an orbit; m of them."""

    member: FloatArray
    """1 where an orbital belongs to a shell, shape ``(n, m)``."""
    multiplicity: FloatArray
    """Sites of each, shape ``(m,)``."""
    neutral: FloatArray
    """Electrons a site in the neutral solid, shape ``(m,)``."""
    repulsion: FloatArray
    """U, eV, shape ``(m,)``."""


def shells_of(hamiltonian: Hamiltonian, orbits: IntArray) -> Shells:
    """Shells of a crystal; ``orbits`` is the orbit of every site."""
    table = element_parameters()
    is_d = hamiltonian.shell == 2
    key = orbits[hamiltonian.site] * 2 + is_d
    found, member_of = np.unique(key, return_inverse=True)
    member = np.zeros((len(hamiltonian), len(found)))
    member[np.arange(len(hamiltonian)), member_of] = 1.0
    first_site = np.array([int(np.flatnonzero(orbits == k // 2)[0]) for k in found])
    numbers = hamiltonian.numbers[first_site]
    d_shell = found % 2 == 1
    neutral = np.where(d_shell, table.n_d[numbers], table.valence[numbers] - table.n_d[numbers])
    return Shells(
        member=member,
        multiplicity=np.array([float((orbits == k // 2).sum()) for k in found]),
        neutral=neutral,
        repulsion=np.where(table.n_orbitals[numbers] == 9, REPULSION_OF_D_METAL, REPULSION),
    )


def neutral_shifts(
    hamiltonian: Hamiltonian,
    shells: Shells,
    mesh: Mesh,
    electrons: float,
    start: FloatArray | None = None,
) -> tuple[FloatArray, float]:
    """Shifts of the shells, eV, shape ``(m,)``, and how far from self-consistent, electrons a site.

    Args:
        hamiltonian: n orbitals.
        shells: m shells.
        mesh: wave vectors to sum over.
        electrons: in the cell.
        start: shifts to begin with, eV; None for the free atoms'.
    """
    diagonal = np.arange(len(hamiltonian))
    bare = hamiltonian.hopping(mesh.wave_vectors)
    bare[:, diagonal, diagonal] += hamiltonian.level
    shifts = np.zeros(len(shells.neutral)) if start is None else start
    best, best_residual, step = shifts, np.inf, shifts
    for _ in range(MOST_STEPS):
        matrix = bare.copy()
        matrix[:, diagonal, diagonal] += shells.member @ shifts
        energies, states = np.linalg.eigh(matrix)
        level = fermi_level(energies, mesh.weights, electrons, TEMPERATURE)
        occupied = fermi_function(energies, level, TEMPERATURE)
        weight = states.real**2 + states.imag**2
        filled = ((weight @ occupied[:, :, None])[:, :, 0] * mesh.weights[:, None]).sum(axis=0)
        charge = 2.0 * shells.member.T @ filled / shells.multiplicity
        gap = shifts / shells.repulsion - (charge - shells.neutral)
        residual = float(np.abs(gap).max())
        if residual > 1.5 * best_residual:
            # Too far: levels have crossed. Go back most of the way.
            step = _SHORTER * step
            shifts = best + step
            continue
        if residual < best_residual:
            best, best_residual = shifts, residual
        if residual < TOLERANCE:
            break
        response = _response(energies, states, occupied, mesh.weights, shells)
        jacobian = np.diag(1.0 / shells.repulsion) - response / shells.multiplicity[:, None]
        step = -np.linalg.solve(jacobian, gap)
        step *= min(1.0, _LARGEST_STEP / float(np.abs(step).max()))
        shifts = shifts + step
    return best, best_residual


def _response(
    energies: FloatArray,
    states: NDArray[np.complex128],
    occupied: FloatArray,
    weights: FloatArray,
    shells: Shells,
) -> FloatArray:
    """Electrons a shell gains with the shift of another at fixed total number, ``(m, m)``, 1/eV."""
    m = len(shells.neutral)
    difference = energies[:, :, None] - energies[:, None, :]
    slope = -occupied * (1.0 - occupied) / TEMPERATURE
    close = np.abs(difference) < 1e-4
    np.copyto(difference, 1.0, where=close)
    ratio = occupied[:, :, None] - occupied[:, None, :]
    ratio /= difference
    np.copyto(ratio, 0.5 * (slope[:, :, None] + slope[:, None, :]), where=close)
    ratio *= weights[:, None, None]
    overlap = np.stack(
        [
            np.swapaxes(states[:, rows].conj(), 1, 2) @ states[:, rows]
            for rows in (np.flatnonzero(shells.member[:, a]) for a in range(m))
        ]
    ).reshape(m, -1)
    scaled = overlap * ratio.reshape(-1)
    response = 2.0 * (scaled.real @ overlap.real.T + scaled.imag @ overlap.imag.T)
    # The Fermi level follows so that the number of electrons stays.
    at_level = 2.0 * (
        ((states.real**2 + states.imag**2) @ slope[:, :, None])[:, :, 0] * weights[:, None]
    ).sum(axis=0)
    by_shell = shells.member.T @ at_level
    total = float(by_shell.sum())
    if total < -1e-12:
        response -= np.outer(by_shell, by_shell) / total
    return response
