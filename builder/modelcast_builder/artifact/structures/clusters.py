"""Clusterings, whose compiled code compares rows with centres as wide as the rows."""

from collections.abc import Mapping

from .damage import need
from .values import shape_of, whole

MOST_THREADS = 1024


def check_centres(state: Mapping[str, object]) -> None:
    """Check `cluster_centers_` [clusters, features] of K-means and its kin. Raises `Damaged`."""
    shape = shape_of(state["cluster_centers_"])
    need(not shape or shape[1:] == (whole(state.get("n_features_in_")),), "has centres of other features")
    threads = whole(state.get("_n_threads", 1))
    need(threads is not None and 0 < threads <= MOST_THREADS, "asks for threads that no machine has")


def check_subclusters(state: Mapping[str, object]) -> None:
    """Check `subcluster_centers_` of `Birch`, and their norms. Raises `Damaged`."""
    shape = shape_of(state["subcluster_centers_"])
    need(len(shape) == 2 and shape[1] == whole(state.get("n_features_in_")), "has centres of other features")
    need(shape_of(state.get("_subcluster_norms")) == shape[:1], "has norms of other centres")
