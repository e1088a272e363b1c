"""Refusals a caller can act on: RFC 9457 problem documents and the sentence that says what to do.

Invariant: no text here ever holds a value that the caller sent, only its type and its place; a name that the
caller sent is quoted, escaped and cut.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import orjson

_READ = ("application/json", "text/csv", "application/x-www-form-urlencoded")
CONTENT_TYPE = "application/problem+json"
CONTENT_TOO_LARGE = 413
LONGEST_NAME = 60
MOST_LISTED = 20


# Not `frozen`: Python sets `__traceback__` on an exception while it travels.
@dataclass(kw_only=True, eq=False)
class Problem(Exception):
    """One refusal, as it is answered."""

    status: int
    title: str
    detail: str
    at: str | None = None
    expected: str | None = None
    got: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def type(self) -> str:
        """The URN of the kind of problem: its title as a slug, so that the two cannot drift apart."""
        return f"urn:modelcast:problem:{self.title.lower().replace(' ', '-')}"

    def __str__(self) -> str:
        """Give the sentence, for a log line."""
        return self.detail

    def to_bytes(self) -> bytes:
        """Print the problem document; every key is always there."""
        keys = ("type", "title", "status", "detail", "at", "expected", "got")
        return orjson.dumps({key: getattr(self, key) for key in keys})


def _content(title: str, at: str, expected: str, got: str, advice: str) -> Problem:
    detail = f"{at}: expected {expected}, got {got}. {advice}"
    return Problem(status=400, title=title, detail=detail, at=at, expected=expected, got=got)


def describe(value: object) -> str:
    """Name the JSON type of a value, never the value."""
    if isinstance(value, list | tuple):
        return f"list of {counted(len(value), 'value')}"
    kinds = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", dict: "object"}
    return kinds.get(type(value), "something else")


def counted(number: int, noun: str) -> str:
    """Say `1 value`, `2 values`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def quoted(name: str) -> str:
    """Make a name fit for a sentence: plain if it is an identifier, else in quotes, escaped and cut."""
    if name.isidentifier() and len(name) <= LONGEST_NAME:
        return name
    text = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return "'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    if character.isprintable():
        return character
    # JSONPath has UTF-16 escapes only (RFC 9535, 2.3.1.1).
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[index : index + 4]}" for index in range(0, len(units), 4))


def member(name: str) -> str:
    """Give the JSONPath step to a name: `.age`, `['bill length']`."""
    text = quoted(name)
    return f"[{text}]" if text.startswith("'") else f".{text}"


def listed(texts: Iterable[str], most: int | None = MOST_LISTED) -> str:
    """Join texts with commas, `...` for what is too much."""
    every = list(texts)
    return ", ".join(every if most is None else [*every[:most], *(["..."] if len(every) > most else [])])


def not_json(at: str, got: str = "something else") -> Problem:
    """400: what stands at this line and column is no JSON."""
    return _content("Not JSON", at, "JSON", got, "NaN, Infinity, comments and trailing commas are not JSON.")


def not_utf8(body: bytes, start: int, within: str = "") -> Problem:
    """400: the body is no text from the byte `start` on."""
    line = body.count(b"\n", 0, start) + 1
    return _content("Not UTF-8", f"{within}line {line}", "UTF-8", "other bytes", "Encode the body as UTF-8.")


def not_csv(at: str, expected: str, got: str) -> Problem:
    """400: quotes or line ends that no CSV has."""
    return _content("Not CSV", at, expected, got, 'Put the field in double quotes, and write a quote in it as "".')


def wrong_field(got: str) -> Problem:
    """400: a form that is not nachlass' one field. What it holds is not named: a `&` in a value looks like a field."""
    advice = (
        "Percent-encode the JSON in it (curl --data-urlencode), or send the JSON alone with the Content-Type "
        "application/json."
    )
    return _content("Wrong field", "$", "a form with the one field json_args", got, advice)


def pickled() -> Problem:
    """400: nachlass' other field, which holds a pickle."""
    advice = "It was not read: to unpickle it would execute code of the caller. Send the rows as JSON in json_args."
    return _content("Pickled rows", "$.args", "the field json_args", "pickled Python", advice)


