"""scikit-learn's trees, and the estimators that hand their rows to them unchecked."""

from collections.abc import Mapping

from .damage import need
from .nodes import check_children, depth
from .values import arguments, column, fields, integer, items, name_of, numbers, shape_of, whole, whole_numbers

TREE = ("sklearn.tree._tree", "Tree")
_STAGES = "has a stage of other trees than its classes need"


def check_tree(tree: object) -> None:
    """Check a `Tree`: made of (features, classes of each output, outputs), then given its nodes. Raises `Damaged`."""
    features, classes, outputs = _sizes(tree)
    state = fields(tree)
    nodes, values = numbers(state, "nodes"), numbers(state, "values")
    count = len(nodes) if nodes.ndim == 1 else 0
    need(count >= 1 and integer(state, "node_count") == count, "counts other nodes than it has")
    need(values.shape == (count, outputs, max(classes)), "has values of other nodes, outputs or classes")
    left, right, feature = (column(nodes, name) for name in ("left_child", "right_child", "feature"))
    inner = left != -1
    need((right[~inner] == -1).all(), "has a node with one child")
    check_children(left, right, inner)
    used = feature[inner]
    need(((used >= 0) & (used < features)).all(), "has a node that asks for a feature outside")
    # decision_path() makes room for so many nodes a row.
    need(depth(left, right, inner) <= integer(state, "max_depth") <= count, "is deeper than it says")


def check_owner(state: Mapping[str, object]) -> None:
    """Check that a `DecisionTree*` takes and gives what its tree does. Raises `Damaged`."""
    if name_of(state["tree_"]) != TREE:
        return
    features, classes, outputs = _sizes(state["tree_"])
    need(whole(state.get("n_features_in_")) == features, "takes other features than its tree")
    need(whole(state.get("n_outputs_")) == outputs, "gives other outputs than its tree")
    if "n_classes_" in state:
        need(whole_numbers(state["n_classes_"]) == classes, "gives other classes than its tree")


def check_forest(state: Mapping[str, object]) -> None:
    """Check that the trees of a forest take and give what it does. Raises `Damaged`."""
    for tree in items(state.get("estimators_")):
        below = fields(tree)
        for name in ("n_features_in_", "n_outputs_"):
            need(whole(below.get(name)) == whole(state.get(name)), f"has a tree of another {name}")
        if "n_classes_" in state:
            own = whole_numbers(state["n_classes_"])
            need(whole_numbers(below.get("n_classes_")) == own, "has a tree of other classes")


def check_stages(state: Mapping[str, object]) -> None:
    """Check the trees of gradient boosting [stages, columns], whose sums are written unchecked. Raises `Damaged`."""
    shape = shape_of(state.get("estimators_"))
    need(len(shape) == 2, "has stages that are no table of trees")
    classes = whole_numbers(state.get("n_classes_")) if "classes_" in state else ()
    columns = classes[0] if classes and classes[0] > 2 else 1
    need(shape[1] == columns, _STAGES)
    need(whole(state.get("n_trees_per_iteration_", columns)) == columns, _STAGES)
    for stage in items(state["estimators_"]):
        tree = fields(stage).get("tree_")
        need(name_of(tree) == TREE, "has a stage without a tree")
        need(_sizes(tree) == (whole(state.get("n_features_in_")), (1,), 1), "has a tree of other features or outputs")
    start = fields(state.get("init_"))
    for name in start.keys() & {"classes_", "class_prior_"} if columns > 1 else ():
        need(shape_of(start[name]) == classes, "starts from other classes than its own")


def check_bag(state: Mapping[str, object]) -> None:
    """Check the features that each member of a bag sees, and what an isolation forest kept. Raises `Damaged`."""
    members = [fields(member) for member in items(state.get("estimators_"))]
    features = integer(state, "n_features_in_")
    seen = items(state["estimators_features_"])
    need(len(seen) == len(members), "has other lists of features than members")
    for member, of_member in zip(members, seen, strict=True):
        taken = whole_numbers(of_member)
        need(not taken or 0 <= min(taken) <= max(taken) < features, "has a member of features outside")
        need(whole(member.get("n_features_in_", len(taken))) == len(taken), "has a member that takes other features")
    for name in ("_average_path_length_per_tree", "_decision_path_lengths"):
        kept = items(state.get(name))
        need(name not in state or len(kept) == len(members), "has other path lengths than trees")
        for member, lengths in zip(members, kept, strict=False):
            nodes = whole(fields(member.get("tree_")).get("node_count"))
            need(shape_of(lengths) == (nodes,), "has path lengths of other nodes than its trees")


def _sizes(tree: object) -> tuple[int, tuple[int, ...], int]:
    """Features, classes of each output, outputs: what a `Tree` is made of."""
    given = arguments(tree)
    features, outputs = (whole(given[at]) or 0 for at in (0, 2)) if len(given) == 3 else (0, 0)
    classes = whole_numbers(given[1]) if features else ()
    need(features >= 1 and outputs >= 1 and len(classes) == outputs, "is made of other sizes than a tree's")
    need(min(classes) >= 1, "has an output without classes")
    return features, classes, outputs
