"""Parameters that make a loaded model dangerous to ask: refused with the line to change, or made harmless."""

from typing import Any

from .expressions import is_exponential
from .messages import Refused
from .parts import parts_of

_OPENS = ("filename", "file")
_NORMAL = {
    "n_jobs": "n_jobs is 1 in the sealed model: the service scales by processes",
    "memory": "memory is None in the sealed model: it is the cache of a training",
    "verbose": "verbose is off in the sealed model: it would print for each request",
}
"""What is set aside, and the note that says so."""


def check(model: Any, artifact: str) -> None:
    """Look at every part of a loaded model; raises `Refused` where a request could open files, or never end."""
    for part in parts_of(model):
        values, kind = vars(part), type(part).__name__
        if values.get("input") in _OPENS and "decode_error" in values:
            raise Refused(
                "audit",
                f"{artifact} holds a {kind} with input={values['input']!r}: it opens the file that a request names",
                f'Write {kind}(input="content") and train again',
            )
        pattern = values.get("token_pattern")
        if isinstance(pattern, str) and is_exponential(pattern):
            raise Refused(
                "audit",
                f"{artifact} holds a {kind} with token_pattern={pattern[:100]!r}: a text of fifty letters can take "
                "it hours, as a loop in it reads one text in two ways",
                f'Write it without a loop in a loop, such as {kind}(token_pattern=r"\\b\\w\\w+\\b"), and train again',
            )


def make_harmless(part: Any) -> set[str]:
    """Set aside what only a training needs of one part; the parameters that were changed."""
    values = vars(part)
    if isinstance(values.get("_n_threads"), int):  # K-means keeps how many its machine had
        part._n_threads = 1  # noqa: SLF001 - it has no parameter for it
    if not hasattr(part, "get_params"):
        return set()
    changed = set()
    if values.get("n_jobs") not in (None, 1):
        part.n_jobs = 1
        changed.add("n_jobs")
    if values.get("memory") is not None:
        part.memory = None
        changed.add("memory")
    verbose = values.get("verbose")
    if isinstance(verbose, int | float) and verbose > 0:  # LightGBM is silent with -1
        part.verbose = type(verbose)(0)
        changed.add("verbose")
    return changed


def notes(changed: set[str]) -> tuple[str, ...]:
    """A sentence for each parameter that was changed, in a fixed order."""
    return tuple(sentence for name, sentence in _NORMAL.items() if name in changed)
