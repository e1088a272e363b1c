"""The champion gate and the budgets: what the model is held to before it is sealed, each message whole."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import budgets, champion, environment, own_process
from modelcast_builder.champion import Rows
from modelcast_builder.comparison import Asked
from modelcast_builder.config import BuildSettings, build_settings
from modelcast_builder.document import Champion, Gates
from modelcast_builder.environment import Lock, lock_text
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Gate, Golden

from tests.conftest import MakeBundle

pytestmark = pytest.mark.usefixtures("in_process")
HERE = Lock(packages=("numpy==2.4.6",), serving=(), as_of="", python="3.11")


def asked(root: Path, given: str = "the model") -> Asked:
    return Asked(given=given, bundle=open_bundle(root), environment=environment.builders(HERE))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> BuildSettings:
    """Every champion is asked in this very environment; no engine is there."""
    monkeypatch.setattr(environment, "of_bundle", lambda *_: environment.builders(HERE))
    return build_settings({**os.environ, "PATH": ""})


@pytest.fixture
def judged(settings: BuildSettings, make_bundle: MakeBundle, tmp_path: Path) -> Callable[..., list[Gate]]:
    """`judged("frame", "mass,island,year,size", "1,Dream,2008,big", bundle=..., flips=...)`: the holdout's lines."""

    def judge(
        kind: str, *lines: str, target: str | None = None, groups: tuple[str, ...] = (), **said: Any
    ) -> list[Gate]:
        holdout = tmp_path / "repository" / "holdout.csv" if lines else None
        (tmp_path / "repository").mkdir()
        if holdout:
            holdout.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        root = make_bundle(kind, lock=lock_text(HERE).encode())
        handed = {"GREETING": "hello", "PYTHONPATH": "/elsewhere", "MODELCAST_LIMITS_ROWS": "1"}
        rows = Rows(root=tmp_path / "repository", holdout=holdout, target=target, groups=groups, handed=handed)
        reporter = Reporter()
        found = champion.judge(Champion(**said), asked(root), rows, settings, tmp_path / "work", reporter)
        gates = list(found)
        digest = open_bundle(tmp_path / "champion").digest
        assert reporter.notes == [
            f"gates: the champion is {kind} sha256:3f2a, bundle digest {digest}; {len(lines) - 1} rows of holdout.csv"
        ]
        return gates

    (tmp_path / "champion").symlink_to(make_bundle("frame"))
    return judge


@pytest.fixture
def refused(judged: Callable[..., list[Gate]]) -> Callable[..., str]:
    def refusal(*said: Any, **named: Any) -> str:
        with pytest.raises(BuildError) as caught:
            judged(*said, **named)
        return str(caught.value)

    return refusal


FRAME = ("mass,island,year,size", "NA,Dream,2008,big", "-9,Dream,2008,small", "9,Biscoe,2009,big")


def test_the_same_model_passes(judged: Callable[..., list[Gate]]) -> None:
    """`NA` is missing, as pandas reads the file; a path is relative to the repository."""
    gates = judged("frame", *FRAME, target="size", bundle="../champion", flips="<= 0.02", accuracy_drop="<= 0.0")
    assert gates == [
        Gate(name="champion.flips", expected="<= 0.02", got=0.0, passed=True),
        Gate(name="champion.accuracy_drop", expected="<= 0.0", got=0.0, passed=True),
    ]


