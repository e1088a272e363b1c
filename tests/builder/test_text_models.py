"""Text models as parameters: every kind answers as scikit-learn does, to the last bit of its sums, or is refused."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from modelcast_builder.inside import candidates, convert, parity
from modelcast_builder.inside.breaking_rows import breaking_rows
from modelcast_builder.inside.exact_trees import CannotConvert
from modelcast_builder.inside.messages import ConvertRequest
from modelcast_builder.inside.text_models import is_text_model, parameters
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Column, Golden, Label, Output, Signature
from modelcast_runtime.formats.text import TextModel, TextScorer
from sklearn import linear_model as linear
from sklearn import naive_bayes, preprocessing, svm
from sklearn.feature_extraction import text as of_text
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.tree import DecisionTreeClassifier

WORDS = (
    "free", "money", "win", "prize", "now", "click", "Meeting", "report", "Montag", "café", "résumé", "budget", "call",
    "mom's", "love", "Straße", "naïve", "日本", "x1", "don't",
)  # fmt: skip
ROWS = 400

count, tfidf, hashed = of_text.CountVectorizer, of_text.TfidfVectorizer, of_text.HashingVectorizer


def _texts() -> list[str]:
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(WORDS, draw.integers(2, 12))) for _ in range(120)]


TEXTS = _texts()
TWO: tuple[Label, ...] = ("ham", "spam")
THREE: tuple[Label, ...] = (3, 5, 8)
MODELS: dict[str, tuple[Callable[[], Any], tuple[Label, ...] | None]] = {
    "logistic, two": (lambda: make_pipeline(tfidf(), linear.LogisticRegression()), TWO),
    "logistic, three": (lambda: make_pipeline(tfidf(sublinear_tf=True), linear.LogisticRegression()), THREE),
    "logistic, in a search": (
        lambda: GridSearchCV(make_pipeline(tfidf(), linear.LogisticRegression()), {"logisticregression__C": [1, 9]}, cv=2),
        TWO,
    ),
    "words and pairs, without accents": (
        lambda: make_pipeline(
            tfidf(ngram_range=(1, 2), strip_accents="unicode", stop_words="english", smooth_idf=False), svm.LinearSVC()
        ),
        THREE,
    ),
    "letters in words": (
        lambda: make_pipeline(
            tfidf(analyzer="char_wb", ngram_range=(2, 4), norm="l1"), linear.SGDClassifier(loss="log_loss", random_state=0)
        ),
        THREE,
    ),
    "letters": (
        lambda: make_pipeline(
            count(analyzer="char", ngram_range=(1, 3), strip_accents="ascii"),
            of_text.TfidfTransformer(use_idf=False, norm=None),
            linear.SGDClassifier(loss="log_loss", random_state=0),
        ),
        TWO,
    ),
    "multinomial": (lambda: make_pipeline(count(), naive_bayes.MultinomialNB()), THREE),
    "complement": (lambda: make_pipeline(count(binary=True), naive_bayes.ComplementNB()), TWO),
    "bernoulli": (lambda: make_pipeline(count(), naive_bayes.BernoulliNB(binarize=1.0)), THREE),
    "bernoulli, of ones": (lambda: make_pipeline(count(binary=True), naive_bayes.BernoulliNB(binarize=None)), TWO),
    "hashed": (lambda: make_pipeline(hashed(n_features=16), linear.LogisticRegression()), TWO),
    "hashed, counted up and down": (
        lambda: make_pipeline(hashed(n_features=8, norm=None, binary=True), linear.RidgeClassifier()), THREE,
    ),
    "hashed, weighed": (
        lambda: make_pipeline(
            hashed(n_features=64, alternate_sign=False, norm=None), of_text.TfidfTransformer(sublinear_tf=True),
            linear.Perceptron(),
        ),
        TWO,
    ),
    "words beside letters": (
        lambda: make_pipeline(
            make_union(tfidf(), make_pipeline(count(analyzer="char"), preprocessing.Normalizer("l1"))),
            linear.LogisticRegression(),
        ),
        TWO,
    ),
    "words weighed beside letters": (
        lambda: make_pipeline(
            make_union(tfidf(), hashed(n_features=32)).set_params(transformer_weights={"tfidfvectorizer": 0.25}),
            preprocessing.MaxAbsScaler(), linear.LogisticRegression(),
        ),
        THREE,
    ),
    "selected": (
        lambda: make_pipeline(
            count(), SelectKBest(chi2, k=6), of_text.TfidfTransformer(), preprocessing.StandardScaler(with_mean=False),
            linear.LogisticRegression(),
        ),
        TWO,
    ),
    "by the largest": (lambda: make_pipeline(count(), preprocessing.Normalizer("max"), svm.LinearSVC()), TWO),
    "ridge": (lambda: make_pipeline(tfidf(token_pattern=r"[a-zA-Z]+"), linear.Ridge()), None),
    "a number by steps": (
        lambda: make_pipeline(tfidf(lowercase=False, token_pattern=r"(\w)\w*"), linear.SGDRegressor(random_state=0)), None,
    ),
    "lasso": (lambda: make_pipeline(count(), linear.Lasso(alpha=0.01)), None),
}  # fmt: skip


def _answers(classes: tuple[Label, ...] | None) -> np.ndarray:
    scores = np.array([sum(map(len, text.split()[:3])) for text in TEXTS])
    return scores / 3.7 if classes is None else np.array(classes)[np.digitize(scores, [13, 17][: len(classes) - 1])]


def _signature(model: Any, classes: tuple[Label, ...] | None) -> Signature:
    kind = model.predict(TEXTS[:1]).dtype.kind
    outputs = [Output(name="predict", dtype={"f": "float64", "i": "int64"}.get(kind, "string"), shape=(-1,))]
    if hasattr(model, "predict_proba"):
        outputs.append(Output(name="predict_proba", dtype="float64", shape=(-1, len(classes or ()))))
    inputs = (Column(name="text", dtype="string"),)
    return Signature(layout="text", inputs=inputs, outputs=tuple(outputs), classes=classes)


def _golden(model: Any) -> Golden:
    return Golden(rows=tuple((text,) for text in TEXTS[:5]), predictions=tuple(model.predict(TEXTS[:5]).tolist()))


@pytest.mark.parametrize("name", MODELS)
def test_a_text_model_answers_as_scikit_learn_does(name: str) -> None:
    make, classes = MODELS[name]
    model = make().fit(TEXTS, _answers(classes))
    signature = _signature(model, classes)
    wanted = frozenset(output.name for output in signature.outputs) - {"predict"}
    assert is_text_model(model)
    content = parameters(model)
    assert parameters(model) == content
    scorer = TextScorer(content, signature)
    rows = breaking_rows(model, signature, _golden(model), TEXTS, count=ROWS)
    scores = rows.scored(lambda some: scorer.score(some, wanted))
    task = "regressor" if classes is None else "classifier"
    verdict = parity.judge(rows.reference, scores, rows.kinds, signature, task, "float64")
    assert (verdict.equal, verdict.labels) == (True, "graph"), verdict.differences
    assert scores.predictions.tolist() == rows.reference.predictions.tolist() or classes is None
    assert verdict.worst is None or verdict.worst < 1e-12
    together = scorer.score_together([rows.columns.part(0, 3), rows.columns.part(3, 9)], wanted)
    assert [part.predictions.tolist() for part in together] == [
        scores.predictions[:3].tolist(), scores.predictions[3:9].tolist()
    ]  # fmt: skip
    for at in range(rows.refused.rows):
        with pytest.raises(ValueError, match="not finite"):
            scorer.score(rows.refused.part(at, at + 1), wanted)


@pytest.mark.filterwarnings("ignore:invalid value encountered in log")
def test_what_is_refused_by_scikit_learn_is_refused() -> None:
    # A word that is counted down has no logarithm.
    weighed, line = of_text.TfidfTransformer(sublinear_tf=True), linear.LogisticRegression()
    make_pipeline(hashed(n_features=2, alternate_sign=False), weighed, line).fit(TEXTS, _answers(TWO))
    model = make_pipeline(hashed(n_features=2), weighed, line)
    scorer = TextScorer(parameters(model), _signature_of_two())
    refused = 0
    for text in WORDS:
        columns = Columns(1, {"text": np.array([text], dtype=object)})
        try:
            expected = model.predict([text]).tolist()
        except ValueError:
            refused += 1
            with pytest.raises(ValueError, match="^a number is not finite$"):
                scorer.score(columns, frozenset())
        else:
            assert scorer.score(columns, frozenset()).predictions.tolist() == expected
    assert 0 < refused < len(WORDS)


def _signature_of_two() -> Signature:
    outputs = (Output(name="predict", dtype="string", shape=(-1,)),)
    return Signature(layout="text", inputs=(Column(name="text", dtype="string"),), outputs=outputs, classes=TWO)


def shout(text: str) -> str:
    return text.upper()


class OwnVectorizer(of_text.CountVectorizer):
    """A class of the user's own may do anything."""


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (make_pipeline(count(preprocessor=shout), linear.LogisticRegression()), "CountVectorizer has a preprocessor of its own"),
        (make_pipeline(tfidf(tokenizer=str.split, token_pattern=None), linear.LogisticRegression()), "TfidfVectorizer has a tokenizer of its own"),
        (make_pipeline(count(analyzer=str.split), linear.LogisticRegression()), "CountVectorizer has a function as its analyzer"),
        (make_pipeline(count(strip_accents=shout), linear.LogisticRegression()),
         "CountVectorizer has a function as its strip_accents"),
        (make_pipeline(tfidf(dtype=np.float32), linear.LogisticRegression()), "TfidfVectorizer counts in float32"),
        (make_pipeline(tfidf(), DecisionTreeClassifier()), "DecisionTreeClassifier has no counterpart for texts"),
        (make_pipeline(tfidf(), preprocessing.Binarizer(), linear.LogisticRegression()), "Binarizer has no counterpart for texts"),
        (make_pipeline(tfidf(), linear.SGDClassifier(loss="modified_huber")),
         "SGDClassifier with loss='modified_huber' has no counterpart for texts"),
        (make_pipeline(make_union(OwnVectorizer(), tfidf()), linear.LogisticRegression()),
         "OwnVectorizer is no text vectoriser of scikit-learn's"),
        (make_pipeline(make_union(make_pipeline(count(), SelectKBest(chi2, k=3)), tfidf()), linear.LogisticRegression()),
         "SelectKBest inside of FeatureUnion leaves out columns"),
    ],
)  # fmt: skip
def test_what_computes_otherwise_is_refused_with_its_name(model: Any, reason: str) -> None:
    model.fit(TEXTS, _answers(TWO))
    assert is_text_model(model)
    with pytest.raises(CannotConvert) as refused:
        parameters(model)
    assert str(refused.value) == reason


