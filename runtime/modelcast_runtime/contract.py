"""What a bundle says: the types that cross a file or the wire, and nothing that touches a disk.

Every level is frozen, refuses unknown keys, and prints as it parses (`encode`, `decode`). The reader lives in
`bundle`, the writer in the builder's `seal`; both know the bundle through these types only.
"""

import codecs
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

BUNDLE_VERSION: Final = 1
MANIFEST = "manifest.json"
GOLDEN = "golden.json"
LOCK = "environment.lock"
LOCK_PYTHON = "# python: "
"""How the line of `environment.lock` begins that names the Python."""
CODE = "code"
RECEIPTS = "receipts"
RECEIPT_HASHES = "receipts/hashes.json"
PROVENANCE = "receipts/provenance.json"
CARD = "model-card.html"
SBOM = "sbom.cdx.json"
NOTEBOOKS = "receipts/notebooks"

Label = bool | int | float | str
"""A class, a category or a prediction, of the model's own type."""
Cell = bool | int | float | str | None
"""One value of one row as JSON has it; null is a missing value."""
Dtype = Literal["bool", "int64", "float32", "float64", "string", "datetime"]
Task = Literal["classifier", "regressor", "clusterer", "text", "generic"]
Layout = Literal["array", "frame", "text", "object"]
"""How the model takes its rows: a 2-D array, a pandas DataFrame, or a list of strings; `object` is own code
(`prediction.py`), which takes no rows but a JSON object that nothing describes."""
Format = Literal["joblib", "onnx", "python", "text"]
"""What is stored; `modelcast_runtime.formats` knows how each is scored."""
Wanted = Literal["predict", "predict_proba", "distances"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a request may ask for beside predictions: `?key=true` adds `field` to the answer of a model with `output`.

    `meaning` says so to people, in a sentence.
    """

    key: str
    field: str
    output: Wanted
    meaning: str


QUESTIONS: Final = (
    Question(key="proba", field="probabilities", output="predict_proba", meaning="Add the probability of every class."),
    Question(key="distances", field="distances", output="distances", meaning="Add the distance to every cluster."),
)


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of everything that crosses a file or a process: closed, and frozen by keyword in every class below."""


class Column(Contract, frozen=True, kw_only=True):
    """One input: its name, type and what the model does with what it does not know."""

    name: str
    dtype: Dtype
    nullable: bool = False
    """Whether the model was seen to answer for a missing value; else null is a 400."""
    categories: tuple[Label, ...] | None = None
    """The values an encoder was fitted on (or that `inputs:` names); None where nothing tells."""
    unknown: Literal["accept", "refuse"] = "accept"
    """`refuse`: a value outside `categories` is a 400; `accept`: it is scored, and counted as unseen."""
    minimum: float | None = None
    maximum: float | None = None
    """Bounds written in `inputs:`; a value outside is a 400. Never guessed from data."""
    trained_as: str = ""
    """The pandas dtype that the model was fitted with (layout `frame`), e.g. `int64`, `object`, `category`."""
    ordered: bool = False
    """Whether that `category` has an order."""
    missing_as: Literal["NaN", "None"] = "NaN"
    """What a missing text or boolean was among objects in training: encoders and imputers tell the two apart."""


class Output(Contract, frozen=True, kw_only=True):
    """One output: `shape` as -1 for the rows, then the width of a row's answer."""

    name: Wanted
    dtype: Dtype
    shape: tuple[int, ...]


class Signature(Contract, frozen=True, kw_only=True):
    """What the model takes and gives."""

    layout: Layout
    inputs: tuple[Column, ...]
    outputs: tuple[Output, ...]
    classes: tuple[Label, ...] | None = None
    """A classifier's labels, a clusterer's cluster numbers, in the order of `predict_proba`'s columns."""
    largest: float | None = None
    """Numbers of a larger magnitude are too large for the model itself (a tree's are 32 bits); None: it takes all."""

    @property
    def takes_rows(self) -> bool:
        """Whether a request is made of rows of `inputs`; own code takes an object."""
        return self.layout != "object"

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those that the model answers."""
        return tuple(question for question in QUESTIONS if self.gives(question.output))

    def gives(self, name: Wanted) -> bool:
        """Whether the model has this output."""
        return any(output.name == name for output in self.outputs)


class Golden(Contract, frozen=True, kw_only=True):
    """Rows and the answers that the model gave for them in the build: what readiness is measured against."""

    rows: tuple[tuple[Cell, ...], ...]
    """Values in the signature's order."""
    predictions: tuple[Cell | tuple[Cell, ...], ...]
    probabilities: tuple[tuple[float, ...], ...] | None = None
    distances: tuple[tuple[float, ...], ...] | None = None
    tolerance: float = 1e-9
    """Absolute and relative; labels must be equal."""


class Training(Contract, frozen=True, kw_only=True):
    """The rows that told what the model takes: said to people, never enforced."""

    source: str
    """Where they come from, as the report says it."""
    rows: int | None = None
    ranges: dict[str, tuple[float, float]] = {}
    """Smallest and largest value that was seen of an input of numbers."""


class Slice(Contract, frozen=True, kw_only=True):
    """Metrics on the rows of one group."""

    column: str
    group: str
    """The value of `column`, as text; rows without one are the group ``."""
    rows: int
    metrics: dict[str, float]


class Gap(Contract, frozen=True, kw_only=True):
    """How far the groups of a column are apart in one rate: the highest less the lowest, 0 to 1."""

    column: str
    measure: Literal["selection_rate", "true_positive_rate", "accuracy"]
    gap: float
    lowest: str
    highest: str
    """The groups that have them."""


class Curve(Contract, frozen=True, kw_only=True):
    """Points to draw, such as `roc` or `calibration` of a class; `x` and `y` are of one length."""

    name: str
    label: str = ""
    """The class that it is about, as text."""
    x: tuple[float, ...]
    y: tuple[float, ...]


class Evaluation(Contract, frozen=True, kw_only=True):
    """Metrics on rows that the model was not fitted on."""

    data: str
    rows: int
    metrics: dict[str, float]
    slices: tuple[Slice, ...] = ()
    gaps: tuple[Gap, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows by true class, then by predicted class, in the signature's order of classes."""
    curves: tuple[Curve, ...] = ()


class Gate(Contract, frozen=True, kw_only=True):
    """One line of `gates:` in modelcast.yaml that the build held the model to."""

    name: str
    """Where it stands: `metrics.accuracy`, `slices.sex.f.accuracy`, `fairness.sex.selection_rate_gap`,
    `champion.flips`, `latency_ms`."""
    expected: str
    """The comparison, as it is written: `>= 0.9`."""
    got: float | None = None
    """None where the number is another on each machine (milliseconds): it is in the receipts."""
    passed: bool


class Difference(Contract, frozen=True, kw_only=True):
    """One output of the compiled model against the original's, over all rows that were compared."""

    output: Wanted
    rows: int
    """Rows that differ by more than is allowed; ties are not among them."""
    worst: float = 0.0
    """The largest difference: of a probability, or of another number as a part of its scale; of labels, 1."""
    allowed: float = 0.0
    """What `worst` is held against; 0 for labels."""
    example: str = ""
    """The kind of row that differs most (`threshold of x3 + 1 ulp`), in words: never a row itself."""


class Compilation(Contract, frozen=True, kw_only=True):
    """What runs the model, and the proof or the reason."""

    backend: Literal["native", "onnxruntime", "numpy"]
    reason: str
    """A sentence: what was proven, or which step stands in the way."""
    probes: int = 0
    """Rows that original and compiled model were compared on."""
    ties: int = 0
    """Rows whose two best classes the original itself holds equal (less than 1e-6 apart)."""
    worst_difference: float | None = None
    precision: Literal["float64", "float32"] | None = None
    """What the compiled model computes in."""
    labels: Literal["graph", "highest"] = "graph"
    """Where a classifier's label comes from: the graph's own, or the first class within 1e-6 of the highest
    probability (a sum in another order breaks exact ties otherwise)."""
    differences: tuple[Difference, ...] = ()
    tools: dict[str, str] = {}
    """The converter's packages: name and version."""
    tail: str = ""
    """The forest at the end of a native model, by its class, where it is proven that it may be asked tree by tree."""


Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Arrival = Annotated[float, msgspec.Meta(ge=0.1, le=3600)]


class Limits(Contract, frozen=True, kw_only=True):
    """What the service takes before it refuses; sealed as defaults, overridden by `MODELCAST_LIMITS_*`.

    These bounds hold for `limits:` in modelcast.yaml and for the variables alike.
    """

    body_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 16_777_216
    """Bytes of a request's body, also after inflation."""
    rows: Annotated[int, msgspec.Meta(ge=1, le=10**7)] = 10_000
    """Rows in one request."""
    header_s: _Arrival = 5.0
    """Seconds for a request's header to arrive."""
    body_s: _Arrival = 10.0
    """Seconds for a request's body to arrive."""
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0
    """Seconds that a service told to stop still takes connections."""


class ServiceDefaults(Contract, frozen=True, kw_only=True):
    """Settings of the service that the repository chose (`modelcast.yaml`), sealed with the model."""

    extra_inputs: Literal["refuse", "ignore"] = "refuse"
    limits: Limits = Limits()
    log_predictions: Share | None = None
    """Of the requests, which are logged with their answers; None: all where `log_values`, else none."""
    log_values: bool = False
    """Whether what was sent is logged with them."""


class Example(Contract, frozen=True, kw_only=True):
    """One entry of the file that `examples:` names: a body of `POST /predict` and what the answer must hold."""

    request: Any
    response: Any


class FileRecord(Contract, frozen=True, kw_only=True):
    """One sealed file: path relative to the bundle, with `/`."""

    path: str
    sha256: str
    size: int


class Manifest(Contract, frozen=True, kw_only=True):
    """`manifest.json`: what the bundle is and what every file of it must be."""

    bundle_version: Literal[1] = BUNDLE_VERSION
    name: str
    version: str
    """`sha256:` and the digest over source, data, environment, parameters and the canonical model."""
    description: str = ""
    format: Format
    """What is stored: a key of the runtime's `formats`."""
    framework: str
    """What trained it: a key of the builder's `frameworks`."""
    task: Task
    model: str
    """The model file, relative to the bundle."""
    signature: Signature
    parameters: dict[str, Any] = {}
    """What the notebooks were given, as JSON has it."""
    training: Training | None = None
    evaluation: Evaluation | None = None
    gates: tuple[Gate, ...] = ()
    compilation: Compilation
    service: ServiceDefaults = ServiceDefaults()
    files: tuple[FileRecord, ...]


class Step(Contract, frozen=True, kw_only=True):
    """One step of the build and the seconds it took."""

    name: str
    seconds: float


class Provenance(Contract, frozen=True, kw_only=True):
    """What the service shows of `receipts/provenance.json`: when, by whom and from what; outside both digests.

    Written as an in-toto Statement (`statement`); older bundles hold this itself.
    """

    built_at: str
    builder_version: str
    python: str
    source: str
    """git's address without credentials; nothing where a folder was built that has none."""
    ref: str | None = None
    commit: str | None = None
    source_digest: str = ""
    """`sha256:` and the digest over every file of the source."""
    environment_as_of: str
    packages: dict[str, str] = {}
    """The model's packages, as in the lock: name and version."""
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


T = TypeVar("T")


def encode(value: object) -> bytes:
    """JSON with sorted keys, indented by two: the same value is the same bytes on every machine."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def decode(data: bytes, kind: type[T]) -> T:
    """Parse and check; raises `msgspec.ValidationError` or `DecodeError` with the place in the document."""
    return msgspec.json.decode(data, type=kind)


def decode_examples(data: bytes) -> tuple[Example, ...]:
    """The examples of a file, at least one; raises as `decode` does."""
    kind = Annotated[tuple[Example, ...], msgspec.Meta(min_length=1)]
    return msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=kind)


def label_text(label: Label) -> str:
    """A label as a JSON key and as a metric's label value; booleans as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def number_text(number: float) -> str:
    """A bound or another exact number for people: 120 and 0.1, every digit that was written and none that was not."""
    return f"{number:.15g}"


def range_words(column: Column, training: Training | None) -> Iterator[str]:
    """What is said of an input's numbers: the bounds that hold, then the range that was seen."""
    if column.minimum is not None:
        yield f"at least {number_text(column.minimum)}"
    if column.maximum is not None:
        yield f"at most {number_text(column.maximum)}"
    if training is not None and column.name in training.ranges:
        least, most = training.ranges[column.name]
        yield f"{least:.6g} to {most:.6g} in training"


def scored_by(compilation: Compilation) -> str:
    """What runs the model, and why, in a sentence."""
    precision = f" in {compilation.precision}" if compilation.precision else ""
    return f"{compilation.backend}{precision}: {compilation.reason}"


def proof_words(compilation: Compilation) -> Iterator[str]:
    """What is to be known of the comparison with the original, where there was one."""
    for one in compilation.differences:
        allowed = f", {one.allowed:g} allowed" if one.allowed else ""
        example = f" ({one.example})" if one.example else ""
        differ = f"{one.rows} of {compilation.probes} rows differ"
        yield f"{one.output}: {differ}, the largest difference is {one.worst:.3g}{allowed}{example}"
    if compilation.ties:
        yield f"{compilation.ties} ties: rows for which the original holds two classes equal"
    if compilation.labels == "highest":
        yield "labels are the first class of the highest probability"
    if compilation.tail:
        proven = f"equal answers on {compilation.probes} rows made to break it"
        yield f"its {compilation.tail} is asked tree by tree: {proven}"
    # What stays native was tried with them at most.
    if compilation.tools and compilation.backend != "native":
        tools = ", ".join(f"{name} {version}" for name, version in sorted(compilation.tools.items()))
        yield f"compiled by {tools}"


def query_of(questions: Iterable[Question]) -> str:
    """The query of a `POST /predict` that asks all of them."""
    return "&".join(f"{question.key}=true" for question in questions)


def digest_of(records: dict[str, str]) -> str:
    """The digest over names and sha256s (or any strings), independent of order: `sha256:<hex>`."""
    lines = "".join(f"{name}\x00{value}\n" for name, value in sorted(records.items()))
    return f"sha256:{hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest()}"


def version_of(*, source: str, lock: str, parameters: str, model: str) -> str:
    """A model's version: what it was made from, in what, with what was given, and what was trained; no name, no commit.

    `source` is a digest with `sha256:`, `lock` and `model` are SHA-256s of files in hexadecimal.
    """
    return digest_of({"source": source, "lock": lock, "parameters": parameters, "model": model})
