"""The file that `examples:` names: looked at before the work begins, held by the service that was sealed."""

import re
from pathlib import Path

import msgspec
from modelcast_runtime import contract

from modelcast_builder.config import FILE, Config
from modelcast_builder.errors import BuildError

_FORM = 'Write [{"request": {...}, "response": {...}}]: a body of POST /predict, and what its answer must hold'


def find(repo: Path, config: Config) -> Path | None:
    """The file of examples, where one is named; raises `BuildError` with the place for one that holds none."""
    named = config.document.examples
    if named is None:
        return None
    path = (repo / named).resolve()
    if not path.is_relative_to(repo.resolve()) or not path.is_file():
        problem = f"`examples: {named}` in {FILE} is no file of the repository"
        raise BuildError("config", problem, "Add the file, or correct the path")
    _check(path, named)
    return path


def _check(path: Path, named: str) -> None:
    content = path.read_bytes()
    try:
        contract.decode_examples(content)
    except msgspec.ValidationError as error:
        raise BuildError("config", f"{named}: {_in_words(str(error))}", _FORM) from error
    except RecursionError as error:
        raise BuildError("config", f"{named} is nested too deeply to be read", _FORM) from error
    except UnicodeDecodeError as error:
        raise BuildError("config", f"{named} is not UTF-8", "Save the file as UTF-8") from error
    except msgspec.DecodeError as error:
        found = re.search(r"(.*) \(byte ([0-9]+)\)", str(error))
        place = int(found[2]) if found else len(content)
        reason = found[1].removeprefix("JSON is malformed: ") if found else "it ends too early"
        line = content.count(b"\n", 0, place) + 1
        raise BuildError("config", f"{named}:{line} is no JSON: {reason}", "Mend that line") from error


_WORDS = {
    r"Expected `array` of length >= 1": "expected at least one example, got none",
    r"Expected `array`, got .*": "expected a list of examples",
    r"Expected `object`, got .*": "expected an object",
    r"Object missing required field `(.*)`": r"expected the keys request and response, and \1 is missing",
    r"Object contains unknown field `(.*)`": r"expected the keys request and response, got `\1`",
}
"""What msgspec says, and what it means here."""


def _in_words(said: str) -> str:
    problem, _, place = said.partition(" - at `")
    known = (re.sub(form, meaning, problem) for form, meaning in _WORDS.items() if re.match(form, problem))
    return f"{place.rstrip('`') or '$'}: {next(known, problem[:1].lower() + problem[1:])}"
