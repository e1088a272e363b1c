"""The builder's own lock, carried as package data: what the model gets where its repository pins nothing."""

from collections.abc import Mapping
from functools import cache
from importlib import metadata, resources

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MODEL_NAMES = ("scikit-learn", "numpy", "pandas", "joblib", "ipykernel")
"""What the model's environment always has; added where the repository names none."""
EXTRA_NAMES = ("matplotlib",)
"""What notebooks usually import beside; the image's wheelhouse carries it."""
RUNTIME = "modelcast-runtime"
CONVERTER_NAMES = ("skl2onnx", "onnx", "onnxruntime")
"""What makes and tries an ONNX graph; it comes beside the model's environment and is no part of it."""


def model_versions() -> Mapping[str, str]:
    """The locked version of every package of the model set and of the extras, for the running Python."""
    return {**_versions("model"), **_versions("extras")}


def serving_versions() -> Mapping[str, str]:
    """The locked version of every package that the service brings (numpy is the model's)."""
    return _versions("runtime")


def served_versions() -> Mapping[str, str]:
    """The locked version of every package that serves a compiled model, in the runtime image."""
    return _versions("served")


def converter_versions() -> Mapping[str, str]:
    """The locked version of every package of the converter."""
    return _versions("converter")


def lock_date() -> str:
    """The moment that the locks were made as of, RFC 3339."""
    return _text("date").strip()


def runtime_ranges() -> tuple[str, ...]:
    """The runtime's own dependencies, as wide as it declares them, without its extras."""
    declared = [Requirement(entry) for entry in metadata.requires(RUNTIME) or ()]
    return tuple(
        sorted(str(entry) for entry in declared if entry.marker is None or entry.marker.evaluate({"extra": ""}))
    )


def serving_names() -> frozenset[str]:
    """The packages that the service brings itself, so a repository's wish for them is left out."""
    declared = {canonicalize_name(Requirement(entry).name) for entry in runtime_ranges()}
    return frozenset(declared & set(serving_versions()))


@cache
def _versions(name: str) -> Mapping[str, str]:
    pins = [Requirement(line) for line in _text(name).splitlines()]
    holding = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in holding}


def _text(name: str) -> str:
    return (resources.files("modelcast_builder") / "locks" / f"{name}.txt").read_text(encoding="utf-8")
