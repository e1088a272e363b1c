"""`modelcast check`: a server that is right passes every case; each violation is found by the cases that are about it."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from modelcast_builder import conformance
from modelcast_builder.cli import main
from modelcast_builder.conformance import CASES, Report, client, server_at

from tests.builder.v2_server import Ask, Refusal, Reply, Right, as_json, serving

ALL = [f"V2-{number:02}" for number in range(1, 35)]
IRIS = {
    "inputs": [
        {"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3]}
    ]
}


def checked(server: Right, example: Path | None = None) -> Report:
    with serving(server) as url:
        return conformance.check(server_at(url), None, example)


def ids(report: Report, result: str) -> list[str]:
    return [outcome.id for outcome in report.outcomes if outcome.result == result]


def test_the_table_is_whole() -> None:
    assert [case.id for case in CASES] == ALL
    assert len({case.title for case in CASES}) == len({case.ask for case in CASES}) == 34


def test_a_server_that_is_right_passes_every_case() -> None:
    report = checked(Right())
    assert {outcome.id: outcome.got for outcome in report.outcomes if outcome.result != "pass"} == {}
    assert ids(report, "pass") == ALL
    assert report.fault is None


# A server that is wrong in one place, and the cases that must find it.


class OtherId(Right):
    def id_of(self, request: Any) -> dict[str, Any]:
        return {"id": "made"}


class NoId(Right):
    def id_of(self, request: Any) -> dict[str, Any]:
        return {key: request[key] for key in ("id",) if key in request}


class OtherName(Right):
    def write(self, ask: Ask, request: Any, chosen: Any) -> Reply:
        reply = super().write(ask, request, chosen)
        return Reply(reply.status, reply.body.replace(b'"model_name"', b'"model"'), reply.headers)


class NoNesting(Right):
    def check_nesting(self, data: list[Any]) -> None:
        if any(isinstance(part, list) for part in data):
            raise Refusal(400, "flat data only")


class ColumnMajor(Right):
    def flat(self, data: list[Any]) -> list[Any]:
        return [value for part in data for value in part[::-1]] if data and isinstance(data[0], list) else data


class NoIntegers(Right):
    def integer(self, value: int) -> float:
        raise Refusal(400, "no float")


class Reshapes(Right):
    def check_count(self, shape: list[int], count: int) -> None:
        pass


class AnyWidth(Right):
    def check_width(self, shape: list[int], width: int) -> None:
        pass


class SilentOnWidth(Right):
    def check_width(self, shape: list[int], width: int) -> None:
        if shape[1:] not in ([], [width]):
            raise Refusal(400, "another number of features, out of 14 or 40")


class Validates(Right):
    """What FastAPI does where nobody told it otherwise."""

    def check_datatype(self, datatype: str) -> None:
        if datatype == "FLOAT":
            raise Refusal(422, "no such datatype")
        super().check_datatype(datatype)

    def refuse(self, refusal: Refusal) -> Reply:
        return as_json({"detail": [{"msg": str(refusal)}]}, 422) if refusal.status == 422 else super().refuse(refusal)


class CrashesOnText(Right):
    def text(self, value: object) -> float:
        return float(str(value))


class CrashesOnNull(Right):
    def missing(self) -> float:
        raise ValueError("Input X contains NaN")


class TakesNaN(Right):
    def constant(self, literal: str) -> float:
        return float(literal)


class TakesInfinity(Right):
    def floating(self, text: str) -> float:
        return float(text)


class Coerces(Right):
    def check_datatype(self, datatype: str) -> None:
        if datatype != "BYTES":
            super().check_datatype(datatype)

    def text(self, value: object) -> float:
        return float(value) if value == "1" else super().text(value)


class NoHalf(Right):
    def check_datatype(self, datatype: str) -> None:
        if datatype == "FP16":
            raise KeyError(datatype)
        super().check_datatype(datatype)


class NeedsInputs(Right):
    def no_inputs(self) -> None:
        pass


class NeedsATensor(Right):
    def empty_inputs(self) -> None:
        pass


class NeedsData(Right):
    def no_data(self) -> None:
        pass


class NeedsRows(Right):
    def no_rows(self) -> None:
        raise ValueError("Found array with 0 sample(s)")


class MakesRows(Right):
    def score(self, rows: list[list[float]]) -> dict[str, list[Any]]:
        return super().score(rows or [[1.0] * 4])


class AnySize(Right):
    def check_sizes(self, shape: list[int]) -> None:
        pass

    def check_count(self, shape: list[int], count: int) -> None:
        if min(shape) >= 0:
            super().check_count(shape, count)


class KnowsItsKeys(Right):
    def check_keys(self, request: Any) -> None:
        if not request.keys() <= {"id", "inputs", "outputs", "parameters"}:
            raise Refusal(400, "unknown key")


class AllOutputs(Right):
    def chosen(self, request: Any, given: dict[str, list[Any]]) -> dict[str, tuple[list[Any], Any]]:
        chosen = super().chosen(request, given)
        is_binary = next(iter(chosen.values()))[1]
        return {name: (values, is_binary) for name, values in given.items()}


class IgnoresUnknownOutputs(Right):
    def unknown_output(self, given: dict[str, list[Any]]) -> dict[str, tuple[list[Any], Any]]:
        return {name: (values, False) for name, values in given.items()}


class AnyParameter(Right):
    def check_parameters(self, parameters: Any) -> None:
        pass


class AnyId(Right):
    def check_id(self, given: object) -> None:
        pass


class NeedsAnObject(Right):
    def check_object(self, request: object) -> None:
        pass


class NeedsAContentType(Right):
    def check_content_type(self, media: str | None) -> None:
        if media is None:
            raise Refusal(415, "what is it")


class DefaultNotFound(Right):
    def unknown_model(self) -> Reply:
        return as_json({"detail": "Not Found"}, 404)


class NoVersions(Right):
    def unknown_version(self) -> Reply:
        raise Refusal(501, "no versions")


class NoAllow(Right):
    def wrong_method(self) -> Reply:
        raise Refusal(405, "POST it")


class BigEndian(Right):
    def order(self) -> str:
        return ">"


class NoBinaryType(Right):
    def wire(self, head: bytes, tail: bytes) -> tuple[bytes, dict[str, str]]:
        body, headers = super().wire(head, tail)
        return body, {name: value for name, value in headers.items() if value != "application/octet-stream"}


class JsonOutOnly(Right):
    def output(self, described: Any, values: list[Any], *, is_binary: bool) -> tuple[dict[str, Any], bytes]:
        return super().output(described, values, is_binary=False)


class PadsBytes(Right):
    def too_short(self) -> None:
        pass


class DropsBytes(Right):
    def check_size(self, tail: bytes) -> None:
        pass


class OtherMetadata(Right):
    def metadata(self) -> dict[str, Any]:
        return {**super().metadata(), "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}]}


class NoPlatform(Right):
    def metadata(self) -> dict[str, Any]:
        return {key: value for key, value in super().metadata().items() if key != "platform"}


class NoFrames(Right):
    def check_frame(self) -> None:
        raise KeyError("pd")


class NoGzip(Right):
    def plain(self, ask: Ask) -> bytes:
        return ask.body


class LiesOnGzip(Right):
    def encoded(self, ask: Ask, body: bytes, headers: dict[str, str]) -> Reply:
        is_asked = ask.headers.get("Accept-Encoding") == "gzip"
        return Reply(200, body, {**headers, **({"Content-Encoding": "gzip"} if is_asked else {})})


class HangsUp(Right):
    def unknown_version(self) -> Reply:
        raise ConnectionAbortedError


WRONG: list[tuple[type[Right], dict[str, str]]] = [
    (OtherId, {"V2-01": "200 predict INT64 [2], predict_proba FP64 [2, 3], but the id is not echoed"}),
    (NoId, {"V2-02": "200 predict INT64 [2], predict_proba FP64 [2, 3], but no id"}),
    (NoNesting, {"V2-03": '400 {"error": "flat data only"}'}),
    (NoIntegers, {"V2-04": '400 {"error": "no float"}'}),
    (Reshapes, {"V2-05": "200 {"}),
    (AnyWidth, {"V2-06": "200 {"}),
    (
        SilentOnWidth,
        {
            "V2-06": '400 {"error": "another number of features, out of 14 or 40"}, '
            "which does not say that 4 were expected"
        },
    ),
    (Validates, {"V2-07": '422 {"detail": [{"msg": "no such datatype"}]}'}),
    (CrashesOnText, {"V2-08": "500 text/plain Traceback: ValueError("}),
    (CrashesOnNull, {"V2-09": "500 text/plain Traceback: ValueError('Input X contains NaN')"}),
    (TakesNaN, {"V2-10": "200 {"}),
    (TakesInfinity, {"V2-11": "200 {"}),
    (Coerces, {"V2-12": "200 {"}),
    (NoHalf, {"V2-13": "500 text/plain Traceback: KeyError('FP16')"}),
    (NeedsInputs, {"V2-14": "500 text/plain Traceback: KeyError('inputs')"}),
    (NeedsATensor, {"V2-15": "500 text/plain Traceback: IndexError('list index out of range')"}),
    (NeedsData, {"V2-16": "500 text/plain Traceback: KeyError('data')"}),
    (NeedsRows, {"V2-17": "500 text/plain Traceback: ValueError('Found array with 0 sample(s)')"}),
    (MakesRows, {"V2-17": "200 predict INT64 [1], predict_proba FP64 [1, 3], though no rows were asked"}),
    (AnySize, {"V2-18": "200 {"}),
    (KnowsItsKeys, {"V2-19": '400 {"error": "unknown key"}'}),
    (AllOutputs, {"V2-20": "200 predict INT64 [2], predict_proba FP64 [2, 3], though predict_proba was named"}),
    (IgnoresUnknownOutputs, {"V2-21": "200 {"}),
    (AnyParameter, {"V2-22": "200 {"}),
    (AnyId, {"V2-23": "200 {"}),
    (NeedsAnObject, {"V2-24": "500 text/plain Traceback: AttributeError("}),
    (
        NeedsAContentType,
        {"V2-25": '415 {"error": "what is it"}', "V2-34": 'json in, json out: 415 {"error": "what is it"}'},
    ),
    (
        DefaultNotFound,
        {
            "V2-26": 'GET metadata: 404, but the body is not {"error": "..."}',
            "V2-34": 'an error: 404, but the body is not {"error": "..."}',
        },
    ),
    (NoVersions, {"V2-27": 'GET metadata: 501 {"error": "no versions"}'}),
    (HangsUp, {"V2-27": "remote end closed connection without response"}),
    (NoAllow, {"V2-28": '405 {"error": "POST it"}, but Allow does not name POST'}),
    (
        BigEndian,
        {
            "V2-29": "200 predict INT64 [2], predict_proba FP64 [2, 3], but not what the same rows were answered",
            "V2-30": "200 predict INT64 [2], predict_proba FP64 [2, 3], but not what the same rows were answered",
            "V2-34": "binary in, json out: 200 predict INT64 [2], predict_proba FP64 [2, 3], but not what the same",
        },
    ),
    (NoBinaryType, {"V2-30": "200 predict INT64 [2], predict_proba FP64 [2, 3], but Content-Type is absent"}),
    (
        JsonOutOnly,
        {
            "V2-30": "200 predict INT64 [2], predict_proba FP64 [2, 3], but not every output is binary",
            "V2-34": "json in, binary out: 200 predict INT64 [2], predict_proba FP64 [2, 3], but not every output is",
        },
    ),
    (PadsBytes, {"V2-31": "200 {"}),
    (DropsBytes, {"V2-31": "200 {"}),
    (
        OtherMetadata,
        {"V2-32": "200, but the answer has predict INT64 [2], and metadata name it as FP64 [-1]"},
    ),
    (NoPlatform, {"V2-32": "200, but no `platform`, or another `name` than iris"}),
    (NoFrames, {"V2-33": "500 text/plain Traceback: KeyError('pd')"}),
    (NoGzip, {"V2-34": "gzip: 400"}),
    (LiesOnGzip, {"V2-34": "gzip: 200, but the body is not the gzip that it says"}),
]  # fmt: skip


@pytest.mark.parametrize(("server", "found"), WRONG, ids=[server.__name__ for server, _ in WRONG])
def test_a_violation_is_found_by_the_cases_that_are_about_it(server: type[Right], found: dict[str, str]) -> None:
    report = checked(server())
    assert ids(report, "fail") == list(found)
    for outcome in report.outcomes:
        assert outcome.got.startswith(found.get(outcome.id, ""))
        assert len(outcome.got) < 200
    assert report.fault is not None


def test_every_case_is_missed_by_some_server() -> None:
    assert sorted({case for _, found in WRONG for case in found}) == ALL
