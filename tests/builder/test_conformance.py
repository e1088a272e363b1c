"""`modelcast check`: a server that is right passes every case; each violation is found by the cases that are about it."""

from typing import Any

import pytest
from modelcast_builder import conformance
from modelcast_builder.conformance import CASES, Report, server_at

from tests.builder.v2_server import Ask, Refusal, Reply, Right, Texts, as_json, serving

ALL = [f"V2-{number:02}" for number in range(1, 35)]


def checked(server: Right) -> Report:
    with serving(server) as url:
        return conformance.check(server_at(url), None, None)


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


class Misspelt(Right):
    def write(self, ask: Ask, request: Any, chosen: Any) -> Reply:
        reply = super().write(ask, request, chosen)
        return Reply(reply.status, reply.body.replace(self.right, self.wrong), reply.headers)

    def __init__(self, right: bytes, wrong: bytes) -> None:
        self.right, self.wrong = right, wrong


class NoId(Right):
    def id_of(self, request: Any) -> dict[str, Any]:
        return {key: request[key] for key in ("id",) if key in request}


class NoNesting(Right):
    def check_nesting(self, data: list[Any]) -> None:
        if any(isinstance(part, list) for part in data):
            raise Refusal(400, "flat data only")


class ReversesRows(Right):
    def flat(self, data: list[Any]) -> list[Any]:
        return [value for part in data for value in (part[::-1] if isinstance(part, list) else [part])]


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
    (ReversesRows, {"V2-03": "200 predict INT64 [2], predict_proba FP64 [2, 3], but not what the same rows were answered"}),
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


def test_a_model_of_texts_has_no_cases_about_numbers() -> None:
    report = checked(Texts())
    assert ids(report, "fail") == []
    reasons = {outcome.id: outcome.got for outcome in report.outcomes if outcome.result == "skip"}
    no_numbers = "not applicable: the model takes no numbers"
    no_floats = "not applicable: the model takes no floating-point numbers"
    assert reasons == {
        "V2-03": "not applicable: its inputs have one dimension",
        "V2-04": no_floats,
        "V2-06": "not applicable: its input has no fixed number of features",
        "V2-08": no_numbers,
        "V2-09": no_numbers,
        "V2-11": no_numbers,
        "V2-12": no_numbers,
        "V2-13": no_floats,
        "V2-20": "not applicable: the model offers no predict_proba",
    }


# What the model or the server does not have is no violation.


class TakesNull(Right):
    def missing(self) -> float:
        return 0.0


class NoExtension(Right):
    extensions = ()

    def parts(self, ask: Ask, body: bytes) -> tuple[bytes, bytes]:
        if "Inference-Header-Content-Length" in ask.headers:
            raise Refusal(400, "JSON only")
        return super().parts(ask, body)


class NoFramesByRight(Right):
    def check_frame(self) -> None:
        raise Refusal(400, "no such columns")


class TellsNoOutputs(Right):
    """Its metadata are at fault, and so are not believed about probabilities."""

    def metadata(self) -> dict[str, Any]:
        return {**super().metadata(), "outputs": []}

    def chosen(self, request: Any, given: dict[str, list[Any]]) -> dict[str, tuple[list[Any], Any]]:
        return super().chosen(request, {"predict": given["predict"]})


NOT_APPLICABLE = [
    (TakesNull, {"V2-09": "the model takes missing values"}, []),
    (
        NoExtension,
        {
            "V2-29": "the server does not offer binary_tensor_data",
            "V2-30": "the server does not offer binary_tensor_data",
            "V2-31": "the server takes no binary_tensor_data of the right size either",
        },
        ["V2-34"],
    ),
    (NoFramesByRight, {"V2-33": "its metadata do not tell the names of the columns"}, []),
    (TellsNoOutputs, {"V2-20": "the model offers no predict_proba"}, ["V2-32"]),
]


