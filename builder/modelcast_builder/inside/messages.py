"""What crosses between the builder and the child in the model's environment: contract types, as JSON files."""

from typing import Literal

from modelcast_runtime.baseline import Baseline, Leaves
from modelcast_runtime.contract import (
    Compilation,
    Contract,
    Dtype,
    Evaluation,
    Golden,
    Label,
    Signature,
    Task,
    Training,
)


class InputOverride(Contract, frozen=True, kw_only=True):
    """One entry of `inputs:` in modelcast.yaml; what is None was not written."""

    dtype: Dtype | None = None
    nullable: bool | None = None
    categories: tuple[Label, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


class Data(Contract, frozen=True, kw_only=True):
    """The repository's rows: absolute paths, and the column that is no input."""

    train: str | None = None
    train_is_written: bool = False
    """modelcast.yaml names it; else it was found by its name."""
    holdout: str | None = None
    holdout_is_written: bool = False
    target: str | None = None


class StageFile(Contract, frozen=True, kw_only=True):
    """What a notebook saved as its stage of the Pipeline."""

    name: str
    path: str
    notebook: str
    definitions: dict[str, str]
    """`__main__` name -> the module made from the notebook that now holds it."""


class AssembleRequest(Contract, frozen=True, kw_only=True):
    """Make one Pipeline of these stages, in this order."""

    stages: tuple[StageFile, ...]
    code: str
    """The folder of own modules as it will be sealed."""
    by_value: bool
    """A stage holds code by value (cloudpickle), which only cloudpickle writes again."""
    target: str


class NamedType(Contract, frozen=True, kw_only=True):
    """One input as MLflow's signature has it."""

    name: str
    type: str


class Drift(Contract, frozen=True, kw_only=True):
    """`drift:` of modelcast.yaml."""

    bins: int = 10
    exclude: tuple[str, ...] = ()
    psi: float = 0.25


class DescribeRequest(Contract, frozen=True, kw_only=True):
    """Load this artifact, say what the model takes and gives, and store it canonically."""

    artifact: str
    digest: str = ""
    """The sha256 of the bytes that were audited: no others are loaded. Empty where nothing was."""
    framework: str
    code: str
    """The folder of own modules as it will be sealed; the only path of the repository that the child sees."""
    definitions: dict[str, str]
    """`__main__` name -> the module made from the notebook that now holds it."""
    by_value: bool
    """The artifact holds code by value (cloudpickle): its own bytes are sealed."""
    recorded: str | None
    """The rows that the notebook's kernels recorded."""
    data: Data
    inputs: dict[str, InputOverride]
    task: Literal["auto"] | Task = "auto"
    """What the model must be, where modelcast.yaml says it."""
    trusted: tuple[str, ...] = ()
    """What a skops file may make a load import beside what skops trusts by itself, as `module.name`."""
    named: tuple[str, ...] = ()
    """Those of `trusted` that modelcast.yaml names one by one: they may be in a module that only imported them."""
    signature: tuple[NamedType, ...] = ()
    """The inputs as MLflow's signature names them; nothing where there is none."""
    example: str | None = None
    """Rows that MLflow kept beside the model, as a table in JSON of orientation `split`."""
    sealed: str
    """Where the canonical model is written."""
    drift: Drift = Drift()
    paths: str | None = None
    """Where the numbers of the model's leaves are left; no file where it has no trees."""
    sample: str | None = None
    """Where rows of training are left for the proof of the compiled model; there may be none."""


class Described(Contract, frozen=True, kw_only=True):
    """The answer to a `DescribeRequest`."""

    task: Task
    signature: Signature
    golden: Golden
    source: str
    """Which source told the signature, for the report."""
    training: Training | None = None
    baseline: Baseline | None = None
    """None for own code, which takes no rows."""
    kind: str = ""
    """The model as its own class writes it down, with its parameters; for people."""
    notes: tuple[str, ...] = ()


class ConvertRequest(Contract, frozen=True, kw_only=True):
    """Compile the sealed model, and prove that what comes of it answers the same."""

    model: str
    code: str
    """The folder of own modules that the model needs."""
    converter: str | None
    """The folder of the converter's packages, which are no part of the model's environment; None: there is none."""
    signature: Signature
    task: Task
    golden: Golden
    sample: str | None = None
    """Rows of training as `describe` left them; there may be no such file."""
    target: str
    """Where it is written, if it is proven."""
    leaves: Leaves | None = None
    """How the numbers of the model's leaves are read; None where it has no trees."""
    paths: str | None = None
    """Where they lie."""
    path_graph: str | None = None
    """Where their graph is written, if one tells the same as the model's own trees."""


class EvaluateRequest(Contract, frozen=True, kw_only=True):
    """Score the sealed model on rows that it was not fitted on, and hold its answers against theirs."""

    model: str
    code: str
    """The folder of own modules that the model needs."""
    signature: Signature
    task: Task
    holdout: str
    """The table, as an absolute path."""
    data: str
    """The same as the repository has it."""
    target: str | None = None
    """The column of the answers; where it is not written, what is left beside inputs and groups."""
    groups: tuple[str, ...] = ()
    """Columns whose values tell groups of rows."""


class Evaluated(Contract, frozen=True, kw_only=True):
    """The answer to an `EvaluateRequest`."""

    evaluation: Evaluation
    absent: dict[str, str]
    """What cannot be told of these rows, by the name of its gate (`slices.sex.f.roc_auc`), and why not."""


class Refusal(Contract, frozen=True, kw_only=True):
    """The child's `BuildError`: what the user can mend."""

    step: str
    problem: str
    fix: str


class Answer(Contract, frozen=True, kw_only=True):
    """What the status says is there; the Pipeline that was assembled is in its own file."""

    status: Literal["described", "assembled", "evaluated", "converted", "refused"]
    described: Described | None = None
    evaluated: Evaluated | None = None
    compilation: Compilation | None = None
    refused: Refusal | None = None


def left(step: str, doing: str, end: SystemExit) -> Refusal:
    """The refusal of own code that called `sys.exit` while the child was `doing` this."""
    return Refusal(
        step=step,
        problem=f"{doing} ended the process: sys.exit({end.code!r})",
        fix="Raise an error instead, in the module of the repository that calls it",
    )


def one_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or ["no message"])[0][:300]


class Refused(Exception):
    """Raised inside the child; crosses as a `Refusal`."""

    def __init__(self, step: str, problem: str, fix: str) -> None:
        """The three parts of a `BuildError`."""
        super().__init__(step, problem, fix)
        self.refusal = Refusal(step=step, problem=problem, fix=fix)