def test_several_numbers_for_a_text_are_refused() -> None:
    numbers = _answers(None)
    model = make_pipeline(tfidf(), linear.Ridge()).fit(TEXTS, np.stack([numbers, -numbers], axis=1))
    with pytest.raises(CannotConvert, match="^Ridge answers several numbers$"):
        parameters(model)


def test_an_own_vectoriser_is_no_text_model_of_ours() -> None:
    assert not is_text_model(make_pipeline(OwnVectorizer(), linear.LogisticRegression()))
    assert not is_text_model(count())
    assert not list(candidates.without_converter(count(), _signature_of_two()))


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversion puts the folder of the model's own modules first."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)


def _request(model: Any, folder: Path) -> ConvertRequest:
    import joblib

    joblib.dump(model, folder / "model.joblib")
    joblib.dump(TEXTS, folder / "sample.joblib")
    return ConvertRequest(
        model=str(folder / "model.joblib"), code=str(folder), converter=None, signature=_signature(model, TWO),
        task="classifier", golden=_golden(model), sample=str(folder / "sample.joblib"), target=str(folder / "compiled"),
    )  # fmt: skip


def test_a_text_model_is_proven_without_a_converter(tmp_path: Path) -> None:
    model = make_pipeline(tfidf(), linear.LogisticRegression()).fit(TEXTS, _answers(TWO))
    request = _request(model, tmp_path)
    report = convert.convert(request)
    assert (report.backend, report.precision, report.labels, report.tools) == ("numpy", "float64", "graph", {})
    assert report.probes >= 10_000
    assert report.reason == f"equal answers on {report.probes} rows made to break it"
    assert (tmp_path / "compiled").read_bytes() == parameters(model)