@pytest.mark.parametrize(("server", "reasons", "fails"), NOT_APPLICABLE)
def test_what_does_not_apply_is_skipped_with_its_reason(
    server: type[Right], reasons: dict[str, str], fails: list[str]
) -> None:
    report = checked(server())
    skipped = {outcome.id: outcome.got for outcome in report.outcomes if outcome.result == "skip"}
    assert skipped == {case: f"not applicable: {reason}" for case, reason in reasons.items()}
    assert ids(report, "fail") == fails


class NamesItsColumns(NoFramesByRight):
    inputs = ({**Right.inputs[0], "parameters": {"columns": '["a", "b", "c", "d"]'}},)


def test_columns_that_metadata_name_must_be_taken() -> None:
    assert ids(checked(NamesItsColumns()), "fail") == ["V2-33"]


class Unsteady(Right):
    """Draws lots."""

    drawn = 0

    def score(self, rows: list[list[float]]) -> dict[str, list[Any]]:
        self.drawn += 1
        return super().score([[self.drawn, *row[1:]] for row in rows])


def test_a_model_that_draws_lots_is_not_held_to_its_answers() -> None:
    assert ids(checked(Unsteady()), "pass") == ALL


# An answer whose valid request fails leaves nothing to begin most cases with.

MISSPELT = [
    (b'"model_name": "iris"', b'"model": "iris"', "`model_name` is not iris"),
    (b'"outputs"', b'"tensors"', "`outputs` is not a list of tensors"),
    (b'"INT64"', b'"LONG"', "an output without `name`, `datatype` and `shape`, or of no known datatype"),
    (b'"shape": [2]', b'"shape": [-2]', "the shape of predict is not a list of sizes"),
    (b'"shape": [2]', b'"shape": [3]', "predict has 2 elements and the shape [3]"),
    (b'"data": [', b'"data": ["0", ', "the data of predict are not INT64"),
    (b'"data": [', b'"data": [NaN, ', "the body is not JSON"),
]


@pytest.mark.parametrize(("right", "wrong", "problem"), MISSPELT)
def test_an_answer_that_is_not_the_protocols_fails_the_first_case(right: bytes, wrong: bytes, problem: str) -> None:
    report = checked(Misspelt(right, wrong))
    outcomes = {outcome.id: outcome for outcome in report.outcomes}
    assert (outcomes["V2-01"].result, outcomes["V2-01"].got) == ("fail", f"200, but {problem}")
    assert {outcome.got for outcome in report.outcomes if outcome.result == "skip"} == {
        "not applicable: the valid request of V2-01 was not answered"
    }
    assert ids(report, "pass") == ["V2-24", "V2-26", "V2-27", "V2-28", "V2-32"]


BINARY = [
    (b'"binary_data_size": 16', b'"binary_data_size": 17', "predict: 17 bytes are no whole number of elements of 8"),
    (b'"binary_data_size": 16', b'"binary_data_size": 99', "`binary_data_size` of predict is not within the 64 bytes"),
    (b'"binary_data_size": 16', b'"binary_data_size": 24', "predict has 3 elements and the shape [2]"),
    (b'"binary_data_size": 48', b'"binary_data_size": 40', "predict_proba has 5 elements and the shape [2, 3]"),
    (b'[2, 3], "parameters"', b'[2, 3], "data": 1, "parameters"', "predict_proba has `data` and `binary_data_size`"),
]


@pytest.mark.parametrize(("right", "wrong", "problem"), BINARY)
def test_bytes_that_are_not_as_they_are_described_are_found(right: bytes, wrong: bytes, problem: str) -> None:
    report = checked(LongerHead(right, wrong))
    outcomes = {outcome.id: outcome.got for outcome in report.outcomes}
    assert ids(report, "fail") == ["V2-30", "V2-34"]
    assert outcomes["V2-30"].startswith(f"200, but {problem}")


class LongerHead(Misspelt):
    """Says how long its JSON is after it was misspelt."""

    def wire(self, head: bytes, tail: bytes) -> tuple[bytes, dict[str, str]]:
        return super().wire(head.replace(self.right, self.wrong) if tail else head, tail)
