"""Two-centre matrix elements between s, p and d states, and their derivatives, for many bonds at once.

Orbitals of a site, in order: s; p_x, p_y, p_z; d_xy, d_yz, d_3z2-r2, d_zx, d_x2-y2.
The forms are those of J. C. Slater & G. F. Koster, Phys. Rev. 94, 1498 (1954),
doi:10.1103/PhysRev.94.1498, written with the traceless symmetric tensors of the d states.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.features.tight_binding.parameters import ETA, HBAR2_OVER_M

__all__ = ["N_ORBITALS", "SHELL", "bond_blocks", "orbital_rotation"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

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


def _products() -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Terms T_m[a,b] R[a,c] T_n[c,d] R[b,d] that are not zero, for every pair of d states m and n.

    Both factors, shape ``(n_terms, 25, 1)``, and the places of both elements of R among its nine, shape
    ``(n_terms, 25)``; pairs with fewer terms are filled up with zeros.
    """
    elements = [np.argwhere(tensor).tolist() for tensor in _T]
    pairs = [(m, n) for m in range(5) for n in range(5)]
    size = max(len(e) for e in elements) ** 2
    left, right = np.zeros((size, len(pairs))), np.zeros((size, len(pairs)))
    first, second = np.zeros((size, len(pairs)), np.int64), np.zeros((size, len(pairs)), np.int64)
    for column, (m, n) in enumerate(pairs):
        for row, ((a, b), (c, d)) in enumerate(itertools.product(elements[m], elements[n])):
            left[row, column], right[row, column] = _T[m, a, b], _T[n, c, d]
            first[row, column], second[row, column] = 3 * a + c, 3 * b + d
    return left[:, :, None], right[:, :, None], first, second


_PRODUCTS: Final = _products()


def orbital_rotation(rotation: FloatArray) -> FloatArray:
    """How orbitals turn under rotations (proper or not): (..., 3, 3) -> (..., 9, 9)."""
    turn = np.zeros((*rotation.shape[:-2], N_ORBITALS, N_ORBITALS))
    turn[..., 0, 0] = 1.0
    turn[..., 1:4, 1:4] = rotation
    left, right, first, second = _PRODUCTS
    elements = rotation.reshape(-1, 9).T.copy()
    terms = left * elements[first] * right * elements[second]  # (terms, 25, n)
    total = terms[0]
    for term in terms[1:]:
        total += term
    turn[..., 4:, 4:] = total.T.reshape(*rotation.shape[:-2], 5, 5)
    return turn


def _generators() -> FloatArray:
    """Generators of the rotations about x, y and z in the space of the orbitals, shape ``(3, 9, 9)``."""
    generators = np.zeros((3, N_ORBITALS, N_ORBITALS))
    generators[:, 1:4, 1:4] = -_EPSILON
    spin = -_EPSILON
    generators[:, 4:, 4:] = 2.0 * np.einsum("mab,wac,ncb->wmn", _T, spin, _T)
    return generators


_GENERATORS: Final = _generators()


_S: Final = slice(0, 1)
_P: Final = slice(1, 4)
_D: Final = slice(4, 9)
_N_LAYERS: Final = 3
_PARTS: Final = (
    (0, 0, _S, _S), (1, 0, _S, _P), (1, 0, _P, _S), (2, 0, _P, _P), (3, 1, _P, _P),
    (4, 0, _S, _D), (5, 0, _D, _S), (6, 0, _P, _D), (7, 1, _P, _D), (8, 0, _D, _P), (9, 1, _D, _P),
    (10, 0, _D, _D), (11, 1, _D, _D), (12, 2, _D, _D),
)  # fmt: skip
"""Integral, layer, rows and columns of every angular part. Integrals come in the order of ETA; those of d-s
and d-p, which carry the parameters of the other site, apart. Sigma, pi and delta lie in layers."""


