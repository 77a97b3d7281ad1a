"""Training of one member of the ensemble of networks; needs torch.

All targets are learned at once, each where its source states it, with the error of Tc itself as a further
term: the errors of lambda and omega_log that cancel in Tc are not worth unlearning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import MissingExtraError
from htc.models.features.graph import CUTOFF_A
from htc.models.network.batch import GraphBatch, envelope, radial
from htc.models.network.evaluate import N_HEADS, SOURCES, TARGETS, Network, NetworkShape

__all__ = ["NetworkData", "NetworkSettings", "fit_network"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

_LOSS_WEIGHT: Final = (1.0, 1.0, 0.15, 0.3, 0.3, 0.3)
_BOUND: Final = 5.0


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How a network is built and trained."""

    hidden: int = 128
    layers: int = 3
    epochs: int = 26
    batch: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    tc_weight: float = 0.15
    dropout: float = 0.1
    input_dropout: float = 0.2
    strain_noise: float = 0.01
    """Standard deviation of the random scaling of all distances of a crystal."""
    threads: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class NetworkData:
    """Inputs and labels of n materials, laid out for cutting batches out of them."""

    batch: GraphBatch
    """All of them as one batch."""
    targets: FloatArray
    """Shape ``(n, len(TARGETS))``; NaN where a source does not state one."""
    target_weight: FloatArray
    """How far each label is to be trusted, shape ``(n, len(TARGETS))``."""
    source: IntArray
    """Index into ``SOURCES``, shape ``(n,)``."""

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.batch)


