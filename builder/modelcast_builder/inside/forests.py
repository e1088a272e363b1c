"""Trees as ONNX has them, exact: 64-bit thresholds and leaves, whatever the model's own arrays look like.

ONNX' older operators hold 32-bit thresholds and sum in 32 bits, which puts rows near a threshold into another leaf.
`TreeEnsemble` (ai.onnx.ml 5) computes in doubles; its leaves hold one number each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEQ, LESS = 0, 1
"""How a node compares: a row goes left where its value is at most, or below, the threshold."""
_SUM = 1
ML, ML_VERSION = "ai.onnx.ml", 5
"""The version of the operators that a graph with a `TreeEnsemble` needs; skl2onnx knows up to 3."""
_MOST_GATHERED = 2_000
"""Trees times numbers in a leaf up to which whole leaves are looked up: 160 MB for 10,000 rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Nodes by their index, the root first; `left` is -1 for a leaf."""

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    values: np.ndarray
    """[nodes, numbers in a leaf]."""
    missing_left: np.ndarray | None = None
    """Whether NaN goes left; None where it goes right everywhere."""
    mode: int = LEQ


class Graph:
    """skl2onnx' container, in few words: every call adds a node and gives its output's name."""

    def __init__(self, scope: Any, container: Any) -> None:
        """The two that a converter is given."""
        self._scope, self._container = scope, container

    def constant(self, values: Any) -> str:
        """An initializer of this array, in its own type."""
        from onnx import helper, numpy_helper

        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("c")
        if array.dtype.kind in "UO":
            texts = [str(text).encode() for text in array.ravel()]
            self._container.initializers.append(helper.make_tensor(name, helper.TensorProto.STRING, array.shape, texts))
        else:
            self._container.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", version: int | None = None, **attributes: Any) -> str:
        """A node with one output."""
        name: str = self._scope.get_unique_variable_name("t")
        self._container.add_node(
            kind,
            list(inputs),
            [name],
            name=self._scope.get_unique_operator_name(kind),
            op_domain=domain,
            op_version=version,
            **attributes,
        )
        return name

    def give(self, value: str, output: Any) -> None:
        """Let a value be one of the operator's outputs."""
        self._container.add_node(
            "Identity", [value], [output.full_name], name=self._scope.get_unique_operator_name("Identity")
        )

    def cast(self, value: str, kind: str) -> str:
        """The value as another type, such as DOUBLE."""
        from onnx import TensorProto

        return self.node("Cast", value, to=getattr(TensorProto, kind))

    def rounded(self, value: str) -> str:
        """Doubles that hold what 32 bits can: scikit-learn's trees see nothing else."""
        return self.cast(self.cast(value, "FLOAT"), "DOUBLE")


def summed(graph: Graph, rows: str, trees: Sequence[Tree]) -> str:
    """The leaves of all trees, added up: [rows, numbers in a leaf], double."""
    width = trees[0].values.shape[1]
    if width == 1:
        return by_target(graph, rows, trees, [0] * len(trees))
    if all(map(_votes, trees)):
        ones, chosen = [np.ones(len(tree.left)) for tree in trees], [tree.values.argmax(axis=1) for tree in trees]
        return _ensemble(graph, rows, trees, ones, chosen, columns=width)
    if len(trees) * width > _MOST_GATHERED:
        parts = [
            _ensemble(graph, rows, trees, [tree.values[:, at] for tree in trees], [0] * len(trees), columns=1)
            for at in range(width)
        ]
        return graph.node("Concat", *parts, axis=1)
    starts = np.cumsum([0, *(len(tree.left) for tree in trees)])
    numbers = [start + np.arange(len(tree.left), dtype=np.float64) for start, tree in zip(starts, trees, strict=False)]
    places = _ensemble(graph, rows, trees, numbers, range(len(trees)), columns=len(trees))
    leaves = graph.cast(places, "INT64")
    table = graph.constant(np.concatenate([tree.values for tree in trees]))
    return graph.node(
        "ReduceSum", graph.node("Gather", table, leaves, axis=0), graph.constant(np.array([1])), keepdims=0
    )


def by_target(graph: Graph, rows: str, trees: Sequence[Tree], targets: Sequence[int]) -> str:
    """The leaves of all trees, each tree's added to its own column: [rows, columns], double."""
    return _ensemble(graph, rows, trees, [tree.values[:, 0] for tree in trees], targets, columns=max(targets) + 1)


