"""What is written in one place and read in another: the same value, the same bytes, and nothing unknown."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelcast_runtime import contract
from modelcast_runtime.contract import (
    Column,
    Compilation,
    Contract,
    Curve,
    Difference,
    Evaluation,
    Example,
    FileRecord,
    Gap,
    Gate,
    Golden,
    Limits,
    Manifest,
    Output,
    Provenance,
    ServiceDefaults,
    Signature,
    Slice,
    Step,
    Training,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
labels = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), numbers, texts)
cells = st.one_of(st.none(), labels)
shares = st.none() | st.lists(st.lists(numbers, max_size=3).map(tuple), max_size=3).map(tuple)


def tuples(of: Any, most: int = 3) -> Any:
    return st.lists(of, max_size=most).map(tuple)


columns = st.builds(
    Column,
    name=texts,
    dtype=st.sampled_from(["bool", "int64", "float32", "float64", "string", "datetime"]),
    nullable=st.booleans(),
    categories=st.none() | tuples(labels),
    unknown=st.sampled_from(["accept", "refuse"]),
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    trained_as=texts,
)
outputs = st.builds(
    Output, name=st.sampled_from(["predict", "distances"]), dtype=st.just("bool"), shape=st.just((-1, 2))
)
signatures = st.builds(
    Signature,
    layout=st.sampled_from(["array", "frame", "text", "object"]),
    inputs=tuples(columns),
    outputs=tuples(outputs),
    classes=st.none() | tuples(labels),
    largest=st.none() | numbers,
)
goldens = st.builds(
    Golden,
    rows=tuples(tuples(cells)),
    predictions=tuples(cells | tuples(cells)),
    probabilities=shares,
    distances=shares,
    tolerance=numbers,
)
trainings = st.builds(
    Training,
    source=texts,
    rows=st.none() | st.integers(0, 9),
    ranges=st.dictionaries(texts, st.tuples(numbers, numbers), max_size=3),
)
measured = st.dictionaries(texts, numbers, max_size=3)
slices = st.builds(Slice, column=texts, group=texts, rows=st.integers(0, 9), metrics=measured)
gaps = st.builds(
    Gap,
    column=texts,
    measure=st.sampled_from(["selection_rate", "true_positive_rate", "accuracy"]),
    gap=numbers,
    lowest=texts,
    highest=texts,
)
curves = st.builds(Curve, name=texts, label=texts, x=tuples(numbers), y=tuples(numbers))
evaluations = st.builds(
    Evaluation,
    data=texts,
    rows=st.integers(0, 9),
    metrics=measured,
    slices=tuples(slices),
    gaps=tuples(gaps),
    confusion=tuples(tuples(st.integers(0, 9))),
    curves=tuples(curves),
)
gates = st.builds(Gate, name=texts, expected=texts, got=st.none() | numbers, passed=st.booleans())
differences = st.builds(
    Difference,
    output=st.sampled_from(["predict", "predict_proba", "distances"]),
    rows=st.integers(0, 9),
    worst=numbers,
    allowed=numbers,
    example=texts,
)
compilations = st.builds(
    Compilation,
    backend=st.sampled_from(["native", "onnxruntime", "numpy"]),
    reason=texts,
    worst_difference=st.none() | numbers,
    precision=st.none() | st.sampled_from(["float64", "float32"]),
    labels=st.sampled_from(["graph", "highest"]),
    differences=tuples(differences),
    tools=st.dictionaries(texts, texts, max_size=2),
    tail=texts,
)
documents = st.recursive(cells, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
services = st.builds(
    ServiceDefaults,
    extra_inputs=st.sampled_from(["refuse", "ignore"]),
    limits=st.builds(Limits, rows=st.integers(1, 9)),
)
records = st.builds(FileRecord, path=texts, sha256=texts, size=st.integers(0, 2**40))
manifests = st.builds(
    Manifest,
    name=texts,
    version=texts,
    description=texts,
    format=st.sampled_from(["joblib", "onnx", "python", "text"]),
    framework=texts,
    task=st.sampled_from(["classifier", "regressor", "clusterer", "text", "generic"]),
    model=texts,
    signature=signatures,
    training=st.none() | trainings,
    evaluation=st.none() | evaluations,
    gates=tuples(gates),
    compilation=compilations,
    service=services,
    files=tuples(records),
)
provenances = st.builds(
    Provenance,
    built_at=texts,
    builder_version=texts,
    python=texts,
    source=texts,
    commit=st.none() | texts,
    environment_as_of=texts,
    notes=tuples(texts),
    steps=tuples(st.builds(Step, name=texts, seconds=numbers)),
)
EVERY: dict[type[Any], Any] = {
    Column: columns,
    Output: outputs,
    Signature: signatures,
    Golden: goldens,
    Evaluation: evaluations,
    Slice: slices,
    Gap: gaps,
    Curve: curves,
    Gate: gates,
    Training: trainings,
    Difference: differences,
    Compilation: compilations,
    Example: st.builds(Example, request=documents, response=documents),
    Limits: st.builds(Limits, body_bytes=st.integers(1, 9), header_s=st.floats(0.1, 3600)),
    ServiceDefaults: services,
    FileRecord: records,
    Manifest: manifests,
    Step: st.builds(Step, name=texts, seconds=numbers),
    Provenance: provenances,
}


def test_the_table_of_these_tests_has_every_type_of_the_contract() -> None:
    found = {kind for kind in vars(contract).values() if isinstance(kind, type) and issubclass(kind, Contract)}
    assert found - {Contract} == set(EVERY)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_what_was_encoded_decodes_to_the_same_and_what_was_decoded_has_one_text(kind: type[Any]) -> None:
    @settings(max_examples=30)
    @given(EVERY[kind])
    def check(value: Any) -> None:
        content = contract.encode(value)
        again = contract.decode(content, kind)
        assert again == value
        # Not `content`: a 5 that was written into a field of floats is 5.0 from then on.
        settled = contract.encode(again)
        assert contract.encode(contract.decode(settled, kind)) == settled

    check()


def types_of(value: Any) -> Any:
    return [types_of(one) for one in value] if isinstance(value, tuple) else type(value)


@settings(max_examples=50)
@given(goldens)
def test_a_label_keeps_its_type_on_the_way(golden: Golden) -> None:
    again = contract.decode(contract.encode(golden), Golden)
    assert types_of(again.predictions) == types_of(golden.predictions)


def keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, keys_of(one)) for key, one in value.items()]
    return [keys_of(one) for one in value] if isinstance(value, list) else None


def sorted_keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, sorted_keys_of(one)) for key, one in sorted(value.items())]
    return [sorted_keys_of(one) for one in value] if isinstance(value, list) else None


@settings(max_examples=30)
@given(manifests)
def test_keys_are_sorted_on_every_level(manifest: Manifest) -> None:
    document = json.loads(contract.encode(manifest))
    assert keys_of(document) == sorted_keys_of(document)


def test_the_order_in_which_a_dictionary_was_filled_is_not_in_the_bytes() -> None:
    one = Evaluation(data="d", rows=1, metrics={"accuracy": 1.0, "f1_macro": 0.5})
    other = Evaluation(data="d", rows=1, metrics={"f1_macro": 0.5, "accuracy": 1.0})
    assert contract.encode(one) == contract.encode(other)


def test_encoded_text_is_indented_json_that_ends_in_one_line_end() -> None:
    record = FileRecord(path="käse", sha256="ab", size=1)
    assert contract.encode(record) == '{\n  "path": "käse",\n  "sha256": "ab",\n  "size": 1\n}\n'.encode()


SMALL = Manifest(
    name="n",
    version="sha256:0",
    format="joblib",
    framework="sklearn",
    task="regressor",
    model="model.joblib",
    signature=Signature(layout="array", inputs=(Column(name="x", dtype="float64"),), outputs=()),
    compilation=Compilation(backend="native", reason="r"),
    files=(FileRecord(path="model.joblib", sha256="0", size=1),),
)


def test_the_manifest_has_exactly_these_keys() -> None:
    promised = {
        "bundle_version", "name", "version", "format", "framework", "task", "signature", "evaluation", "compilation", "files",
    }  # fmt: skip
    other = {"description", "gates", "model", "parameters", "service", "training"}
    assert set(json.loads(contract.encode(SMALL))) == promised | other


def altered(path: list[Any], key: str, value: object) -> bytes:
    document = json.loads(contract.encode(SMALL))
    place = document
    for step in path:
        place = place[step]
    place[key] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        ([], "colour", 1, "Object contains unknown field `colour`"),
        (["signature"], "task", 1, "Object contains unknown field `task` - at `$.signature`"),
        (["signature", "inputs", 0], "mean", 1, "Object contains unknown field `mean` - at `$.signature.inputs[0]`"),
        (["compilation"], "opset", 1, "Object contains unknown field `opset` - at `$.compilation`"),
        (["service", "limits"], "queue", 1, "Object contains unknown field `queue` - at `$.service.limits`"),
        (["files", 0], "mode", 1, "Object contains unknown field `mode` - at `$.files[0]`"),
        (["signature", "inputs", 0], "dtype", "int", "Invalid enum value 'int' - at `$.signature.inputs[0].dtype`"),
        (["files", 0], "size", "1", "Expected `int`, got `str` - at `$.files[0].size`"),
        ([], "format", "pmml", "Invalid enum value 'pmml' - at `$.format`"),
    ],
)  # fmt: skip
def test_what_the_contract_does_not_know_is_refused_with_its_path(
    path: list[Any], key: str, value: object, message: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        contract.decode(altered(path, key, value), Manifest)
    assert str(caught.value) == message


def test_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        SMALL.name = "other"  # type: ignore[misc]


@given(st.dictionaries(texts, texts, max_size=5), st.randoms(use_true_random=False))
def test_a_digest_does_not_know_the_order(values: dict[str, str], random: Any) -> None:
    shuffled = list(values.items())
    random.shuffle(shuffled)
    assert contract.digest_of(dict(shuffled)) == contract.digest_of(values)


def test_a_digest_is_of_names_and_values() -> None:
    digests = {
        contract.digest_of(one) for one in ({}, {"a": "b"}, {"b": "a"}, {"ab": ""}, {"": "ab"}, {"a": "b", "c": ""})
    }
    assert len(digests) == 6
    assert contract.digest_of({"a": "b"}) == "sha256:3a100994c4e38751871e6e8eef9adad2b20177fdeaf650daacdcd74f4c9421e3"


@pytest.mark.parametrize(
    ("label", "text"), [(True, "true"), (False, "false"), (1, "1"), (1.0, "1.0"), ("True", "True")]
)
def test_a_label_is_a_key_as_json_writes_it(label: contract.Label, text: str) -> None:
    assert contract.label_text(label) == text


def test_a_signature_knows_what_it_gives() -> None:
    signature = Signature(
        layout="array", inputs=(), outputs=(Output(name="predict_proba", dtype="float64", shape=(-1, 2)),)
    )
    assert signature.gives("predict_proba")
    assert not signature.gives("distances")


def test_a_signature_knows_what_may_be_asked_of_it() -> None:
    signature = Signature(
        layout="frame",
        inputs=(),
        outputs=tuple(Output(name=name, dtype="float64", shape=(-1, 2)) for name in ("predict", "distances")),
    )
    assert [question.field for question in signature.questions] == ["distances"]
    assert contract.query_of(signature.questions) == "distances=true"
    assert contract.query_of(contract.QUESTIONS) == "proba=true&distances=true"
    assert signature.takes_rows
    assert not Signature(layout="object", inputs=(), outputs=()).takes_rows


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (Column(name="x", dtype="float64", minimum=0, maximum=0.1), ["at least 0", "at most 0.1"]),
        (Column(name="x", dtype="float64", maximum=1234567.89012), ["at most 1234567.89012"]),
        (Column(name="seen", dtype="float64", minimum=-1), ["at least -1", "-0.5 to 1234.57 in training"]),
    ],
)
def test_the_range_of_an_input_in_words(column: Column, words: list[str]) -> None:
    training = Training(source="rows", ranges={"seen": (-0.5, 1234.5678)})
    assert list(contract.range_words(column, training)) == words
    assert list(contract.range_words(column, None)) == [word for word in words if "training" not in word]