def _standardised(values: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    scaled = np.nan_to_num((values - centre) * scale, nan=0.0)
    return np.asarray(np.clip(scaled, -_BOUND, _BOUND), dtype=np.float32)


def _centre_and_scale(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and one over the deviation of every column; 0 for columns that say nothing."""
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0).astype(np.float64)
    mean = filled.sum(axis=0) / n
    spread = np.sqrt((np.where(known, filled - mean, 0.0) ** 2).sum(axis=0) / n)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-8)
    return mean.astype(np.float32), scale.astype(np.float32)


def fit_network(
    data: NetworkData,
    rows: IntArray,
    weight: FloatArray,
    settings: NetworkSettings,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Network:
    """Train one network.

    Args:
        data: all materials.
        rows: which of them to train on.
        weight: of every material of ``data``, shape ``(n,)``.
        settings: of the network and the training.
        seed: of the weights, the order and the noise; equal seeds give equal networks on one machine.
        progress: told epochs done, and of how many.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "training the networks needs torch", hint="pip install 'htc[train]'"
        ) from error
    from torch.nn import functional

    torch.set_num_threads(settings.threads)
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    in_training = np.zeros(len(data), dtype=bool)
    in_training[rows] = True
    node_in = in_training[data.batch.crystal]
    site_centre, site_scale = _centre_and_scale(data.batch.sites[node_in])
    cell_centre, cell_scale = _centre_and_scale(data.batch.cell[in_training])
    target_mean, inverse = _centre_and_scale(data.targets[in_training])
    target_scale = np.where(inverse > 0.0, 1.0 / np.maximum(inverse, 1e-8), 1.0).astype(np.float32)
    standard = replace(
        data.batch,
        sites=_standardised(data.batch.sites, site_centre, site_scale),
        cell=_standardised(data.batch.cell, cell_centre, cell_scale),
    )
    known = ~np.isnan(data.targets)
    goal = torch.from_numpy(
        np.where(known, np.nan_to_num((data.targets - target_mean) / target_scale), 0.0).astype(np.float32)
    )
    trust = torch.from_numpy(
        (np.where(known, data.target_weight, 0.0) * np.array(_LOSS_WEIGHT)).astype(np.float32)
    )
    row_weight = torch.from_numpy(weight.astype(np.float32))
    token = torch.eye(len(SOURCES))[torch.from_numpy(data.source)]
    mean_t, scale_t = torch.from_numpy(target_mean[:2]), torch.from_numpy(target_scale[:2])
    true_tc = _tc(goal[:, 0] * scale_t[0] + mean_t[0], goal[:, 1] * scale_t[1] + mean_t[1])

    shape = NetworkShape(
        settings.hidden, settings.layers, data.batch.sites.shape[1], data.batch.cell.shape[1]
    )
    net = _module(shape, settings)
    average = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * (-(-len(rows) // settings.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps + 1, pct_start=0.08
    )
    order = np.array(rows)
    for epoch in range(settings.epochs):
        net.train()
        generator.shuffle(order)
        for start in range(0, len(order), settings.batch):
            which = order[start : start + settings.batch]
            batch = standard.select(which)
            noise = 1.0 + settings.strain_noise * generator.standard_normal(len(which))
            of_edge = noise[batch.crystal[batch.centre]].astype(np.float32)
            batch = replace(batch, distance=np.minimum(batch.distance * of_edge, CUTOFF_A))
            index = torch.from_numpy(which)
            out = net(batch, token[index])
            loss = functional.smooth_l1_loss(out, goal[index], reduction="none", beta=0.3) * trust[index]
            total = loss.sum(dim=1)
            tc = _tc(out[:, 0] * scale_t[0] + mean_t[0], out[:, 1] * scale_t[1] + mean_t[1])
            total = total + settings.tc_weight * functional.smooth_l1_loss(
                tc, true_tc[index], reduction="none", beta=1.0
            )
            objective = (total * row_weight[index]).mean()
            optimiser.zero_grad()
            torch.autograd.backward(objective)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                rate = 0.1 if epoch < 4 else 0.01
                for name, p in net.named_parameters():
                    average[name].lerp_(p, rate)
        if progress is not None:
            progress(epoch + 1, settings.epochs)
    arrays: dict[str, FloatArray] = {
        name.replace("__", "/"): p.numpy().astype(np.float16).astype(np.float32)
        for name, p in average.items()
    }
    arrays |= {
        "site_centre": site_centre,
        "site_scale": site_scale,
        "cell_centre": cell_centre,
        "cell_scale": cell_scale,
        "target_mean": target_mean,
        "target_scale": target_scale,
    }
    return Network(shape, arrays)


def _tc(ln_lambda: Any, ln_omega_log: Any, mu_star: float = 0.10) -> Any:
    """f1 times the Allen-Dynes exponential, K, on torch tensors, with a gradient next to the threshold."""
    import torch

    coupling = ln_lambda.clamp(-4.5, 1.6).exp()
    omega = ln_omega_log.clamp(2.0, 7.5).exp()
    drive = coupling - mu_star * (1.0 + 0.62 * coupling)
    f1 = (1.0 + (coupling / (2.46 * (1.0 + 3.8 * mu_star))) ** 1.5) ** (1.0 / 3.0)
    exponent = (-1.04 * (1.0 + coupling) / drive.clamp(min=0.02)).clamp(min=-60.0)
    return f1 * omega / 1.2 * torch.exp(exponent) * (drive > 0.0)


def _module(shape: NetworkShape, settings: NetworkSettings) -> Any:
    """The network of ``htc.models.network.evaluate`` as a torch module with the same parameters."""
    import torch
    from torch import nn
    from torch.nn import functional

    given = {"site_centre", "site_scale", "cell_centre", "cell_scale", "target_mean", "target_scale"}

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, size in shape.parameters().items():
                if name in given:
                    continue
                value = torch.zeros(size)
                if name == "element":
                    nn.init.normal_(value, std=0.2)
                elif "norm" in name and name.endswith("/w"):
                    value = torch.ones(size)
                elif name.endswith("/w"):
                    bound = 1.0 / max(size[0], 1) ** 0.5
                    nn.init.uniform_(value, -bound, bound)
                self.register_parameter(name.replace("/", "__"), nn.Parameter(value))

        def p(self, name: str) -> Any:
            return getattr(self, name.replace("/", "__"))

        def linear(self, name: str, x: Any) -> Any:
            return x @ self.p(f"{name}/w") + self.p(f"{name}/b")

        def norm(self, name: str, x: Any) -> Any:
            return functional.layer_norm(x, x.shape[-1:], self.p(f"{name}/w"), self.p(f"{name}/b"))

        def drop(self, x: Any, rate: float) -> Any:
            return functional.dropout(x, rate, self.training)

        def forward(self, batch: GraphBatch, token: Any) -> Any:
            centre, neighbour = torch.from_numpy(batch.centre), torch.from_numpy(batch.neighbour)
            crystal = torch.from_numpy(batch.crystal)
            sites = self.drop(torch.from_numpy(batch.sites), settings.input_dropout)
            x = self.p("element")[torch.from_numpy(batch.numbers)] + self.linear("site", sites)
            basis = torch.from_numpy(radial(batch.distance))
            weight = torch.from_numpy(batch.count * envelope(batch.distance))[:, None]
            for k in range(shape.layers):
                layer = f"layer{k}"
                h = self.norm(f"{layer}/norm_in", x)
                message = (
                    self.linear(f"{layer}/radial", basis)
                    + (h @ self.p(f"{layer}/centre/w")).index_select(0, centre)
                    + (h @ self.p(f"{layer}/neighbour/w")).index_select(0, neighbour)
                )
                what, gate = message.chunk(2, 1)
                kept = functional.silu(what) * torch.sigmoid(gate) * weight
                total = torch.zeros_like(x).index_add_(0, centre, kept)
                x = x + self.linear(f"{layer}/message", self.norm(f"{layer}/norm_sum", total))
                up = functional.silu(self.linear(f"{layer}/up1", self.norm(f"{layer}/norm_up", x)))
                x = x + self.linear(f"{layer}/up2", up)
            b = len(batch)
            share = torch.from_numpy(batch.multiplicity)[:, None]
            atoms = torch.zeros(b, 1).index_add_(0, crystal, share)
            mean = torch.zeros(b, x.shape[1]).index_add_(0, crystal, x * share) / atoms
            most = torch.full((b, x.shape[1]), -torch.inf).scatter_reduce(
                0, crystal[:, None].expand_as(x), x, "amax"
            )
            scores = self.linear("attention2", functional.silu(self.linear("attention1", x)))
            attention = scores.clamp(-8.0, 8.0).exp() * share
            norm = torch.zeros(b, N_HEADS).index_add_(0, crystal, attention)
            value = self.linear("value", x)
            pooled = torch.zeros(b, N_HEADS, x.shape[1]).index_add_(
                0, crystal, attention[:, :, None] * value[:, None, :]
            )
            pooled = (pooled / norm[:, :, None]).flatten(1)
            cell = self.drop(
                functional.silu(self.linear("cell", torch.from_numpy(batch.cell))), settings.input_dropout
            )
            joined = torch.cat([mean, most, pooled, cell, torch.from_numpy(batch.size), token], 1)
            h = self.drop(self.norm("norm_head", joined), settings.dropout)
            h = self.drop(functional.silu(self.linear("head1", h)), settings.dropout)
            return self.linear("head3", functional.silu(self.linear("head2", h)))

    if len(TARGETS) != len(_LOSS_WEIGHT):
        raise RuntimeError("a target without a weight")
    return Module()
