"""The conformance table of the Open Inference Protocol V2: every case, in order."""

from collections.abc import Callable
from dataclasses import dataclass

from modelcast_builder.conformance import addresses, binary, refusals, scores
from modelcast_builder.conformance.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: what is asked, and what a correct server answers.

    `ask` gives what came back where it is that; it raises `ViolationError` where it is not, `NotApplicableError` where
    this model or server has no such thing.
    """

    id: str
    title: str
    expected: str
    ask: Callable[[Subject], str]


_ROWS: tuple[tuple[str, str, Callable[[Subject], str]], ...] = (
    ('valid request, id "42"', "200, id echoed", scores.valid),
    ("no id", "200 and an id", scores.no_id),
    ("nested data", "200, the same", scores.nested_data),
    ("integers under FP64", "200", scores.integers_under_floats),
    ("a row more in `shape` than in `data`", "400", refusals.more_rows_than_data),
    ("another number of features", "400 naming theirs", refusals.other_width),
    ('datatype "FLOAT"', "400", refusals.unknown_datatype),
    ("texts under numbers", "400", refusals.texts_for_numbers),
    ("null where the model takes no NaN", "400", refusals.null_element),
    ("literal NaN", "400", refusals.literal_nan),
    ("1e999", "400", refusals.number_out_of_range),
    ("BYTES for numbers", "400", refusals.bytes_for_numbers),
    ("FP16 as JSON", "200 or 400", scores.half_precision),
    ("no `inputs`", "400", refusals.no_inputs),
    ("`inputs` is []", "400", refusals.empty_inputs),
    ("an input without `data`", "400", refusals.no_data),
    ("no rows", "200 with no rows, or 400", scores.no_rows),
    ("-1 in the shape of a request", "400", refusals.negative_size),
    ("unknown top-level keys", "200, the same", scores.unknown_keys),
    ("`outputs` names predict_proba", "200, that output alone", scores.probabilities_alone),
    ("`outputs` names an unknown output", "400", refusals.unknown_output),
    ("an object within `parameters`", "400", refusals.nested_parameter),
    ("an id that is a number", "400", refusals.integer_id),
    ("a body of `{`, nothing, or `[1]`", "400", refusals.no_object),
    ("JSON without Content-Type", "200, the same", scores.no_content_type),
    ("unknown model", "404", addresses.unknown_model),
    ("unknown version", "404", addresses.unknown_version),
    ("GET on infer", "405 and Allow", addresses.wrong_method),
    ("binary input", "200, the same", binary.binary_input),
    ("binary input and output", "200, octet-stream, the same", binary.binary_both),
    ("binary of another size than told", "400", binary.other_size),
    ("the model's metadata", "names, datatypes, shapes", addresses.metadata),
    ("`content_type` pd, by column", "200", scores.columns),
    ("as tritonclient asks", "200, the same; 404", binary.tritonclient),
)  # fmt: skip

CASES = tuple(
    Case(id=f"V2-{number:02}", title=title, expected=expected, ask=ask)
    for number, (title, expected, ask) in enumerate(_ROWS, start=1)
)
"""V2-01 to V2-34. A refusal has the body `{"error": "..."}`."""
