"""Makes rows that break a conversion, if anything does: what a compiled model is compared with its original on.

Ordinary rows (training, golden), rows on both sides of whatever the model compares a number with (`straddling`),
cells that are odd by themselves (`breaking_cells`), alone, in pairs and everywhere, and rows that are far from
training by orders of magnitude. The same model, signature and seed make the same rows.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Golden, Signature
from modelcast_runtime.formats.native import NativeScorer

from . import cuts, goldens
from .breaking_cells import Odd, odd_cells
from .grid import Grid, Part, columns, is_number, join, of_cells
from .grid import array as cells_of
from .kinds_of_rows import GOLDEN, TRAINING
from .straddling import Straddling

COUNT = 10_000
_SEED = 20181011
_TRAINING = 3_000
_SINGLE = 6_000
_FEW = 300
_SOME = 1_000
_MAGNITUDES = 10.0
_CHUNK = 2_000
_AT_A_TIME = 200
_MOST_REFUSALS = 500
"""Calls that may fail while single rows are looked for that the original refuses; then whole blocks are left out."""
_SHORT = 1_000
"""Texts up to this length go into mixtures; the longer ones into a row each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakingRows:
    """Rows that the original answers, what each is in words, and the answers."""

    columns: Columns
    kinds: tuple[str, ...]
    reference: Scores
    refused: Columns
    """Rows that the signature allows and that the original raises for, each by itself; they are not in `columns`."""
    refused_kinds: tuple[str, ...]

    def scored(self, score: Callable[[Columns], Scores]) -> Scores:
        """What another model answers for `columns`, some rows at a time.

        ONNX Runtime's tokenizer makes every row of a call as long as its longest: together they take gigabytes.
        """
        arrays, rows = self.columns.arrays, self.columns.rows
        return Scores.joined(
            [
                score(
                    Columns(
                        min(_AT_A_TIME, rows - start),
                        {name: array[start : start + _AT_A_TIME] for name, array in arrays.items()},
                    )
                )
                for start in range(0, rows, _AT_A_TIME)
            ]
        )


def breaking_rows(
    model: Any, signature: Signature, golden: Golden, sample: Any, *, count: int = COUNT, seed: int = _SEED
) -> BreakingRows:
    """At least `count` rows and what the model answers for them; raises ValueError where it answers none.

    `sample` are rows as the model was fitted on them (a frame, a 2-D array, a list of texts), or None.
    """
    generator = np.random.default_rng(seed)
    scorer = NativeScorer(model, signature)
    asked = _Asked(scorer, signature)
    ordinary = asked.keep(_ordinary(signature, golden, sample))
    if not len(ordinary):
        raise ValueError("the model answers none of its own rows")
    maker = _Maker(signature, ordinary, _vocabulary(model), generator)
    straddling = Straddling(signature, ordinary, generator)
    made = [straddling.rows(cuts.of(model, scorer.rows)), maker.parts()]
    if signature.classes is not None:
        made.append(straddling.between_labels(asked.labels))
    for part in chain.from_iterable(made):
        asked.keep(part)
    while (lacking := count - len(asked.kinds)) > 0:
        asked.keep(maker.mixtures(lacking))
    return asked.rows()


def _ordinary(signature: Signature, golden: Golden, sample: Any) -> Part:
    values = sample.to_numpy(dtype=object) if hasattr(sample, "columns") else sample
    found = [] if values is None else _sampled(values, signature)
    grid = of_cells([*found, *golden.rows], signature)
    return Part(grid, [TRAINING] * len(found) + [GOLDEN] * len(golden.rows))


def _sampled(values: Any, signature: Signature) -> list[goldens.Row]:
    chosen = np.unique(np.linspace(0, len(values) - 1, min(_TRAINING, len(values))).astype(int))
    rows = [goldens.row_of(values[index], signature.inputs) for index in chosen]
    return [row for row in rows if all(map(goldens.fits, row, signature.inputs))]


def _vocabulary(model: Any) -> tuple[str, ...]:
    words = (getattr(part, "vocabulary_", None) for part in cuts.nested(model))
    return tuple(sorted({word for known in words if known for word in known if isinstance(word, str)}))


