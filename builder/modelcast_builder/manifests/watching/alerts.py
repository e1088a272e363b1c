"""What people are called for, and in which words: a name for each thing that can be wrong, none below 1,000 rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelcast_runtime.baseline import FEWEST_ROWS, SignalKind

from modelcast_builder.manifests.metadata import Object
from modelcast_builder.manifests.watching.watched import Kind, Watched

_UNSEEN = 0.05
"""The share of values that training never had from which somebody is called: there it was 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """An alert on one kind of drift."""

    alert: str
    what: str
    """What is no longer as it was."""
    look: str
    """What to look at first."""


_DRIFT: Mapping[SignalKind, _Words] = MappingProxyType(
    {
        "input": _Words(
            alert="ModelcastInputDrift",
            what="the input {{ $labels.input }}",
            look="Did its unit, its default or its source change, or who is asked about?",
        ),
        "joint": _Words(
            alert="ModelcastJointDrift",
            what="the combination of the inputs",
            look="Each input may look as usual: are columns swapped, joined to the wrong rows, or no longer related?",
        ),
        "prediction": _Words(
            alert="ModelcastPredictionDrift",
            what="what the model predicts",
            look="Did inputs drift too? If so begin there; if not, the share of the classes may really have changed.",
        ),
        "score": _Words(
            alert="ModelcastScoreDrift",
            what="how sure the model is",
            look="Compare with the expected accuracy: a model that is less sure is more often wrong.",
        ),
        "path": _Words(
            alert="ModelcastPathDrift",
            what="the path of the rows through the model ({{ $labels.signal }})",
            look="The model decides on rows unlike those it learned from: expect more errors, and have rows labelled.",
        ),
        "work": _Words(
            alert="ModelcastWorkDrift",
            what="the work of scoring a row ({{ $labels.signal }})",
            look="Texts may be shorter or in other words, or trees be left early: look at what the callers send.",
        ),
    }
)
_COMPARE = "Compare its bins with the baseline's on the dashboard, or at /drift of a replica."


def rules(watched: Watched) -> Iterator[Object]:
    """Every alerting rule."""
    yield _absent(watched)
    for kind in watched.kinds:
        yield _drift(kind)
    if (inputs := watched.kind("input")) is not None:
        yield from _values(inputs)
    if (score := watched.kind("score")) is not None and watched.baseline.accuracies:
        yield _accuracy(score)


def _drift(kind: Kind) -> Object:
    words, window = _DRIFT[kind.kind], kind.watched.timing.window
    return _alert(
        kind.watched,
        words.alert,
        f"{kind.recorded('psi')} > {kind.recorded('psi_limit')}{_enough(kind)}",
        f"{kind.watched.job}: {words.what} is no longer as in training",
        f'Over {window} its distribution has a PSI of {{{{ $value | printf "%.2f" }}}} against the baseline\'s; '
        f"{kind.watched.baseline.psi:g} is the limit. {words.look} {_COMPARE}",
    )


def _values(inputs: Kind) -> Iterator[Object]:
    watched, window = inputs.watched, inputs.watched.timing.window
    share = "{{ $value | humanizePercentage }}"
    yield _alert(
        watched,
        "ModelcastInputMissing",
        f"{inputs.recorded('missing_ratio')} > {inputs.recorded('missing_limit')}{_enough(inputs)}",
        f"{watched.job}: the input {{{{ $labels.input }}}} is missing more often than in training",
        f"Over {window} it is missing in {share} of the rows. The model answers with what it was taught to put in its "
        "place: ask the callers whether they still send it, under this name.",
    )
    yield _alert(
        watched,
        "ModelcastInputUnseen",
        f"{inputs.recorded('unseen_ratio')} > {_UNSEEN}{_enough(inputs)}",
        f"{watched.job}: the input {{{{ $labels.input }}}} has values that training never had",
        f"Over {window} {share} of its values are in no category that the model knows. Look for another spelling or "
        "case, or for a category that is new: the model must learn it before it can tell.",
    )


def _accuracy(score: Kind) -> Object:
    watched = score.watched
    limit = watched.recorded("accuracy_limit")
    return _alert(
        watched,
        "ModelcastAccuracyExpected",
        f"{watched.recorded('accuracy_expected')} < {limit}{_enough(score)}",
        f"{watched.job}: it is expected to be right less often than in training",
        f"Over {watched.timing.window} its own probabilities promise an accuracy of "
        "{{ $value | humanizePercentage }}. That needs no labels, and holds while the probabilities are calibrated: "
        "have some of these rows labelled, and evaluate the model on them.",
        severity="critical",
    )


def _absent(watched: Watched) -> Object:
    """A rule whose series are not there is silent for ever."""
    return _alert(
        watched,
        "ModelcastNotWatched",
        f"absent({watched.info})",
        f"{watched.job}: no replica of this version is scraped",
        "These rules are of one version, since each has a baseline of its own. Where another one is served now, write "
        "them from its bundle with `modelcast manifests`; where not, the service is down, or Prometheus does not "
        f"scrape it under job={watched.job!r}.",
    )


def _enough(kind: Kind) -> str:
    return f"\nand on ({kind.by}) {kind.recorded('rows')} >= {FEWEST_ROWS}"


def _alert(
    watched: Watched, name: str, expr: str, summary: str, description: str, *, severity: str = "warning"
) -> Object:
    return {
        "alert": name,
        "expr": expr,
        "for": watched.timing.hold,
        "labels": {"severity": severity, "model": watched.job},
        "annotations": {"summary": summary, "description": description},
    }
