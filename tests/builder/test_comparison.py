"""`modelcast diff`: what differs between two bundles, in their facts and in their answers for the same rows."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from modelcast_builder import comparison, environment
from modelcast_builder.cli import main
from modelcast_builder.comparison import Asked, Comparison, Question
from modelcast_builder.comparison.messages import Change, Group, Pair, Quality, Scored, Shift, Side
from modelcast_builder.environment import Lock, lock_text, parse_lock
from modelcast_builder.errors import BuildError
from modelcast_builder.seal import Writer
from modelcast_runtime import contract
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Compilation, Evaluation, Golden, Manifest, Output, Signature, Slice

from tests.conftest import MakeBundle

LOCK = Lock(packages=("numpy==2.4.6", "scikit-learn==1.9.1"), serving=("flask==3.1.0",), as_of="", python="3.11")
NAMES = ("a", "b", "c", "d")
OLD = Side(given="./old", name="spam", version="sha256:1", bundle_digest="sha256:3")
pytestmark = pytest.mark.usefixtures("in_process")
NEW = Side(given="host/spam:2", name="spam", version="sha256:2", bundle_digest="sha256:4")


def lock(**said: Any) -> bytes:
    return lock_text(
        Lock(**{"packages": LOCK.packages, "serving": LOCK.serving, "as_of": "", "python": "3.11"} | said)
    ).encode()


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Callable[..., Path]:
    """A bundle whose lock can be read."""
    return lambda kind, **said: make_bundle(kind, **{"lock": lock()} | said)


def asked(given: str, root: Path) -> Asked:
    """A bundle in this very environment, which has what the models of the tests need."""
    here = environment.builders(parse_lock(lock().decode()))
    return Asked(given=given, bundle=open_bundle(root), environment=here)


def compared(old: Path, new: Path, work: Path, **question: Any) -> Comparison:
    work.mkdir(exist_ok=True)
    return comparison.compare(asked("old", old), asked("new", new), Question(**question), work, os.environ)


def refusal(old: Path, new: Path, work: Path, **question: Any) -> str:
    with pytest.raises(BuildError) as caught:
        compared(old, new, work, **question)
    return str(caught.value)


def always(dumped: Callable[[Any], bytes], label: int) -> bytes:
    """A classifier of the same signature that answers one label."""
    from sklearn.dummy import DummyClassifier

    return dumped(DummyClassifier(strategy="constant", constant=label).fit([[0.0] * 4] * 3, [0, 1, 2]))


def csv(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_bundle_does_not_differ_from_itself(bundle: Callable[..., Path], tmp_path: Path) -> None:
    root = bundle("frame")
    found = compared(root, root, tmp_path / "work")
    assert found.changes == ()
    assert (found.scored.rows, found.scored.flips, found.scored.flip_share, found.scored.pairs) == (10, 0, 0.0, ())
    assert [(shift.of, shift.mean_change, shift.largest_change, shift.psi) for shift in found.scored.shifts] == [
        ("big", 0.0, 0.0, 0.0),
        ("small", 0.0, 0.0, 0.0),
    ]
    assert [(group.column, group.group, group.rows) for group in found.scored.groups] == [
        ("island", "Biscoe", 3),
        ("island", "Dream", 5),
        ("island", "Torgersen", 2),
        ("year", "2007", 3),
        ("year", "2008", 5),
        ("year", "2009", 2),
    ]
    assert {(group.flips, group.quality) for group in found.scored.groups} == {(0.0, None)}


def test_flips_shifts_and_accuracy_are_counted_by_hand(
    bundle: Callable[..., Path], dumped: Callable[[Any], bytes], tmp_path: Path
) -> None:
    old, new = bundle("array", content=always(dumped, 0)), bundle("array", content=always(dumped, 2))
    rows = [f"{number},0,0,0,{label},{kind}" for number, (label, kind) in enumerate(["0x", "0y", "2x", "2y", "1y"])]
    data = csv(tmp_path / "rows.csv", "a,b,c,d,answer,kind", *rows)
    scored = compared(old, new, tmp_path / "work", data=data, target="answer", groups=("kind",)).scored
    assert (scored.data, scored.rows, scored.flips, scored.flip_share) == ("rows.csv", 5, 5, 1.0)
    assert scored.pairs == (Pair(old="0", new="2", rows=5),)
    assert scored.quality == Quality(target="answer", measure="accuracy", rows=5, old=0.4, new=0.4, drop=0.0)
    assert [(shift.of, shift.old_mean, shift.new_mean, shift.mean_change) for shift in scored.shifts] == [
        ("0", 1.0, 0.0, 1.0),
        ("1", 0.0, 0.0, 0.0),
        ("2", 0.0, 1.0, 1.0),
    ]
    assert scored.shifts[0].psi == pytest.approx(18.42, abs=0.01)
    assert scored.groups == (
        Group(
            column="kind",
            group="x",
            rows=2,
            flips=1.0,
            quality=Quality(target="answer", measure="accuracy", rows=2, old=0.5, new=0.5, drop=0.0),
        ),
        Group(
            column="kind",
            group="y",
            rows=3,
            flips=1.0,
            quality=Quality(target="answer", measure="accuracy", rows=3, old=1 / 3, new=1 / 3, drop=0.0),
        ),
    )


@pytest.mark.parametrize(
    ("header", "cells", "target"),
    [
        ("a,b,c,d,answer", ("0", "2"), "answer"),
        ("answer,a,b,c,d", ("0", "7"), None),  # no class of either
        ("a,b,c,d,answer,other", ("0,1", "1,2"), None),  # which of them?
        ("a,b,c,d,answer", ("", "1"), "answer"),
    ],
)
def test_the_only_other_column_is_the_answer_where_it_can_be(
    bundle: Callable[..., Path], tmp_path: Path, header: str, cells: tuple[str, str], target: str | None
) -> None:
    rows = [f"{cell},1,1,1,1" if header.startswith("answer") else f"1,1,1,1,{cell}" for cell in cells]
    root = bundle("array")
    quality = compared(root, root, tmp_path / "work", data=csv(tmp_path / "rows.csv", header, *rows)).scored.quality
    assert (None if quality is None else quality.target) == target


def test_groups_are_those_that_the_new_one_was_evaluated_by(bundle: Callable[..., Path], tmp_path: Path) -> None:
    slices = (Slice(column="sex", group="f", rows=1, metrics={}), Slice(column="gone", group="1", rows=1, metrics={}))
    evaluation = Evaluation(data="holdout.csv", rows=2, metrics={}, slices=slices)
    root = bundle("array", evaluation=evaluation)
    data = csv(tmp_path / "rows.csv", "a,b,c,d,sex", "1,1,1,1,f", "1,1,1,1,m", "1,1,1,1,")
    groups = compared(root, root, tmp_path / "work", data=data).scored.groups
    assert [(group.column, group.group, group.rows) for group in groups] == [
        ("sex", "", 1),
        ("sex", "f", 1),
        ("sex", "m", 1),
    ]


def test_numbers_shift(bundle: Callable[..., Path], dumped: Callable[[Any], bytes], tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    rows = [[float(number), 0.0, 1.0] for number in range(4)]
    other = dumped(LinearRegression().fit(rows, [[10 + row[0], 5.0] for row in rows]))
    told = [[10 + row[0], 2.0] for row in rows]
    old = bundle("pair", content=dumped(LinearRegression().fit(rows, told)))
    golden = Golden(rows=tuple(map(tuple, rows)), predictions=tuple((10 + row[0], 5.0) for row in rows))
    scored = compared(old, bundle("pair", content=other, golden=golden), tmp_path / "work").scored
    assert (scored.rows, scored.flips, scored.undefined, scored.quality) == (4, None, 0, None)
    first, second = scored.shifts
    assert (first.of, second.of) == ("prediction 1", "prediction 2")
    assert (first.old_mean, first.rmsd) == (pytest.approx(11.5), pytest.approx(0.0, abs=1e-9))
    assert second.mean_change == second.largest_change == pytest.approx(3.0)
    assert (second.rmsd, second.relative_change) == (pytest.approx(3.0), pytest.approx(1.5))


def test_numbers_are_measured_against_the_answers(bundle: Callable[..., Path], tmp_path: Path) -> None:
    root = bundle("own")
    data = tmp_path / "rows.json"
    records = [{"seconds": 0, "value": value, "answer": value + 2, "kind": "k"} for value in (1, 2, 3)]
    data.write_text(json.dumps({"records": [*records, {**records[0], "answer": None}]}), encoding="utf-8")
    scored = compared(root, root, tmp_path / "work", data=data, target="answer", groups=("kind",)).scored
    expected = Quality(target="answer", measure="rmse", rows=3, old=2.0, new=2.0, drop=0.0)
    assert scored.quality == expected
    assert scored.groups == (Group(column="kind", group="k", rows=4, rmsd=0.0, quality=expected),)


@pytest.mark.parametrize(
    "document",
    [
        [[1, 0, 0, 0], [0, 1, 0, 0]],
        {"instances": [{"a": 1, "b": 0, "c": 0, "d": 0}, {"d": 0, "c": 0, "b": 1, "a": 0}]},
        {"columns": {"a": [1, 0], "b": [0, 1], "c": [0, 0], "d": [0, 0]}},
        {"split": {"columns": ["d", "c", "b", "a"], "data": [[0, 0, 0, 1], [0, 0, 1, 0]]}},
    ],
)
def test_every_form_of_json_is_asked_by_name(
    bundle: Callable[..., Path], dumped: Callable[[Any], bytes], tmp_path: Path, document: Any
) -> None:
    """OLD has the same inputs in another order: rows without names are NEW's."""
    from sklearn.linear_model import LogisticRegression

    rows = [[0.0, 0, 0, 9], [9, 0, 0, 0], [0, 0, 9, 0]]
    inputs = tuple(Column(name=name, dtype="float64") for name in reversed(NAMES))
    signature = open_bundle(bundle("array")).manifest.signature
    reversed_one = Signature(layout="array", inputs=inputs, outputs=signature.outputs, classes=signature.classes)
    old = bundle("array", content=dumped(LogisticRegression().fit(rows, [0, 1, 2])), signature=reversed_one)
    mirrored = [row[::-1] for row in rows]
    new = bundle("array", content=dumped(LogisticRegression().fit(mirrored, [0, 1, 2])))
    (tmp_path / "rows.json").write_text(json.dumps(document), encoding="utf-8")
    scored = compared(old, new, tmp_path / "work", data=tmp_path / "rows.json").scored
    assert (scored.rows, scored.flips) == (2, 0)
    assert max(shift.largest_change for shift in scored.shifts) < 1e-6


