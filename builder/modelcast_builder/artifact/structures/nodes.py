"""Trees of nodes in arrays, as four libraries write them: each child after its parent, inside, and reached once.

The compiled code that walks them checks nothing: a child outside is read wherever it lies, a child that leads back is
walked for ever.
"""

import numpy as np
from numpy.typing import NDArray

from .damage import need

Indexes = NDArray[np.int64]


def check_children(left: Indexes, right: Indexes, inner: NDArray[np.bool_]) -> None:
    """Check the children of `inner` nodes; each of the three is as long as the tree. Raises `Damaged`."""
    count = len(left)
    parents = np.flatnonzero(inner)
    children = np.concatenate((left[parents], right[parents]))
    need(((children >= 0) & (children < count)).all(), "has a node whose child lies outside")
    need((children > np.concatenate((parents, parents))).all(), "has a node whose child leads back")
    need(len(children) == count - 1, "has a node that two others lead to, or none")
    # Each of the others once: as many children as others, and no two the same.
    need((np.bincount(children, minlength=count)[1:] == 1).all(), "has a node that two others lead to, or none")


def depth(left: Indexes, right: Indexes, inner: NDArray[np.bool_]) -> int:
    """Steps from the root to the deepest node, of children that were checked."""
    parents = np.flatnonzero(inner)
    above = np.zeros(len(left), dtype=np.int64)
    above[left[parents]] = parents
    above[right[parents]] = parents
    steps = np.ones(len(left), dtype=np.int64)
    steps[0] = 0
    # Each round doubles how far a node looks up: a chain of a million takes twenty.
    while above.any():
        steps += steps[above]
        above = above[above]
    return int(steps.max())


def check_paths(children: Indexes, count: int) -> None:
    """Check that no path from node 0 leaves the tree or comes back, whatever order the nodes are in. Raises `Damaged`.

    A path cannot enter a circle through a node that one other leads to; nodes that none leads to are never seen.
    """
    need(((children >= 0) & (children < count)).all(), "has a node whose child lies outside")
    times = np.bincount(children, minlength=count)
    need(times[0] == 0, "has a node whose child leads back")
    need((times <= 1).all(), "has a node that two others lead to")
