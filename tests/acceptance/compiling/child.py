"""The builder's modules as a build's child has them, and a model described as a build describes it."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any


def become_the_child(inside: str, converter: str) -> None:
    """Make the package that `inside/__main__.py` makes; the converter's packages stand behind the model's."""
    import sys

    spec = importlib.util.spec_from_file_location("inside_main", Path(inside) / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._become_package()
    sys.path.append(converter)


def part(name: str) -> Any:
    """A module of the child's."""
    return importlib.import_module(f"modelcast_inside.{name}")


def request_for(model: Any, rows: Any, converter: str, folder: Path) -> Any:
    """The model described, and what a build asks about it then."""
    import joblib

    code = folder / "code"
    code.mkdir()
    messages = part("messages")
    asked = messages.DescribeRequest(
        artifact="",
        framework="sklearn",
        code=str(code),
        definitions={},
        by_value=False,
        recorded=None,
        data=messages.Data(),
        inputs={},
        sealed=str(folder / "model.joblib"),
        sample=str(folder / "sample.joblib"),
    )
    joblib.dump(model, asked.sealed)
    described = part("describe")._from(part("examples").Examples(rows=rows, source="", is_recorded=True), model, asked)
    return messages.ConvertRequest(
        model=asked.sealed,
        code=str(code),
        converter=converter,
        signature=described.signature,
        task=described.task,
        golden=described.golden,
        sample=asked.sample,
        target=str(folder / "compiled"),
    )