class _Asked:
    """Asks the original, and keeps what it answers."""

    def __init__(self, scorer: NativeScorer, signature: Signature) -> None:
        self._scorer = scorer
        self._signature = signature
        self._wanted = frozenset(output.name for output in signature.outputs if output.name != "predict")
        self._failed = 0
        self._grids: list[Grid] = []
        self._refused: list[Part] = []
        self._scores: list[Scores] = []
        self.kinds: list[str] = []

    def rows(self) -> BreakingRows:
        """All that was kept."""
        refused = join([self._grids[0].take(slice(0)), *(part.grid for part in self._refused)])
        return BreakingRows(
            columns=columns(join(self._grids), self._signature),
            kinds=tuple(self.kinds),
            reference=Scores.joined(self._scores),
            refused=columns(refused, self._signature),
            refused_kinds=tuple(kind for part in self._refused for kind in part.kinds),
        )

    def labels(self, grid: Grid) -> np.ndarray:
        """What it predicts, and nothing else."""
        with _calm():
            return self._scorer.score(columns(grid, self._signature), frozenset()).predictions

    def keep(self, part: Part) -> Grid:
        """Keep those rows of the part that it answers, and give them."""
        kept = [np.zeros(0, dtype=int)]
        for start in range(0, len(part.grid), _CHUNK):
            kept += self._answered(part, np.arange(start, min(start + _CHUNK, len(part.grid))))
        rows = np.concatenate(kept)
        self._grids.append(part.grid.take(rows))
        self.kinds += [part.kinds[row] for row in rows]
        return self._grids[-1]

    def _answered(self, part: Part, rows: np.ndarray) -> Iterator[np.ndarray]:
        pending = [rows]
        while pending:
            asked = pending.pop()
            try:
                with _calm():
                    scores = self._scorer.score(columns(part.grid.take(asked), self._signature), self._wanted)
            except Exception:  # noqa: BLE001 - whatever the model raises: it does not take one of these rows
                self._failed += 1
                if len(asked) == 1:
                    self._refused.append(Part(part.grid.take(asked), [part.kinds[asked[0]]]))
                elif self._failed < _MOST_REFUSALS:
                    pending += np.array_split(asked, 2)[::-1]
            else:
                self._scores.append(scores)
                yield asked


