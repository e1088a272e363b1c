"""What `modelcast evaluate` tells; with `--json` as it stands here."""

from modelcast_runtime.contract import Contract, Evaluation


class Logs(Contract, frozen=True, kw_only=True):
    """What was in the service's log."""

    file: str
    lines: int
    skipped: int
    """Lines about something else."""
    unreadable: int
    """Lines of predictions that are broken off, or mixed with others."""
    repeated: int
    """Lines that are there twice: logs may have been put together that overlap."""
    predictions: int
    """Requests that this version answered."""
    other_versions: dict[str, int]
    """The same of other versions."""


class Matches(Contract, frozen=True, kw_only=True):
    """What became of the labels, in rows of their file."""

    file: str
    column: str
    """The one with the labels."""
    rows: int
    matched: int
    """Held against a prediction, each once."""
    unmatched: int
    """Of a prediction, or of a row of one, that the log does not hold."""
    other_versions: dict[str, int]
    """Of predictions of another version."""
    repeated: int
    """A later label for the same row, which is the one that counts."""
    empty: int
    """Rows whose label is not known."""
    undefined: int
    """Of predictions that are no number."""


class Estimate(Contract, frozen=True, kw_only=True):
    """The accuracy that was to be expected without labels, and the true one, over the same rows."""

    column: str | None = None
    """None: all rows."""
    group: str | None = None
    rows: int
    estimated: float
    true: float


class Report(Contract, frozen=True, kw_only=True):
    """A model's answers in production, held against what was right."""

    name: str
    version: str
    logs: Logs
    labels: Matches
    now: Evaluation
    at_build: Evaluation | None
    """None where the repository had no holdout."""
    estimates: tuple[Estimate, ...]
    """Nothing where the log holds no probabilities, or the bundle no baseline of them."""
    absent: dict[str, str]
    """What cannot be told of these rows, and why not."""
