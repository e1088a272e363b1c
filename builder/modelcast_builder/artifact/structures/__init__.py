"""What compiled code trusts of a model's arrays, checked on the inert replay before anything is loaded.

Types that are allowed are not safe yet: a crafted tree of scikit-learn's loads well, and then reads memory that is none
of its own, or walks in a circle. Objects of compiled classes are known by their class; the estimators that hand arrays
to compiled code by the attributes that they hand on, which a class derived from them has too.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modelcast_builder.artifact.stubs import KEPT, Made
from modelcast_builder.errors import BuildError

from . import boosters, clusters, histograms, machines, matrices, neighbours, trees
from .damage import Damaged, need
from .values import Read, brought, fields, name_of

FIX = 'Do not load it: train the model again and save it with joblib.dump(model, "model.joblib")'
UNEXPECTED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Python and numpy raise where an array has another form than a check asks for: a number where rows should be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Objects of one class: what to call them, and their check, which raises `Damaged`."""

    label: str
    check: Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Owner:
    """Objects with these attributes, whatever their class is called, and the check of all their attributes."""

    attributes: frozenset[str]
    check: Callable[[Mapping[str, object]], None]


_TREE_OF_NEIGHBOURS = Kind("tree of neighbours", neighbours.check_tree)
_METRIC = Kind("distance", neighbours.check_metric)
_MATRICES = {
    **dict.fromkeys(("csr", "csc", "bsr"), Kind("sparse matrix", matrices.check_compressed)),
    "coo": Kind("sparse matrix", matrices.check_coordinates),
    "dia": Kind("sparse matrix", matrices.check_diagonals),
}
_RANDOM = Kind("random state", matrices.check_random_state)
KINDS: dict[tuple[str, str], Kind] = {
    trees.TREE: Kind("tree", trees.check_tree),
    histograms.PREDICTOR: Kind("tree", histograms.check_predictor),
    **{("sklearn.neighbors._kd_tree", f"KDTree{bits}"): _TREE_OF_NEIGHBOURS for bits in ("", "32", "64")},
    **{("sklearn.neighbors._ball_tree", f"BallTree{bits}"): _TREE_OF_NEIGHBOURS for bits in ("", "32", "64")},
    **{
        (module, f"{kind}_{form}"): check
        for kind, check in _MATRICES.items()
        for form in ("matrix", "array")
        for module in (f"scipy.sparse._{kind}", f"scipy.sparse.{kind}")
    },
    ("scipy.interpolate._bsplines", "BSpline"): Kind("spline", matrices.check_spline),
    ("numpy.random.mtrand", "RandomState"): _RANDOM,
    ("numpy.random._generator", "Generator"): _RANDOM,
    ("numpy.random._pickle", "__randomstate_ctor"): _RANDOM,
    ("numpy.random._pickle", "__bit_generator_ctor"): _RANDOM,
    ("xgboost.core", "Booster"): Kind("booster", boosters.check_xgboost),
    ("lightgbm.basic", "Booster"): Kind("booster", boosters.check_lightgbm),
}
"""Module and class -> how objects of it are checked."""
OWNERS = (
    Owner(frozenset({"tree_"}), trees.check_owner),
    Owner(frozenset({"estimators_", "estimator_", "n_outputs_"}), trees.check_forest),
    Owner(frozenset({"estimators_", "init_", "train_score_"}), trees.check_stages),
    Owner(frozenset({"estimators_", "estimators_features_"}), trees.check_bag),
    Owner(frozenset({"_predictors", "_bin_mapper"}), histograms.check_boosting),
    Owner(frozenset({"_fit_X", "n_samples_fit_"}), neighbours.check_lookup),
    Owner(frozenset({"support_vectors_"}), machines.check_machine),
    Owner(frozenset({"cluster_centers_"}), clusters.check_centres),
    Owner(frozenset({"subcluster_centers_"}), clusters.check_subclusters),
)
"""Attributes -> how the estimators that have all of them are checked."""


def check(path: Path, made: Iterable[Made], read: Read) -> None:
    """Check every object that a load of the file at `path` would make; raises `BuildError` for the first bad one.

    `read` gives the bytes that the replay passed over.
    """
    asked = [(value, *found) for value in made for found in _checks(value)]
    asked.sort(key=lambda entry: not entry[1])  # an estimator after what it holds: that is told more exactly
    counts: Counter[str] = Counter()
    with brought(path, (value for value, _, _ in asked), read):
        for value, label, examine in asked:
            what = _damage(examine)
            if what is not None:
                name = ".".join(name_of(value) or ())
                whose = f"its {label} {counts[label]} ({name})" if label else f"its {name}"
                raise refusal(path.name, f"{whose} {what}")
            counts[label] += 1


def _damage(examine: Callable[[], None]) -> str | None:
    """What is wrong with an object, as a phrase that follows its name."""
    try:
        examine()
    except Damaged as damage:
        return str(damage)
    except UNEXPECTED:
        return "has arrays in a form that no training writes"
    return None


def _checks(value: Made) -> list[tuple[str, Callable[[], None]]]:
    """What to call the object, with its check, for each table that knows it."""
    name = name_of(value) or ("", "")
    kind = KINDS.get(name) or (_METRIC if name[0] in neighbours.METRICS else None)
    found: list[tuple[str, Callable[[], None]]] = [(kind.label, partial(kind.check, value))] if kind else []
    attributes = value.attributes if value.state is not None else {}
    owners = (owner for owner in OWNERS if owner.attributes <= attributes.keys())
    return [*found, *(("", partial(_check_owner, owner, value)) for owner in owners)]


def _check_owner(owner: Owner, value: Made) -> None:
    state = fields(value)
    need(len(state) < KEPT, "has more attributes than an estimator has")  # not all of them would be seen here
    owner.check(state)


def refusal(file: str, what: str) -> BuildError:
    """The refusal of a file that no training wrote."""
    return BuildError("audit", f"{file} is damaged or hostile: {what}", FIX)
