"""XGBoost's, LightGBM's and ONNX' models: crafted ones are refused as such, without any of the three at hand."""

import copy
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import artifact
from modelcast_builder.artifact.structures import lightgbm, ubjson, xgboost
from modelcast_builder.artifact.structures.damage import Damaged
from modelcast_builder.errors import BuildError

ELSEWHERE = "Do not open it with another tool either: save the model again where it was trained"
TREE: dict[str, Any] = {
    "base_weights": [0.0, -0.5, 0.5],
    "categories": [],
    "categories_nodes": [],
    "categories_segments": [],
    "categories_sizes": [],
    "default_left": [0, 0, 0],
    "left_children": [1, -1, -1],
    "parents": [2147483647, 0, 0],
    "right_children": [2, -1, -1],
    "split_conditions": [0.125, -0.5, 0.5],
    "split_indices": [0, 0, 0],
    "split_type": [0, 0, 0],
    "tree_param": {"num_deleted": "0", "num_feature": "4", "num_nodes": "3", "size_leaf_vector": "1"},
}
MODEL: dict[str, Any] = {
    "learner": {
        "gradient_booster": {
            "model": {
                "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
                "iteration_indptr": [0, 1],
                "tree_info": [0],
                "trees": [TREE],
            },
            "name": "gbtree",
        },
        "learner_model_param": {"base_score": "[4.5E-1]", "num_class": "0", "num_feature": "4", "num_target": "1"},
    },
    "version": [3, 2, 0],
}
TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=3
feature_names=a b c d
feature_infos=[0:1] [0:1] [0:1] [0:1]
tree_sizes=SIZE

Tree=0
num_leaves=3
num_cat=0
split_feature=0 3
threshold=0.5 1.5
decision_type=2 2
left_child=1 -1
right_child=-3 -2
leaf_value=0.1 0.2 0.3
is_linear=0


end of trees
"""
SIZE = len(TEXT[TEXT.index("Tree=0") : TEXT.index("end of trees")])


def tree_with(**changes: Any) -> dict[str, Any]:
    """The model with another tree."""
    model = copy.deepcopy(MODEL)
    model["learner"]["gradient_booster"]["model"]["trees"][0].update(changes)
    return model


def model_with(**changes: Any) -> dict[str, Any]:
    """The model with other lists beside its trees."""
    model = copy.deepcopy(MODEL)
    model["learner"]["gradient_booster"]["model"].update(changes)
    return model


def text_with(old: str = "", new: str = "") -> str:
    """LightGBM's text with one line changed, of which the size of the tree is told."""
    text = TEXT.replace(old, new)
    return text.replace("SIZE", str(len(text[text.index("Tree=0") : text.index("end of trees")])))


def as_ubjson(value: Any) -> bytes:
    """What XGBoost writes: every length in eight bytes, numbers of a list without their kind."""
    if isinstance(value, dict):
        return b"{" + b"".join(length(key) + key.encode() + as_ubjson(part) for key, part in value.items()) + b"}"
    if isinstance(value, str):
        return b"S" + length(value) + value.encode()
    if isinstance(value, list) and value and not isinstance(value[0], dict):
        kind, form = (b"d", ">f") if isinstance(value[0], float) else (b"l", ">i")
        return b"[$" + kind + b"#" + length(value) + b"".join(struct.pack(form, number) for number in value)
    if isinstance(value, list):
        return b"[#" + length(value) + b"".join(map(as_ubjson, value))
    return b"l" + struct.pack(">i", value)


def length(value: Any) -> bytes:
    return b"L" + struct.pack(">q", len(value))


BAD_TREES: dict[str, tuple[dict[str, Any], str]] = {
    "child outside": (tree_with(left_children=[900, -1, -1]), "a node whose child lies outside"),
    "loop": (tree_with(left_children=[0, -1, -1]), "a node whose child leads back"),
    "two parents": (tree_with(left_children=[2, -1, -1]), "a node that two others lead to"),
    "feature outside": (tree_with(split_indices=[4, 0, 0]), "a node that asks for a feature outside"),
    "fewer nodes": (tree_with(split_conditions=[0.1]), "counts other nodes than it has"),
    "no values": (tree_with(base_weights=[0.1]), "values of other nodes"),
    "categories outside": (
        tree_with(categories_nodes=[0], categories_segments=[0], categories_sizes=[9], categories=[1]),
        "a set of categories that lies outside",
    ),
    "huge category": (
        tree_with(categories_nodes=[0], categories_segments=[0], categories_sizes=[1], categories=[2**30]),
        "a category that no number can be",
    ),
    "class outside": (model_with(tree_info=[7]), "has a tree of a class outside"),
    "other count": (model_with(trees=[]), "counts other trees than it has"),
    "iterations": (model_with(iteration_indptr=[0, 9]), "has iterations of other trees"),
}


