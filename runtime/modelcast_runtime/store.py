"""Numbers that all workers write and any of them reads: one anonymous shared-memory block, one row a worker.

Made before the fork and inherited by every worker, so there is no file, no directory to wipe, and a read-only root
is enough. Each row has exactly one writer, the event loop's thread of the worker that claimed it, so there are no
locks: a cell is an aligned 8-byte float, which a reader sees either before or after a write, never half of it.
"""

import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Labels: TypeAlias = tuple[tuple[str, str], ...]
Cells: TypeAlias = npt.NDArray[np.float64]

_MOST = 2.0**53
"""Above it doubles are no longer exact: no counter gets there."""
_LARGEST = np.finfo(np.float64).max
_UNCLAIMED = "this process has no row in the store yet: call Store.use(slot) first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of a metric; `bounds` are a histogram's upper bounds, ascending and without +Inf."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Cells in a row: a histogram has one a bound (not cumulative), one above the last, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which cells of a row belong to which series; fixed for the life of the service."""

    series: tuple[Series, ...]
    spans: Mapping[tuple[str, Labels], slice]
    gauges: tuple[int, ...]
    width: int

    @classmethod
    def of(cls, series: Iterable[Series]) -> "Layout":
        """Give each series its cells, in order; raises `ValueError` where two have one name and labels."""
        ordered = tuple(series)
        spans: dict[tuple[str, Labels], slice] = {}
        width = 0
        for one in ordered:
            if (one.name, one.labels) in spans:
                message = f"two series are called {one.name} {dict(one.labels)}"
                raise ValueError(message)
            spans[one.name, one.labels] = slice(width, width + one.width)
            width += one.width
        gauges = tuple(spans[one.name, one.labels].start for one in ordered if one.kind == "gauge")
        return cls(series=ordered, spans=spans, gauges=gauges, width=width)

    def start(self, name: str, labels: Labels = ()) -> int:
        """The first cell of a series; raises `KeyError` where there is none."""
        first: int = self.spans[name, labels].start
        return first


class Store:
    """The block: `claim` and `release` in the parent, `use` and `row` in a worker, `total` anywhere."""

    def __init__(self, layout: Layout, block: Cells) -> None:
        """Call `create` instead, which allocates the block."""
        self.layout = layout
        self._block = block
        self._free = set(range(len(block)))
        self._row: Cells | None = None
        # A count is neither below zero nor inexact; a sum of numbers may be both, and a gauge for a moment.
        sums = [layout.spans[one.name, one.labels].stop - 1 for one in layout.series if one.kind == "histogram"]
        self._least, self._most = np.zeros(layout.width), np.full(layout.width, _MOST)
        self._least[[*sums, *layout.gauges]], self._most[[*sums, *layout.gauges]] = -_LARGEST, _LARGEST

    @classmethod
    def create(cls, layout: Layout, slots: int) -> "Store":
        """Allocate `slots` rows of zeros; before the fork, or the workers do not share them."""
        if slots < 1:
            message = f"a store needs at least 1 slot, not {slots}"
            raise ValueError(message)
        cells = slots * layout.width
        shared = mmap.mmap(-1, cells * np.dtype(np.float64).itemsize)  # anonymous, shared, zeroed by the kernel
        return cls(layout, np.frombuffer(shared, np.float64).reshape(slots, layout.width))

    def claim(self) -> int:
        """Take a free slot for the worker about to be forked; raises `RuntimeError` where none is left.

        Its counters go on from where the last worker left them, so that sums over the slots never decrease.
        """
        if not self._free:
            message = f"all {len(self._block)} slots of the store are claimed: release those of dead workers first"
            raise RuntimeError(message)
        slot = min(self._free)
        self._free.remove(slot)
        # What a dead worker left there would hide all that the next one counts.
        row = self._block[slot]
        row[~self._readable(row)] = 0.0
        self._clear_gauges(slot)
        return slot

    def release(self, slot: int) -> None:
        """Give a dead worker's slot back; its counters stay in the sums, what it had in flight is gone with it."""
        if slot in self._free or not 0 <= slot < len(self._block):
            message = f"slot {slot} of the store is not claimed"
            raise RuntimeError(message)
        self._clear_gauges(slot)
        self._free.add(slot)

    def use(self, slot: int) -> None:
        """In the worker: write to this slot from now on."""
        if not 0 <= slot < len(self._block):
            message = f"slot {slot} is outside the store's {len(self._block)}"
            raise ValueError(message)
        self._row = self._block[slot]

    @property
    def row(self) -> Cells:
        """The row that this process, and no other, writes; raises `RuntimeError` before `use`."""
        if self._row is None:
            raise RuntimeError(_UNCLAIMED)
        return self._row

    def total(self) -> Cells:
        """The sum over all slots, cell by cell: those of dead workers count too, what cannot be a count does not."""
        summed: Cells = np.where(self._readable(self._block), self._block, 0.0).sum(axis=0)
        return summed

    def unreadable(self) -> int:
        """Slots with a cell that nothing could have counted: not a number, infinite, below zero."""
        return int((~self._readable(self._block)).any(axis=1).sum())

    def _readable(self, cells: Cells) -> npt.NDArray[np.bool_]:
        """Cell by cell; what is no number is not above anything."""
        return (cells >= self._least) & (cells <= self._most)

    def _clear_gauges(self, slot: int) -> None:
        self._block[slot, list(self.layout.gauges)] = 0.0
