"""Two-centre matrix elements between s, p and d states, and their derivatives, for many bonds at once.

Orbitals of a site, in order: s; p_x, p_y, p_z; d_xy, d_yz, d_3z2-r2, d_zx, d_x2-y2.
The forms are those of J. C. Slater & G. F. Koster, Phys. Rev. 94, 1498 (1954),
doi:10.1103/PhysRev.94.1498, written with the traceless symmetric tensors of the d states.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.tight_binding.parameters import ETA, HBAR2_OVER_M

__all__ = ["N_ORBITALS", "SHELL", "bond_blocks", "orbital_rotation"]

FloatArray = NDArray[np.float64]

N_ORBITALS: Final = 9
SHELL: Final = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2])
"""Angular momentum of each orbital."""

REACH: Final = 1.30
"""Distance, in units of the sum of the radii, at which the hopping is cut to a half."""
SOFTNESS: Final = 0.06
"""Width of that cut, in the same units."""


def _d_tensors() -> FloatArray:
    """Tensors T_m of the d states, shape ``(5, 3, 3)``, Tr T_m T_n = δ; Y_m = √(3/2) n·T_m n along n."""
    tensors = np.zeros((5, 3, 3))
    for m, (a, b) in {0: (0, 1), 1: (1, 2), 3: (0, 2)}.items():
        tensors[m, a, b] = tensors[m, b, a] = np.sqrt(0.5)
    tensors[2] = np.diag([-1.0, -1.0, 2.0]) / np.sqrt(6.0)
    tensors[4] = np.diag([1.0, -1.0, 0.0]) / np.sqrt(2.0)
    return tensors


_T: Final = _d_tensors()
_EPSILON: Final = np.zeros((3, 3, 3))
for _a, _b, _c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    _EPSILON[_a, _b, _c], _EPSILON[_a, _c, _b] = 1.0, -1.0


def orbital_rotation(rotation: FloatArray) -> FloatArray:
    """How orbitals turn under rotations (proper or not): (..., 3, 3) -> (..., 9, 9)."""
    turn = np.zeros((*rotation.shape[:-2], N_ORBITALS, N_ORBITALS))
    turn[..., 0, 0] = 1.0
    turn[..., 1:4, 1:4] = rotation
    turn[..., 4:, 4:] = np.einsum("mab,...ac,ncd,...bd->...mn", _T, rotation, _T, rotation)
    return turn


def _generators() -> FloatArray:
    """Generators of the rotations about x, y and z in the space of the orbitals, shape ``(3, 9, 9)``."""
    generators = np.zeros((3, N_ORBITALS, N_ORBITALS))
    generators[:, 1:4, 1:4] = -_EPSILON
    spin = -_EPSILON
    generators[:, 4:, 4:] = 2.0 * np.einsum("mab,wac,ncb->wmn", _T, spin, _T)
    return generators


_GENERATORS: Final = _generators()


def _angular(direction: FloatArray) -> tuple[FloatArray, ...]:
    """Angular parts of the ten two-centre integrals, each of shape ``(n, 9, 9)``, in the order of ETA.

    The d-s and d-p parts carry the parameters of the other site and are returned apart.
    """
    n = direction
    count = len(n)
    q = np.sqrt(1.5) * np.einsum("xa,mab,xb->xm", n, _T, n)
    along = np.einsum("mab,xb->xma", _T, n)
    v = np.sqrt(2.0) * (along - np.einsum("xa,xm->xma", n, np.einsum("xa,xma->xm", n, along)))
    nn = n[:, :, None] * n[:, None, :]
    parts = [np.zeros((count, N_ORBITALS, N_ORBITALS)) for _ in range(13)]
    ss, sp, pp_s, pp_p, sd, ds, pd_s, pd_p, dp_s, dp_p, dd_s, dd_p, dd_d = parts
    ss[:, 0, 0] = 1.0
    sp[:, 0, 1:4], sp[:, 1:4, 0] = n, -n
    pp_s[:, 1:4, 1:4], pp_p[:, 1:4, 1:4] = nn, np.eye(3) - nn
    sd[:, 0, 4:], ds[:, 4:, 0] = q, q
    pd_s[:, 1:4, 4:] = n[:, :, None] * q[:, None, :]
    pd_p[:, 1:4, 4:] = v.transpose(0, 2, 1)
    dp_s[:, 4:, 1:4] = -pd_s[:, 1:4, 4:].transpose(0, 2, 1)
    dp_p[:, 4:, 1:4] = -v
    qq, vv = q[:, :, None] * q[:, None, :], v @ v.transpose(0, 2, 1)
    dd_s[:, 4:, 4:], dd_p[:, 4:, 4:], dd_d[:, 4:, 4:] = qq, vv, np.eye(5) - qq - vv
    return tuple(parts)


def bond_blocks(
    vectors: FloatArray,
    r_d: tuple[FloatArray, FloatArray],
    radii: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Hopping between the two ends of every bond, and its derivative with respect to the bond vector.

    Args:
        vectors: from the first to the second site, Å, shape ``(n_bonds, 3)``.
        r_d: d-state radii of the first and of the second sites, Å, each ``(n_bonds,)``; 0 without d states.
        radii: radii of both sites that set the reach, Å.

    Returns:
        Blocks in eV, shape ``(n_bonds, 9, 9)``, and derivatives in eV/Å, shape ``(n_bonds, 3, 9, 9)``.
    """
    distance = np.linalg.norm(vectors, axis=1)
    direction = vectors / distance[:, None]
    size = radii[0] + radii[1]
    rounded = np.exp(np.clip((distance - REACH * size) / (SOFTNESS * size), -60.0, 60.0))
    cut = 1.0 / (1.0 + rounded)
    cut_slope = -(1.0 - cut) / (SOFTNESS * size)  # of ln cut
    first, second = r_d[0] ** 1.5, r_d[1] ** 1.5
    two, seven, five = distance**-2.0, distance**-3.5, distance**-5.0
    scale = HBAR2_OVER_M * cut
    # In the order of _angular: value of each integral and the power of the distance it falls with.
    radial = [
        (ETA["ss_sigma"] * two, 2.0),
        (ETA["sp_sigma"] * two, 2.0),
        (ETA["pp_sigma"] * two, 2.0),
        (ETA["pp_pi"] * two, 2.0),
        (ETA["sd_sigma"] * second * seven, 3.5),
        (ETA["sd_sigma"] * first * seven, 3.5),
        (ETA["pd_sigma"] * second * seven, 3.5),
        (ETA["pd_pi"] * second * seven, 3.5),
        (ETA["pd_sigma"] * first * seven, 3.5),
        (ETA["pd_pi"] * first * seven, 3.5),
        (ETA["dd_sigma"] * first * second * five, 5.0),
        (ETA["dd_pi"] * first * second * five, 5.0),
        (ETA["dd_delta"] * first * second * five, 5.0),
    ]
    block = np.zeros((len(vectors), N_ORBITALS, N_ORBITALS))
    slope = np.zeros_like(block)
    for part, (value, power) in zip(_angular(direction), radial, strict=True):
        term = (scale * value)[:, None, None] * part
        block += term
        slope += term * (cut_slope - power / distance)[:, None, None]
    # A step across the bond only turns it: about n × e by 1/d.
    axis = np.einsum("wbc,xb->xcw", _EPSILON, direction) / distance[:, None, None]
    turned = np.einsum("wab,xbc->xwac", _GENERATORS, block) - np.einsum("xab,wbc->xwac", block, _GENERATORS)
    gradient = np.einsum("xcw,xwab->xcab", axis, turned)
    gradient += direction[:, :, None, None] * slope[:, None]
    return block, gradient