@pytest.mark.parametrize("write", [as_ubjson, lambda model: json.dumps(model).encode()], ids=["ubjson", "json"])
@pytest.mark.parametrize("case", BAD_TREES)
def test_a_crafted_xgboost_model_is_refused(case: str, write: Callable[[Any], bytes]) -> None:
    xgboost.check_booster(write(MODEL))
    xgboost.check_booster(write({"Config": {}, "Model": MODEL}))
    model, what = BAD_TREES[case]
    with pytest.raises(Damaged, match=what):
        xgboost.check_booster(write(model))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{" + b"L\0\0\0\0\0\0\0\1a{" * 100, "nested deeper than 64 levels"),
        (b"[#L\x7f" + bytes(7), "a list longer than itself"),
        (b"[$d#L\x7f" + bytes(7), "ends too early"),
        (b"S" + b"L" + struct.pack(">q", -5), "ends too early"),
        (b"?", "a value of no known kind"),
        (b"TT", "goes on after its end"),
    ],
)
def test_ubjson_is_read_within_bounds(content: bytes, what: str) -> None:
    with pytest.raises(Damaged, match=what):
        ubjson.parse(content)


BAD_TEXTS = {
    "child outside": (text_with("left_child=1 -1", "left_child=77 -1"), "a node whose child lies outside"),
    "leaf outside": (text_with("right_child=-3 -2", "right_child=-9 -2"), "a node whose child lies outside"),
    "loop": (text_with("left_child=1 -1", "left_child=0 -1"), "a node whose child leads back"),
    "feature outside": (text_with("split_feature=0 3", "split_feature=0 4"), "a node that asks for a feature outside"),
    "fewer values": (text_with("leaf_value=0.1 0.2 0.3", "leaf_value=0.1"), "counts other leaves than it has"),
    "no set": (text_with("decision_type=2 2", "decision_type=1 2"), "asks for a set of categories outside"),
    "size lies": (TEXT.replace("SIZE", str(SIZE + 1000)), "has trees that begin elsewhere than it says"),
    "no number": (text_with("max_feature_idx=3", "max_feature_idx=-3"), "has a max_feature_idx that is no number"),
    "twice": (text_with("num_cat=0", "num_cat=0\nnum_leaves=9"), "says num_leaves twice"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_crafted_lightgbm_model_is_refused(case: str) -> None:
    lightgbm.check_model(text_with())
    text, what = BAD_TEXTS[case]
    with pytest.raises(Damaged, match=what):
        lightgbm.check_model(text)


class Crafted:
    """Pickles as a booster of one of the two libraries would."""

    def __init__(self, module: str, state: dict[str, Any]) -> None:
        """A global of that name, and its state; written by hand, as neither library is here."""
        body = pickle.dumps(state, protocol=4)[11:-1]
        name = module.encode()
        self.content = b"\x80\x04c" + name + b"\nBooster\n)\x81" + body + b"b."


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        artifact.scan(path)
    return str(caught.value)


def test_what_a_pickle_holds_of_the_two_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    hostile = as_ubjson(tree_with(left_children=[900, -1, -1]))
    content = Crafted("xgboost.core", {"handle": bytearray(hostile), "a": 1}).content
    assert "its booster 0 (xgboost.core.Booster) has a tree (0) that has a node whose child" in refusal(path, content)
    content = Crafted("lightgbm.basic", {"_handle": BAD_TEXTS["child outside"][0], "a": 1}).content
    assert "its booster 0 (lightgbm.basic.Booster) has a tree (0) that has a node whose" in refusal(path, content)


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    size = bytes([len(value)]) if len(value) < 128 else bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
    return bytes([number << 3 | 2]) + size + value


def nested(depth: int) -> bytes:
    """A graph in the attribute of a node, again and again."""
    graph = b""
    for _ in range(depth):
        graph = field(1, field(5, field(6, graph)))
    return graph


ONNX: dict[str, tuple[bytes, str]] = {
    "external data": (
        field(7, field(5, field(13, field(1, b"location") + field(2, b"../../etc/passwd")))),
        "makes a reader open another file (external_data)",
    ),
    "external data in an attribute": (
        field(7, field(1, field(5, field(5, field(14, 1))))),
        "makes a reader open another file (external_data)",
    ),
    "custom domain": (
        field(7, field(1, field(7, b"com.evil"))),
        "needs operators of another domain (com.evil)",
    ),
    "custom operators": (field(8, field(1, b"evil")), "needs operators of another domain (evil)"),
    "deep": (field(7, nested(20)), "has graphs in graphs, more than 32 deep"),
}


@pytest.mark.parametrize("case", ONNX)
def test_a_hostile_onnx_file_is_refused_as_such(case: str, tmp_path: Path) -> None:
    content, what = ONNX[case]
    said = refusal(tmp_path / "model.onnx", field(1, 8) + content)
    assert said == f"audit: model.onnx is damaged or hostile: it {what}. {ELSEWHERE}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.onnx", field(1, 8) + field(7, field(1, field(7, b"ai.onnx.ml"))) + field(8, field(1, b""))),
        ("model.ubj", as_ubjson(MODEL)),
        ("model.txt", text_with().encode()),
    ],
)
def test_a_harmless_file_of_such_a_kind_is_told_by_its_kind(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert artifact.scan(tmp_path / name).kind in ("onnx", "xgboost", "lightgbm")


def test_hostile_models_of_other_kinds_are_refused_as_such(tmp_path: Path) -> None:
    said = refusal(tmp_path / "model.ubj", as_ubjson(tree_with(left_children=[900, -1, -1])))
    assert said.startswith("audit: model.ubj is damaged or hostile: it has a tree (0) that has a node whose child")
    said = refusal(tmp_path / "model.txt", BAD_TEXTS["loop"][0].encode())
    assert said.startswith("audit: model.txt is damaged or hostile: it has a tree (0) that has a node whose child")
