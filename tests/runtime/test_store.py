"""The shared block: sums over processes that add up exactly, slots that come back without a step backwards."""

import contextlib
import os
import traceback
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime.store import Layout, Series, Store

COUNTER = Series(name="seen_total", kind="counter", help="Seen.")
GAUGE = Series(name="open", kind="gauge", help="Open.")
HISTOGRAM = Series(name="size", kind="histogram", help="Size.", bounds=(1.0, 2.0))
LABELLED = Series(name="by_total", kind="counter", help="By.", labels=(("kind", "a"),))
LAYOUT = Layout.of([COUNTER, GAUGE, HISTOGRAM, LABELLED])

# Python >= 3.12 warns of any fork beside threads (numpy's own pool counts); gunicorn forks in just that state.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")


def fork(work: Callable[[], None]) -> int:
    """Run `work` in a child that inherits the store, and never comes back into pytest; its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def join(child: int) -> None:
    """Wait for a child and insist that it ended well."""
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_each_series_has_its_own_cells_in_order() -> None:
    spans = [LAYOUT.spans[series.name, series.labels] for series in LAYOUT.series]
    assert spans == [slice(0, 1), slice(1, 2), slice(2, 6), slice(6, 7)]
    assert (LAYOUT.width, LAYOUT.gauges) == (7, (1,))
    assert LAYOUT.start("by_total", (("kind", "a"),)) == 6


def test_two_series_of_one_name_and_labels_are_refused() -> None:
    with pytest.raises(ValueError) as caught:
        Layout.of([LABELLED, COUNTER, LABELLED])
    assert str(caught.value) == "two series are called by_total {'kind': 'a'}"


def test_a_series_that_is_not_laid_out_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        LAYOUT.start("by_total", (("kind", "b"),))


def test_a_new_store_is_all_zero() -> None:
    store = Store.create(LAYOUT, slots=3)
    assert store.total().tolist() == [0.0] * LAYOUT.width


def open_files() -> set[str]:
    """What this process holds open, without pipes and sockets."""
    held = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing itself
            held.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in held if name.startswith("/")}


def test_a_store_opens_no_file() -> None:
    before = open_files()
    store = Store.create(LAYOUT, slots=3)
    store.use(store.claim())
    store.row[0] = 1.0
    assert open_files() <= before


def test_a_store_without_slots_is_refused() -> None:
    with pytest.raises(ValueError) as caught:
        Store.create(LAYOUT, slots=0)
    assert str(caught.value) == "a store needs at least 1 slot, not 0"


def test_a_row_before_use_is_refused() -> None:
    store = Store.create(LAYOUT, slots=1)
    store.claim()
    with pytest.raises(RuntimeError) as caught:
        store.row  # noqa: B018
    assert str(caught.value) == "this process has no row in the store yet: call Store.use(slot) first"


@pytest.mark.parametrize("slot", [-1, 2])
def test_a_slot_outside_the_store_is_refused(slot: int) -> None:
    store = Store.create(LAYOUT, slots=2)
    with pytest.raises(ValueError) as caught:
        store.use(slot)
    assert str(caught.value) == f"slot {slot} is outside the store's 2"


def test_a_claim_beyond_the_last_slot_is_refused() -> None:
    store = Store.create(LAYOUT, slots=2)
    assert [store.claim(), store.claim()] == [0, 1]
    with pytest.raises(RuntimeError) as caught:
        store.claim()
    assert str(caught.value) == "all 2 slots of the store are claimed: release those of dead workers first"


@pytest.mark.parametrize("slot", [-1, 0, 2])
def test_a_release_of_what_is_not_claimed_is_refused(slot: int) -> None:
    store = Store.create(LAYOUT, slots=2)
    with pytest.raises(RuntimeError) as caught:
        store.release(slot)
    assert str(caught.value) == f"slot {slot} of the store is not claimed"


@forks
def test_four_processes_add_up_exactly() -> None:
    store = Store.create(LAYOUT, slots=5)
    events = 20_000

    def write(slot: int) -> None:
        store.use(slot)
        for _ in range(events):
            store.row[0] += 1.0
            store.row[6] += slot + 1.0

    children = [fork(partial(write, store.claim())) for _ in range(4)]
    for child in children:
        join(child)
    total = store.total()
    assert total[0] == 4 * events
    assert total[6] == (1 + 2 + 3 + 4) * events
    assert total.sum() == total[0] + total[6]


@forks
def test_a_child_sees_what_its_siblings_wrote() -> None:
    store = Store.create(LAYOUT, slots=2)
    first, second = store.claim(), store.claim()

    def write() -> None:
        store.use(first)
        store.row[0] = 41.0

    def read() -> None:
        store.use(second)
        store.row[0] += 1.0
        assert store.total()[0] == 42.0

    join(fork(write))
    join(fork(read))


@forks
def test_a_worker_killed_in_the_middle_leaves_its_counters_and_nothing_in_flight() -> None:
    store = Store.create(LAYOUT, slots=1)
    slot = store.claim()

    def die() -> None:
        store.use(slot)
        store.row[:] = 5.0
        os.kill(os.getpid(), 9)

    assert os.waitstatus_to_exitcode(os.waitpid(fork(die), 0)[1]) == -9
    assert store.total().tolist() == [5.0] * LAYOUT.width
    store.release(slot)
    assert store.total().tolist() == [5.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0]


def test_a_reused_slot_goes_on_counting_and_starts_with_empty_gauges() -> None:
    store = Store.create(LAYOUT, slots=1)
    store.use(store.claim())
    store.row[:] = 5.0
    store.release(0)
    store.row[1] = 3.0  # a worker that was not quite dead
    store.use(store.claim())
    assert store.row.tolist() == [5.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    store.row[0] += 1.0
    assert store.total()[0] == 6.0


@given(
    st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 2.0**60, 1e300]),
    st.sets(st.sampled_from([cell for cell in range(LAYOUT.width) if cell not in (1, 5)]), min_size=1),
)
def test_garbage_in_a_slot_is_in_no_sum_and_is_told(garbage: float, cells: set[int]) -> None:
    store = Store.create(LAYOUT, slots=3)
    for _ in range(2):
        store.use(store.claim())
        store.row[:] = 5.0
    assert store.unreadable() == 0
    store.row[list(cells)] = garbage
    assert store.unreadable() == 1
    assert store.total().tolist() == [5.0 if cell in cells else 10.0 for cell in range(LAYOUT.width)]


def test_a_slot_of_random_bytes_harms_no_other() -> None:
    store = Store.create(LAYOUT, slots=2)
    store.use(store.claim())
    store.row[:] = 5.0
    store.use(store.claim())
    store.row.view(np.uint8)[:] = 0xFF
    assert store.total().tolist() == [5.0] * LAYOUT.width
    store.release(1)
    assert (store.claim(), store.unreadable()) == (1, 0)  # whoever comes next counts from zero
    store.row[0] += 1.0
    assert store.total()[0] == 6.0


def test_a_sum_may_be_below_zero_and_beyond_what_is_exact() -> None:
    store = Store.create(LAYOUT, slots=1)
    store.use(store.claim())
    store.row[5] = -1e20
    assert (store.total()[5], store.unreadable()) == (-1e20, 0)


@given(st.lists(st.sampled_from(["claim", "release", "write"]), max_size=40))
def test_sums_never_decrease_and_no_slot_has_two_owners(steps: list[str]) -> None:
    store = Store.create(LAYOUT, slots=3)
    owned: list[int] = []
    counters = [cell for cell in range(LAYOUT.width) if cell not in LAYOUT.gauges]
    before = store.total()
    for step in steps:
        if step == "claim" and len(owned) < 3:
            owned.append(store.claim())
        elif step == "release" and owned:
            store.release(owned.pop(0))
        elif step == "write" and owned:
            store.use(owned[-1])
            store.row[:] += 1.0
        total = store.total()
        assert np.all(total[counters] >= before[counters])
        assert len(set(owned)) == len(owned)
        before = total
