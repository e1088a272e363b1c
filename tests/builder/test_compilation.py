"""The decision: what is asked, what is taken from an answer, and what is said where there is none."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from modelcast_builder import child, compilation, environment
from modelcast_builder.child import ChildFailed
from modelcast_builder.compilation import Compiled
from modelcast_builder.config import BuildSettings, Config
from modelcast_builder.document import Document
from modelcast_builder.environment import Converter, Environment, Lock, NoConverter
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import ConvertRequest, Data, Described, DescribeRequest
from modelcast_runtime.contract import Column, Compilation, Golden, Output, Signature

NUMBER = Signature(
    layout="array",
    inputs=(Column(name="x0", dtype="float64"),),
    outputs=(Output(name="predict", dtype="float64", shape=(-1,)),),
)
TEXT = msgspec.structs.replace(NUMBER, layout="text", inputs=(Column(name="text", dtype="string"),))
GOLDEN = Golden(rows=((1.0,),), predictions=(2.0,))
PROVEN = Compilation(backend="onnxruntime", reason="proven", precision="float64", worst_difference=0.0)


@pytest.fixture
def decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Decides for a model of one number; `answer` is what the child would say, or raise."""
    asked: list[ConvertRequest] = []

    def of(answer: Any, *, mode: Any = "auto", signature: Signature = NUMBER, converter: Any = None) -> Compiled:
        def convert(_: Environment, request: ConvertRequest, *__: object) -> Compilation:
            asked.append(request)
            if isinstance(answer, Exception):
                raise answer
            if answer.backend != "native":
                Path(request.target).write_bytes(b"proven")
            return answer

        def make_converter(*_: object, **__: object) -> Converter:
            if isinstance(converter, Exception):
                raise converter
            return Converter(folder=tmp_path / "converter", packages={"skl2onnx": "1.20.0"})

        monkeypatch.setattr(child, "convert", convert)
        monkeypatch.setattr(environment, "make_converter", make_converter)
        request = DescribeRequest(
            artifact="a", framework="sklearn", code="code", definitions={}, by_value=False, recorded=None, data=Data(),
            inputs={}, sealed="model.joblib", sample="sample.joblib",
        )  # fmt: skip
        serving = Environment(python=Path("python"), lock=Lock(packages=(), serving=(), as_of=""), root=tmp_path)
        described = Described(task="regressor", signature=signature, golden=GOLDEN, source="data")
        settings = BuildSettings(variables={}, cache=tmp_path)
        of.asked = asked  # type: ignore[attr-defined]
        return compilation.decide(
            serving, request, described, Config(document=Document(compile=mode)), settings, tmp_path
        )

    return of


def test_a_proven_graph_is_taken_with_the_tools_that_made_it(decide: Any, tmp_path: Path) -> None:
    compiled = decide(PROVEN)
    assert (compiled.file, compiled.format) == (tmp_path / "model.onnx", "onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"proven"
    assert compiled.report.tools == {"skl2onnx": "1.20.0"}
    (asked,) = decide.asked
    assert (asked.model, asked.code, asked.sample) == ("model.joblib", "code", "sample.joblib")
    assert asked.converter == str(tmp_path / "converter")


def test_a_proven_text_model_needs_no_converter_and_names_none(decide: Any, tmp_path: Path) -> None:
    proven = Compilation(backend="numpy", reason="proven", precision="float64", worst_difference=0.0)
    for converter in (None, NoConverter("the converter to ONNX cannot be had: no network")):
        compiled = decide(proven, signature=TEXT, converter=converter)
        assert compiled == Compiled(report=proven, file=tmp_path / "model.text")
        assert compiled.format == "text"
        compiled.file.rename(tmp_path / "seen")
    assert [asked.converter for asked in decide.asked] == [str(tmp_path / "converter"), None]


@pytest.mark.parametrize(
    ("answer", "more", "reason"),
    [
        (Compilation(backend="native", reason="X differs"), {}, "X differs"),
        (PROVEN, {"mode": "never"}, "`compile: never` in modelcast.yaml"),
        (PROVEN, {"signature": Signature(layout="object", inputs=(), outputs=())}, "own code is served as it stands"),
        (PROVEN, {"converter": NoConverter("the converter to ONNX cannot be had: no network")},
         "the converter to ONNX cannot be had: no network"),
        (Compilation(backend="native", reason="nothing else than the converter to ONNX knows it"),
         {"signature": TEXT, "converter": NoConverter("the converter to ONNX cannot be had: no network")},
         "the converter to ONNX cannot be had: no network"),
        (BuildError("convert", "it ended the process (signal 9)", "Give it memory"), {},
         "it could not be tried: it ended the process (signal 9)"),
        (ChildFailed("convert ended:\nTraceback\nKeyError: 3"), {}, "it could not be tried: KeyError: 3"),
    ],
)  # fmt: skip
def test_what_is_not_proven_stays_native_and_says_why(decide: Any, answer: Any, more: Any, reason: str) -> None:
    compiled = decide(answer, **more)
    assert (compiled.file, compiled.format, compiled.report.backend, compiled.report.reason) == (
        None,
        None,
        "native",
        reason,
    )


def test_always_refuses_what_is_not_proven(decide: Any) -> None:
    with pytest.raises(BuildError) as refused:
        decide(Compilation(backend="native", reason="X has no converter to ONNX"), mode="always")
    assert str(refused.value) == (
        "compile: `compile: always` in modelcast.yaml, and the model stays native: X has no converter to ONNX. "
        "Write `compile: auto`, or train a model without what stands in the way"
    )


@pytest.mark.parametrize(
    ("precision", "worst", "tolerance"), [("float64", 1e-16, 1e-9), ("float64", 4e-7, 1e-5), ("float32", 0.0, 1e-5)]
)
def test_golden_rows_are_held_as_near_as_the_graph_computes(precision: Any, worst: float, tolerance: float) -> None:
    report = Compilation(backend="onnxruntime", reason="proven", precision=precision, worst_difference=worst)
    assert Compiled(report=report, file=Path("model.onnx")).hold(GOLDEN).tolerance == tolerance
    assert Compiled(report=report).hold(GOLDEN) == GOLDEN
