"""What `modelcast.yaml` may say: its keys, their types and their defaults; the published schema is made from this."""

import ast
import inspect
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from modelcast_runtime.contract import Dtype, Label, Limits, ServiceDefaults, Task

from modelcast_builder.inside.messages import Drift as AskedDrift
from modelcast_builder.inside.messages import InputOverride

COMPARISON = r"^(>=|<=|>|<) *-?[0-9]+(\.[0-9]+)?$"
NOT_BUILT = "Not built yet"
"""How the meaning of a key ends that is known and checked, and then refused."""
OWN_NAME = r"^[A-Za-z_][\w.]*:([A-Za-z_][\w.]*|\*)$"
FORMS = {COMPARISON: ("a comparison with a number", ">= 0.9"), OWN_NAME: ("module:name or module:*", "features:Clip")}
"""What a text of each pattern is, and one of them: the words of a refusal."""

Threshold = Annotated[str, msgspec.Meta(pattern=COMPARISON)]
Metric = Literal[
    "accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "log_loss", "rmse",
    "mae", "r2", "silhouette",
]  # fmt: skip
# msgspec leaves the names out of the schema.
Thresholds = Annotated[
    dict[Metric, Threshold], msgspec.Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(Metric))}})
]
Named = Annotated[str, msgspec.Meta(pattern=OWN_NAME)]
Parameter = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A value as JSON has it."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of the document and its sections; each repeats `frozen` and `kw_only`."""


class Data(Section, frozen=True, kw_only=True):
    """The tables beside the model and what their columns mean."""

    train: str | None = None
    """The rows that the model was fitted on: .csv, .parquet or .json."""
    holdout: str | None = None
    """Rows that it was not fitted on."""
    target: str | None = None
    """The column that is the answer, and no input."""
    groups: tuple[str, ...] = ()
    """Columns by which people are told apart."""


class Input(Section, frozen=True, kw_only=True):
    """One entry of `inputs:`, which corrects what was described."""

    dtype: Dtype | None = None
    """The type of its values."""
    nullable: bool | None = None
    """Whether null is taken."""
    categories: tuple[Label, ...] | None = None
    """The only values that are taken."""
    min: float | None = None
    """The smallest number that is taken."""
    max: float | None = None
    """The largest number that is taken."""

    def as_override(self) -> InputOverride:
        """As the child in the model's environment takes it."""
        return InputOverride(
            dtype=self.dtype,
            nullable=self.nullable,
            categories=self.categories,
            minimum=self.min,
            maximum=self.max,
        )


class Fairness(Section, frozen=True, kw_only=True):
    """How far the groups of a column may be apart."""

    selection_rate_gap: Threshold | None = None
    true_positive_rate_gap: Threshold | None = None
    accuracy_gap: Threshold | None = None


class Champion(Section, frozen=True, kw_only=True):
    """An earlier bundle, and how far the new one may be from it."""

    bundle: str
    """A folder, relative to the repository's root or absolute, or an image on the building machine."""
    flips: Threshold | None = None
    """The share of the holdout's rows whose label changes."""
    accuracy_drop: Threshold | None = None
    """The champion's accuracy on them less the model's."""


class Gates(Section, frozen=True, kw_only=True):
    """What the model must reach, or the build fails."""

    metrics: Thresholds = {}
    """What the rows of the holdout must give, by the metric's name."""
    slices: dict[str, Thresholds] = {}
    """The same for every group of rows, by the column that tells them apart."""
    fairness: dict[str, Fairness] = {}
    """How far the groups of a column may be apart."""
    champion: Champion | None = None
    """How far the model may be from an earlier bundle, on the same rows."""
    latency_ms: Threshold | None = None
    """The median milliseconds that a row may take."""
    bundle_mb: Threshold | None = None
    """The megabytes that the bundle may have."""

    @property
    def of_rows(self) -> bool:
        """Whether rows with answers decide."""
        return bool(self.metrics or self.slices or self.fairness)

    @property
    def of_bundle(self) -> bool:
        """Whether the bundle as a whole is asked or measured."""
        return any(one is not None for one in (self.champion, self.latency_ms, self.bundle_mb))

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that tell groups."""
        return (*self.slices, *self.fairness)


class Drift(Section, frozen=True, kw_only=True):
    """How inputs and predictions are compared with the training data."""

    bins: Annotated[int, msgspec.Meta(ge=2)] = 10
    """Bins of numbers, each with as many rows of training as the others."""
    exclude: tuple[str, ...] = ()
    """Inputs that are not watched."""
    psi: Annotated[float, msgspec.Meta(gt=0)] = 0.25
    """The population stability index from which a signal has drifted."""

    def as_asked(self) -> AskedDrift:
        """As the child in the model's environment takes it."""
        return AskedDrift(bins=self.bins, exclude=self.exclude, psi=self.psi)


