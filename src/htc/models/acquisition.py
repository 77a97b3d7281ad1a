"""What to calculate next: scores that weigh the uncertainty of a prediction, and a search that learns.

A budget buys so many first-principles calculations. Which materials? The score says how much each is worth:

| name | score | use |
|---|---|---|
| ``predicted`` | predicted Tc, K | the yardstick; knows no uncertainty |
| ``expected`` | mean of the distribution, K | long upper tails count |
| ``upper_bound`` | a quantile of Tc, K | optimism: 0.95 looks far, 0.7 a little |
| ``exceedance`` | probability that Tc is above a threshold | all materials above a fixed Tc |
| ``improvement`` | mean of what Tc exceeds a threshold by, K | a few very high ones |
| ``top_k`` | probability to be among the k highest of the pool | as many of the best k as possible |

For recall of the best k nothing can do better on average than ``top_k``, if the distributions are right. It
pays where more is calculated than is sought (the best 10 with 50 calculations); where as many are sought as
calculated, the choice hangs on materials near the k-th, whose order no width changes much. Errors of
different materials are taken as independent, until a :class:`Search` has learned from its observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.materials.formulas import ELEMENTS, parse_formula
from htc.models.predictive import PredictedTc, TcDistribution

__all__ = [
    "ACQUISITIONS",
    "DEFAULT_QUANTILE",
    "Acquisition",
    "Search",
    "acquisition_score",
    "fractions_of",
    "score",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Acquisition = Literal["predicted", "expected", "upper_bound", "exceedance", "improvement", "top_k"]

ACQUISITIONS: Final[tuple[Acquisition, ...]] = get_args(Acquisition)
DEFAULT_QUANTILE: Final = 0.70
"""Quantile of ``upper_bound``: found best for the recall of the upper seventh of a pool, out of fold."""
N_DRAWS: Final = 1000
_CHUNK: Final = 2_000_000
"""Random numbers held at once."""

_SAME: Final = 0.43
"""Correlation of the residuals of two crystals of one formula, out of fold."""
_LENGTH: Final = 0.12
"""Share of atoms replaced over which the correlation falls to 1/e of that."""


def acquisition_score(
    predictions: Sequence[PredictedTc],
    kind: Acquisition = "top_k",
    *,
    k: int | None = None,
    threshold_k: float | None = None,
    quantile: float = DEFAULT_QUANTILE,
) -> FloatArray:
    """Score of predictions such as ``htc.prediction.Prediction``; calculate the highest first.

    Args:
        predictions: each with Tc, its 95 % interval, lambda, omega_log and mu*; one pool.
        kind: see the module's table.
        k: how many of the best are wanted; for ``top_k``.
        threshold_k: K; for ``exceedance`` and ``improvement``.
        quantile: for ``upper_bound``.

    Returns:
        Shape ``(n,)``.

    Raises:
        InputError: a prediction without Tc, or an argument that the kind needs is missing or impossible.
    """
    distribution = TcDistribution.from_predictions(predictions)
    return score(distribution, kind, k=k, threshold_k=threshold_k, quantile=quantile)


def score(
    tc: TcDistribution,
    kind: Acquisition = "top_k",
    *,
    k: int | None = None,
    threshold_k: float | None = None,
    quantile: float = DEFAULT_QUANTILE,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> FloatArray:
    """Score of materials given as distributions; arguments as of :func:`acquisition_score`.

    Args:
        tc: the distributions.
        kind: see the module's table.
        k: for ``top_k``.
        threshold_k: for ``exceedance`` and ``improvement``, K.
        quantile: for ``upper_bound``.
        n_draws: samples of the whole pool that ``top_k`` counts over.
        seed: of these samples; equal seed, equal score.

    Raises:
        InputError: an argument that the kind needs is missing or impossible.
    """
    if kind not in ACQUISITIONS:
        raise InputError(
            f"no acquisition is called {kind!r}", where="kind", hint="there are: " + ", ".join(ACQUISITIONS)
        )
    if kind == "predicted":
        return tc.at(np.zeros(len(tc)))
    if kind == "expected":
        return tc.expectation()
    if kind == "upper_bound":
        return tc.quantile(quantile)
    if kind == "top_k":
        return _top_k(tc, _checked_k(k), n_draws, seed)
    if threshold_k is None or not np.isfinite(threshold_k) or threshold_k < 0.0:
        raise InputError(
            f"{kind} needs a threshold, K, not {threshold_k!r}",
            where="threshold_k",
            hint="for example the Tc of the best material known",
        )
    return tc.exceedance(threshold_k) if kind == "exceedance" else tc.expectation(threshold_k)


def _checked_k(k: int | None) -> int:
    if k is None or k < 1:
        raise InputError(f"top_k needs a number of materials, not {k!r}", where="k", hint="for example 100")
    return k


def _top_k(
    tc: TcDistribution, k: int, n_draws: int, seed: int, known: FloatArray | None = None
) -> FloatArray:
    """Probability to be among the k highest, with the exceedance of the expected k-th as a tie-breaker.

    Args:
        tc: the distributions.
        k: how many are highest.
        n_draws: samples.
        seed: of the samples.
        known: Tc where it became known, else NaN; shape ``(n,)``.
    """
    n = len(tc)
    if k >= n:
        return tc.at(np.zeros(n))
    rng = np.random.default_rng(seed)
    count = np.zeros(n)
    last = []
    size = max(1, _CHUNK // n)
    for start in range(0, n_draws, size):
        drawn = tc.at(rng.standard_normal((min(size, n_draws - start), n)))
        if known is not None:
            drawn = np.where(np.isnan(known), drawn, known)
        order = np.argpartition(drawn, n - k, axis=1)[:, n - k :]
        count += np.bincount(order.ravel(), minlength=n)
        last.append(np.take_along_axis(drawn, order, axis=1).min(axis=1))
    tie = tc.exceedance(float(np.median(np.concatenate(last))))
    return np.asarray((count + tie) / (n_draws + 1.0))


def fractions_of(formulas: Sequence[str] | NDArray[np.str_]) -> FloatArray:
    """Atomic fraction of each element, shape ``(n, n_elements)``: what a :class:`Search` compares by.

    Raises:
        FormulaError: a formula cannot be read.
    """
    column = {symbol: i for i, symbol in enumerate(ELEMENTS)}
    out = np.zeros((len(formulas), len(ELEMENTS)))
    for row, formula in zip(out, formulas, strict=True):
        amounts = parse_formula(str(formula)).get_el_amt_dict()
        for symbol, amount in amounts.items():
            row[column[symbol]] = amount / sum(amounts.values())
    return out


class Search:
    """A search over one pool that learns from what was calculated.

    Each calculation tells how far the prediction was off, and its relatives of similar composition are off
    alike: their normal scores are conditioned on those observed (a Gaussian process over composition).

        search = Search(distribution, fractions_of(formulas))
        chosen = search.propose(10, k=100)
        search.observe(chosen, tc_of(chosen))
    """

    def __init__(
        self,
        tc: TcDistribution,
        fractions: FloatArray,
        *,
        correlation: float = _SAME,
        length: float = _LENGTH,
        seed: int = 0,
    ) -> None:
        """Begin with nothing known.

        Args:
            tc: the pool as predicted, n materials.
            fractions: atomic fraction of each element, shape ``(n, n_elements)``; rows sum to 1.
            correlation: of the residuals of two materials of one composition, 0 to below 1.
            length: share of atoms replaced over which it falls to 1/e.
            seed: of the samples that ``top_k`` counts over.

        Raises:
            InputError: shapes or values that cannot be.
        """
        if fractions.ndim != 2 or len(fractions) != len(tc):
            raise InputError(
                f"fractions of shape {fractions.shape} do not belong to {len(tc)} materials",
                where="fractions",
            )
        if not (0.0 <= correlation < 1.0 and length > 0.0):
            raise InputError(
                f"a correlation of {correlation!r} over a length of {length!r} is impossible",
                where="correlation",
                hint="0 <= correlation < 1 and length > 0",
            )
        self._prior = tc
        self._fractions = fractions
        self._correlation, self._length = correlation, length
        self._seed = seed
        self._order: list[int] = []
        self._known = np.full(len(tc), np.nan)
        self._posterior = tc

    @property
    def chosen(self) -> IntArray:
        """Positions observed so far, in order."""
        return np.array(self._order, dtype=np.int64)

    @property
    def posterior(self) -> TcDistribution:
        """The pool's distributions with what was learned; not meant for materials already observed."""
        return self._posterior

    def observe(self, position: IntArray, tc_k: FloatArray) -> None:
        """Take in calculated Tc.

        Args:
            position: which materials, shape ``(m,)``; none twice.
            tc_k: their Tc at their mu*, K, shape ``(m,)``.

        Raises:
            InputError: a material was observed before, or a Tc cannot be.
        """
        new = [int(i) for i in position]
        values = np.asarray(tc_k, dtype=np.float64)
        if len(set(new)) != len(new) or not np.isnan(self._known[new]).all():
            raise InputError("a material was observed twice", where="position")
        if values.shape != (len(new),) or not (np.isfinite(values).all() and (values >= 0.0).all()):
            raise InputError("one finite Tc >= 0 is needed for each material", where="tc_k")
        self._known[new] = values
        self._order += new
        self._posterior = self._learned()

    def propose(
        self,
        n: int,
        kind: Acquisition = "top_k",
        *,
        k: int | None = None,
        threshold_k: float | None = None,
        quantile: float = DEFAULT_QUANTILE,
    ) -> IntArray:
        """Positions of the n materials to calculate next, best first; arguments as of :func:`score`.

        Raises:
            InputError: an argument that the kind needs is missing or impossible.
        """
        if kind == "top_k":
            values = _top_k(self._posterior, _checked_k(k), N_DRAWS, self._seed, self._known)
        else:
            values = score(self._posterior, kind, k=k, threshold_k=threshold_k, quantile=quantile)
        values = np.where(np.isnan(self._known), values, -np.inf)
        return np.argsort(-values, kind="stable")[: min(n, len(values) - len(self._order))]

    def _learned(self) -> TcDistribution:
        seen = self.chosen
        observed = self._prior.normal_score(seen, self._known[seen])
        to_seen = self._kernel(self._fractions, self._fractions[seen])
        among = to_seen[seen] + (1.0 - self._correlation) * np.eye(len(seen))
        weights = np.linalg.solve(among, to_seen.T).T
        mean = weights @ observed
        variance = 1.0 - np.einsum("ij,ij->i", weights, to_seen)
        return self._prior.given(mean, np.sqrt(np.clip(variance, 1e-6, 1.0)))

    def _kernel(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Correlation of residuals, shape ``(len(a), len(b))``, without what is each material's own."""
        replaced = np.array([0.5 * np.abs(a - row).sum(axis=1) for row in b]).reshape(len(b), len(a)).T
        return np.asarray(self._correlation * np.exp(-replaced / self._length))