def test_parquet_is_read_where_the_model_is(bundle: Callable[..., Path], tmp_path: Path) -> None:
    root = bundle("compiled")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    assert refusal(root, root, tmp_path / "work", data=tmp_path / "rows.parquet") == (
        "diff: rows.parquet: Parquet needs pyarrow in the model's environment. Give the rows as CSV"
    )


def test_texts(bundle: Callable[..., Path], tmp_path: Path) -> None:
    root = bundle("text")
    (tmp_path / "rows.json").write_text('["cheap money", "lunch"]', encoding="utf-8")
    scored = compared(root, root, tmp_path / "work", data=tmp_path / "rows.json").scored
    assert (scored.rows, scored.flips) == (2, 0)


def test_what_own_code_answers(tmp_path: Path) -> None:
    data = tmp_path / "rows.json"
    data.write_text('[{"n": 1}, {"n": 2}]', encoding="utf-8")
    old, new = own_code(tmp_path / "one", 'body["n"]'), own_code(tmp_path / "two", 'min(body["n"], 1)')
    scored = compared(old, new, tmp_path / "work", data=data).scored
    assert (scored.rows, scored.flips, scored.shifts, scored.quality) == (2, 1, (), None)
    assert scored.pairs == (Pair(old='{"n": 2}', new='{"n": 1}', rows=1),)


