"""Gradient-boosted trees as plain arrays: evaluated with numpy alone, stored without pickle.

Training needs LightGBM (extra ``[train]``), prediction does not. Every split threshold of a histogram
booster is one of a few hundred bin edges of its feature, so a node stores the edge's index and its nodes lie
in depth-first order, so that only the distance to the right child is stored: 8 bytes a node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Forest", "pack"]

_FIELDS = ("feature", "edge", "right", "value", "root", "edges", "edge_start")
_CHUNK_ROWS = 512
_FEW_ROWS = 16
"""Up to so many rows a search feature by feature costs more in calls than in comparisons."""
_MISSING = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A sum of binary regression trees, all nodes of all trees in flat arrays.

    Inner node ``i`` sends a row to node ``i + 1`` when the row's bin of ``feature[i]`` is at most
    ``edge[i]``, else to node ``i + right[i]``. A leaf has ``right == 0``.
    """

    feature: NDArray[np.int16]
    """Feature a node splits on, shape ``(n_nodes,)``."""
    edge: NDArray[np.int16]
    """Index of its threshold among the edges of that feature, shape ``(n_nodes,)``. A node that sends
    missing values left has ``-1 - index`` instead."""
    right: NDArray[np.int16]
    """Distance to the right child, shape ``(n_nodes,)``; 0 marks a leaf."""
    value: NDArray[np.float32]
    """Contribution of a leaf, shape ``(n_nodes,)``; 0 at inner nodes."""
    root: NDArray[np.int32]
    """Root node of each tree, shape ``(n_trees,)``."""
    edges: NDArray[np.float64]
    """Split thresholds of all features one after the other, increasing within a feature."""
    edge_start: NDArray[np.int32]
    """Where each feature's thresholds begin in ``edges``, shape ``(n_features + 1,)``."""

    @property
    def n_features(self) -> int:
        """Number of features a row must have."""
        return len(self.edge_start) - 1

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of all trees.

        Args:
            rows: features, shape ``(n_rows, n_features)``; NaN is a missing value.

        Returns:
            Shape ``(n_rows,)``.
        """
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(
                f"expected rows of {self.n_features} features, got an array of shape {rows.shape}"
            )
        chunks = [
            self._predict_chunk(rows[start : start + _CHUNK_ROWS])
            for start in range(0, len(rows), _CHUNK_ROWS)
        ]
        return np.concatenate(chunks) if chunks else np.empty(0)

    def _predict_chunk(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        n_rows = len(rows)
        bins = self._bins_of_few(rows) if n_rows <= _FEW_ROWS else self._bins_of_many(rows)
        bins[np.isnan(rows.T)] = _MISSING
        flat = bins.ravel()
        # Trees first, rows second: neighbouring lookups stay within one tree and so in the cache.
        node = np.repeat(self.root, n_rows)
        row = np.tile(np.arange(n_rows, dtype=np.int32), len(self.root))
        active = np.arange(node.size, dtype=np.int32)
        current = node
        step = self.right[current]
        while True:
            inner = np.flatnonzero(step)
            if inner.size == 0:
                break
            if inner.size < active.size:
                active, current, step = active[inner], current[inner], step[inner]
            bin_ = flat[self.feature[current].astype(np.int32) * n_rows + row[active]]
            edge = self.edge[current]
            missing_left = edge < 0
            edge = np.where(missing_left, -1 - edge, edge)
            go_left = (bin_ <= edge) | (missing_left & (bin_ == _MISSING))
            current = current + np.where(go_left, 1, step)
            node[active] = current
            step = self.right[current]
        leaves = self.value[node].reshape(-1, n_rows)
        # One column NumPy would add in pairs, several tree after tree: a row alone gets the same last bits.
        total: NDArray[np.float64] = (
            np.add.accumulate(leaves, axis=0, dtype=np.float64)[-1]
            if n_rows == 1
            else leaves.sum(axis=0, dtype=np.float64)
        )
        return total

    def _bins_of_many(self, rows: NDArray[np.float64]) -> NDArray[np.int16]:
        """Thresholds of its feature below each value, shape ``(n_features, n_rows)``; any number for NaN."""
        bins = np.empty((self.n_features, len(rows)), dtype=np.int16)
        for j in range(self.n_features):
            edges = self.edges[self.edge_start[j] : self.edge_start[j + 1]]
            bins[j] = edges.searchsorted(rows[:, j], side="left")
        return bins

    def _bins_of_few(self, rows: NDArray[np.float64]) -> NDArray[np.int16]:
        """The same, by halving the thresholds of all features at once."""
        values = rows.T
        start = self.edge_start[:-1, None].astype(np.int64)
        low = np.broadcast_to(start, values.shape).copy()
        high = np.broadcast_to(self.edge_start[1:, None], values.shape).astype(np.int64)
        most = int(np.diff(self.edge_start).max(initial=0))
        last = len(self.edges) - 1
        for _ in range(most.bit_length()):
            middle = (low + high) >> 1
            undecided = low < high
            above = (self.edges[np.minimum(middle, last)] < values) & undecided
            low = np.where(above, middle + 1, low)
            high = np.where(above | ~undecided, high, middle)
        return (low - start).astype(np.int16)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, as stored."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Forest:
        """Inverse of :meth:`tensors`.

        Raises:
            ValueError: the arrays do not describe a forest.
        """
        missing = [name for name in _FIELDS if name not in tensors]
        if missing:
            raise ValueError(f"forest arrays are missing: {', '.join(missing)}")
        forest = cls(**{name: tensors[name] for name in _FIELDS})
        if not (forest._shapes_fit() and forest._indices_fit()):
            raise ValueError("forest arrays point outside their range")
        return forest

    def _shapes_fit(self) -> bool:
        """Whether the arrays have the dimensions, lengths and kinds of numbers of a forest."""
        tensors = self.tensors()
        integers = ("feature", "edge", "right", "root", "edge_start")
        n = len(self.feature)
        return (
            all(array.ndim == 1 for array in tensors.values())
            and all(np.issubdtype(tensors[name].dtype, np.signedinteger) for name in integers)
            and len(self.edge) == len(self.right) == len(self.value) == n > 0
            and len(self.root) > 0
            and self.n_features > 0
            and bool(np.isfinite(self.value).all() and np.isfinite(self.edges).all())
        )

    def _indices_fit(self) -> bool:
        """Whether every node, feature and threshold that is pointed at is there, and no tree has a loop."""
        n, right = len(self.feature), self.right.astype(np.int64)
        inner = right > 0
        features, starts = self.feature[inner].astype(np.int64), self.edge_start.astype(np.int64)
        edge = self.edge[inner].astype(np.int64)
        if not (
            starts[0] == 0
            and starts[-1] == len(self.edges)
            and (np.diff(starts) >= 0).all()
            and right.min() >= 0
            and (np.arange(n) + right).max() < n
            and right[-1] == 0
            and self.root.min() >= 0
            and self.root.max() < n
            and self.feature.min() >= 0
            and self.feature.max() < self.n_features
        ):
            return False
        index = np.where(edge < 0, -1 - edge, edge)
        return bool((index < starts[features + 1] - starts[features]).all())


def _depth_first(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Nodes of a dumped LightGBM tree in depth-first order, each with the size of its left subtree."""

    def size(node: dict[str, Any]) -> int:
        if "split_index" not in node:
            return 1
        node["_left_size"] = size(node["left_child"])
        return 1 + int(node["_left_size"]) + size(node["right_child"])

    size(tree)
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node, node.get("_left_size", 0)
        if "split_index" in node:
            stack += [node["right_child"], node["left_child"]]


