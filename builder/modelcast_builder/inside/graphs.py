"""One ONNX graph as the runtime takes it: its names, its types and its bytes are the same whenever it is made."""

from collections.abc import Sequence
from typing import Any

from modelcast_runtime.contract import Dtype, Output, Signature, Wanted
from modelcast_runtime.formats.onnx import MATRIX

from . import alike, guards
from .forests import ML, ML_VERSION

OPSET = 21
"""The newest that skl2onnx converts to."""
NAME = "model"


def columns_of(signature: Signature) -> list[str]:
    """The inputs of a graph that takes a tensor a column."""
    return [f"x{index}" for index in range(len(signature.inputs))]


def matrix_of(signature: Signature) -> list[str]:
    """The input of a graph that takes all numbers at once."""
    return [MATRIX] if signature.inputs else []


def finish(proto: Any, signature: Signature, given: Sequence[Wanted | None]) -> bytes:
    """The graph's bytes, with outputs of the signature's names, shapes and types; `given` names those it has."""
    graph = proto.graph
    outputs = {output.name: output for output in signature.outputs}
    made = [
        _output(graph, tensor.name, outputs[name])
        for tensor, name in zip(graph.output, given, strict=False)
        if name in outputs
    ]
    refused = guards.close(graph)
    del graph.output[:]
    graph.output.extend([*made, *([] if refused is None else [refused])])
    return bytes_of(proto)


def bytes_of(proto: Any) -> bytes:
    """Without what tells of the converter, in the versions that the nodes need."""
    del proto.metadata_props[:]
    proto.producer_name = proto.producer_version = proto.domain = proto.doc_string = ""
    proto.graph.name, proto.graph.doc_string = NAME, ""
    _set_locales(proto.graph)
    _raise_version(proto)
    alike.note(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _set_locales(graph: Any) -> None:
    """Small images have no other locale than C, and a session that asks for one is not opened."""
    from onnx import helper

    for node in graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("locale", "C.utf8")])


def _output(graph: Any, tensor: str, output: Output) -> Any:
    from onnx import helper

    shape = f"{output.name}_shape"
    graph.initializer.append(helper.make_tensor(shape, helper.TensorProto.INT64, [len(output.shape)], output.shape))
    kind = _type(output.dtype)
    shaped = f"{output.name}_shaped" if output.dtype != "string" else output.name
    graph.node.append(helper.make_node("Reshape", [tensor, shape], [shaped], name=shape))
    if shaped != output.name:
        graph.node.append(helper.make_node("Cast", [shaped], [output.name], name=f"{output.name}_type", to=kind))
    extents: list[int | None] = [None if extent < 0 else extent for extent in output.shape]
    return helper.make_tensor_value_info(output.name, kind, extents)


def _type(dtype: Dtype) -> int:
    from onnx import TensorProto

    kinds: dict[Dtype, int] = {
        "bool": TensorProto.BOOL,
        "int64": TensorProto.INT64,
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
        "string": TensorProto.STRING,
    }
    return kinds[dtype]


def _raise_version(proto: Any) -> None:
    """skl2onnx names the newest version that it knows: our own trees are of a newer one."""
    if any(node.op_type == "TreeEnsemble" for node in proto.graph.node):
        del proto.opset_import[:]
        for domain, version in (("", OPSET), (ML, ML_VERSION)):
            entry = proto.opset_import.add()
            entry.domain, entry.version = domain, version