def own_code(root: Path, answer: str) -> Path:
    writer = Writer(root=root)
    writer.write("code/prediction.py", f"def predict(body):\n    return {{'n': {answer}}}\n".encode())
    writer.write(contract.GOLDEN, contract.encode(Golden(rows=(), predictions=())))
    writer.write(contract.LOCK, lock())
    writer.finish(
        Manifest(
            name="own",
            version="sha256:1",
            format="python",
            framework="python",
            task="generic",
            model="code/prediction.py",
            signature=Signature(layout="object", inputs=(), outputs=()),
            compilation=Compilation(backend="native", reason="own code"),
            files=(),
        )
    )
    return root


def test_what_they_say_of_themselves(bundle: Callable[..., Path]) -> None:
    signature = open_bundle(bundle("frame")).manifest.signature
    mass, island, year = signature.inputs
    changed = Signature(
        layout="frame",
        inputs=(
            Column(name="mass", dtype="float32", nullable=True, minimum=0.5, maximum=9),
            Column(name="island", dtype="string", categories=("Biscoe", "Dream", "Elba"), unknown="refuse"),
            Column(name="age", dtype="int64"),
        ),
        outputs=(Output(name="predict", dtype="string", shape=(-1,)),),
        classes=("small", "big"),
    )
    assert (mass.name, island.name, year.name) == ("mass", "island", "year")
    old = open_bundle(bundle("frame"))
    packages = ("numpy==2.3.0", "scikit-learn==1.9.1")
    new = open_bundle(
        bundle("frame", signature=changed, version="sha256:4", parameters={"k": 3}, lock=lock(packages=packages))
    )
    assert list(comparison.facts.changes(old, new)) == [
        Change(of="inputs", name="mass", old="float64, nullable", new="float32, nullable, at least 0.5, at most 9"),
        Change(
            of="inputs",
            name="island",
            old="string, other categories are accepted",
            new="string, other categories are refused",
        ),
        Change(of="inputs", name="year", old="int64, other categories are refused", new=None),
        Change(of="inputs", name="age", old=None, new="int64"),
        Change(of="inputs", name="categories of island", old="Torgersen", new="Elba"),
        Change(of="outputs", name="predict_proba", old="float64 [-1, 2]", new=None),
        Change(of="outputs", name="order of classes", old="big, small", new="small, big"),
        Change(of="model", name="parameter k", old=None, new="3"),
        Change(of="environment", name="numpy", old="2.4.6", new="2.3.0"),
    ]


