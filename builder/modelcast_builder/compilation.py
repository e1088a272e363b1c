"""Decides at build what runs the model: a proven ONNX graph, or the model as its framework made it, and why."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
from modelcast_runtime.baseline import PATH_GRAPH
from modelcast_runtime.contract import Compilation, Format, Golden

from modelcast_builder import child, environment
from modelcast_builder.child import ChildFailed
from modelcast_builder.config import BuildSettings, Config
from modelcast_builder.environment import Environment, NoConverter
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import ConvertRequest, Described, DescribeRequest
from modelcast_builder.sandbox import of_model

FORMAT: Format = "onnx"
MODEL = "model.onnx"
_EXACT, _ROUNDED = 1e-9, 1e-5
"""How near the golden rows must come again: to what 64 bits give on any machine, to what 32 bits give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What was decided, and the graph where one was proven."""

    report: Compilation
    graph: Path | None = None
    paths: Path | None = None
    """The graph of the paths through its trees, where it has some and they tell the same."""

    def hold(self, golden: Golden) -> Golden:
        """The golden rows as what is sealed must answer them."""
        if self.graph is None:
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
    if compiled.graph is None and config.document.compile == "always":
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
    try:
        converter = environment.make_converter(serving, cache=settings.cache, wheelhouse=settings.wheelhouse)
    except NoConverter as absent:
        return _native(str(absent))
    target = work / MODEL
    request = ConvertRequest(
        model=asked.sealed,
        code=asked.code,
        converter=str(converter.folder),
        signature=described.signature,
        task=described.task,
        golden=described.golden,
        sample=asked.sample,
        target=str(target),
        leaves=None if described.baseline is None else described.baseline.leaves,
        paths=asked.paths,
        path_graph=str(work / PATH_GRAPH),
    )
    try:
        report = child.convert(serving, request, work, config.handed, of_model(config.document.build))
    except BuildError as failed:
        return _native(f"it could not be tried: {failed.problem}")
    except ChildFailed as failed:
        return _native(f"it could not be tried: {str(failed).strip().splitlines()[-1]}")
    report = msgspec.structs.replace(report, tools=dict(converter.packages))
    is_compiled, paths = report.backend == "onnxruntime", work / PATH_GRAPH
    return Compiled(
        report=report, graph=target if is_compiled else None, paths=paths if is_compiled and paths.is_file() else None
    )


def _native(reason: str) -> Compiled:
    return Compiled(report=Compilation(backend="native", reason=reason))
