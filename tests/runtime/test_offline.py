"""A file of rows is answered as the service answers it, or refused with the place in the file."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_runtime import offline
from modelcast_runtime.bundle import BundleError, open_bundle

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]


def lines(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FRAME = "id,year,island,mass,species\n1,2007,Dream,-1.5,?\n2,2008,Atlantis,,?\n3,2009,Biscoe,1.5,?\n"
FRAME_ROWS = [[-1.5, "Dream", 2007], [None, "Atlantis", 2008], [1.5, "Biscoe", 2009]]


def test_csv_gives_one_json_line_a_row_as_the_service_answers(
    make_bundle: MakeBundle, make_client: MakeClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_bundle("frame")
    offline.predict(root, written(tmp_path / "rows.csv", FRAME), proba=True, out=None)
    answered = make_client(root)("POST", "/predict?proba=true", FRAME_ROWS).json()
    pairs = zip(answered["predictions"], answered["probabilities"], strict=True)
    assert lines(capsys) == [{"prediction": label, "probabilities": shares} for label, shares in pairs]


def test_json_is_read_in_the_forms_of_a_request(
    make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"records": [{"text": "win money", "id": 1}, {"text": "lunch at ten"}]}
    offline.predict(make_bundle("text"), written(tmp_path / "rows.JSON", json.dumps(rows)), proba=False, out=None)
    assert lines(capsys) == [{"prediction": True}, {"prediction": False}]


def test_answers_go_to_a_csv_file(make_bundle: MakeBundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "answers.csv"
    offline.predict(make_bundle("frame"), written(tmp_path / "rows.csv", FRAME), proba=True, out=out)
    header, *rows = csv.reader(io.StringIO(out.read_text()))
    assert header == ["prediction", "probability_big", "probability_small"]
    assert [row[0] for row in rows] == ["small", "small", "big"]
    np.testing.assert_allclose([float(row[1]) + float(row[2]) for row in rows], 1)
    assert capsys.readouterr().out == ""


def test_booleans_and_lists_are_written_into_csv_as_json_has_them(make_bundle: MakeBundle, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    rows = written(tmp_path / "rows.csv", "text\nwin money\nlunch\n")
    offline.predict(make_bundle("text"), rows, proba=False, out=out)
    assert out.read_text() == "prediction\ntrue\nfalse\n"
    offline.predict(make_bundle("pair"), written(tmp_path / "pair.csv", "x,y,z\n0,1,2\n"), proba=False, out=out)
    _, (field,) = csv.reader(io.StringIO(out.read_text()))
    np.testing.assert_allclose(json.loads(field), [1, 3], atol=1e-9)


def test_answers_go_to_a_file_of_json_lines(make_bundle: MakeBundle, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    offline.predict(make_bundle("own"), written(tmp_path / "rows.json", "[[0, 1.5], [0, 2]]"), proba=False, out=out)
    assert out.read_bytes() == b'{"prediction":1.5}\n{"prediction":2.0}\n'


def test_there_is_no_limit_of_rows_offline(make_bundle: MakeBundle, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    offline.predict(
        make_bundle("pair"), written(tmp_path / "r.csv", "x,y,z\n" + "1,2,3\n" * 20_000), proba=False, out=out
    )
    assert len(out.read_text().splitlines()) == 20_001


class Missing:
    """Answers NaN and infinity."""

    def predict(self, rows: Any) -> Any:
        return np.array([[float("nan"), 1.0], [float("-inf"), 2.0]])


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_numbers_that_are_none_are_null_as_the_service_answers(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from modelcast_runtime.formats import native

    monkeypatch.setattr(
        offline, "load_scorer", lambda bundle: native.NativeScorer(Missing(), bundle.manifest.signature)
    )
    out = tmp_path / name
    offline.predict(
        make_bundle("pair"), written(tmp_path / "rows.json", "[[0, 0, 0], [0, 0, 0]]"), proba=False, out=out
    )
    assert (
        out.read_text().splitlines()[-2:]
        == {
            "answers.csv": ['"[null,1.0]"', '"[null,2.0]"'],
            "answers.jsonl": ['{"prediction":[null,1.0]}', '{"prediction":[null,2.0]}'],
        }[name]
    )


def fault(root: Path, file: Path, *, proba: bool = False, out: Path | None = None) -> str:
    with pytest.raises(BundleError) as caught:
        offline.predict(root, file, proba=proba, out=out)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "x,y,z\n1,2,3\n1,two,3\n", "r.csv: line 3, column y: expected a number, got string. Values are never converted: send that type."),
        ("r.csv", "x,y\n1,2\n", "r.csv: line 1: expected also z, got nothing. Send every input; GET /schema lists them."),
        ("r.csv", "x,y,z\n", "r.csv: line 2: expected at least one row, got no rows. Send rows to score."),
        ("r.json", '[[1, 2, "3"]]', "r.json: $[0][2]: expected a number, got string. Values are never converted: send that type."),
        ("r.json", "{", "r.json: line 1, column 2: expected JSON, got something else. NaN, Infinity, comments and trailing commas are not JSON."),
        ("r.txt", "", "r.txt: expected a file of rows that ends in .csv, .json or .parquet"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_refused_with_the_place(
    make_bundle: MakeBundle, tmp_path: Path, name: str, content: str, message: str
) -> None:
    assert fault(make_bundle("pair"), written(tmp_path / name, content)) == message


def test_a_row_on_which_the_model_raises_is_refused_with_its_line(make_bundle: MakeBundle, tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.csv", "seconds,value\n0,1\n0,2\n0,-1313.25\n")
    assert fault(make_bundle("own"), rows) == (
        "rows.csv: line 4: expected a row that the model can score, got one on which it raises ValueError. "
        "GET /schema lists what the inputs take."
    )


def test_probabilities_of_a_regressor_are_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.csv", "x,y,z\n1,2,3\n")
    assert fault(make_bundle("pair"), rows, proba=True) == "--proba: this regressor gives no probabilities"


def test_files_that_cannot_be_read_or_written_are_named(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("pair")
    absent = tmp_path / "absent.csv"
    assert fault(root, absent) == f"{absent} cannot be read: No such file or directory"
    rows = written(tmp_path / "rows.csv", "x,y,z\n1,2,3\n")
    out = tmp_path / "no" / "out.csv"
    assert fault(root, rows, out=out) == f"{out} cannot be written: No such file or directory"


def test_parquet_without_its_library_says_what_to_add(make_bundle: MakeBundle, tmp_path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        message = "rows.parquet: Parquet needs pyarrow in the model's environment; add pyarrow to requirements.txt, or give CSV"
        assert fault(make_bundle("pair"), written(tmp_path / "rows.parquet", b"PAR1")) == message
        return
    import pandas as pd

    pd.DataFrame({"x": [0.0], "y": [1.0], "z": [2.0]}).to_parquet(tmp_path / "rows.parquet")
    offline.predict(make_bundle("pair"), tmp_path / "rows.parquet", proba=False, out=tmp_path / "out.csv")


def test_the_bundle_is_checked_before_its_model_is_loaded(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("pair")
    (root / "model.joblib").write_bytes(b"evil".ljust((root / "model.joblib").stat().st_size))
    message = "model.joblib is not what was sealed: its SHA-256 differs from the manifest's"
    assert fault(root, written(tmp_path / "rows.csv", "x,y,z\n1,2,3\n")) == message
    with pytest.raises(BundleError):
        open_bundle(root)
