"""Gaussian processes fitted to what was judged, and BoTorch's noisy expected hypervolume improvement.

A process for each column that is not certain, with a learned length for each feature: the cheap model's
predictions of Tc, ln lambda and ln omega_log, and the main components of the composition. The batch is
chosen jointly from the candidates left (qLogNEHVI, Ament et al. 2023, arXiv:2310.20708; with one objective
qLogNEI). Until enough is judged to fit anything, the choice is that of ``greedy``.

Unlike ``hypervolume`` it does not take over the model's stated uncertainty: it learns how wrong the model is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.pool import Pool
from htc.discovery.requests import Constraint, Objective
from htc.discovery.strategies.base import Strategy
from htc.discovery.strategies.simple import Greedy
from htc.errors import MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GaussianProcesses"]

FloatArray = NDArray[np.float64]

_FIRST: Final = 8
"""Judged candidates needed before a process is fitted."""
_COMPONENTS: Final = 6
"""Main components of the composition."""
_AT_ONCE: Final = 512
"""Candidates the acquisition is computed for at once."""
_CONSIDERED: Final = 2000
"""Candidates, those of best prediction, that a batch is chosen from in a large pool."""

_ACQUISITION: Final = (
    "botorch.acquisition.logei",
    "botorch.acquisition.multi_objective.logei",
    "botorch.acquisition.objective",
    "botorch.optim",
)
_MODEL: Final = (
    "botorch.fit",
    "botorch.models",
    "botorch.models.deterministic",
    "botorch.models.model",
    "botorch.models.transforms",
    "gpytorch.mlls",
)


def _module(name: str) -> Any:
    """A module of the extra; by name, because type checkers may not have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its own libraries find deprecated
        return import_module(name)


