"""Random bytes that are drawn ahead: never given twice, whoever asks."""

import os
from concurrent.futures import ThreadPoolExecutor

from modelcast_runtime.entropy import SIZE, random_bytes


def test_no_two_are_the_same_from_many_threads() -> None:
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: random_bytes(), range(10_000)))
    assert len(set(drawn)) == len(drawn)
    assert set(map(len, drawn)) == {SIZE}


def test_a_child_has_none_of_its_parents() -> None:
    random_bytes()  # the rest of what was drawn for this one lies ready
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"".join(random_bytes() for _ in range(200)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        theirs = told.read()
    os.waitpid(child, 0)
    assert len(theirs) == 200 * SIZE
    assert not {theirs[at : at + SIZE] for at in range(0, len(theirs), SIZE)} & {random_bytes() for _ in range(200)}
