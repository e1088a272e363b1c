"""An answer is strict JSON in the order of the rows, with labels of the model's own type."""

import json
import re
import time
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from modelcast_runtime import answer
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Label, Signature, Wanted


def encoded(scores: Scores, classes: tuple[Label, ...] | None = None, wanted: frozenset[Wanted] = frozenset()) -> Any:
    content = answer.encode(
        scores,
        Signature(layout="array", inputs=(), outputs=(), classes=classes),
        model_name="spam",
        model_version="sha256:3f2a",
        prediction_id="01J",
        wanted=wanted,
    )
    return json.loads(content, parse_constant=not_strict)


def not_strict(constant: str) -> NoReturn:
    raise AssertionError(constant)


def test_the_answer_is_the_one_that_the_interface_shows() -> None:
    scores = Scores(np.array(["spam"]), np.array([[0.02, 0.98]]), np.array([[1.5, 2.5]]))
    answered = encoded(scores, ("legitimate", "spam"), frozenset({"predict_proba", "distances"}))
    assert answered == {
        "predictions": ["spam"],
        "probabilities": [{"legitimate": 0.02, "spam": 0.98}],
        "distances": [[1.5, 2.5]],
        "model": {"name": "spam", "version": "sha256:3f2a"},
        "prediction_id": "01J",
    }
    assert list(answered) == ["predictions", "probabilities", "distances", "model", "prediction_id"]


def test_only_what_was_asked_for_is_answered() -> None:
    scores = Scores(np.array(["spam"]), np.array([[0.02, 0.98]]), np.array([[1.5, 2.5]]))
    answered = encoded(scores, ("legitimate", "spam"))
    assert list(answered) == ["predictions", "model", "prediction_id"]


PREDICTIONS: list[tuple[np.ndarray, list[Any]]] = [
    (np.array([True, False]), [True, False]),
    (np.array([1, -1], dtype=np.int32), [1, -1]),
    (np.array([2**64 - 1], dtype=np.uint64), [2**64 - 1]),
    (np.array(["a", "é"]), ["a", "é"]),
    (np.array([1.0, 2.5]), [1.0, 2.5]),
    (np.array([0.5], dtype=np.float32), [0.5]),
    (np.array([1.5, np.nan, np.inf]), [1.5, None, None]),
    (np.array([[1.0, np.nan], [2.0, 3.0]]), [[1.0, None], [2.0, 3.0]]),
    (np.array([[1.0], [2.0]]), [[1.0], [2.0]]),
    (np.arange(6).reshape(3, 2).T, [[0, 2, 4], [1, 3, 5]]),
    (np.array(["a", np.str_("b"), None], dtype=object), ["a", "b", None]),
    (
        np.array([np.bool_(True), np.int64(3), np.float64("nan"), np.float32(0.5), 1], dtype=object),
        [True, 3, None, 0.5, 1],
    ),
]


@pytest.mark.parametrize(("predictions", "expected"), PREDICTIONS, ids=str)
def test_predictions_have_the_models_own_type(predictions: np.ndarray, expected: list[Any]) -> None:
    got = encoded(Scores(predictions))["predictions"]
    assert got == expected
    assert [type(value) for value in got] == [type(value) for value in expected]


CLASSES: list[tuple[tuple[Label, ...], list[str]]] = [
    ((0, 1), ["0", "1"]),
    ((0.0, 1.5), ["0.0", "1.5"]),
    ((False, True), ["false", "true"]),
    (("a", ""), ["a", ""]),
]


@pytest.mark.parametrize(("classes", "keys"), CLASSES, ids=str)
def test_probabilities_are_named_by_class(classes: tuple[Label, ...], keys: list[str]) -> None:
    scores = Scores(np.array([0]), np.array([[0.25, np.nan]]))
    assert encoded(scores, classes, frozenset({"predict_proba"}))["probabilities"] == [{keys[0]: 0.25, keys[1]: None}]


def test_another_number_of_probabilities_than_classes_is_never_answered() -> None:
    with pytest.raises(ValueError, match="zip\\(\\) argument 2 is longer than argument 1"):
        encoded(Scores(np.array([0]), np.array([[0.5, 0.5]])), ("a",), frozenset({"predict_proba"}))


def test_a_prediction_of_no_label_type_is_never_answered() -> None:
    with pytest.raises(TypeError, match="Type is not JSON serializable: object"):
        encoded(Scores(np.array([object()], dtype=object)))


@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=2), elements=st.floats()))
def test_any_numbers_are_strict_json(numbers: np.ndarray) -> None:
    finite = np.where(np.isfinite(numbers), numbers, 0)
    got = np.array(encoded(Scores(numbers))["predictions"], dtype=float)
    np.testing.assert_array_equal(np.where(np.isnan(got), 0, got), finite)


def test_a_prediction_id_is_a_ulid() -> None:
    before = time.time_ns() // 1_000_000
    ids = [answer.new_prediction_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == 1000
    assert all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in ids)
    assert ids == sorted(ids, key=lambda one: one[:10])
    moments = [
        sum("0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c) << 5 * (9 - at) for at, c in enumerate(one[:10])) for one in ids
    ]
    assert before <= min(moments) <= max(moments) <= after
