"""Crafted arrays in allowed types: each is refused by the scan, before anything is loaded, with what is wrong in it."""

import io
import itertools
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from modelcast_builder import artifact
from modelcast_builder.errors import BuildError
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

FIX = 'Do not load it: train the model again and save it with joblib.dump(model, "model.joblib")'
RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 4))
LABELS = (ROWS[:, 0] > 0).astype(int)
THREE = np.digitize(ROWS[:, 0], [-0.5, 0.5])


class Crafted:
    """Pickles as another object would: its class, its arguments and a state that it never had."""

    def __init__(self, reduced: tuple[Any, ...]) -> None:
        """`reduced` is what `__reduce__` gives."""
        self._reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        """Give it."""
        return self._reduced


def crafted_tree(**changes: Any) -> Crafted:
    """A fitted tree of seven or more nodes with another state; `nodes__left_child=(place, value)` changes one number."""
    tree = DecisionTreeRegressor(max_depth=3, random_state=0).fit(ROWS, ROWS[:, 1]).tree_
    maker, arguments, state = tree.__reduce__()
    for name, change in changes.items():
        array, _, field = name.partition("__")
        if field:
            state[array] = state[array].copy()
            state[array][field][change[0]] = change[1]
        elif name == "arguments":
            arguments = change
        else:
            state[name] = change
    return Crafted((maker, arguments, state))


def crafted_histogram(**changes: tuple[int, int]) -> Any:
    """A histogram tree with one number of its nodes changed."""
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=3).fit(ROWS, LABELS)
    for name, (place, value) in changes.items():
        model._predictors[1][0].nodes[name][place] = value
    return model


def crafted_neighbours(kind: type, part: int, change: Callable[[Any], Any]) -> Crafted:
    """A tree of neighbours with one part of its state changed."""
    maker, arguments, state = kind(ROWS, leaf_size=5).__reduce__()
    parts = list(state)
    parts[part] = change(parts[part])
    return Crafted((maker, arguments, tuple(parts)))


def with_item(name: str | None, place: int, value: int) -> Callable[[Any], Any]:
    """A change of one number in an array, or in a field of its records."""

    def change(array: Any) -> Any:
        changed = np.array(array)
        (changed if name is None else changed[name])[place] = value
        return changed

    return change


def changed(model: Any, **attributes: Any) -> Any:
    """The model with other attributes."""
    vars(model).update(attributes)
    return model


def crafted_matrix(**attributes: Any) -> Any:
    return changed(sparse.csr_matrix(np.eye(4)), **attributes)


def crafted_stage(trees: int) -> Any:
    model = GradientBoostingClassifier(n_estimators=2, max_depth=1).fit(ROWS, THREE)
    return changed(model, estimators_=np.concatenate([model.estimators_] * trees, axis=1))


def crafted_machine(**attributes: Any) -> Any:
    return changed(SVC().fit(ROWS, LABELS), **attributes)


def crafted_sparse_machine() -> Any:
    model = OneClassSVM().fit(sparse.csr_matrix(ROWS))
    model.support_vectors_.indices[5] = 1_000_000
    return model


def crafted_forest(**attributes: Any) -> Any:
    return changed(RandomForestClassifier(2, max_depth=2).fit(ROWS, LABELS), **attributes)


def crafted_random(place: int) -> Any:
    state = np.random.RandomState(0)
    _, arguments, numbers = state.__reduce__()
    numbers["state"]["pos"] = place
    return Crafted((state.__reduce__()[0], arguments, numbers))


def other_tree_in_stump(features: int) -> Any:
    """An estimator of four features whose tree was fitted with more."""
    wide = DecisionTreeClassifier(max_depth=1).fit(RANDOM.normal(size=(60, features)), LABELS)
    return changed(DecisionTreeClassifier(max_depth=1).fit(ROWS, LABELS), tree_=wide.tree_)


