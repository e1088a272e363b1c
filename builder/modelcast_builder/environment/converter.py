"""The conversion environment: the model's own, and beside it a folder with the converter to ONNX.

The folder holds what the model's lock does not: skl2onnx, and the ONNX Runtime that will serve the graph. It is made
once for a lock, and where it cannot be made the model stays native: nobody has asked for these packages.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modelcast_builder.environment import index, locked
from modelcast_builder.environment.index import Place, from_houses, only_wheels
from modelcast_builder.environment.lock import Lock, lock_text
from modelcast_builder.environment.uv import Ran, Uv, use_uv
from modelcast_builder.environment.venv import SAVED, Environment, alone

FOLDER = "converters"
_DONE = "modelcast-converter"
"""Written last: what was installed, a pin a line."""
_PATIENCE = {"UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "5"}
"""A model can do without it: an index that does not answer is not waited for."""


class NoConverter(Exception):
    """Why there is none for this model, in words that end a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """The folder to put behind the model's packages, and what is in it by name and version."""

    folder: Path
    packages: Mapping[str, str]


def make_converter(
    environment: Environment, *, cache: Path, wheelhouse: Path | None = None, uv: Uv | None = None
) -> Converter:
    """The converter that fits the model's lock, from the cache where it was made before; raises `NoConverter`."""
    given = uv or use_uv()
    patient = replace(given, env={**_PATIENCE, **given.env})
    key = _key(environment, patient)
    root = cache / FOLDER / key
    with alone(cache / FOLDER / f"{key}.lock"):
        if not (root / _DONE).is_file():
            _make(root, environment, _ways(environment, patient, cache, wheelhouse))
    pins = (root / _DONE).read_text(encoding="utf-8").split()
    return Converter(folder=root, packages=dict(pin.split("==", 1) for pin in pins))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Where packages may come from."""

    place: Place
    houses: tuple[Path, ...] = ()
    """Folders of wheels that are asked in the place of an index."""
    words: str


def _ways(environment: Environment, uv: Uv, cache: Path, wheelhouse: Path | None) -> Iterator[_Way]:
    """The cheapest first: wheels on this disk, what uv keeps, the index. A repository with own wheels has no index."""
    own, python = environment.lock.wheels, environment.python
    place = Place(uv=uv, python=python, wheelhouse=wheelhouse, vendored=own)
    saved = cache / SAVED
    houses = (*place.houses, *((saved,) if saved.is_dir() and not own else ()))
    if houses:
        words = f"the wheelhouse {own.name} does not hold it" if own else "the wheelhouse does not hold it"
        yield _Way(place=place, houses=houses, words=words)
    if not own:
        yield _Way(place=replace(place, uv=replace(uv, env={**uv.env, "UV_OFFLINE": "1"})), words="")
        yield _Way(place=place, words=f"the package index {uv.hosts} cannot be reached")


def _make(root: Path, environment: Environment, ways: Iterator[_Way]) -> None:
    reason = ""
    for way in ways:
        ran, pins = _chosen(way, environment.lock)
        if ran.ok:
            ran = _installed(root, way, pins)
        if ran.ok:
            return
        reason = way.words if way.houses or ran.unreachable else ran.reason
    raise NoConverter(f"the converter to ONNX cannot be had: {reason}")


def converter_pins(place: Place, lock: Lock) -> tuple[str, ...]:
    """What a wheelhouse must hold beside a lock for its model to be compiled; nothing where no converter fits it."""
    _, pins = _chosen(_Way(place=place, words=""), lock)
    return pins


def _chosen(way: _Way, lock: Lock) -> tuple[Ran, tuple[str, ...]]:
    """The pins that the model's lock lacks: at the builder's own versions, else the newest of their day that fit."""
    held = {pin.partition("==")[0] for pin in (*lock.packages, *lock.serving)}
    ours = locked.converter_versions()
    fixed = (*lock.packages, *lock.serving)
    wanted = [f"{name}=={ours[name]}" for name in locked.CONVERTER_NAMES]
    pinned = [f"{name}=={version}" for name, version in ours.items() if name not in held]
    ran = index.pick(way.place, wanted, constraints=(*fixed, *pinned), alone=way.houses)
    if not ran.ok and not ran.unreachable:
        # ONNX Runtime is the one that will serve; a model with an older numpy or protobuf needs older tools.
        names = [pin if pin.startswith("onnxruntime==") else pin.partition("==")[0] for pin in wanted]
        date = "" if way.houses else locked.lock_date()
        ran = index.pick(way.place, names, constraints=fixed, as_of=date, alone=way.houses)
    return ran, tuple(pin for pin in index.pins_of(ran) if pin.partition("==")[0] not in held)


def _installed(root: Path, way: _Way, pins: Sequence[str]) -> Ran:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as aside:
        target = Path(aside) / "converter"
        options = ["--no-deps", "--target", str(target), "--python", str(way.place.python), *only_wheels()]
        options += from_houses(way.houses) if way.houses else []
        given = "\n".join(pins) + "\n"
        ran = way.place.uv("pip", "install", *options, "--requirements", "-", stdin=given)
        if ran.ok:
            (target / _DONE).write_text(given, encoding="utf-8")
            shutil.rmtree(root, ignore_errors=True)
            target.rename(root)
    return ran


def _key(environment: Environment, uv: Uv) -> str:
    ours = [f"{name}=={version}" for name, version in locked.converter_versions().items()]
    parts = (lock_text(environment.lock), sys.version, str(environment.lock.wheels or ""), *ours, *uv.sources)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