def _integrals() -> IntArray:
    """Which integral each element of the layers belongs to, shape ``(3, 81)``; any where there is none."""
    found = np.zeros((_N_LAYERS, N_ORBITALS, N_ORBITALS), dtype=np.int64)
    for integral, layer, rows, columns in _PARTS:
        found[layer, rows, columns] = integral
    return found.reshape(_N_LAYERS, -1)


_INTEGRALS: Final = _integrals()


def _angular(direction: FloatArray) -> FloatArray:
    """Angular parts of the two-centre integrals, shape ``(n, 3, 81)``: see ``_PARTS``."""
    n = direction
    q = np.sqrt(1.5) * np.einsum("xa,mab,xb->xm", n, _T, n)
    along = np.einsum("mab,xb->xma", _T, n)
    v = np.sqrt(2.0) * (along - np.einsum("xa,xm->xma", n, np.einsum("xa,xma->xm", n, along)))
    nn = n[:, :, None] * n[:, None, :]
    nq = n[:, :, None] * q[:, None, :]
    qq, vv = q[:, :, None] * q[:, None, :], v @ v.transpose(0, 2, 1)
    values: tuple[FloatArray | float, ...] = (
        1.0, n[:, None, :], -n[:, :, None], nn, np.eye(3) - nn,
        q[:, None, :], q[:, :, None], nq, v.transpose(0, 2, 1), -nq.transpose(0, 2, 1), -v,
        qq, vv, np.eye(5) - qq - vv,
    )  # fmt: skip
    layers = np.zeros((len(n), _N_LAYERS, N_ORBITALS, N_ORBITALS))
    for (_, layer, rows, columns), value in zip(_PARTS, values, strict=True):
        layers[:, layer, rows, columns] = value
    return layers.reshape(len(n), _N_LAYERS, -1)


def _turning() -> tuple[IntArray, FloatArray]:
    """Columns, and elements there, of each row of the generators: two at most, each ``(2, 3, 9)``."""
    columns, elements = np.zeros((2, 3, N_ORBITALS), np.int64), np.zeros((2, 3, N_ORBITALS))
    for axis, row in itertools.product(range(3), range(N_ORBITALS)):
        for place, column in enumerate(np.flatnonzero(_GENERATORS[axis, row])):
            columns[place, axis, row] = column
            elements[place, axis, row] = _GENERATORS[axis, row, column]
    return columns, elements


_TURNING: Final = _turning()


def _turned_left(blocks: FloatArray) -> FloatArray:
    """Generators times blocks: (n, 9, 9) to (n, 3, 9, 9)."""
    columns, elements = _TURNING
    first: FloatArray = blocks[:, columns[0]]
    first *= elements[0, :, :, None]
    second = blocks[:, columns[1]]
    second *= elements[1, :, :, None]
    first += second
    return first


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
    # Value of each integral, and the power of the distance it falls with.
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
    value = scale[:, None] * np.stack([value for value, _ in radial], axis=1)
    fall = cut_slope[:, None] - np.array([power for _, power in radial]) / distance[:, None]
    terms = value[:, _INTEGRALS] * _angular(direction)  # (n, 3, 81)
    slopes = terms * fall[:, _INTEGRALS]
    block = (terms[:, 0] + terms[:, 1] + terms[:, 2]).reshape(-1, N_ORBITALS, N_ORBITALS)
    slope = (slopes[:, 0] + slopes[:, 1] + slopes[:, 2]).reshape(-1, N_ORBITALS, N_ORBITALS)
    # A step across the bond only turns it: about n × e by 1/d.
    axis = np.einsum("wbc,xb->xcw", _EPSILON, direction) / distance[:, None, None]
    # The generators are antisymmetric: from the right they do to the transpose what they do from the left.
    turned = _turned_left(block) + _turned_left(block.transpose(0, 2, 1)).transpose(0, 1, 3, 2)
    gradient = np.einsum("xcw,xwab->xcab", axis, turned)
    gradient += direction[:, :, None, None] * slope[:, None]
    return block, gradient