TREE = "its tree 0 (sklearn.tree._tree.Tree)"
HISTOGRAM = "its tree 1 (sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor)"
KD, BALL = (
    f"its tree of neighbours 0 (sklearn.neighbors._{name})" for name in ("kd_tree.KDTree", "ball_tree.BallTree")
)
MACHINE, MATRIX = "its sklearn.svm._classes.SVC", "its sparse matrix 0 (scipy.sparse._csr.csr_matrix)"
GRADIENT = "its sklearn.ensemble._gb.GradientBoostingClassifier"
LOOKUP = "its sklearn.neighbors._classification.KNeighborsClassifier"
HOSTILE: dict[str, tuple[Callable[[], Any], str]] = {
    "tree: child far outside": (
        lambda: crafted_tree(nodes__left_child=(0, 10**9)),
        f"{TREE} has a node whose child lies outside",
    ),
    "tree: negative child": (
        lambda: crafted_tree(nodes__right_child=(0, -5)),
        f"{TREE} has a node whose child lies outside",
    ),
    "tree: self loop": (
        lambda: crafted_tree(nodes__left_child=(1, 1)),
        f"{TREE} has a node whose child leads back",
    ),
    "tree: cycle": (lambda: crafted_tree(nodes__right_child=(1, 0)), f"{TREE} has a node whose child leads back"),
    "tree: two parents": (
        lambda: crafted_tree(nodes__left_child=(0, 2)),
        f"{TREE} has a node that two others lead to, or none",
    ),
    "tree: one child": (lambda: crafted_tree(nodes__left_child=(0, -1)), f"{TREE} has a node with one child"),
    "tree: feature outside": (
        lambda: crafted_tree(nodes__feature=(0, 4)),
        f"{TREE} has a node that asks for a feature outside",
    ),
    "tree: negative feature": (
        lambda: crafted_tree(nodes__feature=(0, -1)),
        f"{TREE} has a node that asks for a feature outside",
    ),
    "tree: count lies": (lambda: crafted_tree(node_count=999), f"{TREE} counts other nodes than it has"),
    "tree: values lie": (
        lambda: crafted_tree(values=np.zeros((2, 1, 1))),
        f"{TREE} has values of other nodes, outputs or classes",
    ),
    "tree: depth lies": (lambda: crafted_tree(max_depth=1), f"{TREE} is deeper than it says"),
    "tree: classes lie": (
        lambda: crafted_tree(arguments=(4, np.array([1]), 50)),
        f"{TREE} is made of other sizes than a tree's",
    ),
    "tree: values without a form": (
        lambda: crafted_tree(arguments=(4, np.array(["a"]), 1)),
        f"{TREE} is made of other sizes than a tree's",
    ),
    "machine: a number for its support": (
        lambda: crafted_machine(intercept_=None, support_=np.array(3), support_vectors_=None),
        f"{MACHINE} counts other support vectors than it has",
    ),
    "neighbours: a number for its labels": (
        lambda: changed(KNeighborsClassifier(algorithm="brute").fit(ROWS, LABELS), _y=np.array(3)),
        f"{LOOKUP} has targets of other rows",
    ),
    "clusters: no numbers": (
        lambda: changed(KMeans(2, n_init=1).fit(ROWS), cluster_centers_=np.zeros((2, 4)), _n_threads="many"),
        "its sklearn.cluster._kmeans.KMeans asks for threads that no machine has",
    ),
    "machine: a matrix without a form": (
        lambda: crafted_matrix(indptr=np.array(4)),
        f"{MATRIX} has other rows than it says",
    ),
    "matrix: of nothing": (lambda: crafted_matrix(_shape=()), f"{MATRIX} has no shape"),
    "kd tree: nodes in rows": (
        lambda: crafted_neighbours(KDTree, 2, lambda nodes: np.array(nodes["idx_start"])),
        f"{KD} has nodes without idx_start",
    ),
    "neighbours: classes that are none": (
        lambda: changed(KNeighborsClassifier(algorithm="brute").fit(ROWS, LABELS), classes_=None),
        f"{LOOKUP} has arrays in a form that no training writes",
    ),
    "tree: no state": (lambda: Crafted((Tree, (4, np.array([1]), 1))), f"{TREE} has no nodes"),
    "tree: other features than its estimator": (
        lambda: other_tree_in_stump(9),
        "its sklearn.tree._classes.DecisionTreeClassifier takes other features than its tree",
    ),
    "forest: other classes": (
        lambda: crafted_forest(n_classes_=7),
        "its sklearn.ensemble._forest.RandomForestClassifier has a tree of other classes",
    ),
    "boosting: too many columns": (
        lambda: crafted_stage(5),
        f"{GRADIENT} has a stage of other trees than its classes need",
    ),
    "isolation: features outside": (
        lambda: changed(IsolationForest(n_estimators=1).fit(ROWS), estimators_features_=[np.array([0, 1, 2, 77])]),
        "its sklearn.ensemble._iforest.IsolationForest has a member of features outside",
    ),
    "bag: other features": (
        lambda: changed(BaggingClassifier(n_estimators=1).fit(ROWS, LABELS), estimators_features_=[np.array([0])]),
        "its sklearn.ensemble._bagging.BaggingClassifier has a member that takes other features",
    ),
    "histogram: child outside": (
        lambda: crafted_histogram(left=(0, 4_000_000)),
        f"{HISTOGRAM} has a node whose child lies outside",
    ),
    "histogram: loop": (lambda: crafted_histogram(right=(0, 0)), f"{HISTOGRAM} has a node whose child leads back"),
    "histogram: negative feature": (
        lambda: crafted_histogram(feature_idx=(0, -9)),
        f"{HISTOGRAM} has a node that asks for a feature outside",
    ),
    "histogram: feature outside": (
        lambda: crafted_histogram(feature_idx=(0, 4)),
        "its sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier "
        "has a node that asks for a feature outside",
    ),
    "histogram: set of categories outside": (
        lambda: crafted_histogram(is_categorical=(0, 1), bitset_idx=(0, 3)),
        f"{HISTOGRAM} has a node that asks for a set of categories outside",
    ),
    "kd tree: point outside": (
        lambda: crafted_neighbours(KDTree, 1, with_item(None, 3, 60)),
        f"{KD} has a point that lies outside",
    ),
    "kd tree: node's points outside": (
        lambda: crafted_neighbours(KDTree, 2, with_item("idx_end", 1, 10**6)),
        f"{KD} has a node whose points lie outside",
    ),
    "kd tree: last nodes are no leaves": (
        lambda: crafted_neighbours(KDTree, 2, with_item("is_leaf", -1, 0)),
        f"{KD} has a node whose child lies outside",
    ),
    "kd tree: levels lie": (lambda: crafted_neighbours(KDTree, 5, lambda _: 9), f"{KD} counts other nodes than it has"),
    "kd tree: bounds of other features": (
        lambda: crafted_neighbours(KDTree, 3, lambda bounds: bounds[:, :, :1].copy()),
        f"{KD} has bounds of other nodes or features",
    ),
    "kd tree: no distance": (lambda: crafted_neighbours(KDTree, 11, lambda _: None), f"{KD} has no distance"),
    "ball tree: point outside": (
        lambda: crafted_neighbours(BallTree, 1, with_item(None, 0, -1)),
        f"{BALL} has a point that lies outside",
    ),
    "ball tree: bounds of other nodes": (
        lambda: crafted_neighbours(BallTree, 3, lambda bounds: bounds[:, :1].copy()),
        f"{BALL} has bounds of other nodes or features",
    ),
    "neighbours: label outside": (
        lambda: changed(KNeighborsClassifier(algorithm="brute").fit(ROWS, LABELS), _y=np.full(60, 5)),
        f"{LOOKUP} has a target that is none of its classes",
    ),
    "machine: fewer vectors": (
        lambda: crafted_machine(support_vectors_=np.zeros((2, 4))),
        f"{MACHINE} has support vectors of another number or of other features",
    ),
    "machine: fewer coefficients": (
        lambda: crafted_machine(_dual_coef_=np.zeros((1, 1))),
        f"{MACHINE} has coefficients of other support vectors",
    ),
    "machine: counts lie": (
        lambda: crafted_machine(_n_support=np.array([10**6, 10**6], dtype=np.int32)),
        f"{MACHINE} counts other support vectors than it has",
    ),
    "machine: more classes": (
        lambda: crafted_machine(_n_support=np.zeros(99, dtype=np.int32)),
        f"{MACHINE} counts support vectors of other classes",
    ),
    "machine: its own algorithm": (
        lambda: crafted_machine(_impl="epsilon_svr"),
        f"{MACHINE} says itself which algorithm reads it",
    ),
    "machine: kernel unknown": (
        lambda: crafted_machine(kernel="none"),
        f"{MACHINE} has a kernel that there is not",
    ),
    "machine: hidden attributes": (
        lambda: crafted_machine(**{f"x{number}": number for number in range(5000)}),
        f"{MACHINE} has more attributes than an estimator has",
    ),
    "machine: sparse vectors outside": (crafted_sparse_machine, f"{MATRIX} has a value whose index lies outside"),
    "matrix: index outside": (
        lambda: crafted_matrix(indices=np.array([0, 1, 2, 99], dtype=np.int32)),
        f"{MATRIX} has a value whose index lies outside",
    ),
    "matrix: rows backwards": (
        lambda: crafted_matrix(indptr=np.array([0, 3, 1, 2, 4], dtype=np.int32)),
        f"{MATRIX} has a row that ends before it begins",
    ),
    "matrix: rows outside": (
        lambda: crafted_matrix(indptr=np.array([0, 1, 2, 3, 10**9], dtype=np.int32)),
        f"{MATRIX} has a row whose values lie outside",
    ),
    "clusters: narrow centres": (
        lambda: changed(KMeans(2, n_init=1).fit(ROWS), cluster_centers_=np.zeros((2, 1))),
        "its sklearn.cluster._kmeans.KMeans has centres of other features",
    ),
    "clusters: a million threads": (
        lambda: changed(KMeans(2, n_init=1).fit(ROWS), _n_threads=10**6),
        "its sklearn.cluster._kmeans.KMeans asks for threads that no machine has",
    ),
    "spline: knots missing": (
        lambda: changed(SplineTransformer().fit(ROWS).bsplines_[0], k=60),
        "its spline 0 (scipy.interpolate._bsplines.BSpline) has other knots than coefficients",
    ),
    "random state: outside of its key": (
        lambda: crafted_random(10**6),
        "its random state 1 (numpy.random._pickle.__randomstate_ctor) stands outside of its key",
    ),
}
DUMPS: dict[str, Callable[[Any, Path], object]] = {
    "pickle": lambda model, path: path.write_bytes(pickle.dumps(model, protocol=5)),
    "joblib": joblib.dump,
    "compressed": lambda model, path: joblib.dump(model, path, compress=3),
}