def test_golden_rows_lack_what_the_old_one_needs(bundle: Callable[..., Path], tmp_path: Path) -> None:
    assert refusal(bundle("array"), bundle("compiled"), tmp_path / "work") == (
        "diff: old needs the inputs c, d, and the golden rows of new have no such column."
        " Give rows that hold the inputs of both with --data FILE"
    )


def test_labels_are_not_compared_with_numbers(bundle: Callable[..., Path], tmp_path: Path) -> None:
    assert refusal(bundle("array"), bundle("pair"), tmp_path / "work") == (
        "diff: old answers rows with labels, and new answers rows with numbers: nothing can be compared."
        " Name two bundles that answer the same question"
    )


def test_rows_that_one_of_them_refuses(bundle: Callable[..., Path], tmp_path: Path) -> None:
    data = csv(tmp_path / "rows.csv", "a,b,c,d", "1,1,1,1", "1,1,12.5,1")
    signature = open_bundle(bundle("array")).manifest.signature
    inputs = tuple(Column(name=name, dtype="float64", maximum=9) for name in NAMES)
    bounded = Signature(layout="array", inputs=inputs, outputs=signature.outputs, classes=signature.classes)
    assert refusal(bundle("array", signature=bounded), bundle("array"), tmp_path / "work", data=data) == (
        "diff: old cannot take these rows: rows.csv: line 3, column c: expected a number of at most 9,"
        " got a larger number. Send a value in this range. Give rows that both take"
    )


def test_a_target_that_is_not_there(bundle: Callable[..., Path], tmp_path: Path) -> None:
    data, root = csv(tmp_path / "rows.csv", "a,b,c,d", "1,1,1,1"), bundle("array")
    assert refusal(root, root, tmp_path / "work", data=data, target="species") == (
        "diff: rows.csv has no column species. Name one of: a, b, c, d"
    )


