"""Settings of the service: one table, read once at start; flag > environment > what the bundle sealed > default."""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from modelcast_runtime.contract import Limits, ServiceDefaults

THREAD_ENV: dict[str, str] = dict.fromkeys(
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS"], "1"
)
"""A worker is one core's worth. Numeric libraries read these once: set them before the first import of numpy."""

MAX_WORKERS = 12
WORKER_BYTES = 200 * 1024**2
"""What a worker holds beside the model: interpreter, numpy, scikit-learn (measured: 100 to 200 MiB)."""
FINISH_S = 20
"""How long a request that is in flight when the listener closes may still take."""


class SettingsError(Exception):
    """A flag or an environment variable holds what it cannot mean; one line that names it and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service was told, checked."""

    host: str
    port: int
    workers: int
    limits: Limits
    extra_inputs: Literal["refuse", "ignore"]
    metrics_prefix: str
    """Under which nachlass' metrics are told too; empty where they are not."""
    log_access: Literal["off", "json"]
    log_predictions: float
    """The share of requests whose answers are logged."""
    log_values: bool
    """Whether the rows that were sent are in those lines too."""
    invocations: Literal["mlflow", "sagemaker"]
    """Whose `/invocations` and `/ping` these are."""
    vertex_health: str
    vertex_predict: str
    """Vertex AI's two routes; empty where it did not start the service."""
    batch_concurrency: int | None
    batch_strategy: Literal["MULTI_RECORD", "SINGLE_RECORD"]
    batch_payload_mb: int | None
    """What a batch transform of SageMaker's is advised; None: as the workers and limits are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting's text may be: `read` raises `ValueError` for anything else."""

    expected: str
    example: str
    read: Callable[[str], object]


def _whole(low: int, high: int, example: str) -> Kind:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Kind(f"a whole number from {low} to {high}", example, read)


def _seconds(low: float, high: float) -> Kind:
    def read(text: str) -> float:
        if not low <= float(text) <= high:  # False for NaN too
            raise ValueError
        return float(text)

    return Kind(f"seconds from {low:g} to {high:g}", "a number of seconds", read)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:  # NaN too
        raise ValueError
    return share


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _word(*words: str) -> Kind:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return Kind(" or ".join(words), "one of them", read)


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", text) or text == "modelcast":
        raise ValueError
    return text


_SEGMENTS = re.compile(r"(?:/[A-Za-z0-9_.~:@-]+)+")
OWN_SEGMENTS = frozenset(
    {
        *("assets", "card", "docs", "drift", "execution-parameters", "health", "healthz", "info", "invocations"),
        *("metrics", "notebooks", "openapi.json", "ping", "predict", "readyz", "schema", "v1/models", "v2", "version"),
    }
)
"""How the paths begin that the service itself answers."""
PREDICT = "/predict"
"""Vertex AI's examples give it as the route of predictions: then it speaks Vertex AI's format, not our own."""
HEALTH_ROUTES = frozenset({"/", "/health", "/healthz", "/ping", "/readyz"})
"""Those of them that say whether the service is well."""


def _route(*, unless: frozenset[str] = frozenset()) -> Kind:
    def read(text: str) -> str:
        parts = text.split("/")
        is_own = not OWN_SEGMENTS.isdisjoint({parts[1] if len(parts) > 1 else "", "/".join(parts[1:3])})
        if text not in unless and (is_own or not _SEGMENTS.fullmatch(text) or {".", ".."} & set(parts)):
            raise ValueError
        return text

    return Kind(
        "a path that the service does not answer already (letters, digits and _.~:@- between slashes)",
        "one like /v1/endpoints/1/deployedModels/1",
        read,
    )


