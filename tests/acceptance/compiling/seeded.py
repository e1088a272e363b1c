"""Graphs that are wrong on purpose, each held against its original: how many were tried, and how many refused."""

import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from child import become_the_child, part, request_for
from models import MODELS

INSIDE, CONVERTER = sys.argv[1:]
CHANGED = 24
FOREST, BOOSTING, TEXT = (
    "StandardScaler + RandomForestClassifier", "HistGradientBoostingClassifier", "TfidfVectorizer + LogisticRegression",
)  # fmt: skip


class Proof:
    """One original and its rows."""

    def __init__(self, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.trained = MODELS[name]()
            self.request = request_for(self.trained.model, self.trained.rows, CONVERTER, Path(folder))
        self.rows = part("breaking_rows").breaking_rows(
            self.trained.model, self.request.signature, self.request.golden, self.trained.rows
        )

    def refuses(self, graph: bytes, precision: str) -> bool:
        """Whether these answers are told from the original's."""
        from modelcast_runtime.contract import Compilation
        from modelcast_runtime.formats.onnx import OnnxScorer

        scorer = OnnxScorer(graph, self.request.signature, Compilation(backend="onnxruntime", reason=""))
        scores = self.rows.scored(lambda some: scorer.score(some, frozenset({"predict_proba"})))
        verdict = part("parity").judge(
            self.rows.reference, scores, self.rows.kinds, self.request.signature, self.request.task, precision
        )
        return not verdict.equal

    def plain(self) -> bytes:
        """What the converter makes by itself; numbers are rounded to 32 bits first."""
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
        from skl2onnx.sklapi import CastTransformer
        from sklearn.pipeline import make_pipeline

        signature, model = self.request.signature, self.trained.model
        given = [("x0", StringTensorType([None, 1]))]
        if signature.layout != "text":
            given = [("rows", DoubleTensorType([None, len(signature.inputs)]))]
            model = make_pipeline(CastTransformer(dtype=np.float32).fit(self.trained.rows), model)
        options, versions = {id(model): {"zipmap": False}}, {"": 21, "ai.onnx.ml": 3}
        proto = convert_sklearn(model, "model", given, options=options, target_opset=versions)
        return bytes(part("graphs").finish(proto, signature, ("predict", "predict_proba")))

    def refuses_plain(self) -> bool:
        """The same of what the converter makes; what it cannot make is refused by itself."""
        try:
            graph = self.plain()
        except (TypeError, ValueError):  # a newer onnx does not take its booleans for integers
            return True
        return self.refuses(graph, "float32")

    def exact(self) -> bytes:
        """The graph that a build takes."""
        return bytes(next(part("candidates").of(self.trained.model, self.request.signature, self.request.task)).make())

    def is_sorted_by_the_most_asked(self) -> bool:
        """Whether the graph names the column with the largest share of all questions, halved from node to node."""
        import onnx

        shares = np.zeros(len(self.request.signature.inputs))
        for member in self.trained.model[-1].estimators_:
            nodes = [(0, 1.0)]
            while nodes:
                node, share = nodes.pop()
                if (left := member.tree_.children_left[node]) >= 0:
                    shares[member.tree_.feature[node]] += share
                    nodes += [(left, share / 2), (member.tree_.children_right[node], share / 2)]
        told = {entry.key: entry.value for entry in onnx.load_from_string(self.exact()).metadata_props}
        return told == {"modelcast.sorted_by": str(shares.argmax())}

    def counts_votes(self) -> bool:
        """Whether the ensemble adds ones by class, where each leaf is of one class."""
        import onnx

        told = _told(onnx.load_from_string(self.exact()))
        weights = onnx.numpy_helper.to_array(told["leaf_weights"].t)
        return told["n_targets"].i == len(self.trained.model.classes_) and set(weights.tolist()) == {1.0}


def changed(graph: bytes) -> Iterator[bytes]:
    """The graph with one threshold moved to the next number of 32 bits, for some of those with two leaves behind them.

    Higher up in a tree another threshold may show in no answer: the same leaves can be reached on both sides.
    """
    import onnx

    draw = np.random.default_rng(0)
    told = _told(onnx.load_from_string(graph))
    lowest = np.flatnonzero(np.array(told["nodes_trueleafs"].ints) * np.array(told["nodes_falseleafs"].ints))
    for at in draw.choice(lowest, CHANGED, replace=False):
        proto = onnx.load_from_string(graph)
        tensor = _told(proto)["nodes_splits"].t
        values = onnx.numpy_helper.to_array(tensor).copy()
        left = np.float32(values[at])  # the largest number of 32 bits that goes left
        left = np.nextafter(left, np.float32(-np.inf)) if left > values[at] else left
        values[at] = np.nextafter(left, np.float32(draw.choice([-np.inf, np.inf])))
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, "splits"))
        yield bytes(proto.SerializeToString())


def _told(proto: Any) -> dict[str, Any]:
    """The attributes of the graph's only ensemble of trees."""
    (ensemble,) = (node for node in proto.graph.node if node.op_type == "TreeEnsemble")
    return {attribute.name: attribute for attribute in ensemble.attribute}


def main() -> None:
    """All of them."""
    warnings.simplefilter("ignore")
    become_the_child(INSIDE, CONVERTER)
    forest, boosting, text = Proof(FOREST), Proof(BOOSTING), Proof(TEXT)
    told = {
        "a scaler and a forest in 32 bits": [forest.refuses_plain()],
        "words beside letters of other alphabets": [text.refuses_plain()],
        "a boosting in 32 bits": [boosting.refuses_plain()],
        # From here on the converter has our trees in the place of its own.
        "the graphs that a build takes": [proof.refuses(proof.exact(), "float64") for proof in (forest, boosting)],
        # Of a forest: a leaf of a boosting may count for less than 1e-6, which is allowed.
        "batches are sorted by what the trees ask most": [forest.is_sorted_by_the_most_asked()],
        "each tree of the forest has one vote": [forest.counts_votes()],
        "a changed threshold": [forest.refuses(graph, "float64") for graph in changed(forest.exact())],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
