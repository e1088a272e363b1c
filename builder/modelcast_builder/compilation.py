"""Decides at build what runs the model: what was compiled and proven, or what its framework made, and why."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from modelcast_runtime.baseline import PATH_GRAPH
from modelcast_runtime.contract import Compilation, Format, Golden

from modelcast_builder import child, environment
from modelcast_builder.child import ChildFailed
from modelcast_builder.config import BuildSettings, Config
from modelcast_builder.environment import Converter, Environment, NoConverter
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import ConvertRequest, Described, DescribeRequest
from modelcast_builder.sandbox import of_model

_FORMATS: dict[str, Format] = {"onnxruntime": "onnx", "numpy": "text"}
"""What scores a compiled model -> the format of its file."""
_MADE = "compiled"
_EXACT, _ROUNDED = 1e-9, 1e-5
"""How near the golden rows must come again: to what 64 bits give on any machine, to what 32 bits give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What was decided, and the file where something was proven."""

    report: Compilation
    file: Path | None = None
    paths: Path | None = None
    """The graph of the paths through its trees, where it has some and they tell the same."""

    @property
    def format(self) -> Format | None:
        """The file's."""
        return _FORMATS.get(self.report.backend)

    def hold(self, golden: Golden) -> Golden:
        """The golden rows as what is sealed must answer them."""
        if self.file is None:
            return golden
        worst = self.report.worst_difference or 0.0
        exact = self.report.precision == "float64" and worst < _EXACT / 10
        return msgspec.structs.replace(golden, tolerance=_EXACT if exact else _ROUNDED)


def decide(
    serving: Environment,
    asked: DescribeRequest,
    described: Described,
    config: Config,
    settings: BuildSettings,
    work: Path,
) -> Compiled:
    """Convert and prove as `compile:` of modelcast.yaml wants it; raises `BuildError` where it must be and cannot."""
    compiled = _tried(serving, asked, described, config, settings, work)
    if compiled.file is None and config.document.compile == "always":
        problem = f"`compile: always` in modelcast.yaml, and the model stays native: {compiled.report.reason}"
        raise BuildError("compile", problem, "Write `compile: auto`, or train a model without what stands in the way")
    return compiled


def _tried(
    serving: Environment,
    asked: DescribeRequest,
    described: Described,
    config: Config,
    settings: BuildSettings,
    work: Path,
) -> Compiled:
    if config.document.compile == "never":
        return _native("`compile: never` in modelcast.yaml")
    if not described.signature.takes_rows:
        return _native("own code is served as it stands")
    converter, lacking = _converter(serving, settings)
    if converter is None and described.signature.layout != "text":
        return _native(lacking)
    try:
        request = _request(asked, described, converter, work)
        report = child.convert(serving, request, work, config.handed, of_model(config.document.build))
    except (BuildError, ChildFailed) as failed:
        return _native(f"it could not be tried: {_reason(failed)}")
    if report.backend == "native" and converter is None:
        return _native(lacking)
    if converter is not None and report.backend != "numpy":
        report = msgspec.structs.replace(report, tools=dict(converter.packages))
    file, paths = _placed(report, work), work / PATH_GRAPH
    return Compiled(report=report, file=file, paths=paths if file is not None and paths.is_file() else None)


def _converter(serving: Environment, settings: BuildSettings) -> tuple[Converter | None, str]:
    """It, or why there is none; a text model can do without it."""
    try:
        return environment.make_converter(serving, cache=settings.cache, wheelhouse=settings.wheelhouse), ""
    except NoConverter as absent:
        return None, str(absent)


def _request(asked: DescribeRequest, described: Described, converter: Converter | None, work: Path) -> ConvertRequest:
    return ConvertRequest(
        model=asked.sealed,
        code=asked.code,
        converter=None if converter is None else str(converter.folder),
        signature=described.signature,
        task=described.task,
        golden=described.golden,
        sample=asked.sample,
        target=str(work / _MADE),
        leaves=None if described.baseline is None else described.baseline.leaves,
        paths=asked.paths,
        path_graph=str(work / PATH_GRAPH),
    )


def _reason(failed: BuildError | ChildFailed) -> str:
    return failed.problem if isinstance(failed, BuildError) else str(failed).strip().splitlines()[-1]


def _placed(report: Compilation, work: Path) -> Path | None:
    """Under the name that it has in the bundle; None where nothing was proven."""
    if report.backend == "native":
        return None
    return (work / _MADE).rename(work / f"model.{_FORMATS[report.backend]}")


def _native(reason: str) -> Compiled:
    return Compiled(report=Compilation(backend="native", reason=reason))