_TEXT = Kind("a text", "a text", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table; the first of `env` that is set wins."""

    key: str
    env: tuple[str, ...] = ()
    flag: str = ""
    default: str
    meaning: str
    kind: Kind
    is_detail: bool = False
    """Whether the row before it says in README what there is to say."""


_LIMITS = {limit.name: limit for limit in msgspec.structs.fields(Limits)}


def _limit(name: str, meaning: str, example: str = "") -> Setting:
    """A row whose type, bounds and default are the contract's."""
    number, bounds = get_args(_LIMITS[name].type)
    kind = _whole(bounds.ge, bounds.le, example) if number is int else _seconds(bounds.ge, bounds.le)
    env = f"MODELCAST_LIMITS_{name.upper()}"
    return Setting(key=f"limits.{name}", env=(env,), default=str(_LIMITS[name].default), meaning=meaning, kind=kind)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="bundle", env=("MODELCAST_BUNDLE",), default="bundle", meaning="the bundle, if not an argument", kind=_TEXT
    ),
    Setting(key="host", flag="--host", default="0.0.0.0", meaning="address to listen on", kind=_TEXT),  # noqa: S104
    Setting(
        key="port",
        env=("AIP_HTTP_PORT", "PORT"),
        flag="--port",
        default="8080",
        meaning="port to listen on; 0 takes a free one",
        kind=_whole(0, 65535, "a port"),
    ),
    Setting(
        key="workers",
        env=("WEB_CONCURRENCY",),
        flag="--workers",
        default="from CPU and memory",
        meaning=f"processes that score: one a CPU of the cgroup, as many as its memory holds, at most {MAX_WORKERS}",
        kind=_whole(1, 256, "a number of workers"),
    ),
    _limit("body_bytes", "largest request body, also after inflation (413)", "a number of bytes"),
    _limit("rows", "most rows in one request (413)", "a number of rows"),
    _limit("header_s", "seconds for a request's header to arrive (408)"),
    _limit("body_s", "seconds for a request's body to arrive (408)"),
    _limit("drain_s", "seconds that a service told to stop still takes connections, no longer ready"),
    Setting(
        key="extra_inputs",
        env=("MODELCAST_EXTRA_INPUTS",),
        default=ServiceDefaults().extra_inputs,
        meaning="what is done with inputs that the model does not have: `refuse` (400) or `ignore`",
        kind=_word("refuse", "ignore"),
    ),
    Setting(
        key="metrics_prefix",
        env=("S2I_APP_METRICS_PREFIX",),
        default="not shown",
        meaning="shows nachlass' metrics at /metrics too: `PREFIX_processing_seconds`, and `PREFIX_predictions_total` "
        "by value or, of a regressor, the histogram `PREFIX_predictions`",
        kind=Kind("a Prometheus name other than modelcast (letters, digits and _)", "one like my_model", _prefix),
    ),
    Setting(
        key="log_access",
        env=("MODELCAST_LOG_ACCESS",),
        default="off",
        meaning="`json` writes one line of JSON a request to stderr, and the other log lines as JSON too; never a "
        "query, a body or a value; the id in it is the one of `X-Request-Id`",
        kind=_word("off", "json"),
    ),
    Setting(
        key="service.log_predictions",
        env=("MODELCAST_SERVICE_LOG_PREDICTIONS",),
        default="0",
        meaning="share of requests, 0 to 1, whose predictions are logged as JSON on stderr, for `modelcast evaluate`; "
        "`MODELCAST_SERVICE_LOG_VALUES=true` adds the rows that were sent, which are never there else",
        kind=Kind("a share from 0 to 1", "one like 0.05", _share),
    ),
    Setting(
        key="service.log_values",
        env=("MODELCAST_SERVICE_LOG_VALUES",),
        default="false",
        meaning="whether those lines hold the rows that were sent; where it is `true` and no share is given, all "
        "requests are logged",
        kind=Kind("true or false", "one of them", _truth),
        is_detail=True,
    ),
    Setting(
        key="invocations",
        env=("MODELCAST_INVOCATIONS",),
        default="mlflow",
        meaning="whose `/invocations` and `/ping` are answered: `mlflow` or `sagemaker`; the word `serve`, with which "
        "SageMaker starts an image, sets it",
        kind=_word("mlflow", "sagemaker"),
    ),
    Setting(
        key="vertex.health",
        env=("AIP_HEALTH_ROUTE",),
        default="not answered",
        meaning="path that Vertex AI asks for health",
        kind=_route(unless=HEALTH_ROUTES),
    ),
    Setting(
        key="vertex.predict",
        env=("AIP_PREDICT_ROUTE",),
        default="not answered",
        meaning="path to which Vertex AI posts instances",
        kind=_route(unless=frozenset({PREDICT})),
    ),
    Setting(
        key="batch.concurrency",
        env=("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",),
        default="from workers and payload",
        meaning="requests at a time that SageMaker's batch transform is advised (`/execution-parameters`)",
        kind=_whole(1, 100, "a number of requests"),
        is_detail=True,
    ),
    Setting(
        key="batch.strategy",
        env=("SAGEMAKER_BATCH_STRATEGY",),
        default="MULTI_RECORD",
        meaning="whether it puts several records into a request",
        kind=_word("MULTI_RECORD", "SINGLE_RECORD"),
        is_detail=True,
    ),
    Setting(
        key="batch.payload_mb",
        env=("SAGEMAKER_MAX_PAYLOAD_IN_MB",),
        default="from the largest body",
        meaning="megabytes of a request, for it",
        kind=_whole(0, 100, "a number of megabytes"),
        is_detail=True,
    ),
)