def _votes(tree: Tree) -> bool:
    """Whether each leaf is for one class alone: then counting says all, in half the time of adding up shares."""
    leaves = tree.values[tree.left < 0]
    return bool(np.isin(leaves, (0.0, 1.0)).all() and (leaves.sum(axis=1) == 1).all())


def _ensemble(
    graph: Graph,
    rows: str,
    trees: Sequence[Tree],
    weights: Sequence[np.ndarray],
    targets: Sequence[int | np.ndarray],
    *,
    columns: int,
) -> str:
    """By tree the weights of its nodes, and the column that they are added to: one, or one a node."""
    from onnx import numpy_helper

    nodes, leaves = _Nodes(), _Leaves()
    roots = [
        nodes.add(tree, leaves.add(tree, weight, target))
        for tree, weight, target in zip(trees, weights, targets, strict=True)
    ]
    return graph.node(
        "TreeEnsemble",
        rows,
        domain=ML,
        version=1,
        n_targets=columns,
        aggregate_function=_SUM,
        post_transform=0,
        tree_roots=roots,
        nodes_featureids=nodes.features,
        nodes_splits=numpy_helper.from_array(np.array(nodes.splits, dtype=np.float64), "splits"),
        nodes_modes=numpy_helper.from_array(np.array(nodes.modes, dtype=np.uint8), "modes"),
        nodes_missing_value_tracks_true=nodes.missing,
        nodes_truenodeids=nodes.left,
        nodes_falsenodeids=nodes.right,
        nodes_trueleafs=nodes.left_is_leaf,
        nodes_falseleafs=nodes.right_is_leaf,
        leaf_targetids=leaves.targets,
        leaf_weights=numpy_helper.from_array(np.array(leaves.weights, dtype=np.float64), "weights"),
    )


class _Leaves:
    """The leaves of all trees, one after the other."""

    def __init__(self) -> None:
        self.targets: list[int] = []
        self.weights: list[float] = []

    def add(self, tree: Tree, weight: np.ndarray, target: int | np.ndarray) -> dict[int, int]:
        """Place of every leaf of a tree."""
        found = np.flatnonzero(tree.left < 0).tolist()
        places = {node: len(self.weights) + at for at, node in enumerate(found)}
        self.weights += weight[found].tolist()
        self.targets += np.broadcast_to(target, weight.shape)[found].tolist()
        return places


class _Nodes:
    """The inner nodes of all trees, one after the other."""

    def __init__(self) -> None:
        self.features: list[int] = []
        self.splits: list[float] = []
        self.modes: list[int] = []
        self.missing: list[int] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.left_is_leaf: list[int] = []
        self.right_is_leaf: list[int] = []

    def add(self, tree: Tree, leaves: dict[int, int]) -> int:
        """Place of the root."""
        inner = np.flatnonzero(tree.left >= 0).tolist()
        first = len(self.features)
        if not inner:
            self._append(0, 0.0, tree.mode, missing=0)
            self._lead((leaves[0], 1), (leaves[0], 1))
            return first
        places = {node: first + at for at, node in enumerate(inner)}
        left, right = tree.left.tolist(), tree.right.tolist()
        for node in inner:
            missing = tree.missing_left is not None and bool(tree.missing_left[node])
            self._append(int(tree.feature[node]), float(tree.threshold[node]), tree.mode, missing=int(missing))
            self._lead(*((leaves[to], 1) if to in leaves else (places[to], 0) for to in (left[node], right[node])))
        return first

    def _append(self, feature: int, split: float, mode: int, *, missing: int) -> None:
        self.features.append(feature)
        self.splits.append(split)
        self.modes.append(mode)
        self.missing.append(missing)

    def _lead(self, left: tuple[int, int], right: tuple[int, int]) -> None:
        self.left.append(left[0])
        self.left_is_leaf.append(left[1])
        self.right.append(right[0])
        self.right_is_leaf.append(right[1])


def label(graph: Graph, probabilities: str, classes: np.ndarray) -> str:
    """The first class of the highest probability, [rows]: integers, or texts."""
    best = graph.node("ArgMax", probabilities, axis=1, keepdims=0)
    return graph.node("Gather", graph.constant(labels_of(classes)), best)


def labels_of(classes: Iterable[Any]) -> np.ndarray:
    """Classes as the graphs of skl2onnx hold them: texts or 64-bit integers."""
    array = np.asarray(classes)
    return array if array.dtype.kind in "UO" else array.astype(np.int64)