def test_wrong_weights_and_wrong_words_are_not_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pipeline(tfidf(), linear.LogisticRegression()).fit(TEXTS, _answers(TWO))
    request, right = _request(model, tmp_path), msgspec.msgpack.decode(parameters(model), type=TextModel)
    (part,) = right.parts
    analyzer, vocabulary = part.analyzer, part.vocabulary
    weights = np.frombuffer(right.weights).copy()
    weights[3] += 1e-4
    wrong = {
        "a weight": {"weights": weights.tobytes()},
        "ASCII": {"parts": (_with(part, analyzer=_with(analyzer, pattern=r"(?a)\b\w\w+\b")),)},
        "case": {"parts": (_with(part, analyzer=_with(analyzer, lowercase=False)),)},
        "accents": {"parts": (_with(part, analyzer=_with(analyzer, accents="unicode")),)},
        "two words": {"parts": (_with(part, vocabulary=_with(vocabulary, words=vocabulary.words[::-1])),)},
        "the norm": {"parts": (_with(part, steps=part.steps[:-1]),)},
        "the side": {"intercepts": (-np.frombuffer(right.intercepts)).tobytes()},
    }
    rows = breaking_rows(model, request.signature, request.golden, TEXTS, count=ROWS)
    for what, changed in wrong.items():
        scorer = TextScorer(msgspec.msgpack.encode(_with(right, **changed)), request.signature)
        scores = rows.scored(lambda some, scorer=scorer: scorer.score(some, frozenset({"predict_proba"})))  # type: ignore[misc]
        verdict = parity.judge(rows.reference, scores, rows.kinds, request.signature, "classifier", "float64")
        assert not verdict.equal, what
    content = msgspec.msgpack.encode(_with(right, **wrong["ASCII"]))
    monkeypatch.setattr(candidates, "parameters", lambda _: content)
    report = convert.convert(request)
    assert report.backend == "native"
    assert report.reason.startswith("the compiled probabilities differ for ")
    assert not (tmp_path / "compiled").exists()


def _with(struct: Any, **changed: Any) -> Any:
    return msgspec.structs.replace(struct, **changed)


def test_a_tail_that_has_no_counterpart_says_so_where_there_is_no_converter(tmp_path: Path) -> None:
    model = make_pipeline(tfidf(), DecisionTreeClassifier(random_state=0)).fit(TEXTS, _answers(TWO))
    report = convert.convert(_request(model, tmp_path))
    assert (report.backend, report.reason) == ("native", "DecisionTreeClassifier has no counterpart for texts")
