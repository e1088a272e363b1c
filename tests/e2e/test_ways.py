"""The same source, by every way in which somebody builds with S2I, is the same bundle, and the image serves it."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import SAMPLES, Start
from tests.e2e.engine import HARDENED, S2i, docker

Build = Callable[[S2i, Path, str, Path], str]
IMAGE = "modelcast-e2e-way"


def engine_twice(s2i: S2i, source: Path, image: str, _: Path) -> str:
    """As `s2i create`'s own test: the first incremental build finds no image before it."""
    docker("image", "rm", "--force", image)
    s2i.build(source, image, "--incremental")
    return s2i.build(source, image, "--incremental")


def dockerfile_over_another(s2i: S2i, source: Path, image: str, context: Path) -> str:
    return s2i.build_as_dockerfile(source, image, context, "--incremental")


def sclorg(s2i: S2i, source: Path, image: str, context: Path) -> str:
    return s2i.build_as_sclorg(source, image, context)


def sclorg_over_another(s2i: S2i, source: Path, image: str, context: Path) -> str:
    return s2i.build_as_sclorg(source, image, context, is_incremental=True)


def by_hand(s2i: S2i, source: Path, image: str, context: Path) -> str:
    return s2i.build_by_hand(source, image, context)


WAYS: tuple[Build, ...] = (engine_twice, dockerfile_over_another, sclorg, sclorg_over_another, by_hand)
PLAIN = sorted(folder.name for folder in SAMPLES.iterdir() if folder.is_dir() and "-should-fail" not in folder.name)


@pytest.fixture
def image() -> Iterator[str]:
    """A name for what a test builds; gone when it ends."""
    yield IMAGE
    docker("image", "rm", "--force", IMAGE)


@pytest.fixture(scope="session")
def plain(breast_cancer: str, penguins: str) -> dict[str, str]:
    """The images that the other tests use: one by the engine's strategy, one by the generated Dockerfile."""
    return {"breast-cancer": breast_cancer, "penguins": penguins}


@pytest.mark.parametrize("sample", ["breast-cancer", "penguins"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_makes_the_same_bundle(
    s2i: S2i, image: str, plain: dict[str, str], sample: str, way: Build, tmp_path: Path, start: Start
) -> None:
    docker("tag", plain[sample], image)
    way(s2i, SAMPLES / sample, image, tmp_path)
    assert digest_of(image) == digest_of(plain[sample])
    answers_as_in_the_build(start(image, *HARDENED).url, image, SAMPLES / sample)


@pytest.mark.parametrize("sample", [name for name in PLAIN if name not in ("breast-cancer", "penguins")])
def test_every_sample_builds_without_a_network_and_answers(s2i: S2i, image: str, sample: str, start: Start) -> None:
    s2i.build(SAMPLES / sample, image)
    answers_as_in_the_build(start(image, *HARDENED).url, image, SAMPLES / sample)


def digest_of(image: str) -> str:
    """What the image itself says of its bundle."""
    told = docker("run", "--rm", "--network", "none", image, "cat", "/tmp/.s2i/image_metadata.json")
    labels = {name: text for label in json.loads(told)["labels"] for name, text in label.items()}
    return str(labels["modelcast.bundle-digest"])


def answers_as_in_the_build(url: str, image: str, source: Path) -> None:
    """Over the wire, its golden rows; a prediction.py has none, and is asked the examples beside it."""
    golden: dict[str, Any] = json.loads(docker("run", "--rm", image, "cat", "/opt/app-root/bundle/golden.json"))
    if golden["rows"]:
        asked = [{"request": {"instances": golden["rows"]}, "response": {"predictions": golden["predictions"]}}]
    else:
        asked = json.loads((source / "examples.json").read_text(encoding="utf-8"))
    assert asked
    for example in asked:
        answer = httpx.post(f"{url}/predict", json=example["request"], timeout=120)
        assert answer.status_code == 200, answer.text
        assert holds(example["response"], answer.json()), answer.text


def holds(expected: Any, told: Any) -> bool:
    """Whether an answer has what is expected; of objects only the keys that are named.

    The last bits of a number may differ: a compiled model adds up in another order.
    """
    if isinstance(expected, dict):
        return all(key in told and holds(value, told[key]) for key, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(told) and all(map(holds, expected, told))
    if isinstance(expected, float):
        return math.isclose(expected, told, rel_tol=1e-9, abs_tol=1e-9)
    return bool(expected == told)
