"""The tight-binding Hamiltonian of a crystal as a function of the wave vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.tight_binding.parameters import element_parameters
from htc.models.features.tight_binding.slater_koster import N_ORBITALS, SHELL, bond_blocks

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Hamiltonian", "build_hamiltonian"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]

_FARTHEST: Final = 1.48
"""Bonds longer than this many sums of the radii carry less than a twentieth of Harrison's hopping."""
_SHORTEST: Final = 0.3
"""Å; sites that lie closer are the same site twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Hamiltonian:
    """Sites, orbitals and bonds of a crystal; n orbitals in all.

    Bonds are grouped by the pair of sites they join and padded with empty ones, so that the sum over the
    bonds of a pair is one matrix product.
    """

    numbers: IntArray
    """Atomic numbers, shape ``(n_sites,)``."""
    site: IntArray
    """Site of each orbital, shape ``(n,)``."""
    shell: IntArray
    """Angular momentum of each orbital, shape ``(n,)``."""
    slot: IntArray
    """Place of each orbital among the nine of its site, shape ``(n,)``."""
    level: FloatArray
    """Term value of each orbital, eV, shape ``(n,)``."""
    pairs: IntArray
    """First and second site of each pair with bonds, shape ``(n_pairs, 2)``."""
    vectors: FloatArray
    """Bond vectors, Å, shape ``(n_pairs, n_most, 3)``."""
    blocks: FloatArray
    """Hopping, eV, shape ``(n_pairs, n_most, 9, 9)``."""
    gradients: FloatArray
    """Its derivative with the bond vector, eV/Å, shape ``(n_pairs, n_most, 3, 9, 9)``."""

    def __len__(self) -> int:
        """Number of orbitals."""
        return len(self.site)

    def _phases(self, wave_vectors: FloatArray) -> ComplexArray:
        """Shape ``(n_pairs, n_k, n_most)``."""
        angle = np.einsum("pbx,kx->pkb", self.vectors, wave_vectors)
        phases: ComplexArray = np.exp(1j * angle)
        return phases

    def _assembled(self, phases: ComplexArray, values: FloatArray) -> ComplexArray:
        """Sum over bonds and set into place: ``(n_pairs, n_most, ..., 9, 9)`` to ``(n_k, ..., n, n)``."""
        n_pairs, n_k, n_most = phases.shape
        inner = values.shape[2:-2]
        flat = values.reshape(n_pairs, n_most, -1)
        summed = np.empty((n_pairs, n_k, flat.shape[2]), dtype=np.complex128)
        summed.real = phases.real @ flat
        summed.imag = phases.imag @ flat
        blocks = summed.reshape(n_pairs, n_k, *inner, N_ORBITALS, N_ORBITALS)
        n = len(self.numbers)
        table = np.zeros((n_k, *inner, n, N_ORBITALS, n, N_ORBITALS), dtype=np.complex128)
        table[..., self.pairs[:, 0], :, self.pairs[:, 1], :] = blocks
        if len(self) == n * N_ORBITALS:
            return table.reshape(n_k, *inner, len(self), len(self))
        wide = table.reshape(n_k, *inner, n * N_ORBITALS, n * N_ORBITALS)
        place = self.site * N_ORBITALS + self.slot
        return wide[..., place[:, None], place[None, :]]

    def hopping(self, wave_vectors: FloatArray) -> ComplexArray:
        """Hamiltonian without the levels, eV, shape ``(n_k, n, n)``, with phases exp(i k·d) of the bonds."""
        return self._assembled(self._phases(wave_vectors), self.blocks)

    def derivatives(self, wave_vectors: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """Derivatives with the wave vector (eV Å) and with the second site's place (eV/Å).

        Both of shape ``(n_k, 3, n, n)``.
        """
        phases = self._phases(wave_vectors)
        along = self.blocks[:, :, None] * self.vectors[:, :, :, None, None]
        velocity = 1j * self._assembled(phases, along)
        return velocity, self._assembled(phases, self.gradients)


def build_hamiltonian(structure: Structure) -> Hamiltonian | None:
    """Hamiltonian of a crystal; None where it has no bonds, or an element or a distance without meaning.

    Args:
        structure: ordered, n sites.
    """
    table = element_parameters()
    numbers = np.array(structure.atomic_numbers, dtype=np.int64)
    if numbers.max() >= len(table):
        return None
    radius = table.radius[numbers]
    n_orbitals = table.n_orbitals[numbers]
    centre, other, image, distance = structure.get_neighbor_list(float(_FARTHEST * 2.0 * radius.max()))
    near = distance < _FARTHEST * (radius[centre] + radius[other])
    centre, other, image, distance = centre[near], other[near], image[near], distance[near]
    if not len(centre) or distance.min() < _SHORTEST:
        return None
    places = structure.cart_coords
    bonds = places[other] + image @ structure.lattice.matrix - places[centre]
    r_d = table.r_d[numbers]
    blocks, gradients = bond_blocks(bonds, (r_d[centre], r_d[other]), (radius[centre], radius[other]))
    n_sites = len(numbers)
    order = np.argsort(centre * n_sites + other, kind="stable")
    key, start, count = np.unique((centre * n_sites + other)[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, count)
    pair = np.repeat(np.arange(len(key)), count)
    shape = (len(key), int(count.max()))
    padded_vectors = np.zeros((*shape, 3))
    padded_blocks = np.zeros((*shape, N_ORBITALS, N_ORBITALS))
    padded_gradients = np.zeros((*shape, 3, N_ORBITALS, N_ORBITALS))
    padded_vectors[pair, rank] = bonds[order]
    padded_blocks[pair, rank] = blocks[order]
    padded_gradients[pair, rank] = gradients[order]
    site = np.repeat(np.arange(n_sites), n_orbitals)
    slot = np.concatenate([np.arange(count) for count in n_orbitals])
    shell = SHELL[slot]
    return Hamiltonian(
        numbers=numbers,
        site=site,
        shell=shell,
        slot=slot,
        level=table.level[numbers[site], shell],
        pairs=np.stack([key // n_sites, key % n_sites], axis=1),
        vectors=padded_vectors,
        blocks=padded_blocks,
        gradients=padded_gradients,
    )
