"""The network itself, in numpy: prediction needs no torch.

One node a kind of site. Its state starts from the element, what tight binding says of the site and, in the
best tier, what an interatomic potential sees there. Gated messages along neighbour shells mix the states
(after CGCNN, Xie and Grossman, Phys. Rev. Lett. 120, 145301 (2018), doi:10.1103/PhysRevLett.120.145301);
mean, maximum and attention over the sites, with the crystal's own features, give all targets at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.models.network.batch import N_RADIAL, GraphBatch
from htc.models.products import times_by_row, times_by_run

__all__ = ["N_HEADS", "SOURCES", "TARGETS", "Network", "NetworkShape"]

FloatArray = NDArray[np.float32]

TARGETS: Final = (
    "ln_lambda",
    "ln_omega_log",
    "ln_omega_2_ratio",
    "ln_debye",
    "ln_dos_per_atom",
    "ln_dos_per_volume",
)
"""ln of lambda_ep; omega_log (K); omega_2/omega_log; Debye temperature (K); N(E_F) in states/eV/atom and
states/eV/Å^3."""

SOURCES: Final = ("alexandria", "betenet", "jarvis")
"""Whose calculation is predicted; the first is the one that is predicted by default."""

N_HEADS: Final = 4
_EPS: Final = 1e-5
_BOUND: Final = 5.0


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Sizes of a network."""

    hidden: int
    layers: int
    n_site: int
    n_cell: int

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array; matrices are applied from the right."""
        h = self.hidden
        joined = (2 + N_HEADS) * h + h + 2 + len(SOURCES)
        out: dict[str, tuple[int, ...]] = {
            "site_centre": (self.n_site,),
            "site_scale": (self.n_site,),
            "cell_centre": (self.n_cell,),
            "cell_scale": (self.n_cell,),
            "target_mean": (len(TARGETS),),
            "target_scale": (len(TARGETS),),
            "element": (104, h),
            "site/w": (self.n_site, h),
            "site/b": (h,),
        }
        for k in range(self.layers):
            out |= {
                f"layer{k}/norm_in/w": (h,),
                f"layer{k}/norm_in/b": (h,),
                f"layer{k}/radial/w": (N_RADIAL, 2 * h),
                f"layer{k}/radial/b": (2 * h,),
                f"layer{k}/centre/w": (h, 2 * h),
                f"layer{k}/neighbour/w": (h, 2 * h),
                f"layer{k}/norm_sum/w": (h,),
                f"layer{k}/norm_sum/b": (h,),
                f"layer{k}/message/w": (h, h),
                f"layer{k}/message/b": (h,),
                f"layer{k}/norm_up/w": (h,),
                f"layer{k}/norm_up/b": (h,),
                f"layer{k}/up1/w": (h, 2 * h),
                f"layer{k}/up1/b": (2 * h,),
                f"layer{k}/up2/w": (2 * h, h),
                f"layer{k}/up2/b": (h,),
            }
        return out | {
            "cell/w": (self.n_cell, h),
            "cell/b": (h,),
            "attention1/w": (h, h),
            "attention1/b": (h,),
            "attention2/w": (h, N_HEADS),
            "attention2/b": (N_HEADS,),
            "value/w": (h, h),
            "value/b": (h,),
            "norm_head/w": (joined,),
            "norm_head/b": (joined,),
            "head1/w": (joined, 2 * h),
            "head1/b": (2 * h,),
            "head2/w": (2 * h, h),
            "head2/b": (h,),
            "head3/w": (h, len(TARGETS)),
            "head3/b": (len(TARGETS),),
        }


def _silu(x: FloatArray) -> FloatArray:
    return x * _sigmoid(x)


def _sigmoid(x: FloatArray) -> FloatArray:
    half = np.tanh(np.float32(0.5) * x)
    return np.asarray(np.float32(0.5) * (half + np.float32(1.0)))


def _sum_over(index: NDArray[np.int64], values: FloatArray, n: int) -> FloatArray:
    """Sum of the rows of ``values`` that share an index, shape ``(n, ...)``."""
    out = np.zeros((n, *values.shape[1:]), dtype=np.float32)
    np.add.at(out, index, values)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One trained member of an ensemble."""

    shape: NetworkShape
    arrays: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        """Check that every array is there, of its shape and finite.

        Raises:
            ValueError: it is not.
        """
        for name, shape in self.shape.parameters().items():
            if name not in self.arrays:
                raise ValueError(f"network array {name} is missing")
            if self.arrays[name].shape != shape:
                raise ValueError(f"network array {name} has shape {self.arrays[name].shape}, not {shape}")
            if not np.isfinite(self.arrays[name]).all():
                raise ValueError(f"network array {name} holds numbers that are not finite")

    def predict(self, batch: GraphBatch, source: str = SOURCES[0]) -> NDArray[np.float64]:
        """All targets of every crystal: the same bits whatever other crystals are in the batch.

        Args:
            batch: from :func:`htc.models.network.collate`.
            source: whose calculation to predict, one of ``SOURCES``.

        Returns:
            Shape ``(B, len(TARGETS))``.
        """
        a = self.arrays
        n, b = len(batch.numbers), len(batch)

        nodes, edges = batch.node_runs, batch.edge_runs

        def linear(name: str, x: FloatArray, runs: Sequence[slice] = nodes) -> FloatArray:
            return np.asarray(times_by_run(x, a[f"{name}/w"], runs) + a[f"{name}/b"])

        def of_crystals(name: str, x: FloatArray) -> FloatArray:
            return np.asarray(times_by_row(x, a[f"{name}/w"]) + a[f"{name}/b"])

        def norm(name: str, x: FloatArray) -> FloatArray:
            # The sums behind `mean`, whose checks take longer than a few rows do.
            centred = x - np.add.reduce(x, axis=1, keepdims=True) / x.shape[1]
            square = np.add.reduce(centred * centred, axis=1, keepdims=True) / x.shape[1]
            spread = np.sqrt(square + np.float32(_EPS))
            return np.asarray(centred / spread * a[f"{name}/w"] + a[f"{name}/b"])

        def standard(name: str, x: FloatArray) -> FloatArray:
            scaled = (x - a[f"{name}_centre"]) * a[f"{name}_scale"]
            return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), -_BOUND, _BOUND), dtype=np.float32)

        x = a["element"][batch.numbers] + linear("site", standard("site", batch.sites))
        basis, weight = batch.basis, batch.edge_weight
        for k in range(self.shape.layers):
            layer = f"layer{k}"
            h = norm(f"{layer}/norm_in", x)
            message = (
                linear(f"{layer}/radial", basis, edges)
                + times_by_run(h, a[f"{layer}/centre/w"], nodes)[batch.centre]
                + times_by_run(h, a[f"{layer}/neighbour/w"], nodes)[batch.neighbour]
            )
            what, gate = message[:, : self.shape.hidden], message[:, self.shape.hidden :]
            total = _sum_over(batch.centre, _silu(what) * _sigmoid(gate) * weight, n)
            x = x + linear(f"{layer}/message", norm(f"{layer}/norm_sum", total))
            x = x + linear(f"{layer}/up2", _silu(linear(f"{layer}/up1", norm(f"{layer}/norm_up", x))))

        share = batch.multiplicity[:, None]
        mean = _sum_over(batch.crystal, x * share, b) / _sum_over(batch.crystal, share, b)
        most = np.full((b, x.shape[1]), -np.inf, dtype=np.float32)
        np.maximum.at(most, batch.crystal, x)
        attention = np.exp(np.clip(linear("attention2", _silu(linear("attention1", x))), -8.0, 8.0)) * share
        pooled = _sum_over(batch.crystal, attention[:, :, None] * linear("value", x)[:, None, :], b)
        pooled /= _sum_over(batch.crystal, attention, b)[:, :, None]
        token = np.zeros((b, len(SOURCES)), dtype=np.float32)
        token[:, SOURCES.index(source)] = 1.0
        cell = _silu(of_crystals("cell", standard("cell", batch.cell)))
        joined = np.concatenate([mean, most, pooled.reshape(b, -1), cell, batch.size, token], axis=1)
        hidden = _silu(of_crystals("head1", norm("norm_head", joined)))
        out = of_crystals("head3", _silu(of_crystals("head2", hidden)))
        return (out * a["target_scale"] + a["target_mean"]).astype(np.float64)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, as stored: weights in half precision."""
        return {
            name: (array if name.endswith(("_centre", "_scale", "_mean")) else array.astype(np.float16))
            for name, array in self.arrays.items()
        }

    @classmethod
    def from_tensors(cls, shape: Mapping[str, int], tensors: Mapping[str, NDArray[Any]]) -> Network:
        """Inverse of :meth:`tensors`.

        Raises:
            ValueError: the arrays do not describe a network.
        """
        return cls(NetworkShape(**shape), {k: np.asarray(v, dtype=np.float32) for k, v in tensors.items()})

    def shape_dict(self) -> dict[str, int]:
        """The sizes, for the card."""
        return asdict(self.shape)