def bad_percent(at: str) -> Problem:
    """400: a percent sign in a form that begins no `%XX`."""
    advice = "Encode the form with a library, or by curl --data-urlencode; a percent sign is %25."
    return _content("Bad percent-encoding", at, "% and two hexadecimal digits", "% and something else", advice)


def other_labels(at: str, first: str) -> Problem:
    """400: columns by the row's label that do not have the same rows."""
    advice = "Send one value for each row in every column."
    return _content("Other labels", at, f"the same rows as in {first}", "other rows", advice)


def no_room(keys: Iterable[str]) -> Problem:
    """400: a question to which a bare list of predictions cannot hold the answer."""
    asked = " and ".join(keys)
    advice = f"It is answered by a bare list of predictions: leave {asked} out of the query, or send JSON or CSV."
    return _content("No room", f"?{asked}", "a request as JSON or CSV", "a form", advice)


def wrong_form(at: str, expected: str, got: str) -> Problem:
    """400: the body is none of the forms that hold rows."""
    return _content("Wrong form", at, expected, got, "GET /schema describes the forms of a request.")


def wrong_type(at: str, expected: str, got: str) -> Problem:
    """400: a value of another type; nothing is converted silently."""
    return _content("Wrong type", at, expected, got, "Values are never converted: send that type.")


def null_refused(at: str, expected: str) -> Problem:
    """400: a missing value where the model takes none."""
    return _content("Missing value", at, expected, "null", "The model takes no missing value there.")


def out_of_range(at: str, expected: str, got: str) -> Problem:
    """400: a value that the input's type or bounds exclude."""
    return _content("Out of range", at, expected, got, "Send a value in this range.")


def unknown_category(at: str, known: Sequence[object], kind: str) -> Problem:
    """400: the model does not know this value and would fail on it; `kind` is the value's type."""
    expected = f"one of {listed(orjson.dumps(value).decode() for value in known)}"
    return _content("Unknown category", at, expected, f"another {kind}", "The model takes no other value there.")


def missing_input(at: str, names: Sequence[str]) -> Problem:
    """400: a row or a header lacks inputs of the model; all of them are named."""
    expected = f"also {listed(map(quoted, names), most=None)}"
    return _content("Missing input", at, expected, "nothing", "Send every input; GET /schema lists them.")


def extra_input(at: str, names: Sequence[str], got: str) -> Problem:
    """400: a name that the model does not have."""
    advice = "Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."
    return _content("Extra input", at, f"only {listed(map(quoted, names))}", got, advice)


def duplicate_input(at: str) -> Problem:
    """400: a name that stands there twice."""
    return _content("Duplicate input", at, "every name once", "a name for the second time", "Leave one of them out.")


def wrong_length(at: str, names: Sequence[str], got: int, noun: str = "value") -> Problem:
    """400: a row with more or fewer values than it has names."""
    expected = f"{counted(len(names), noun)}: {listed(map(quoted, names))}"
    return _content("Wrong length", at, expected, counted(got, noun), f"Send one {noun} for each name, in this order.")


def ragged(at: str, expected: int, got: int) -> Problem:
    """400: columns of different lengths."""
    wanted, came = (f"list of {counted(length, 'value')}" for length in (expected, got))
    return _content("Ragged columns", at, wanted, came, "Send one value for each row in every column.")


def no_rows(at: str) -> Problem:
    """400: nothing to score."""
    return _content("No rows", at, "at least one row", "no rows", "Send rows to score.")


def bad_question(key: str) -> Problem:
    """400: a query parameter of the service's with a value that it does not take."""
    return _content("Bad question", f"?{key}", "true or false", "something else", "Send one of these, or neither.")


def not_given(key: str, task: str) -> Problem:
    """400: `?proba=true` of a model that gives none."""
    return _content("Not given", f"?{key}", "a model that gives this", f"a {task}", f"Leave {key} out of the query.")


def refused_by_model(at: str, error: str) -> Problem:
    """400: the model itself raised `error` (a class's name) for this row."""
    advice = "GET /schema lists what the inputs take."
    return _content(
        "Refused by the model", at, "a row that the model can score", f"one on which it raises {error}", advice
    )