def refusal(path: Path) -> str:
    with pytest.raises(BuildError) as caught:
        artifact.scan(path)
    return str(caught.value)


@pytest.mark.parametrize(("case", "dump"), list(zip(HOSTILE, itertools.cycle(DUMPS), strict=False)))
def test_a_crafted_structure_is_refused_before_a_load(case: str, dump: str, tmp_path: Path) -> None:
    make, what = HOSTILE[case]
    path = tmp_path / "model.joblib"
    DUMPS[dump](make(), path)
    assert refusal(path) == f"audit: model.joblib is damaged or hostile: {what}. {FIX}"


def test_the_tree_is_named_by_its_number(tmp_path: Path) -> None:
    model = RandomForestClassifier(15, max_depth=2).fit(ROWS, LABELS)
    model.estimators_[12].tree_ = crafted_tree(nodes__left_child=(0, 10**9))
    joblib.dump(model, tmp_path / "model.joblib")
    assert "its tree 12 (sklearn.tree._tree.Tree) has a node whose child lies outside" in refusal(
        tmp_path / "model.joblib"
    )


def test_a_state_that_changes_after_it_was_given_is_no_picklers(tmp_path: Path) -> None:
    """A compiled class copied the hostile array; the replay would see the harmless one."""
    content = pickle.dumps(crafted_tree(nodes__left_child=(0, 10**9)), protocol=2)
    good = pickle.dumps(crafted_tree().__reduce__()[2]["nodes"], protocol=2)[2:-1]
    # The state of the tree again, from the memo, and its nodes set anew; the tree itself stays the result.
    state = [number for number in range(99) if content.count(b"}q" + bytes([number]) + b"(X") == 1][-1]
    again = b"h" + bytes([state]) + b"X\x05\x00\x00\x00nodes"
    path = tmp_path / "model.pkl"
    path.write_bytes(content[:-1] + again + good + b"s0.")
    assert "it changes a state after it was given" in refusal(path)


