"""Models in formats of their own. None is served yet; a hostile one is refused as what it is, not as a wish."""

from collections.abc import Callable
from pathlib import Path

from modelcast_builder.errors import BuildError

from . import lightgbm, onnx, xgboost
from .damage import Damaged, Unreadable, need

MOST_BYTES = 256 * 1024**2
"""Bytes of a model of boosted trees that is read whole."""


def _check_xgboost(path: Path) -> None:
    xgboost.check_booster(_content(path))


def _check_lightgbm(path: Path) -> None:
    lightgbm.check_model(_content(path).decode("utf-8", "replace").replace("\r\n", "\n"))


_CHECKS: dict[str, Callable[[Path], None]] = {
    "onnx": onnx.check_file,
    "xgboost": _check_xgboost,
    "lightgbm": _check_lightgbm,
}


def check(path: Path, kind: str) -> None:
    """Check the file at `path`, of one of the kinds that have a format of their own; raises `BuildError`."""
    try:
        _CHECKS[kind](path)
    except (Unreadable, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return  # it is refused all the same, with what to save instead
    except Damaged as damage:
        problem = f"{path.name} is damaged or hostile: it {damage}"
        fix = "Do not open it with another tool either: save the model again where it was trained"
        raise BuildError("audit", problem, fix) from None


def _content(path: Path) -> bytes:
    need(path.stat().st_size <= MOST_BYTES, f"is larger than {MOST_BYTES // 1024**2} MiB")
    return path.read_bytes()
