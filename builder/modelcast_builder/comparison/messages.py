"""What a comparison says: frozen values, which print as JSON (`contract.encode`) and as a table (`page`)."""

from modelcast_runtime.contract import Cell, Contract


class Side(Contract, frozen=True, kw_only=True):
    """One of the two bundles."""

    given: str
    """What it was called on the command line, or in modelcast.yaml."""
    name: str
    version: str
    bundle_digest: str


class Change(Contract, frozen=True, kw_only=True):
    """One fact that differs; None on the side that lacks it."""

    of: str
    """What it is a fact of: `inputs`, `outputs`, `model`, `environment`, `compilation`."""
    name: str
    old: str | None
    new: str | None


class Pair(Contract, frozen=True, kw_only=True):
    """How many rows went from one label to another."""

    old: str
    new: str
    rows: int


class Shift(Contract, frozen=True, kw_only=True):
    """How one score changed: the probability of a class, or a number that is predicted."""

    of: str
    """The class as text; of a number `prediction`, with its place where there are several."""
    old_mean: float
    new_mean: float
    mean_change: float
    """The mean of the absolute differences."""
    largest_change: float
    psi: float
    """The population stability index of NEW's scores in ten bins: of equal width, or OLD's deciles of a number."""
    relative_change: float | None = None
    """The mean of the differences as a part of OLD's number, where that is not 0; None for probabilities."""
    rmsd: float | None = None
    """The root of the mean squared difference; None for probabilities."""


class Quality(Contract, frozen=True, kw_only=True):
    """How good both are on rows whose answer is known."""

    target: str
    """The column of the answers."""
    measure: str
    """`accuracy`, or `rmse` of numbers."""
    rows: int
    """Those that have one."""
    old: float
    new: float
    drop: float
    """How much worse NEW is, in that measure; below 0 it is better."""


class Group(Contract, frozen=True, kw_only=True):
    """The same for the rows of one group."""

    column: str
    group: str
    """The value of `column`, as text; rows without one are the group ``."""
    rows: int
    flips: float | None = None
    """The share of rows whose label changed; None for numbers."""
    rmsd: float | None = None
    quality: Quality | None = None


class Scored(Contract, frozen=True, kw_only=True):
    """Both bundles' answers for the same rows."""

    data: str
    rows: int
    flips: int | None = None
    """Rows whose label changed; None for numbers."""
    flip_share: float | None = None
    pairs: tuple[Pair, ...] = ()
    """The labels that flipped, the most frequent first."""
    shifts: tuple[Shift, ...] = ()
    undefined: int = 0
    """Rows for which one of the two gives no number."""
    quality: Quality | None = None
    groups: tuple[Group, ...] = ()


class Comparison(Contract, frozen=True, kw_only=True):
    """What `modelcast diff` tells."""

    old: Side
    new: Side
    changes: tuple[Change, ...]
    scored: Scored


class Answers(Contract, frozen=True, kw_only=True):
    """One bundle's answers, a row each, as `modelcast predict` gives them."""

    predictions: tuple[Cell | list[Cell], ...]
    probabilities: tuple[dict[str, float], ...] | None = None