def test_own_code_finds_what_the_notebooks_were_handed(
    judged: Callable[..., list[Gate]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the builder's credentials nor what would change the service's settings."""
    found, run = list[Any](), own_process.run
    monkeypatch.setattr(own_process, "run", lambda *said, **named: found.append(named["env"]) or run(*said, **named))
    judged("frame", *FRAME, bundle="../champion", flips="<= 0.02")
    homes = [(said.pop("HOME"), said.pop("TMPDIR")) for said in found]
    assert found == [{"GREETING": "hello"}] * 2
    assert len({home for home, _ in homes}) == 2, "each has a home of its own"
    assert all(home == temporary != os.environ.get("HOME") for home, temporary in homes)


def test_another_model_does_not(
    judged: Callable[..., list[Gate]], make_bundle: MakeBundle, dumped: Callable[[Any], bytes], tmp_path: Path
) -> None:
    from sklearn.dummy import DummyClassifier

    always = DummyClassifier(strategy="constant", constant="small").fit([[0], [1]], ["big", "small"])
    (tmp_path / "champion").unlink()
    (tmp_path / "champion").symlink_to(make_bundle("frame", content=dumped(always)))
    lines = ("mass,island,year,size", "-9,Dream,2008,small", "9,Biscoe,2009,small")
    gates = judged(
        "frame", *lines, target="size", bundle=str(tmp_path / "champion"), flips="< 0.5", accuracy_drop="<= 0.0"
    )
    assert gates == [
        Gate(name="champion.flips", expected="< 0.5", got=0.5, passed=False),
        Gate(name="champion.accuracy_drop", expected="<= 0.0", got=0.5, passed=False),
    ]


@pytest.mark.parametrize("bundle", ["../nowhere", "/nowhere/at/all", "./champion"])
def test_a_champion_that_is_not_there(refused: Callable[..., str], bundle: str) -> None:
    assert refused("frame", *FRAME, bundle=bundle, flips="<= 0.02") == (
        f"gates: `gates.champion.bundle` in modelcast.yaml names {bundle}, and there is no such folder."
        " In an S2I build nothing beside the repository is there: name a bundle within it, or an image"
    )


def test_neither_a_folder_nor_an_image(refused: Callable[..., str]) -> None:
    assert refused("frame", *FRAME, bundle="penguins", flips="<= 0.02") == (
        "gates: `gates.champion.bundle` in modelcast.yaml names penguins, and there is no such bundle:"
        " image: neither docker nor podman is on PATH."
        " In an S2I build nothing beside the repository is there: name a bundle within it, or an image"
    )


def test_a_folder_that_is_no_bundle(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert refused("frame", *FRAME, bundle="../other", flips="<= 0.02") == (
        "gates: `gates.champion.bundle` in modelcast.yaml names ../other, which cannot be opened:"
        f" {tmp_path}/other has no manifest.json; expected a bundle made by `modelcast build`."
        " Name a bundle made by `modelcast build`"
    )


def test_no_rows_to_compare_on(refused: Callable[..., str]) -> None:
    assert refused("frame", bundle="../champion", flips="<= 0.02") == (
        "gates: `gates.champion` in modelcast.yaml compares two models, and there are no rows to compare them on."
        " Write `data: {holdout: FILE, target: NAME}` in modelcast.yaml"
    )


def test_rows_that_the_champion_refuses(refused: Callable[..., str]) -> None:
    assert refused("array", "a,b,c,d", "1,1,1,1", bundle="../champion", flips="<= 0.02") == (
        "gates: the model cannot be compared with its champion: the champion cannot take these rows:"
        " holdout.csv: line 1: expected also mass, island, year, got nothing. Send every input; GET /schema lists them."
        " Correct the holdout, or name another `gates.champion.bundle`"
    )


def test_no_known_answers(refused: Callable[..., str]) -> None:
    lines = ("mass,island,year", "1,Dream,2008")
    assert refused("frame", *lines, bundle="../champion", accuracy_drop="<= 0.0") == (
        "gates: `gates.champion.accuracy_drop` in modelcast.yaml needs the right answers, and holdout.csv has no column"
        " of which they are known to be. Write `data: {target: NAME}` in modelcast.yaml"
    )


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"flips": "<= 0.02"}, "flips` in modelcast.yaml counts"),
        ({"accuracy_drop": "<= 0"}, "accuracy_drop` in modelcast.yaml is of"),
    ],
)
def test_numbers_have_neither_flips_nor_accuracy(
    refused: Callable[..., str], make_bundle: MakeBundle, tmp_path: Path, said: dict[str, str], what: str
) -> None:
    (tmp_path / "champion").unlink()
    (tmp_path / "champion").symlink_to(make_bundle("compiled columns"))
    lines = ("size,level,answer", "1,low,11", "2,high,22")
    assert refused("compiled columns", *lines, target="answer", bundle="../champion", **said) == (
        f"gates: `gates.champion.{what} labels, and the model answers with numbers."
        " Remove the line, and hold it to `gates.metrics.rmse`"
    )


@pytest.mark.parametrize("header", ["p,q,r,s,answer,sex", "sex,answer,p,q,r,s"])
def test_columns_of_an_array_have_the_names_that_the_repository_gives_them(
    judged: Callable[..., list[Gate]], make_bundle: MakeBundle, tmp_path: Path, header: str
) -> None:
    (tmp_path / "champion").unlink()
    (tmp_path / "champion").symlink_to(make_bundle("array"))
    line = "1,1,1,1,2,f" if header.startswith("p") else "f,2,1,1,1,1"
    gates = judged(
        "array", header, line, target="answer", groups=("sex",), bundle="../champion", accuracy_drop="<= 0.0"
    )
    assert [gate.got for gate in gates] == [0.0]


def test_the_size_is_of_everything_that_is_sealed(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("array", content=b"\0" * 2_500_000, card=b"x" * 1234)
    gates = list(budgets.judge(Gates(bundle_mb="<= 2.5"), asked(root), tmp_path / "nowhere", {}, Reporter()))
    (gate,) = gates
    listed = sum(record.size for record in open_bundle(root).manifest.files)
    assert (gate.name, gate.expected, gate.passed) == ("bundle_mb", "<= 2.5", False)
    assert gate.got == round(listed / 1e6, 3) == 2.502


def test_the_median_goes_to_the_receipts(make_bundle: MakeBundle, tmp_path: Path) -> None:
    reporter = Reporter()
    (gate,) = budgets.judge(
        Gates(latency_ms="<= 100000"), asked(make_bundle("compiled")), tmp_path / "nowhere", os.environ, reporter
    )
    assert gate.got is not None
    assert reporter.notes == [
        f"gates: latency_ms is {gate.got:.3g}, expected <= 100000: the median for a row on this machine"
    ]
    assert budgets.sealed((gate,)) == (Gate(name="latency_ms", expected="<= 100000", passed=True),)


def test_a_model_without_rows_has_no_latency(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("array", golden=Golden(rows=(), predictions=()))
    with pytest.raises(BuildError) as caught:
        list(budgets.judge(Gates(latency_ms="<= 5"), asked(root), tmp_path / "nowhere", {}, Reporter()))
    assert str(caught.value) == (
        "gates: `gates.latency_ms` in modelcast.yaml is of rows, and the model has no golden rows to be asked."
        " Remove the line"
    )


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (subprocess.CompletedProcess([], 1, "", "Traceback\nBundleError: it answered 500\n"),
         "gates: latency_ms cannot be told: BundleError: it answered 500. Save a model that answers its golden rows"),
        (subprocess.TimeoutExpired([], 600),
         "gates: the model did not answer a row within 600 seconds. Save a model that answers a row in well under a second"),
    ],
)  # fmt: skip
def test_a_measurement_that_fails(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Any, message: str
) -> None:
    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-I", "-m", "modelcast_runtime.latency"]
        if isinstance(ended, Exception):
            raise ended
        return ended  # type: ignore[no-any-return]

    monkeypatch.setattr(own_process, "run", run)
    with pytest.raises(BuildError) as caught:
        list(
            budgets.judge(
                Gates(latency_ms="<= 5"), asked(make_bundle("compiled")), tmp_path / "nowhere", {}, Reporter()
            )
        )
    assert str(caught.value) == message