def test_a_bundle_without_golden_rows(bundle: Callable[..., Path], tmp_path: Path) -> None:
    root = bundle("array", golden=Golden(rows=(), predictions=()))
    assert refusal(root, root, tmp_path / "work") == (
        "diff: new was sealed without golden rows. Give rows with --data FILE"
    )


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def test_labels_as_a_table() -> None:
    shift = Shift(of="Adelie", old_mean=0.25, new_mean=0.5, mean_change=0.3, largest_change=2 / 3, psi=0.12345)
    accuracy = Quality(target="species", measure="accuracy", rows=3, old=1.0, new=2 / 3, drop=1 / 3)
    scored = Scored(
        data="rows.csv",
        rows=4,
        flips=1,
        flip_share=0.25,
        pairs=(Pair(old="Adelie", new="Gentoo", rows=1),),
        shifts=(shift,),
        quality=accuracy,
        groups=(
            Group(column="sex", group="", rows=1, flips=0.0),
            Group(column="sex", group="female", rows=3, flips=1 / 3, quality=accuracy),
        ),
    )
    changes = (
        Change(of="inputs", name="age", old=None, new="int64"),
        Change(of="environment", name="numpy", old="2.3.0", new="2.4.6"),
    )
    assert comparison.page(Comparison(old=OLD, new=NEW, changes=changes, scored=scored)) == (
        """\
old  ./old        spam  sha256:1
new  host/spam:2  spam  sha256:2

changed             old    new
inputs       age    -      int64
environment  numpy  2.3.0  2.4.6

4 rows: rows.csv
1 flips (25.00%): rows whose label changed
  1  Adelie -> Gentoo
accuracy 1 -> 0.6667, 0.3333 worse (against the column species, 3 rows)

probability of  old mean  new mean  mean change  largest change  psi
Adelie          0.25      0.5       0.3          0.6667          0.1235

group          rows  flips   old accuracy  new accuracy
sex    -       1     0.00%   -             -
sex    female  3     33.33%  1             0.6667"""
    )


def test_numbers_as_a_table() -> None:
    shift = Shift(
        of="prediction",
        old_mean=10.0,
        new_mean=12.5,
        mean_change=2.5,
        largest_change=3.0,
        psi=0.0,
        relative_change=0.25,
        rmsd=2.5,
    )
    better = Quality(target="price", measure="rmse", rows=2, old=3.0, new=2.0, drop=-1.0)
    group = Group(column="city", group="Bern", rows=2, rmsd=2.5, quality=better)
    scored = Scored(data="rows.csv", rows=3, shifts=(shift,), undefined=1, quality=better, groups=(group,))
    assert comparison.page(Comparison(old=OLD, new=NEW, changes=(), scored=scored)) == (
        """\
old  ./old        spam  sha256:1
new  host/spam:2  spam  sha256:2

nothing that they say of themselves differs

3 rows: rows.csv
1 rows for which only one of them gives a number
rmse 3 -> 2, 1 better (against the column price, 2 rows)

number      old mean  new mean  mean change  largest change  psi  relative change  rmsd
prediction  10        12.5      2.5          3               0    0.25             2.5

group        rows  rmsd  old rmse  new rmse
city   Bern  2     2.5   3         2"""
    )


def test_the_command_prints_the_table(bundle: Callable[..., Path]) -> None:
    root = bundle("compiled")
    done = command(root, root)
    assert (done.exit_code, done.stderr) == (0, "")
    told = contract.decode(command(root, root, "--json").stdout_bytes, Comparison)
    assert done.stdout == f"{comparison.page(told)}\n"


def test_the_same_as_json(bundle: Callable[..., Path]) -> None:
    root = bundle("compiled")
    done = command(root, root, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found = contract.decode(done.stdout_bytes, Comparison)
    assert (found.old.given, found.old.bundle_digest) == (str(root), open_bundle(root).digest)
    assert (found.scored.rows, found.scored.flips) == (3, 0)


def test_what_is_no_bundle(bundle: Callable[..., Path], tmp_path: Path) -> None:
    done = command(bundle("compiled"), tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"error: bundle: {tmp_path} has no manifest.json; expected a bundle made by `modelcast build`."
        " Build it again with `modelcast build`."
    )