def pack(boosters: Sequence[Any]) -> Forest:
    """Turn trained LightGBM boosters into one forest that predicts their mean.

    Args:
        boosters: ``lightgbm.Booster`` objects over the same features.
    """
    trees = [
        list(_depth_first(tree["tree_structure"]))
        for booster in boosters
        for tree in booster.dump_model()["tree_info"]
    ]
    n_features = boosters[0].num_feature()
    thresholds: list[set[float]] = [set() for _ in range(n_features)]
    for tree in trees:
        for node, _ in tree:
            if "split_index" in node:
                thresholds[node["split_feature"]].add(node["threshold"])
    edges = [np.array(sorted(values)) for values in thresholds]

    nodes = [pair for tree in trees for pair in tree]
    feature = np.zeros(len(nodes), np.int16)
    edge = np.zeros(len(nodes), np.int16)
    right = np.zeros(len(nodes), np.int16)
    value = np.zeros(len(nodes), np.float32)
    for i, (node, left_size) in enumerate(nodes):
        if "split_index" not in node:
            value[i] = node["leaf_value"] / len(boosters)
            continue
        j, threshold = node["split_feature"], node["threshold"]
        index = int(np.searchsorted(edges[j], threshold))
        # Where training saw no missing value LightGBM treats one as zero.
        missing_left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
        feature[i] = j
        edge[i] = -1 - index if missing_left else index
        right[i] = 1 + left_size
    return Forest(
        feature=feature,
        edge=edge,
        right=right,
        value=value,
        root=np.cumsum([0, *(len(tree) for tree in trees[:-1])]).astype(np.int32),
        edges=np.concatenate(edges),
        edge_start=np.cumsum([0, *(len(e) for e in edges)]).astype(np.int32),
    )
