"""Which files are artifacts: by name where the name is a model's alone, by content where it is not."""

import re
from pathlib import Path

PICKLES = (".joblib", ".pkl", ".pickle")
BY_NAME = {**dict.fromkeys(PICKLES, "pickle"), ".skops": "skops", ".onnx": "onnx", ".ubj": "xgboost"}
LFS_HEAD = b"version https://git-lfs.github.com/spec/v1"
_HEAD = 4096
_XGBOOST_JSON = re.compile(rb'\s*\{\s*"(learner"\s*:\s*\{\s*"|version"\s*:.*"learner"\s*:)', re.DOTALL)
_LIGHTGBM_TEXT = re.compile(rb"tree\r?\nversion=v\d+\r?\n")


def kind_of(path: Path) -> str | None:
    """What kind of artifact lies at `path`: a key such as `pickle`, or None where it is none."""
    if path.is_dir():
        return "mlflow" if (path / "MLmodel").is_file() else None
    suffix = path.suffix.lower()
    if suffix == ".json":
        return "xgboost" if _XGBOOST_JSON.match(head(path)) else None
    if suffix == ".txt":
        return "lightgbm" if _LIGHTGBM_TEXT.match(head(path)) else None
    return BY_NAME.get(suffix)


def is_what_it_says(path: Path, kind: str) -> bool:
    """Whether the first bytes agree with a kind that was told by name; pickles are told by their replay."""
    start = head(path)
    if kind == "skops":
        return start.startswith(b"PK\x03\x04")  # a zip; what it holds is told by its schema
    if kind == "onnx":
        return start[:1] == b"\x08"  # ir_version, the first field that every writer sets
    if kind == "xgboost" and path.suffix.lower() == ".ubj":
        return start[:1] == b"{" and b"learner" in start
    return True


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)


def is_lfs_pointer(path: Path) -> bool:
    """Whether Git-LFS left its pointer here instead of the file."""
    return path.is_file() and head(path).startswith(LFS_HEAD)
