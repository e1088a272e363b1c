"""The runtime's wheel, made from whatever copy is installed, and installed again."""

import base64
import csv
import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest
from modelcast_builder import runtime_wheel
from modelcast_builder.environment import base_python, use_uv

BUILDER = Path(runtime_wheel.__file__).parents[1]
MAKE = """
import pathlib, sys
from modelcast_builder import runtime_wheel
print(runtime_wheel.build(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime_wheel.build(tmp_path_factory.mktemp("wheel"))


def empty_environment(root: Path) -> Path:
    assert use_uv()("venv", "--quiet", "--no-project", "--python", str(base_python()), str(root)).ok
    return root / "bin" / "python"


def run_there(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python elsewhere that sees the builder's modules and nothing of the checkout's runtime."""
    env = {"PYTHONPATH": str(BUILDER), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([python, *arguments], env=env, cwd="/", capture_output=True, text=True, check=False)


def test_the_same_copy_makes_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = runtime_wheel.build(tmp_path / "other")
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


def test_the_wheel_holds_the_package_and_a_correct_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        listed = {name: (told, size) for name, told, size in csv.reader(archive.read(record).decode().splitlines())}
        for name in names:
            data = archive.read(name)
            told = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert listed[name] == (("", "") if name == record else (f"sha256={told}", str(len(data))))
    assert set(listed) == set(names)
    assert names[-1] == record
    assert "modelcast_runtime/contract.py" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_an_installed_wheel_has_its_command_and_makes_itself_again(wheel: Path, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "environment")
    installed = use_uv()("pip", "install", "--quiet", "--no-deps", "--no-index", "--python", str(python), str(wheel))
    assert installed.ok, installed.err
    script = (python.parent / "modelcast-runtime").read_text()
    assert "from modelcast_runtime.cli import run" in script
    made = run_there(python, "-c", MAKE, str(tmp_path / "again"))
    assert made.returncode == 0, made.stderr
    assert Path(made.stdout.strip()).read_bytes() == wheel.read_bytes()


def test_a_runtime_that_is_not_installed_is_a_missing_part(tmp_path: Path) -> None:
    made = run_there(empty_environment(tmp_path / "environment"), "-c", MAKE, str(tmp_path))
    assert made.stderr.splitlines()[-1] == (
        "modelcast_builder.errors.MissingPart: environment: modelcast-runtime is not installed beside modelcast. "
        "Install ./runtime and ./builder again"
    )
