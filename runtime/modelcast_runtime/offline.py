"""Scores a file of rows with a bundle, without a server: the same decoding, the same answers."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import orjson

from modelcast_runtime import offline_objects, payload, problems
from modelcast_runtime.answer import plain
from modelcast_runtime.bundle import Bundle, BundleError, open_bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Wanted, label_text
from modelcast_runtime.formats import Scorer, load_scorer
from modelcast_runtime.formats.python import OwnPredict
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import Problem
from modelcast_runtime.scoring import refused_row

_CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json"}
_EVERY_ROW = sys.maxsize


def predict(root: Path, file: Path, *, proba: bool, out: Path | None) -> None:
    """Write one answer a row; raises `BundleError` with the place in the file."""
    bundle = open_bundle(root)
    if proba and not bundle.manifest.signature.gives("predict_proba"):
        raise BundleError(f"--proba: this {bundle.manifest.task} gives no probabilities")
    scorer = load_scorer(bundle)
    if isinstance(scorer, OwnPredict):
        place = None if out is None else out.absolute()  # own code changes the working directory
        _write(offline_objects.answers(scorer, file, out), place, _write_lines)
        return
    wanted: frozenset[Wanted] = frozenset({"predict_proba"} if proba else ())
    answers = _answers(score(scorer, decode(file, bundle), wanted, file), bundle)
    _write(answers, out, _write_csv if out is not None and out.suffix == ".csv" else _write_lines)


def _write(answers: Iterable[Any], out: Path | None, write: Callable[[Iterable[Any], TextIO], None]) -> None:
    if out is None:
        write(answers, sys.stdout)
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as stream:
            write(answers, stream)
    except OSError as error:
        raise BundleError(f"{out} cannot be written: {error.strerror}") from error


def score(scorer: Scorer, decoded: Decoded, wanted: frozenset[Wanted], file: Path) -> Scores:
    """The answers; raises `BundleError` with the first row that the model refuses."""
    try:
        return scorer.score(decoded.columns, wanted)
    except Exception as error:
        row = refused_row(scorer, decoded.columns, wanted)
        if row is None:
            raise
        refusal = problems.refused_by_model(decoded.locate(row, None), type(error).__name__)
        raise BundleError(f"{file.name}: {refusal.detail}") from error


def decode(file: Path, bundle: Bundle) -> Decoded:
    """The rows of a file, checked as a request's would be; raises `BundleError` with the place."""
    content, content_type = as_request(file)
    try:
        return payload.decode(
            content,
            content_type,
            bundle.manifest.signature,
            extra_inputs="ignore",  # a file of rows often brings the target and an id along
            max_rows=_EVERY_ROW,
        )
    except Problem as problem:
        raise BundleError(f"{file.name}: {problem.detail}") from problem


def as_request(file: Path) -> tuple[bytes, str]:
    """A file as a request's body, and its content type; raises `BundleError`."""
    kind = file.suffix.lower()
    if kind not in (*_CONTENT_TYPES, ".parquet"):
        raise BundleError(f"{file.name}: expected a file of rows that ends in .csv, .json or .parquet")
    try:
        if kind in _CONTENT_TYPES:
            return file.read_bytes(), _CONTENT_TYPES[kind]
        import pandas as pd

        frame = pd.read_parquet(file)
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror or error}") from error
    except ImportError as error:
        fix = "add pyarrow to requirements.txt, or give CSV"
        raise BundleError(f"{file.name}: Parquet needs pyarrow in the model's environment; {fix}") from error
    table = frame.to_json(orient="split", index=False, date_format="iso", double_precision=15)
    return f'{{"split": {table}}}'.encode(), "application/json"


def _answers(scores: Scores, bundle: Bundle) -> Iterator[dict[str, Any]]:
    classes = [label_text(label) for label in bundle.manifest.signature.classes or ()]
    predictions = scores.predictions.tolist()
    probabilities = None if scores.probabilities is None else scores.probabilities.tolist()
    for row, prediction in enumerate(predictions):
        answer: dict[str, Any] = {"prediction": prediction}
        if probabilities is not None:
            answer["probabilities"] = dict(zip(classes, probabilities[row], strict=True))
        yield answer


def _write_lines(answers: Iterable[Any], stream: TextIO) -> None:
    stream.writelines(f"{_as_json(answer)}\n" for answer in answers)


def _write_csv(answers: Iterable[dict[str, Any]], stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    for row, answer in enumerate(answers):
        shares = answer.get("probabilities", {})
        if not row:
            writer.writerow(["prediction", *(f"probability_{label}" for label in shares)])
        writer.writerow(map(_field, (answer["prediction"], *shares.values())))


def _field(value: Any) -> str:
    """A text as it is, anything else as JSON has it, and nothing for null."""
    return value if isinstance(value, str) else "" if (text := _as_json(value)) == "null" else text


def _as_json(value: Any) -> str:
    """As `POST /predict` prints it: NaN and infinite are null."""
    return orjson.dumps(value, default=plain).decode()