def read_settings(
    env: Mapping[str, str],
    flags: Mapping[str, object],
    sealed: ServiceDefaults,
    *,
    model_bytes: int = 0,
    root: Path = Path("/"),
) -> Settings:
    """The settings in force; `flags` by name without dashes, None where not given. Raises `SettingsError`."""
    given: dict[str, Any] = {row.key: _given(row, env, flags) for row in SETTINGS}
    limits = {row.key.partition(".")[2]: given[row.key] for row in SETTINGS if row.key.startswith("limits.")}
    table = {row.key: row.default for row in SETTINGS}
    log_values = _first(given["service.log_values"], sealed.log_values)
    return Settings(
        host=given["host"] or table["host"],
        port=int(table["port"]) if given["port"] is None else given["port"],
        workers=given["workers"] or default_workers(read_machine(root), model_bytes),
        limits=msgspec.structs.replace(
            sealed.limits, **{name: value for name, value in limits.items() if value is not None}
        ),
        extra_inputs=given["extra_inputs"] or sealed.extra_inputs,
        metrics_prefix=given["metrics_prefix"] or "",
        log_access=given["log_access"] or "off",
        log_predictions=_first(given["service.log_predictions"], sealed.log_predictions, 1.0 if log_values else 0.0),
        log_values=log_values,
        invocations=given["invocations"] or "mlflow",
        vertex_health=given["vertex.health"] or "",
        vertex_predict=given["vertex.predict"] or "",
        batch_concurrency=given["batch.concurrency"],
        batch_strategy=given["batch.strategy"] or "MULTI_RECORD",
        batch_payload_mb=given["batch.payload_mb"],
    )


def _first(*values: Any) -> Any:
    """The first that is given at all."""
    return next(value for value in values if value is not None)


def _given(row: Setting, env: Mapping[str, str], flags: Mapping[str, object]) -> object:
    flagged = flags.get(row.flag.lstrip("-")) if row.flag else None
    if flagged is not None:
        return _read(row, row.flag, str(flagged), "Leave it out")
    for name in row.env:
        if text := _unquoted(env.get(name, "")):
            return _read(row, name, text, "Unset it")
    return None


def _read(row: Setting, name: str, text: str, undo: str) -> object:
    try:
        return row.kind.read(text)
    except (ValueError, KeyError):
        message = f'{name}: expected {row.kind.expected}, got "{text}". {undo} or give {row.kind.example}'
        raise SettingsError(message) from None


def _unquoted(text: str) -> str:
    # `docker run --env-file` hands quotes through that a shell would have taken away.
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text


def settings_table() -> str:
    """The rows of README's table, in Markdown."""
    lines = ["| setting | environment | flag | default | meaning |", "|---|---|---|---|---|"]
    for row in SETTINGS:
        if row.is_detail:
            continue
        env = ", ".join(f"`{name}`" for name in row.env)
        flag = f"`{row.flag}`" if row.flag else ""
        default = row.default if " " in row.default else f"`{row.default}`"
        lines.append(f"| `{row.key}` | {env} | {flag} | {default} | {row.meaning} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this process may use of the machine."""

    cpus: float
    memory: int


def stop_seconds(limits: Limits) -> int:
    """How long a service that is told to stop may take until its last worker is gone, in seconds."""
    return math.ceil(limits.drain_s) + FINISH_S


def worker_bytes(model_bytes: int) -> int:
    """What a worker may hold; a loaded model takes up to three times its file."""
    return WORKER_BYTES + 3 * model_bytes


def default_workers(machine: Machine, model_bytes: int) -> int:
    """One worker a CPU, as many as fit in memory, 1 to 12."""
    fitting = machine.memory // worker_bytes(model_bytes)
    return max(1, min(math.ceil(machine.cpus), fitting, MAX_WORKERS))


def read_machine(root: Path = Path("/")) -> Machine:
    """The tightest of the cgroup's bounds (v1 or v2, own and parents'), the CPU affinity and the physical memory."""
    folders = tuple(_cgroups(root))
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    quotas = [quota for folder in folders for quota in _cpu_quotas(folder)]
    bounds = [bound for folder in folders for bound in _memory_bounds(folder)]
    return Machine(cpus=min([*quotas, float(affinity)]), memory=min([*bounds, physical]))


def _cgroups(root: Path) -> Iterator[Path]:
    # In a container the group's own path may not exist below the mount: then the mount is the group.
    mount = root / "sys/fs/cgroup"
    yield mount
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        top = mount / controllers
        own = Path(path.lstrip("/"))
        yield from (top / part for part in (own, *own.parents) if ".." not in own.parts)


def _cpu_quotas(folder: Path) -> Iterator[float]:
    quota = (
        _text(folder / "cpu.max") or f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}"
    ).split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():  # "max" and -1 are no quota
        yield int(quota[0]) / int(quota[1])


def _memory_bounds(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.limit_in_bytes"):
        bound = _text(folder / name).strip()
        if bound.isdigit():
            yield int(bound)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
