"""`selftest --examples FILE`: what the repository promises of its answers, and the first promise that does not hold."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_runtime import cli, selftest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Limits, ServiceDefaults

MakeBundle = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Any], Path]:
    """A file with these examples, or with this very text."""

    def write(content: Any) -> Path:
        path = tmp_path / "examples.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


File = Callable[[Any], Path]
ROW = {"instances": [[0.0, 2.5]]}


def example(request: Any, **response: Any) -> dict[str, Any]:
    return {"request": request, "response": response}


def fault(root: Path, path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        selftest.run(root, path)
    return str(caught.value)


def test_every_answer_that_is_named_holds_and_the_rest_is_free(make_bundle: MakeBundle, file: File) -> None:
    root = make_bundle("array")
    golden = open_bundle(root).golden
    assert golden.probabilities is not None
    shares = [dict(zip("012", row, strict=True)) for row in golden.probabilities]
    one = {"1": golden.probabilities[0][1] * (1 + 5e-10)}  # one class of three, within the golden rows' tolerance
    held = file(
        [
            example(list(golden.rows), predictions=list(golden.predictions), probabilities=shares),
            example({"instances": golden.rows[:1]}, predictions=[float(golden.predictions[0])], probabilities=[one]),
            example({"columns": {name: [0.5] for name in "abcd"}}),
        ]
    )
    done = "array sha256:3f2a: 5 golden rows reproduced"
    assert selftest.run(root, held) == f"{done}, 3 examples of examples.json held"


def test_texts_and_distances_hold_too(make_bundle: MakeBundle, file: File) -> None:
    answer = selftest.run(make_bundle("text"), file([example(["win money now"], predictions=[True])]))
    assert answer == "text sha256:3f2a: 4 golden rows reproduced, 1 example of examples.json held"
    root = make_bundle("kmeans")
    golden = open_bundle(root).golden
    assert golden.distances is not None
    distances = [list(row) for row in golden.distances]
    selftest.run(root, file([example(list(golden.rows), distances=distances)]))
    distances[1][2] += 0.25
    assert fault(root, file([example(list(golden.rows), distances=distances)])) == (
        f"examples.json, example 0: $.distances[1][2]: expected {distances[1][2]}, got {golden.distances[1][2]}"
    )


DIFFERS: dict[str, tuple[str, Any, str]] = {
    "another number": ("own", example(ROW, predictions=[2.6]), "$.predictions[0]: expected 2.6, got 2.5"),
    "another type": ("own", example(ROW, predictions=["2.5"]), '$.predictions[0]: expected "2.5", got 2.5'),
    "a number for a truth": ("text", example(["win money"], predictions=[1]), "$.predictions[0]: expected 1, got true"),
    "too few": ("own", example(ROW, predictions=[]), "$.predictions: expected a list of 0 values, got a list of 1 value"),
    "no list": ("own", example(ROW, predictions=2.5), "$.predictions: expected 2.5, got a list of 1 value"),
    "null": ("own", example(ROW, predictions=None), "$.predictions: expected null, got a list of 1 value"),
    "an object for a list": ("own", {"request": ROW, "response": []}, "$: expected a list of 0 values, got an object"),
    "a key that is not answered": (
        "own",
        example(ROW, **{"the score": 1}),
        "$['the score']: expected 1, got nothing: the answer holds predictions, model, prediction_id",
    ),
    "what the model does not give": (
        "own",
        example(ROW, probabilities=[{"a": 0.5}]),
        "$.probabilities: expected a list of 1 value, got nothing: the answer holds predictions, model, prediction_id",
    ),
    "a class that is none": (
        "text",
        example(["win money"], probabilities=[{"spam": 0.5}]),
        "$.probabilities[0].spam: expected 0.5, got nothing: the answer holds false, true",
    ),
    "a long text": ("own", example(ROW, model={"name": "x" * 99}), f'$.model.name: expected "{"x" * 79}..., got "own"'),
    "a request that is refused": (
        "own",
        example({"instances": [[0.0]]}, predictions=[1]),
        "POST /predict answered 400: $.instances[0]: expected 2 values: seconds, value, got 1 value. "
        "Send one value for each name, in this order.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DIFFERS)
def test_the_first_place_that_differs_is_named(make_bundle: MakeBundle, file: File, case: str) -> None:
    kind, given, expected = DIFFERS[case]
    whole = file([example(ROW if kind == "own" else ["win money"]), given])
    assert fault(make_bundle(kind), whole) == f"examples.json, example 1: {expected}"


def test_the_sealed_limits_hold_for_an_example(make_bundle: MakeBundle, file: File) -> None:
    root = make_bundle("own", service=ServiceDefaults(limits=Limits(rows=2)))
    assert fault(root, file([example([[0, 1]] * 3)])).startswith(
        "examples.json, example 0: POST /predict answered 413: "
    )


NO_EXAMPLES = {
    "": "Input data was truncated",
    "[": "Input data was truncated",
    "[]": "Expected `array` of length >= 1",
    "{}": "Expected `array`, got `object`",
    '[{"request": NaN, "response": {}}]': "JSON is malformed: invalid character (byte 13)",
    '[{"request": {}}]': "Object missing required field `response` - at `$[0]`",
    '[{"request": {}, "response": {}, "note": 1}]': "Object contains unknown field `note` - at `$[0]`",
}


@pytest.mark.parametrize("text", NO_EXAMPLES)
def test_a_file_without_examples_is_a_fault(make_bundle: MakeBundle, file: File, text: str) -> None:
    expected = f'examples.json is no list of {{"request": ..., "response": ...}}: {NO_EXAMPLES[text]}'
    assert fault(make_bundle("own"), file(text)) == expected


def test_a_file_of_other_bytes_is_a_fault(make_bundle: MakeBundle, tmp_path: Path) -> None:
    path = tmp_path / "examples.json"
    path.write_bytes(b'[{"request": "\xfc", "response": {}}]')
    assert fault(make_bundle("own"), path).startswith("examples.json is no list of {")


def test_the_command_takes_the_file(
    make_bundle: MakeBundle, file: File, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, held = str(make_bundle("own")), str(file(f"\ufeff{json.dumps([example(ROW, predictions=[2.5])])}"))
    assert cli.main(["selftest", root, "--examples", held]) == 0
    done = "own sha256:3f2a: 2 golden rows reproduced, 1 example of examples.json held\n"
    assert capsys.readouterr() == (done, "")
    assert cli.main(["selftest", root, "--examples", str(tmp_path / "none.json")]) == 1
    assert capsys.readouterr() == ("", "error: selftest: none.json cannot be read: No such file or directory\n")