class LimitsSection(Limits, frozen=True, kw_only=True):
    """What the service takes before it refuses."""

    queue: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Requests that wait for a worker. Not built yet."""
    deadline_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] | None = None
    """Seconds for an answer. Not built yet."""

    def sealed(self) -> Limits:
        """What of it the service of this version has."""
        return Limits(**{name: getattr(self, name) for name in Limits.__struct_fields__})


class ServiceSection(Section, frozen=True, kw_only=True):
    """Further settings of the service. Not built yet."""

    cors: tuple[str, ...] = ()
    token_file: str | None = None
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    log_values: bool = False


class Build(Section, frozen=True, kw_only=True):
    """The sandbox of notebooks and models."""

    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 1800
    """Seconds for each notebook."""
    memory_mb: Annotated[int, msgspec.Meta(ge=256)] = 8192
    """MiB of data of each process of a notebook, and of each that loads the model."""
    network: bool = True
    """Whether the notebooks have a network."""
    env: tuple[str, ...] | None = None
    """The build's variables that they see; else all that do not look like a credential."""


class Document(Section, frozen=True, kw_only=True):
    """What modelcast cannot know by itself; every key may be left out."""

    name: str | None = None
    """The model's name, a DNS label; else git's origin, else the folder tells it."""
    description: str = ""
    """What the model answers, in a sentence."""
    task: Literal["auto"] | Task = "auto"
    """What kind of question the model must answer; refused where it answers another."""
    notebooks: tuple[str, ...] | None = None
    """The notebooks to execute, in order."""
    parameters: dict[str, Parameter] = {}
    """Values for the notebooks' cell that is tagged `parameters`."""
    model: str | None = None
    """The trained artifact, where convention does not tell."""
    code: tuple[str, ...] | None = None
    """Own modules that travel with the model, where they are not found by themselves."""
    trusted: tuple[Named, ...] = ()
    """Classes and functions that a skops file may name beside those that are known, as module:name or module:*."""
    python: str | None = None
    """The Python that the model needs; the build is refused under another."""
    wheels: str | None = None
    """A folder of wheels; the build takes what it holds and needs no network."""
    data: Data = Data()
    inputs: dict[str, Input] = {}
    """Corrections of what was described, by the input's name."""
    extra_inputs: Literal["refuse", "ignore"] = "refuse"
    """What is done with inputs that the model does not have."""
    examples: str | None = None
    """A JSON file of requests and the answers that must come; the build fails where one does not hold."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether the model is compiled: where it is proven equal, or the build fails, or not at all."""
    gates: Gates | None = None
    drift: Drift = Drift()
    limits: LimitsSection = LimitsSection()
    service: ServiceSection | None = None
    build: Build = Build()

    @property
    def service_defaults(self) -> ServiceDefaults:
        """The service's settings that are sealed with the model."""
        return ServiceDefaults(extra_inputs=self.extra_inputs, limits=self.limits.sealed())

    def not_built(self) -> tuple[str, ...] | None:
        """The path of the first key that is valid, and that this version does not build yet."""
        later = {
            ("service",): self.service is not None,
            ("limits", "queue"): self.limits.queue is not None,
            ("limits", "deadline_s"): self.limits.deadline_s is not None,
        }
        return next((path for path, is_there in later.items() if is_there), None)


def section_of(key: str) -> type[msgspec.Struct] | None:
    """The section that a key of the document holds, where it holds one."""
    hint = get_type_hints(Document)[key]
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, Section | Limits)]
    return kinds[0] if kinds and get_args(hint)[:1] != (str,) else None


def words_of(key: str) -> tuple[str, ...]:
    """The words that a key of the document takes, where it takes no others."""
    return _literals(get_type_hints(Document)[key])


def _literals(hint: Any) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(word for part in get_args(hint) if get_origin(hint) is not dict for word in _literals(part))


def meanings(section: type[msgspec.Struct]) -> dict[str, str]:
    """Each key, in order, with what is written under it here, else with what its section says of itself."""
    written = texts(section)
    found = {}
    for field in msgspec.structs.fields(section):
        inner = section_of(field.name) if section is Document else None
        found[field.name] = written.get(field.name) or (inspect.getdoc(inner) if inner else None) or ""
    return found


def texts(section: type) -> dict[str, str]:
    """Key -> the text under it, of the class and of those that it extends."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            (definition,) = ast.parse(inspect.getsource(kind)).body
            found |= {
                field.target.id: text.value.value
                for field, text in pairwise(definition.body)  # type: ignore[attr-defined]
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                if isinstance(text.value.value, str)
            }
    return found