def test_a_bomb_in_a_structure_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    nodes = np.zeros(2_000_000, dtype=Tree(1, np.array([1]), 1).__getstate__()["nodes"].dtype)
    path = tmp_path / "model.joblib"
    joblib.dump(crafted_tree(nodes=nodes), path, compress=9)
    assert path.stat().st_size < 1_000_000
    assert "model.joblib is no pickle that can be read: it inflates to more than 64 MiB" in refusal(path)


def skops_node(module: str, name: str, loader: str, **rest: Any) -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": loader, **rest}


def skops_file(path: Path, left: int, **members: bytes) -> Path:
    """A bare tree as skops writes it."""
    _, (features, classes, outputs), state = crafted_tree(nodes__left_child=(0, left)).__reduce__()
    files: dict[str, bytes] = {}

    def described(value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray):
            stream = io.BytesIO()
            np.save(stream, value)
            files[f"{len(files)}.npy"] = stream.getvalue()
            return skops_node("numpy", "ndarray", "NdArrayNode", type="numpy", file=f"{len(files) - 1}.npy")
        return skops_node("builtins", "str", "JsonNode", content=json.dumps(value))

    arguments = [described(value) for value in (features, classes, outputs)]
    content = {name: described(value) for name, value in state.items()}
    schema = skops_node(
        "sklearn.tree._tree",
        "Tree",
        "TreeNode",
        content=skops_node("builtins", "dict", "DictNode", content=content),
        __reduce__={"args": skops_node("builtins", "tuple", "TupleNode", content=arguments)},
        _skops_version="0.16.0",
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, data in (files | members).items():
            archive.writestr(name, data)
    return path


def test_a_skops_file_goes_through_the_same_checks(tmp_path: Path) -> None:
    assert artifact.scan(skops_file(tmp_path / "good.skops", 1)).root == ("sklearn.tree._tree", "Tree")
    path = skops_file(tmp_path / "model.skops", 10**9)
    assert (
        refusal(path) == f"audit: model.skops is damaged or hostile: {TREE} has a node whose child lies outside. {FIX}"
    )


def test_an_array_of_objects_in_a_skops_file_is_no_array(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    path = skops_file(tmp_path / "model.skops", 1, **{"0.npy": stream.getvalue()})
    assert "it holds an array of objects, which is a pickle" in refusal(path)