@contextmanager
def _calm() -> Iterator[None]:
    """Numbers that overflow on the way are meant to."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


class _Maker:
    """Makes rows around ordinary ones."""

    def __init__(
        self, signature: Signature, ordinary: Grid, words: tuple[str, ...], generator: np.random.Generator
    ) -> None:
        self._inputs = signature.inputs
        self._ordinary = ordinary
        self._generator = generator
        self._odd = [
            odd_cells(column, _cells(cells), words, signature.largest)
            for column, cells in zip(signature.inputs, ordinary.arrays, strict=True)
        ]
        self._short = [[odd for odd in found if len(str(odd.cell)) <= _SHORT] for found in self._odd]
        self._numbers = [index for index, column in enumerate(signature.inputs) if is_number(column)]
        self._texts = [
            index for index, column in enumerate(signature.inputs)
            if column.dtype == "string" and column.categories is None
        ]  # fmt: skip

    def parts(self) -> Iterator[Part]:
        """Every kind of them."""
        yield self._one_odd_cell()
        yield self._several_odd_cells(_SOME, 2, "two odd cells")
        yield self._several_odd_cells(_SOME, len(self._inputs), "odd cells everywhere")
        yield self._same_everywhere()
        yield self._far()
        yield self._whole()
        if any(column.nullable for column in self._inputs):
            yield self._missing()

    def mixtures(self, rows: int) -> Part:
        """Each cell from another ordinary row; numbers anywhere between two of them, texts of pieces of odd ones."""
        arrays = [self._picked(cells, rows) for cells in self._ordinary.arrays]
        for index in self._numbers:
            other = self._picked(self._ordinary.arrays[index], rows)
            share = self._generator.choice([0.0, 1.0, 0.5, 0.1, 1.1], rows) * self._generator.uniform(0, 1, rows)
            arrays[index] = arrays[index] + share * (other - arrays[index])
        for index in self._texts:
            arrays[index] = cells_of(self._inputs[index], [self._text(index) for _ in range(rows)])
        return Part(Grid(tuple(arrays)), ["a mixture of ordinary rows"] * rows)

    def _text(self, index: int) -> str:
        pieces = [str(odd.cell) for odd in self._choose(self._short[index], int(self._generator.integers(1, 8)))]
        seen = str(self._picked(self._ordinary.arrays[index], 1)[0] or "").split()
        pieces += [str(word) for word in self._choose(seen, 4)] if seen else []
        self._generator.shuffle(pieces)
        return str(self._generator.choice([" ", ", ", "\n", "-", "'", ". ", "\u00a0"])).join(pieces)

    def _choose(self, among: list[Any], count: int) -> list[Any]:
        return [among[index] for index in self._generator.integers(len(among), size=count)]

    def _picked(self, cells: np.ndarray, rows: int) -> np.ndarray:
        return cells[self._generator.integers(len(cells), size=rows)]

    def _some(self, rows: int) -> list[np.ndarray]:
        return list(self._ordinary.take(self._generator.integers(len(self._ordinary), size=rows)).arrays)

    def _one_odd_cell(self) -> Part:
        most = max(1, _SINGLE // len(self._inputs))
        chosen = [(index, odd) for index, found in enumerate(self._odd) for odd in self._thinned(found, most)]
        arrays = self._some(len(chosen))
        for row, (index, odd) in enumerate(chosen):
            arrays[index][row] = np.nan if odd.cell is None and index in self._numbers else odd.cell
        return Part(Grid(tuple(arrays)), [odd.kind for _, odd in chosen])

    def _thinned(self, found: list[Odd], most: int) -> list[Odd]:
        if len(found) <= most:
            return found
        kept = np.sort(self._generator.choice(len(found), most, replace=False))
        return [found[index] for index in kept]

    def _several_odd_cells(self, rows: int, width: int, kind: str) -> Part:
        arrays = self._some(rows)
        for index, found in enumerate(self._short):
            if not found:
                continue
            is_odd = self._generator.random(rows) < width / len(self._inputs)
            odd = cells_of(self._inputs[index], [one.cell for one in self._choose(found, rows)])
            arrays[index] = np.where(is_odd, odd, arrays[index])
        return Part(Grid(tuple(arrays)), [kind] * rows)

    def _same_everywhere(self) -> Part:
        """All numbers at the same extreme at once."""
        longest = max((len(self._odd[index]) for index in self._numbers), default=0)
        arrays = self._some(longest)
        for index in self._numbers:
            odd = cells_of(self._inputs[index], [one.cell for one in self._odd[index]])
            if len(odd):
                arrays[index] = odd[np.arange(longest) % len(odd)]
        return Part(Grid(tuple(arrays)), ["all numbers at the same extreme"] * longest)

    def _far(self) -> Part:
        arrays = self._some(_SOME)
        at_once = 10.0 ** self._generator.uniform(-_MAGNITUDES, _MAGNITUDES, _SOME)
        together = self._generator.random(_SOME) < 0.5
        for index in self._numbers:
            apart = 10.0 ** self._generator.uniform(-_MAGNITUDES, _MAGNITUDES, _SOME)
            arrays[index] = (
                arrays[index] * np.where(together, at_once, apart) * self._generator.choice([1, 1, -1], _SOME)
            )
        return Part(Grid(tuple(arrays)), ["numbers of other orders of magnitude"] * _SOME)

    def _whole(self) -> Part:
        arrays = self._some(_FEW)
        for index in self._numbers:
            arrays[index] = np.round(arrays[index])
        return Part(Grid(tuple(arrays)), ["whole numbers"] * _FEW)

    def _missing(self) -> Part:
        arrays = self._some(_FEW)
        share = np.linspace(0.1, 1.0, _FEW)
        for index, column in enumerate(self._inputs):
            if column.nullable:
                arrays[index][self._generator.random(_FEW) <= share] = np.nan if index in self._numbers else None
        return Part(Grid(tuple(arrays)), ["several missing values"] * _FEW)


def _cells(cells: np.ndarray) -> Iterable[Any]:
    return [cell for cell in cells.tolist() if cell is not None and cell == cell]  # noqa: PLR0124 - NaN is missing
