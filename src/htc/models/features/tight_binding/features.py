"""Features of the electronic structure at the Fermi level, from a tight-binding run of a crystal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised
from htc.models.features.tight_binding.fermi_surface import SMEARING, FermiSurface, fermi_surface, gaussian
from htc.models.features.tight_binding.hamiltonian import Hamiltonian, build_hamiltonian
from htc.models.features.tight_binding.mesh import find_operations, reduced_mesh
from htc.models.features.tight_binding.neutrality import neutral_shifts, shells_of
from htc.models.features.tight_binding.occupation import fermi_function, fermi_level
from htc.models.features.tight_binding.parameters import element_parameters

__all__ = [
    "SITE_TIGHT_BINDING_FEATURES",
    "TIGHT_BINDING_FEATURES",
    "TightBinding",
    "site_tight_binding_features",
    "tight_binding",
    "tight_binding_features",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TIGHT_BINDING_FEATURES: tuple[str, ...] = (
    # Density of states, states/eV/atom, both spins.
    "tb_dos_0.1",
    "tb_dos_0.25",
    "tb_dos_0.5",
    "tb_dos_1.0",
    "tb_dos_adaptive",
    "tb_dos_below_1.0",
    "tb_dos_below_0.5",
    "tb_dos_above_0.5",
    "tb_dos_above_1.0",
    "tb_dos_slope",
    "tb_dos_over_mean",
    "tb_dos_per_volume",
    "tb_dos_s",
    "tb_dos_p",
    "tb_dos_d",
    "tb_dos_d_share",
    "tb_dos_over_mass",
    "tb_dos_light",
    "tb_dos_largest",
    "tb_dos_smallest",
    # Electron-phonon coupling: η in eV/Å² an atom; over mass also per u.
    "tb_eta",
    "tb_eta_over_mass",
    "tb_eta_largest",
    "tb_eta_over_mass_largest",
    "tb_matrix_element",
    "tb_eta_light_share",
    "tb_eta_ss",
    "tb_eta_sp",
    "tb_eta_pp",
    "tb_eta_sd",
    "tb_eta_pd",
    "tb_eta_dd",
    "tb_eta_local_over_mass",
    "tb_spherical",
    "tb_spherical_over_mass",
    "tb_lambda",
    "tb_lambda_total",
    # Fermi surface.
    "tb_velocity",
    "tb_velocity_anisotropy",
    "tb_plasma_energy",
    # Bands.
    "tb_band_width",
    "tb_d_width",
    "tb_s_centre",
    "tb_p_centre",
    "tb_d_centre",
    "tb_s_count",
    "tb_p_count",
    "tb_d_count",
    "tb_filling",
    "tb_fermi_over_width",
    "tb_gap",
    # Bonds.
    "tb_charge_mean",
    "tb_charge_largest",
    "tb_charge_smallest",
    "tb_bond_energy",
    "tb_stiffness",
    "tb_frequency",
    # The run itself.
    "tb_residual",
)
"""Names of the features of a crystal, in order."""

SITE_TIGHT_BINDING_FEATURES: tuple[str, ...] = (
    "tb_site_dos",
    "tb_site_dos_s",
    "tb_site_dos_p",
    "tb_site_dos_d",
    "tb_site_dos_0.5",
    "tb_site_dos_share",
    "tb_site_charge",
    "tb_site_s_count",
    "tb_site_p_count",
    "tb_site_d_count",
    "tb_site_s_centre",
    "tb_site_p_centre",
    "tb_site_d_centre",
    "tb_site_width",
    "tb_site_d_width",
    "tb_site_eta",
    "tb_site_eta_over_mass",
    "tb_site_eta_share",
    "tb_site_eta_sp",
    "tb_site_eta_pd",
    "tb_site_eta_dd",
    "tb_site_spherical",
    "tb_site_bond_energy",
    "tb_site_stiffness",
    "tb_site_frequency",
    "tb_site_lambda",
)
"""Names of the features of an orbit of sites, in order."""

_WIDTHS: Final = (0.1, 0.25, 0.5, 1.0)
_OFFSETS: Final = (-1.0, -0.5, 0.5, 1.0)
_TEMPERATURE: Final = 0.05
"""k_B T of the occupations on the fine mesh, eV."""
_MEAN_WINDOW: Final = 3.0
"""eV, width of the mean density of states the one at the Fermi level is compared with."""
_LIGHT: Final = 20.0
"""u."""
_SPACING_COARSE, _MOST_COARSE = 0.60, 4
_SPACING_FINE, _MOST_FINE = 0.32, 12
_LARGE: Final = 120
"""Orbitals, beyond which the fine mesh is thinned."""
_SPACING_LARGE, _MOST_LARGE = 0.50, 4
_TOO_LARGE: Final = 800
"""Orbitals (about 90 transition-metal atoms), beyond which nothing is computed."""
_PLASMA: Final = 4.0 * np.pi * 14.399645
"""4π e², eV Å."""
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class TightBinding:
    """Features of one crystal and of its orbits; NaN where they have no meaning."""

    cell: FloatArray
    """Shape ``(len(TIGHT_BINDING_FEATURES),)``."""
    orbits: FloatArray
    """Shape ``(n_orbits, len(SITE_TIGHT_BINDING_FEATURES))``."""


def tight_binding_features(standardised: Standardised) -> FloatArray:
    """``tight_binding(standardised).cell``, shape ``(len(TIGHT_BINDING_FEATURES),)``."""
    return tight_binding(standardised).cell


def site_tight_binding_features(standardised: Standardised) -> tuple[FloatArray, FloatArray]:
    """Features of the crystal and of its orbits; see :class:`TightBinding`."""
    found = tight_binding(standardised)
    return found.cell, found.orbits


def tight_binding(standardised: Standardised) -> TightBinding:
    """Run the tight-binding model on a primitive standard cell.

    The mesh of wave vectors is coarser for cells of more than 120 orbitals (13 transition-metal atoms).
    Every feature is NaN for a crystal without bonds, with an element beyond americium, or with more than
    800 orbitals. No run fails: ``tb_residual`` tells how far from self-consistent it ended, in electrons.

    Args:
        standardised: from ``primitive_standardised``.
    """
    orbits = np.array(standardised.orbits, dtype=np.int64)
    unknown = TightBinding(
        np.full(len(TIGHT_BINDING_FEATURES), np.nan),
        np.full((standardised.n_orbits, len(SITE_TIGHT_BINDING_FEATURES)), np.nan),
    )
    hamiltonian = build_hamiltonian(standardised.structure)
    if hamiltonian is None or len(hamiltonian) > _TOO_LARGE:
        return unknown
    electrons = float(element_parameters().valence[hamiltonian.numbers].sum())
    if not 0.0 < electrons < 2.0 * len(hamiltonian):
        return unknown
    lattice = np.asarray(standardised.structure.lattice.matrix, dtype=np.float64)
    operations = find_operations(
        lattice, standardised.structure.frac_coords, hamiltonian.numbers, standardised.spacegroup
    )
    coarse, _ = reduced_mesh(lattice, operations, _SPACING_COARSE, _MOST_COARSE)
    shells = shells_of(hamiltonian, orbits)
    shifts, residual = neutral_shifts(hamiltonian, shells, coarse, electrons)
    large = len(hamiltonian) > _LARGE
    spacing, most = (_SPACING_LARGE, _MOST_LARGE) if large else (_SPACING_FINE, _MOST_FINE)
    mesh, kept = reduced_mesh(lattice, operations, spacing, most)
    matrix = hamiltonian.hopping(mesh.wave_vectors)
    diagonal = np.arange(len(hamiltonian))
    on_site = hamiltonian.level + shells.member @ shifts
    matrix[:, diagonal, diagonal] += on_site
    energies, states = np.linalg.eigh(matrix)
    level, gap = _level_and_gap(energies, mesh.weights, electrons)
    surface = fermi_surface(hamiltonian, mesh, kept, energies, states, level)
    weight = states.real**2 + states.imag**2
    local = _LocalSums.of(hamiltonian, orbits, mesh.weights, energies, weight, on_site, level)
    masses = np.array([float(site.specie.atomic_mass) for site in standardised.structure])
    sites = _site_values(hamiltonian, surface, local, masses, on_site, level)
    return TightBinding(
        cell=_cell_values(
            hamiltonian,
            surface,
            sites,
            masses,
            mesh.weights,
            energies,
            level,
            electrons,
            gap,
            residual,
            float(standardised.structure.volume),
        ),
        orbits=_by_orbit(sites, orbits, standardised.n_orbits),
    )


def _level_and_gap(energies: FloatArray, weights: FloatArray, electrons: float) -> tuple[float, float]:
    """Fermi level and gap, eV; the level of an insulator is in the middle of its gap."""
    full = round(electrons / 2.0)
    if abs(electrons / 2.0 - full) < 1e-6 and 0 < full < energies.shape[1]:
        top, bottom = float(energies[:, full - 1].max()), float(energies[:, full].min())
        if bottom > top:
            return 0.5 * (top + bottom), bottom - top
    return fermi_level(energies, weights, electrons, _TEMPERATURE), 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _LocalSums:
    """Sums over bands, averaged over the sites of an orbit; by orbital, shape ``(n,)``."""

    density: FloatArray
    """At the Fermi level, states/eV, both spins."""
    wide_density: FloatArray
    """The same, smeared by 0.5 eV."""
    count: FloatArray
    """Electrons."""
    bond_energy: FloatArray
    """eV."""

    @classmethod
    def of(
        cls,
        hamiltonian: Hamiltonian,
        orbits: IntArray,
        weights: FloatArray,
        energies: FloatArray,
        weight: FloatArray,
        on_site: FloatArray,
        level: float,
    ) -> _LocalSums:
        occupied = fermi_function(energies, level, _TEMPERATURE)
        kernels = np.stack(
            [
                gaussian(energies - level, SMEARING),
                gaussian(energies - level, 0.5),
                occupied,
                occupied * energies,
            ],
            axis=-1,
        )
        sums = 2.0 * (weights[:, None, None] * (weight @ kernels)).sum(axis=0)
        # The irreducible mesh tells apart what symmetry makes equal: sites of an orbit, orbitals of a shell.
        key = orbits[hamiltonian.site] * 3 + hamiltonian.shell
        total = np.stack([np.bincount(key, column) for column in sums.T], axis=1)
        density, wide, count, energy = (total[key] / np.bincount(key)[key][:, None]).T
        return cls(density, wide, count, energy - count * on_site)


@dataclass(frozen=True, slots=True, eq=False)
class _Sites:
    """Values of the sites, each of shape ``(n_sites,)`` or, by shell, ``(n_sites, 3)``."""

    density: FloatArray
    wide_density: FloatArray
    count: FloatArray
    charge: FloatArray
    centre: FloatArray
    width: FloatArray
    d_width: FloatArray
    eta: FloatArray
    eta_local: FloatArray
    spherical: FloatArray
    bond_energy: FloatArray
    stiffness: FloatArray
    masses: FloatArray


def _by_shell(hamiltonian: Hamiltonian, values: FloatArray) -> FloatArray:
    """Sums over the orbitals of each shell of each site, ``(n_sites, 3)``."""
    key = hamiltonian.site * 3 + hamiltonian.shell
    sums: FloatArray = np.bincount(key, values, minlength=3 * len(hamiltonian.numbers)).astype(np.float64)
    return sums.reshape(-1, 3)


def _site_values(
    hamiltonian: Hamiltonian,
    surface: FermiSurface,
    local: _LocalSums,
    masses: FloatArray,
    on_site: FloatArray,
    level: float,
) -> _Sites:
    n_sites = len(hamiltonian.numbers)
    density = _by_shell(hamiltonian, local.density)
    count = _by_shell(hamiltonian, local.count)
    orbitals = _by_shell(hamiltonian, np.ones(len(hamiltonian)))
    with np.errstate(invalid="ignore"):
        centre = _by_shell(hamiltonian, on_site - level) / orbitals
    first = hamiltonian.pairs[:, 0]
    squared = hamiltonian.blocks**2
    # Only orbitals that are there: blocks hold all nine of either site.
    present = np.zeros((n_sites, 9))
    present[hamiltonian.site, hamiltonian.slot] = 1.0
    seen = squared * present[first][:, None, :, None] * present[hamiltonian.pairs[:, 1]][:, None, None, :]
    by_bond = seen.sum(axis=(2, 3))
    moment = np.bincount(first, by_bond.sum(axis=1), minlength=n_sites)
    length = np.linalg.norm(hamiltonian.vectors, axis=2) ** 2
    mean_square = np.bincount(first, (by_bond * length).sum(axis=1), minlength=n_sites) / np.maximum(
        moment, _TINY
    )
    d_moment = np.bincount(first, seen[:, :, 4:, :].sum(axis=(1, 2, 3)), minlength=n_sites)
    bond_energy = _by_shell(hamiltonian, local.bond_energy).sum(axis=1)
    # Gaspari & Gyorffy, doi:10.1103/PhysRevLett.28.801, with the phase shifts left out.
    total = density.sum(axis=1)
    neighbouring = 2.0 / 3.0 * density[:, 0] * density[:, 1] + 4.0 / 15.0 * density[:, 1] * density[:, 2]
    return _Sites(
        density=density,
        wide_density=_by_shell(hamiltonian, local.wide_density).sum(axis=1),
        count=count,
        charge=count.sum(axis=1) - element_parameters().valence[hamiltonian.numbers],
        centre=centre,
        width=np.sqrt(moment / orbitals.sum(axis=1)),
        d_width=np.sqrt(d_moment / np.maximum(orbitals[:, 2], 1.0)),
        eta=surface.eta,
        eta_local=surface.eta_local,
        spherical=neighbouring / np.maximum(total.sum(), _TINY) * n_sites,
        bond_energy=bond_energy,
        # Bond energy and repulsion in balance: the second derivative is their scale over d².
        stiffness=np.maximum(-bond_energy, 0.0) / np.maximum(mean_square, _TINY),
        masses=masses,
    )


def _by_orbit(sites: _Sites, orbits: IntArray, n_orbits: int) -> FloatArray:
    n_sites = len(orbits)
    density = sites.density.sum(axis=1)
    local = sites.eta_local + sites.eta_local.transpose(0, 2, 1)
    columns = np.stack(
        [
            density,
            *sites.density.T,
            sites.wide_density,
            density / max(float(density.sum()), _TINY) * n_sites,
            sites.charge,
            *sites.count.T,
            *sites.centre.T,
            sites.width,
            sites.d_width,
            sites.eta,
            sites.eta / sites.masses,
            sites.eta / max(float(sites.eta.sum()), _TINY) * n_sites,
            local[:, 0, 1],
            local[:, 1, 2],
            0.5 * local[:, 2, 2],
            sites.spherical,
            sites.bond_energy,
            sites.stiffness,
            np.sqrt(sites.stiffness / sites.masses),
            sites.eta / np.maximum(sites.stiffness, _TINY),
        ],
        axis=1,
    )
    members = np.bincount(orbits, minlength=n_orbits).astype(np.float64)
    mean = [np.bincount(orbits, column, minlength=n_orbits) / members for column in columns.T]
    return np.stack(mean, axis=1)


def _cell_values(
    hamiltonian: Hamiltonian,
    surface: FermiSurface,
    sites: _Sites,
    masses: FloatArray,
    weights: FloatArray,
    energies: FloatArray,
    level: float,
    electrons: float,
    gap: float,
    residual: float,
    volume: float,
) -> FloatArray:
    n_sites = len(hamiltonian.numbers)
    away = energies - level

    def density_at(offset: float, width: float) -> float:
        return 2.0 * float(weights @ gaussian(away - offset, width).sum(axis=1)) / n_sites

    densities = [density_at(0.0, width) for width in _WIDTHS]
    shoulders = [density_at(offset, SMEARING) for offset in _OFFSETS]
    at_level = densities[1]
    site_density = sites.density.sum(axis=1)
    light = masses < _LIGHT
    eta_over_mass = sites.eta / masses
    sum_eta, sum_density = max(float(sites.eta.sum()), _TINY), max(float(site_density.sum()), _TINY)
    coupling = sites.eta_local.sum(axis=0) / n_sites
    pairs = coupling + coupling.T
    site_lambda = sites.eta / np.maximum(sites.stiffness, _TINY)
    velocities = np.linalg.eigvalsh(surface.velocity_squared)
    mean_square_velocity = float(velocities.sum())
    mean_energy = float(weights @ energies.mean(axis=1))
    width = float(np.sqrt(weights @ ((energies - mean_energy) ** 2).mean(axis=1)))
    shell = hamiltonian.shell
    orbital_count = np.bincount(shell, minlength=3)
    d_sites = sites.d_width > 0.0
    with np.errstate(invalid="ignore"):
        centres = [float(np.nanmean(sites.centre[:, s])) if orbital_count[s] else np.nan for s in range(3)]
    counts = sites.count.sum(axis=0) / n_sites
    stiffness = sites.stiffness / masses
    return np.array(
        [
            *densities,
            surface.adaptive_density / n_sites,
            *shoulders,
            (shoulders[2] - shoulders[1]) / max(at_level, _TINY),
            at_level / max(density_at(0.0, _MEAN_WINDOW), _TINY),
            at_level * n_sites / volume,
            *(sites.density.sum(axis=0) / n_sites),
            float(sites.density[:, 2].sum()) / sum_density,
            float((site_density / masses).mean()),
            float(site_density[light].sum()) / n_sites,
            float(site_density.max()),
            float(site_density.min()),
            sum_eta / n_sites,
            float(eta_over_mass.mean()),
            float(sites.eta.max()),
            float(eta_over_mass.max()),
            sum_eta / sum_density,
            float(sites.eta[light].sum()) / sum_eta,
            coupling[0, 0],
            pairs[0, 1],
            coupling[1, 1],
            pairs[0, 2],
            pairs[1, 2],
            coupling[2, 2],
            float((sites.eta_local.sum(axis=(1, 2)) / masses).mean()),
            float(sites.spherical.mean()),
            float((sites.spherical / masses).mean()),
            float(site_lambda.mean()),
            sum_eta / max(float(sites.stiffness.sum()), _TINY),
            np.sqrt(mean_square_velocity),
            float(velocities[2] / max(velocities[0], 1e-3 * velocities[2], _TINY)),
            np.sqrt(_PLASMA * surface.density * mean_square_velocity / (3.0 * volume)),
            width,
            float(sites.d_width[d_sites].mean()) if d_sites.any() else 0.0,
            *centres,
            *counts,
            electrons / (2.0 * len(hamiltonian)),
            (level - mean_energy) / max(width, _TINY),
            gap,
            float(np.abs(sites.charge).mean()),
            float(sites.charge.max()),
            float(sites.charge.min()),
            float(sites.bond_energy.mean()),
            float(stiffness.mean()),
            float(np.sqrt(stiffness).mean()),
            residual,
        ]
    )
