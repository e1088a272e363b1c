"""What `modelcast.yaml` may say: its keys, their types and their defaults; the published schema is made from this."""

import math
from typing import Annotated, Any, Literal

import msgspec
from modelcast_runtime.contract import Dtype, Label, Limits, ServiceDefaults, Task

from modelcast_builder.inside.messages import InputOverride

Threshold = Annotated[str, msgspec.Meta(pattern=r"^(>=|<=|>|<) *-?[0-9]+(\.[0-9]+)?$")]
Metric = Literal[
    "accuracy", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "log_loss", "rmse",
    "mae", "r2", "silhouette",
]  # fmt: skip
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Named = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][\w.]*:([A-Za-z_][\w.]*|\*)$")]
Parameter = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A value as JSON has it."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of the document and its sections; each repeats `frozen` and `kw_only`."""


class Data(Section, frozen=True, kw_only=True):
    """`data:`, the tables beside the model and what their columns mean."""

    train: str | None = None
    holdout: str | None = None
    target: str | None = None
    groups: tuple[str, ...] = ()


class Input(Section, frozen=True, kw_only=True):
    """One entry of `inputs:`, which corrects what was described."""

    dtype: Dtype | None = None
    nullable: bool | None = None
    categories: tuple[Label, ...] | None = None
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        """JSON has no infinity and no NaN: such a bound would be lost on its way."""
        if any(bound is not None and not math.isfinite(bound) for bound in (self.min, self.max)):
            raise ValueError("Expected a finite bound")

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
    """`gates.fairness.COLUMN`."""

    selection_rate_gap: Threshold | None = None
    true_positive_rate_gap: Threshold | None = None
    accuracy_gap: Threshold | None = None


class Champion(Section, frozen=True, kw_only=True):
    """`gates.champion`."""

    bundle: str
    flips: Threshold | None = None
    accuracy_drop: Threshold | None = None


class Gates(Section, frozen=True, kw_only=True):
    """`gates:`, what the model must reach on the holdout rows."""

    metrics: dict[Metric, Threshold] = {}
    slices: dict[str, dict[Metric, Threshold]] = {}
    fairness: dict[str, Fairness] = {}
    champion: Champion | None = None
    latency_ms: Threshold | None = None
    bundle_mb: Threshold | None = None


class Drift(Section, frozen=True, kw_only=True):
    """`drift:`, how inputs and predictions are compared with the training data."""

    bins: Annotated[int, msgspec.Meta(ge=2)] = 10
    exclude: tuple[str, ...] = ()
    psi: Annotated[float, msgspec.Meta(gt=0)] = 0.25


class LimitsSection(Section, frozen=True, kw_only=True):
    """`limits:`, what the service takes before it refuses."""

    body_bytes: AtLeastOne | None = None
    rows: AtLeastOne | None = None
    queue: AtLeastOne | None = None
    header_s: Seconds | None = None
    body_s: Seconds | None = None
    deadline_s: Seconds | None = None
    drain_s: Seconds | None = None

    def sealed(self) -> Limits:
        """With the service's own defaults where nothing is written."""
        return Limits(**{name: value for name, value in msgspec.structs.asdict(self).items() if value is not None})


class ServiceSection(Section, frozen=True, kw_only=True):
    """`service:`."""

    cors: tuple[str, ...] = ()
    token_file: str | None = None
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    log_values: bool = False


class Build(Section, frozen=True, kw_only=True):
    """`build:`, the notebooks' sandbox."""

    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 1800
    memory_mb: Annotated[int, msgspec.Meta(ge=64)] = 8192
    network: bool = True
    env: tuple[str, ...] | None = None


class Document(Section, frozen=True, kw_only=True):
    """`modelcast.yaml`."""

    name: str | None = None
    description: str = ""
    task: Literal["auto"] | Task = "auto"
    notebooks: tuple[str, ...] | None = None
    parameters: dict[str, Parameter] = {}
    model: str | None = None
    code: tuple[str, ...] | None = None
    trusted: tuple[Named, ...] = ()
    python: str | None = None
    wheels: str | None = None
    data: Data = Data()
    inputs: dict[str, Input] = {}
    extra_inputs: Literal["refuse", "ignore"] = "refuse"
    examples: str | None = None
    compile: Literal["auto", "always", "never"] = "auto"
    gates: Gates | None = None
    drift: Drift | None = None
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
            ("gates",): self.gates is not None,
            ("drift",): self.drift is not None,
            ("service",): self.service is not None,
            ("limits", "queue"): self.limits.queue is not None,
            ("limits", "deadline_s"): self.limits.deadline_s is not None,
            ("compile",): self.compile == "always",
        }
        return next((path for path, is_there in later.items() if is_there), None)
