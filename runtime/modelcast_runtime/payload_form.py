"""Reads nachlass' form: the rows as JSON in the field `json_args`; the pickles that it also took are refused unread."""

import numpy as np

from modelcast_runtime import problems
from modelcast_runtime.contract import Signature

FIELD = "json_args"
_PICKLED = b"args"


def json_args(body: bytes) -> bytes:
    """The field's value, percent-decoded; raises `Problem` for every other form."""
    first, _, rest = body.partition(b"&")
    name, _, value = first.partition(b"=")
    names = [_decoded(name, "$")]
    if rest:  # one field is all there may be, so the name of the second tells enough
        names.append(_decoded(rest.partition(b"&")[0].partition(b"=")[0], "$"))
    if _PICKLED in names:
        raise problems.pickled()
    if names != [FIELD.encode()]:
        raise problems.wrong_field(_got(body, names))
    return _decoded(value, f"$.{FIELD}")


def names_sent(columns: dict[str, object], signature: Signature) -> tuple[str, ...]:
    """What a frame's columns are called in the request, in the signature's order.

    nachlass gave its models what pandas made of the JSON: the name of a text's only column was not looked at, nor were
    those of an array, which pandas numbers.
    """
    numbered = tuple(map(str, range(len(signature.inputs))))
    if signature.layout == "text" and len(columns) == 1:
        return tuple(columns)
    if signature.layout == "array" and tuple(columns) == numbered:
        return numbered
    return tuple([column.name for column in signature.inputs])


def _got(body: bytes, names: list[bytes]) -> str:
    if not body:
        return "nothing"
    if body.lstrip()[:1] in (b"{", b"["):
        return "JSON without a field"
    return "it twice" if set(names) == {FIELD.encode()} else "another field"


_NO_DIGIT = 16
_DIGITS = np.full(256, _NO_DIGIT, np.uint8)
_DIGITS[list(b"0123456789abcdef")] = range(16)
_DIGITS[list(b"ABCDEF")] = range(10, 16)


def _decoded(text: bytes, at: str) -> bytes:
    """Decode `+` and `%XX`; raises `Problem`. All at once: urllib takes eighty times a large form's memory."""
    octets = np.frombuffer(text.replace(b"+", b" ") + b"  ", np.uint8)  # two more, for a % that stands last
    high, low = _DIGITS[octets[1:-1]], _DIGITS[octets[2:]]
    signs = octets[:-2] == ord("%")
    if (signs & ((high | low) >= _NO_DIGIT)).any():
        raise problems.bad_percent(at)
    kept = np.ones(len(signs), bool)
    kept[1:] &= ~signs[:-1]
    kept[2:] &= ~signs[:-2]
    return np.where(signs, high << 4 | low, octets[:-2])[kept].tobytes()
