"""What a bagged forest says of the rows it was grown on, by those of its trees only that did not see the row.

A forest is much surer of its own rows than of any new ones (a PSI of 0.6 to 0.9 between the two, without any drift,
for scikit-learn's usual settings): what it says of them as a whole is nothing to compare with (Breiman, 2001).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.formats import within
from modelcast_runtime.watching import Numbers, Told

from .reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfBag:
    """Which trees did not see which reference row."""

    ids: Any
    """[rows, trees], the leaves."""
    unseen: Any
    """[rows, trees], bool."""
    last: Any
    """The forest."""

    def mean(self, numbers: Numbers) -> Numbers:
        """Of numbers [rows, trees, ...] the mean over the trees that did not see the row, NaN where all did."""
        weights = self.unseen.reshape(*self.unseen.shape, *[1] * (numbers.ndim - 2))
        with np.errstate(invalid="ignore"):
            mean: Numbers = (numbers * weights).sum(axis=1) / weights.sum(axis=1)
        return mean

    def said(self) -> Told:
        """The probability, or the number, that new rows like these would be answered."""
        values = np.stack(
            [member.tree_.value[self.ids[:, place], 0] for place, member in enumerate(self.last.estimators_)], axis=1
        )
        if not hasattr(self.last, "classes_"):
            return {("prediction", "prediction"): self.mean(values)[:, 0]}
        shares = self.mean(values / values.sum(axis=2, keepdims=True))
        return {("score", "probability"): shares[:, 1] if shares.shape[1] == 2 else shares.max(axis=1)}


def find(model: Any, given: Any, rows: Reference) -> OutOfBag | None:
    """None for any other model, and where these are not the rows, or not the order, that the forest was grown on.

    `given` are the reference rows as the model takes them. A forest tells by number which rows a tree saw, and each
    leaf how many of them it holds: no leaf may hold more of the reference rows than that.
    """
    last, front = within.parts_of(model)
    # Before scikit-learn 1.4 a forest does not tell.
    if not getattr(last, "bootstrap", False) or not hasattr(last, "estimators_samples_") or last.n_outputs_ != 1:
        return None
    ask = within.leaf_ids(last)
    if ask is None or last._n_samples != rows.total:  # noqa: SLF001 - nothing else has it
        return None
    ids = ask(within.before_last(front, given))
    unseen = np.ones(ids.shape, dtype=bool)
    for place, (member, samples) in enumerate(zip(last.estimators_, last.estimators_samples_, strict=True)):
        seen = np.isin(rows.places, samples)
        if (np.bincount(ids[seen, place], minlength=member.tree_.node_count) > member.tree_.n_node_samples).any():
            return None
        unseen[:, place] = ~seen
    return OutOfBag(ids=ids, unseen=unseen, last=last)