class GaussianProcesses(Strategy):
    """The strategy ``botorch``; arguments as of :class:`Strategy`.

    Raises:
        MissingExtraError: BoTorch is not installed.
    """

    def __init__(
        self,
        pool: Pool,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        seed: int = 0,
    ) -> None:
        """Begin with nothing judged."""
        super().__init__(pool, objectives, constraints, seed)
        try:
            _module("botorch")
        except ImportError as error:
            raise MissingExtraError(
                "the strategy botorch needs BoTorch", hint='pip install "htc[bo]"'
            ) from error
        self._beginning = Greedy(pool, objectives, constraints, seed)
        self._features = self._scaled_features()

    def tell(self, position: int, values: Sequence[float | None] | None) -> None:
        """A candidate was judged; see :meth:`Strategy.tell`."""
        super().tell(position, values)
        self._beginning.tell(position, values)

    def wait_for(self, position: int) -> None:
        """Do not choose it again."""
        super().wait_for(position)
        self._beginning.wait_for(position)

    def ask(self, n: int, batch: int) -> list[int]:
        """The candidates of a batch; see :meth:`Strategy.ask`."""
        if len(self.order) < _FIRST:
            return self._beginning.ask(n, batch)
        free = self.free
        if len(free) > _CONSIDERED:
            # In the order of what is predicted: the acquisition of a large pool takes minutes.
            free = np.array(self._beginning.ask(_CONSIDERED, batch), dtype=np.int64)
        if not len(free):
            return []
        import torch

        # The seed of this choice alone; who called keeps the state of their own random numbers.
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")  # of fits that stop early, which is no harm here
            torch.manual_seed((self.seed * 1_000_003 + batch) % 2**31)
            return [int(free[i]) for i in self._chosen(min(n, len(free)), free)]

    def _chosen(self, n: int, free: NDArray[np.int64]) -> list[int]:
        import torch

        single, several, objectives, optim = map(_module, _ACQUISITION)
        model = self._fitted()
        judged = torch.from_numpy(self._inputs(np.array(self.order)))
        choices = torch.from_numpy(self._inputs(free))
        n_objectives = len(self.objectives)
        bounds = self._bounds()
        common: dict[str, Any] = {"model": model, "X_baseline": judged, "prune_baseline": True}
        if bounds:
            common["constraints"] = bounds
        if n_objectives == 1:
            acquisition: Any = single.qLogNoisyExpectedImprovement(
                **common,
                objective=objectives.GenericMCObjective(lambda values, **_: self._good(values)[..., 0]),
            )
        else:
            acquisition = several.qLogNoisyExpectedHypervolumeImprovement(
                **common,
                ref_point=[0.0] * n_objectives,
                objective=_module(
                    "botorch.acquisition.multi_objective.objective"
                ).GenericMCMultiOutputObjective(lambda values, **_: self._good(values)),
            )
        picked, _ = optim.optimize_acqf_discrete(
            acquisition, q=n, choices=choices, max_batch_size=_AT_ONCE, unique=True
        )
        where = {tuple(row): i for i, row in reversed(list(enumerate(choices.tolist())))}
        left = dict.fromkeys(range(len(free)))
        out = []
        for row in picked.tolist():
            i = where[tuple(row)]
            if i not in left:  # another of equal features
                same = [j for j in left if choices[j].tolist() == row]
                i = same[0] if same else next(iter(left))
            left.pop(i)
            out.append(i)
        return out

    def _good(self, values: Tensor) -> Tensor:
        """Objectives above their references in units of the references' distances; larger is better."""
        import torch

        columns = []
        for k, one in enumerate(self.objectives):
            sign = 1.0 if one.wanted == "max" else -1.0
            columns.append(sign * (values[..., k] - one.worst))
        return torch.stack(columns, dim=-1) / torch.tensor(self._units())

    def _units(self) -> list[float]:
        above = self.above(self.values[:, : len(self.objectives)])
        return [float(v) or 1.0 for v in np.nanmax(above, axis=0)]

    def _bounds(self) -> list[Any]:
        """Constraints as BoTorch has them: not positive where they are kept."""
        out: list[Any] = []
        for bound in self.constraints:
            k = self.columns.index(bound.column)
            if bound.min is not None:
                out.append(lambda values, k=k, low=bound.min: low - values[..., k])
            if bound.max is not None:
                out.append(lambda values, k=k, high=bound.max: values[..., k] - high)
        return out

    def _fitted(self) -> Any:
        import torch

        fit, kinds, deterministic, lists, transforms, mlls = map(_module, _MODEL)
        models: list[Any] = []
        n_features, certain = self._features.shape[1], 0
        for k, column in enumerate(self.columns):
            if column in self.pool.known:
                # The inputs end with the certain columns, as they are.
                place = n_features + certain
                certain += 1
                models.append(
                    deterministic.GenericDeterministicModel(
                        lambda inputs, place=place: inputs[..., place : place + 1], num_outputs=1
                    )
                )
                continue
            told = np.flatnonzero(np.isfinite(self.values[:, k]))
            if len(told) < 2:
                hoped = float(self._hoped(k)[0])
                models.append(
                    deterministic.GenericDeterministicModel(
                        lambda inputs, v=hoped: torch.full_like(inputs[..., :1], v), num_outputs=1
                    )
                )
                continue
            inputs = torch.from_numpy(self._inputs(np.array(self.order)[told]))
            values = torch.from_numpy(self.values[told, k : k + 1])
            process = kinds.SingleTaskGP(inputs, values, outcome_transform=transforms.Standardize(m=1))
            fit.fit_gpytorch_mll(mlls.ExactMarginalLogLikelihood(process.likelihood, process))
            models.append(process)
        return models[0] if len(models) == 1 else lists.ModelList(*models)

    def _inputs(self, positions: NDArray[np.int64]) -> FloatArray:
        """Features of candidates, and their certain values; shape ``(len(positions), ...)``."""
        certain = [self.pool.known[c][positions] for c in self.columns if c in self.pool.known]
        return np.column_stack([self._features[positions], *certain])

    def _scaled_features(self) -> FloatArray:
        tc = self.pool.tc
        middle = tc.at(np.zeros(len(tc)))
        features = [np.sqrt(middle), tc.centre, np.log(tc.omega_log_k)]
        features += [
            np.where(np.isfinite(guess), guess, np.nanmean(guess))
            for guess in self.pool.guesses.values()
            if np.isfinite(guess).any()
        ]
        centred = self.pool.fractions - self.pool.fractions.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        # The sign of an axis is a matter of the library; make it that of its largest part.
        axes = axes[:_COMPONENTS]
        axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
        table = np.column_stack([*features, centred @ axes.T])
        low, high = table.min(axis=0), table.max(axis=0)
        return np.asarray((table - low) / np.where(high > low, high - low, 1.0))