def refused_by_predict(error: str, key: str | None) -> Problem:
    """400: the repository's own predict() raised `error` (a class's name); `key` is one that its code spells."""
    got = f"one on which it raises {error}" + (f" for the key {quoted(key)}" if key else "")
    advice = "Whoever wrote predict() knows what it takes."
    return _content("Refused by predict", "$", "an object that predict() can answer", got, advice)


def takes_an_object() -> Problem:
    """400: a protocol of rows, asked of own code."""
    advice = "This model is the repository's own predict(): POST a JSON object to /predict."
    return _content("Takes an object", "$", "a model that takes rows", "own code that takes an object", advice)


def not_a_file(kind: str) -> Problem:
    """400: bytes that are no table of this kind."""
    return _content("Unreadable file", "$", f"a {kind} file", "other bytes", "Let a library write it.")


def corrupt_encoding() -> Problem:
    """400: the body is not what its Content-Encoding says."""
    detail = "The body is not what its Content-Encoding says, or not complete. Send it again, or without compression."
    return Problem(status=400, title="Corrupt encoding", detail=detail)


def of_status(status: int, headers: Mapping[str, str]) -> Problem:
    """Any other refusal by its status, e.g. 404 or 405; of its headers `Allow` is kept."""
    phrase, allow = HTTPStatus(status).phrase.capitalize(), headers.get("Allow")
    detail = f"{phrase}: this path takes {allow}." if allow else f"{phrase}. GET /info shows what is served here."
    kept = (("Allow", allow),) if allow else ()
    return Problem(status=status, title=phrase, detail=detail, expected=allow, headers=kept)


def too_slow(seconds: float) -> Problem:
    """408: the body did not come in time."""
    detail = f"The body did not come within {seconds:g} seconds (MODELCAST_LIMITS_BODY_S). Send it faster, or less."
    return Problem(status=408, title="Too slow", detail=detail)


def body_too_large(limit: int) -> Problem:
    """413: more bytes than the service reads, counted after inflation."""
    most = counted(limit, "byte")
    return _too_much(
        "Body too large", most, "MODELCAST_LIMITS_BODY_BYTES, after inflation", "Send less in one request."
    )


def too_many_rows(limit: int) -> Problem:
    """413: more rows than the service scores at once."""
    advice = "Send the rows in several requests."
    return _too_much("Too many rows", counted(limit, "row"), "MODELCAST_LIMITS_ROWS", advice)


def _too_much(title: str, most: str, setting: str, advice: str) -> Problem:
    detail = f"A request may have at most {most} ({setting}). {advice}"
    return Problem(status=CONTENT_TOO_LARGE, title=title, detail=detail, expected=f"at most {most}", got="more")


def unsupported_media_type(accepted: Sequence[str] = _READ) -> Problem:
    """415: a Content-Type that is not read; answered with `Accept` (RFC 9110, 15.5.16)."""
    return _unsupported("Unsupported media type", "Content-Type", accepted, "Accept")


def unsupported_charset() -> Problem:
    """415: text in another encoding than UTF-8."""
    return _unsupported("Unsupported charset", "charset", ("utf-8",))


def unsupported_encoding() -> Problem:
    """415: a compression that is not read; answered with `Accept-Encoding`."""
    return _unsupported("Unsupported encoding", "Content-Encoding", ("gzip", "deflate"), "Accept-Encoding")


def _unsupported(title: str, what: str, accepted: Sequence[str], answer: str = "") -> Problem:
    expected = " or ".join(filter(None, (", ".join(accepted[:-1]), accepted[-1])))
    headers = ((answer, ", ".join(accepted)),) if answer else ()
    detail = f"Expected the {what} {expected}, got another. Send one of these, or no {what} at all."
    return Problem(status=415, title=title, detail=detail, expected=expected, got=f"another {what}", headers=headers)


def internal_error() -> Problem:
    """500: the service or the model failed, and the request is not to blame."""
    detail = "The model or the service failed on this request; its log has the reason. Tell who runs it."
    return Problem(status=500, title="Internal error", detail=detail)
