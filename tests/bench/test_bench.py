"""What of the benchmarks needs no server: wrk's words, the wires, the verdicts, the tables and the picture."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from modelcast_builder.environment import locked

from tests.bench import chart, environments, processes, run, tables, wrk
from tests.bench.__main__ import PAGE, main
from tests.bench.environments import ROOT
from tests.bench.figures import (
    ALONE,
    CROWD,
    THOUSAND,
    THOUSAND_BINARY,
    Figure,
    Lacking,
    Load,
    Machine,
    Memory,
    Results,
    Start,
    Timing,
)
from tests.bench.models import MODELS, Case
from tests.bench.servers import SERVERS
from tests.bench.servers.base import Command, Place, Server, Unavailable
from tests.bench.targets import Verdict, verdicts
from tests.bench.wires import V2, Answer, Records, Request, Rows, Split, V2Binary

MACHINE = Machine(cpu="a <fast> one", cores=2, system="Linux 6", python="3.11.7", at="then", load_average=0.1)
TOLD = """\
Running 5s test @ http://127.0.0.1:1
  1 threads and 16 connections
measured: {"requests":12000,"us":5000000,"connect":1,"read":2,"write":3,"status":4,"timeout":5,"p50":1800,"p99":4200}
"""


def case(kind: str, columns: tuple[str, ...], *rows: Any) -> Case:
    model = next(model for model in MODELS.values() if model.kind == kind)
    return Case(model=model, folder=Path("nowhere"), columns=columns, rows=rows, expected=(0,) * len(rows))


ARRAY = case("array", ("x0", "x1"), [1.0, 2.0], [3.0, 4.0])
FRAME = case("frame", ("age", "plan"), [41.5, "é"], [7.0, "plus"])
TEXT = case("text", ("text",), "hello", "é")


def timing(rate: float, p50_ms: float = 1.0) -> Timing:
    return Timing(requests=round(rate * 5), seconds=5, failed=0, p50_ms=p50_ms, p99_ms=2 * p50_ms)


def figure(server: str, load: Load, rate: float, p50_ms: float = 1.0) -> Figure:
    return Figure(server=server, model="forest", load=load, timing=timing(rate, p50_ms))


RESULTS = Results(
    machine=MACHINE,
    seconds=5,
    figures=(
        figure("modelcast", CROWD, 6000),
        figure("modelcast", ALONE, 3000, 0.15),
        figure("modelcast", THOUSAND, 50),
        figure("modelcast", THOUSAND_BINARY, 80),
        figure("fastapi", CROWD, 3000),
        figure("fastapi", ALONE, 2000, 0.47),
        figure("mlserver", CROWD, 60),
        figure("mlserver", THOUSAND, 4),
        figure("echo", CROWD, 15000),
    ),
    starts=(
        Start(server="modelcast", model="forest", seconds=1, has_sklearn=False),
        Start(server="mlserver", model="forest", seconds=3, has_sklearn=True),
    ),
    memories=(
        Memory(server="modelcast", model="forest", workers=4, pss_mb=200),
        Memory(server="mlserver", model="forest", workers=4, pss_mb=800),
    ),
    lacking=(Lacking(server="bentoml", model="text", load="", reason="it | said nothing"),),
)


def test_what_wrk_counted_is_read_from_the_script_s_own_line() -> None:
    assert wrk.parse(TOLD) == Timing(requests=12000, seconds=5.0, failed=15, p50_ms=1.8, p99_ms=4.2)
    assert wrk.parse(TOLD).rate == 2400


def test_a_wrk_that_counted_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="^wrk told nothing: 'unable to connect'$"):
        wrk.parse("unable to connect")


def test_the_script_names_bodies_of_any_bytes(tmp_path: Path) -> None:
    asked = [Request("/a", {"X-Word": 'say "\\"'}, body) for body in (b"\0]]\xff", b"{}")]
    written = wrk.script(asked, tmp_path).read_text(encoding="utf-8")
    assert [(tmp_path / f"body-{n}").read_bytes() for n in range(2)] == [b"\0]]\xff", b"{}"]
    assert f'local paths = {{"{tmp_path}/body-0", "{tmp_path}/body-1"}}' in written
    assert 'local headers = {["X-Word"] = "say \\"\\\\\\""}' in written
    assert '"p50":%d,"p99":%d}\\n\',' in written
    assert 'prepared[number] = wrk.format("POST", "/a", headers, file:read("*a"))' in written


def test_verdicts_are_ratios_within_the_run() -> None:
    got = {(one.what, one.wanted): (one.got, one.met) for one in verdicts(RESULTS)}
    assert got["RandomForest(100), one row, 16 clients, requests/s", ">= 100 x mlserver"] == ("100 x", "yes")
    assert got["the same", ">= 3 x fastapi"] == ("not measured", "")  # of the logistic model, the later of two
    assert got["the lane against a bare echo, RandomForest, one row, 16 clients, requests/s", ">= 0.4 x echo"] == (
        "0.4 x",
        "yes",
    )
    assert got["p50 of RandomForest, one row, one client", "<= 0.4 x fastapi"] == ("0.319 x", "yes")
    assert got["1000 rows x 30 as JSON, rows/s", ">= 10 x mlserver"] == ("12.5 x", "yes")
    assert got["1000 rows x 30, binary against our JSON, rows/s", ">= 1.5 x modelcast"] == ("1.6 x", "yes")
    assert got["process start to the first right answer, compiled RandomForest", "<= 0.25 x mlserver"] == (
        "0.333 x",
        "no",
    )
    assert got["memory of 4 workers (PSS), compiled RandomForest", "<= 0.333333 x mlserver"] == ("0.25 x", "yes")
    assert verdicts(RESULTS)[1] == Verdict("the same", ">= 3 x fastapi", "2 x", "no")
    assert verdicts(RESULTS)[-1].met == "yes"


def test_a_run_of_nothing_has_no_verdict() -> None:
    found = verdicts(Results(machine=MACHINE, seconds=5))
    assert {(one.got, one.met) for one in found} == {("not measured", "")}
    assert len(found) == 16


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    RESULTS.save(tmp_path / "new" / "results.json")
    assert Results.read(tmp_path / "new" / "results.json") == RESULTS


def test_tables_tell_everything_that_was_found() -> None:
    told = tables.told(RESULTS, tables.markdown, heading="### ")
    assert "| MLServer | - | 60.0, 1.00 ms | 4,000 | - | 100 x |" in told
    assert "| modelcast | 3,000, 0.15 ms | 6,000, 1.00 ms | 50,000 | 80,000 |  |" in told
    assert "| MLServer | forest | 3.00 | 800 | yes |" in told
    assert "| BentoML, batching | text | all | it \\| said nothing |" in told
    assert told.count("### ") == 4
    plain = tables.told(RESULTS, tables.plain)
    assert "### " not in plain
    assert re.search(r"^MLServer  +forest  3.00 ", plain, re.MULTILINE)


@pytest.mark.parametrize(("seconds", "load", "is_rough"), [(5, 0.1, False), (5, 3.0, True), (1, 0.1, True)])
def test_a_short_run_and_a_busy_machine_are_said(seconds: float, load: float, is_rough: bool) -> None:
    machine = replace(MACHINE, load_average=load)
    told = tables.told(replace(RESULTS, seconds=seconds, machine=machine), tables.plain)
    assert ("its ratios are rough" in told) is is_rough


def test_the_picture_has_a_bar_a_figure_in_order() -> None:
    drawn = ElementTree.fromstring(chart.draw(RESULTS))
    words = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    bars = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    titles = [SERVERS[name].title for name in ("echo", "modelcast", "fastapi", "mlserver")]
    assert [word for word in words if word in titles] == titles
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert len(widths) == 4
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] > 1
    assert max(widths) < chart.WIDTH


def test_a_picture_of_nothing_is_one() -> None:
    assert ElementTree.fromstring(chart.draw(Results(machine=MACHINE, seconds=5))).tag.endswith("svg")


@pytest.mark.parametrize(
    ("wire", "of", "expected"),
    [
        (Rows("/v1/models/{model}:predict"), ARRAY, {"instances": [[1.0, 2.0], [3.0, 4.0]]}),
        (Records("/predict"), FRAME, {"instances": [{"age": 41.5, "plan": "é"}, {"age": 7.0, "plan": "plus"}]}),
        (Records("/predict", key="rows"), TEXT, {"rows": ["hello", "é"]}),
        (Split(), FRAME, {"dataframe_split": {"columns": ["age", "plan"], "data": [[41.5, "é"], [7.0, "plus"]]}}),
        (Split(), TEXT, {"inputs": ["hello", "é"]}),
        (
            V2(hints={}), ARRAY,
            {"inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP64", "data": [1.0, 2.0, 3.0, 4.0]}]},
        ),
        (
            V2(hints={"frame": "pd"}), FRAME,
            {
                "inputs": [
                    {"name": "age", "shape": [2, 1], "datatype": "FP64", "data": [41.5, 7.0]},
                    {"name": "plan", "shape": [2, 1], "datatype": "BYTES", "data": ["é", "plus"]},
                ],
                "parameters": {"content_type": "pd"},
            },
        ),
    ],
)  # fmt: skip
def test_each_wire_asks_in_its_own_form(wire: Any, of: Case, expected: dict[str, Any]) -> None:
    request = wire.request(of, of.rows)
    assert json.loads(request.body) == expected
    assert request.headers == {"Content-Type": "application/json"}
    assert "{" not in request.path


def test_binary_tensors_follow_their_header() -> None:
    request = V2Binary().request(FRAME, FRAME.rows)
    size = int(request.headers["Inference-Header-Content-Length"])
    first, second = json.loads(request.body[:size])["inputs"]
    assert (first["parameters"], second["parameters"]) == ({"binary_data_size": 16}, {"binary_data_size": 14})
    assert request.body[size + 16 :] == b"\x02\0\0\0" + "é".encode() + b"\x04\0\0\0plus"


def test_labels_are_read_from_binary_tensors() -> None:
    told = [{"name": name, "parameters": {"binary_data_size": size}} for name, size in (("odd", 3), ("predict", 16))]
    head = json.dumps({"outputs": told}).encode()
    body = head + b"xyz" + (1).to_bytes(8, "little") + (-2).to_bytes(8, "little", signed=True)
    answer = Answer(200, {"inference-header-content-length": str(len(head))}, body)
    assert V2Binary().labels(answer) == [1, -2]


@pytest.mark.parametrize("name", sorted({one.environment for one in SERVERS.values() if one.environment} | {"onnx"}))
def test_every_environment_is_pinned_and_shares_scikit_learn(name: str) -> None:
    lines = (ROOT / "requirements" / f"bench-{name}.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [line for line in lines if not re.match(r"[a-z0-9.-]+(\[[a-z,-]+\])?==[\w.]+( ;|$)", line)] == []
    shared = f"scikit-learn=={locked.model_versions()['scikit-learn']}"
    assert (shared in lines) is (name != "fastapi")


def not_there(_place: Place, _case: Case) -> Any:
    raise Unavailable("nobody has written it")


def test_what_cannot_be_prepared_or_started_is_told_of_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    absent, ending = (
        Server(name=name, title=name, prepare=prepare, wires={"json": Rows("/predict")})
        for name, prepare in (("absent", not_there), ("ending", lambda *_: lambda *_: Command(arguments=("false",))))
    )
    monkeypatch.setattr(run, "prepare", lambda *_: ARRAY)
    monkeypatch.setattr(run, "WEIGHED", ARRAY.model.name)
    monkeypatch.setattr(environments, "BUILD", tmp_path)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    plan = run.Plan(servers=(absent, ending), models=(ARRAY.model,), seconds=1, warm_up=1)
    said: list[str] = []
    reasons = [(one.server, one.reason) for one in run.run(plan, said.append).lacking]
    assert reasons == [
        ("absent", "nobody has written it"),
        ("ending", "it ended with exit code 1: it said nothing"),  # with several workers
        ("ending", "it ended with exit code 1: it said nothing"),  # and with one all the same
    ]
    assert said[:3] == [
        "logistic  absent  all: not measured: nobody has written it",
        "logistic  ending  prepared",
        "logistic  ending  all: not measured: it ended with exit code 1: it said nothing",
    ]


def test_nothing_of_a_server_outlives_it(tmp_path: Path) -> None:
    stubborn = "(trap '' TERM; exec setsid sleep 60) & (trap '' TERM; exec sleep 60) & wait"
    with processes.running(Command(arguments=("sh", "-c", stubborn)), 1, tmp_path / "log") as server:
        while len(known := server.pids()) < 3:
            time.sleep(0.01)
        assert server.pss_mb() > 0
    assert [pid for pid in known if processes._lives(pid)] == []


def test_an_unknown_server_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--servers", "modelcast,other"])
    assert f"argument --servers: other: not one of {', '.join(SERVERS)}\n" in capsys.readouterr().err


def test_the_page_has_the_figures_of_a_run() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition("<!-- figures")[2]
    assert re.search(r"^Measured 20\d\d-\d\d-\d\d ", shown, re.MULTILINE)
    assert shown.count("\n| modelcast | ") > 1
    assert [
        one.what for one in verdicts(RESULTS) if f"| {one.what} | {one.wanted.replace('<', '&lt;')} |" not in shown
    ] == []
