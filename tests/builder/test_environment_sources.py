"""Which file says what the model needs, and what pyproject.toml, uv.lock and environment.yml say: read, noted or refused."""

import platform
import sys
from pathlib import Path

import pytest
from modelcast_builder.environment import Requirements, read_environment
from modelcast_builder.errors import BuildError

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
EXACT = platform.python_version()


def repository(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = root / name.replace("_DOT_", ".").replace("_DASH_", "-")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def asked(root: Path, file: str, content: str | bytes) -> Requirements:
    (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_environment(root)


def refusal(root: Path, file: str, content: str | bytes) -> str:
    with pytest.raises(BuildError) as refused:
        asked(root, file, content)
    return str(refused.value)


# --- which file rules

PYPROJECT = '[project]\nname = "a"\ndependencies = ["six==1.16.0"]\n'
CONDA = "dependencies: [numpy=1.26]\n"
UV_LOCK = """version = 1
[[package]]
name = "a"
source = { virtual = "." }
dependencies = [{ name = "idna" }]

[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://index.example.org/simple" }
"""


def test_one_file_rules_and_the_others_are_noted(tmp_path: Path) -> None:
    files = {
        "environment.yml": (CONDA, "numpy==1.26.*"),
        "pyproject.toml": (PYPROJECT, "six==1.16.0"),
        "uv.lock": (UV_LOCK, "idna==3.7"),
        "requirements.txt": ("pandas", "pandas"),
    }
    rivals: list[str] = []
    for file, (content, entry) in files.items():
        found = asked(tmp_path, file, content)
        assert ((*found.pins, *found.ranges), found.file) == ((entry,), file)
        assert found.notes == tuple(f"{rival} is not read: {file} rules" for rival in reversed(rivals))
        rivals.append(file)


@pytest.mark.parametrize(
    ("empty", "text"),
    [
        ("requirements.txt", "# nothing yet\n\n"),
        ("pyproject.toml", '[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = []\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = ">=3.9"\n'),
    ],
)
def test_a_file_that_names_nothing_rules_nothing(tmp_path: Path, empty: str, text: str) -> None:
    (tmp_path / empty).write_text(text)
    assert read_environment(tmp_path) == Requirements()
    (tmp_path / "environment.yml").write_text("dependencies:\n  - pandas=2.2.1\n")
    assert read_environment(tmp_path) == Requirements(pins=("pandas==2.2.1",), file="environment.yml")


def test_an_environment_file_that_lists_nothing_rules_nothing(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: []\n")
    assert read_environment(tmp_path) == Requirements()


def test_requirements_that_do_not_hold_here_rule_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six; python_version < '3'\n")
    (tmp_path / "environment.yml").write_text("dependencies:\n  - pandas=2.2.1\n")
    assert read_environment(tmp_path) == Requirements(notes=("environment.yml is not read: requirements.txt rules",))


def test_a_pyproject_that_holds_the_settings_of_tools_is_no_rival_and_rules_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 99\n")
    assert read_environment(tmp_path) == Requirements()
    assert asked(tmp_path, "requirements.txt", "six").notes == ()
    (tmp_path / "requirements.txt").unlink()
    assert asked(tmp_path, "environment.yaml", CONDA) == Requirements(
        ranges=("numpy==1.26.*",), file="environment.yaml"
    )


@pytest.mark.parametrize(
    ("file", "fix"),
    [
        ("Pipfile", "Write what it names into requirements.txt, one `NAME==VERSION` a line"),
        ("Pipfile.lock", "Write it as requirements.txt: `pipenv requirements > requirements.txt`"),
        (
            "poetry.lock",
            "Write it as requirements.txt: `poetry export --without-hashes --output requirements.txt`",
        ),
    ],
)
def test_another_tools_file_alone_is_refused_and_beside_another_one_it_is_noted(
    tmp_path: Path, file: str, fix: str
) -> None:
    assert refusal(tmp_path, file, "x") == f"environment: {file} says what the model needs, and is not read. {fix}"
    assert asked(tmp_path, "pyproject.toml", PYPROJECT).notes == (f"{file} is not read: pyproject.toml rules",)


def test_a_setup_script_is_not_executed_and_that_is_noted(tmp_path: Path) -> None:
    note = "setup.py is not executed: what the model needs belongs into requirements.txt"
    assert asked(tmp_path, "setup.py", "raise SystemExit(1)") == Requirements(notes=(note,))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("file", ["pyproject.toml", "environment.yml", "uv.lock"])
def test_every_file_is_read_however_an_editor_saved_it(tmp_path: Path, file: str, encoding: str) -> None:
    content = {"pyproject.toml": PYPROJECT, "environment.yml": CONDA, "uv.lock": UV_LOCK}[file]
    plain = asked(tmp_path, file, content)
    saved = content.rstrip().replace("\n", "\r\n").encode(encoding)
    assert asked(tmp_path, file, saved) == plain


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.toml").write_text(PYPROJECT)
    root = tmp_path / "repository"
    root.mkdir()
    (root / "pyproject.toml").symlink_to(tmp_path / "outside.toml")
    with pytest.raises(BuildError) as refused:
        read_environment(root)
    told = "environment: pyproject.toml is a link out of the repository. Put the file itself there"
    assert str(refused.value) == told


# --- pyproject.toml


def test_the_projects_dependencies_are_read_and_its_groups_are_noted(tmp_path: Path) -> None:
    content = """
[project]
name = "penguins"
requires-python = ">=3.9"
dependencies = [
    "scikit-learn==1.4.2",
    "Pandas>=1.5 ; python_version >= '3'",
    "six ; python_version < '3'",
    "flask>=2",
]
[project.optional-dependencies]
plots = ["matplotlib"]
[dependency-groups]
dev = ["pytest"]
"""
    assert asked(tmp_path, "pyproject.toml", content) == Requirements(
        pins=("scikit-learn==1.4.2",),
        ranges=("pandas>=1.5",),
        notes=(
            "flask>=2 in pyproject.toml is left out: the service brings its own",
            "the groups dev, plots of pyproject.toml are left out: the model needs its dependencies alone",
        ),
        file="pyproject.toml",
    )


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ('"^1.2"', "numpy<2,>=1.2"),
        ('"^0.2.3"', "numpy<0.3,>=0.2.3"),
        ('"^0.0.3"', "numpy<0.0.4,>=0.0.3"),
        ('"^0"', "numpy<1,>=0"),
        ('"~1.2"', "numpy<1.3,>=1.2"),
        ('"~1.2.3"', "numpy<1.3,>=1.2.3"),
        ('"~1"', "numpy<2,>=1"),
        ('"1.26.4"', "numpy==1.26.4"),
        ('"==1.26.4"', "numpy==1.26.4"),
        ('"1.26.*"', "numpy==1.26.*"),
        ('"*"', "numpy"),
        ('">=1.2,<2 "', "numpy<2,>=1.2"),
        ('">= 1.2 < 2"', "numpy<2,>=1.2"),
        ('"~=1.2"', "numpy~=1.2"),
        ('"^1.2,!=1.3"', "numpy!=1.3,<2,>=1.2"),
        ('{ version = "^1.2", extras = ["x"] }', "numpy[x]<2,>=1.2"),
        ('{ version = "1.2", python = ">=3.6" }', "numpy==1.2"),
        ('{ version = "1.2", markers = "python_version < \'3\'" }', None),
        ('{ version = "1.2", python = "<3" }', None),
        ('{ version = "1.2", optional = true }', None),
        ('[{ version = "1.2", python = "<3" }, { version = "1.3", python = ">=3" }]', "numpy==1.3"),
    ],
)
def test_poetrys_constraints_are_read_as_poetry_means_them(tmp_path: Path, said: str, read: str | None) -> None:
    content = f'[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\npython = ">=3.8"\nnumpy = {said}\n'
    found = asked(tmp_path, "pyproject.toml", content)
    assert (*found.pins, *found.ranges) == ((read,) if read else ())


HOW = "Write a version, ^1.2, ~1.2, * or a range with commas, or name the packages in requirements.txt"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{ git = "https://me:secret@host/own.git" }', "comes from a git, which is not supported"),
        ('{ path = "../own" }', "comes from a path, which is not supported"),
        ('{ url = "https://me:secret@host/own.whl" }', "comes from a url, which is not supported"),
        ('"^1.2 || ^2"', "has the constraint '^1.2 || ^2'"),
        ('"latest"', "has the constraint 'latest'"),
        ("7", "is neither a version nor a table"),
    ],
)
def test_what_of_poetry_is_not_supported_is_refused_with_its_line(tmp_path: Path, said: str, why: str) -> None:
    content = f'[tool.poetry.dependencies]\npython = "*"\nown = {said}\n'
    assert refusal(tmp_path, "pyproject.toml", content) == f"environment: pyproject.toml:3: own {why}. {HOW}"


OTHER = f"and this builder has {EXACT}. Take a builder with that Python, or correct the line"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            '[project]\nrequires-python = "<3.9"\ndependencies = []\n',
            f"pyproject.toml:2 asks for Python <3.9, {OTHER}",
        ),
        (
            '[tool.poetry.dependencies]\npython = "~3.8"\n',
            f"pyproject.toml:2 asks for Python >=3.8,<3.9, {OTHER}",
        ),
        (
            '[project]\ndependencies = ["six", "own @ git+https://me:secret@host/own"]\n',
            "pyproject.toml:2 names a local path or an address, which is not supported. Write NAME, NAME==VERSION or"
            " NAME with a range, or -r FILE of the same repository; `pip list --format=freeze` writes such lines",
        ),
        (
            '[project]\ndependencies = "six"\n',
            'pyproject.toml: `project.dependencies` is no list of texts. Write ["scikit-learn==1.4.2"]',
        ),
        (
            '[project]\ndynamic = ["dependencies"]\n',
            "pyproject.toml leaves the dependencies to a build (`dynamic`), which is not executed. "
            "Write them into requirements.txt",
        ),
        (
            "[project\n",
            "pyproject.toml is no TOML: Expected ']' at the end of a table declaration (at line 1, column 9). "
            "Mend that line",
        ),
    ],
)
def test_what_of_a_pyproject_cannot_be_taken_is_refused(tmp_path: Path, content: str, told: str) -> None:
    assert refusal(tmp_path, "pyproject.toml", content) == f"environment: {told}"


# --- uv.lock

HEAD = """version = 1
revision = 3
requires-python = ">=3.9"

[[package]]
name = "project"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "scikit-learn" },
    { name = "pandas", extra = ["excel"] },
    { name = "flask" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "numpy", version = "1.26.4", source = { registry = "https://index.example.org/simple" }, marker = "python_full_version >= '3'" },
    { name = "numpy", version = "1.16.0", source = { registry = "https://index.example.org/simple" }, marker = "python_full_version < '3'" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
]
"""


def package(
    name: str, version: str, *needs: str, source: str = 'registry = "https://index.example.org/simple"', more: str = ""
) -> str:
    listed = ", ".join(f'{{ name = "{need}" }}' for need in needs)
    head = f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n'
    return f"{head}dependencies = [{listed}]\n{more}"


BODY = (
    package("colorama", "0.4.6")
    + package("click", "8.1.7")
    + package("flask", "3.0.0", "click")
    + package("joblib", "1.4.0")
    + package("numpy", "1.16.0")
    + package("numpy", "1.26.4")
    + package("openpyxl", "3.1.2")
    + package("pandas", "2.2.1", "numpy", more='[package.optional-dependencies]\nexcel = [{ name = "openpyxl" }]\n'
        'hdf5 = [{ name = "tables" }]\n').replace('[{ name = "numpy" }]', '[{ name = "numpy", version = "1.26.4" }]')
    + package("pytest", "8.0.0")
    + package("scikit-learn", "1.4.2", "joblib")
    + package("tables", "3.9.0")
)  # fmt: skip


def test_uv_lock_gives_every_package_for_this_python_as_a_pin(tmp_path: Path) -> None:
    assert asked(tmp_path, "uv.lock", HEAD + BODY) == Requirements(
        pins=("joblib==1.4.0", "numpy==1.26.4", "openpyxl==3.1.2", "pandas==2.2.1", "scikit-learn==1.4.2"),
        notes=(
            "flask==3.0.0 in uv.lock is left out: the service brings its own",
            "the groups dev of uv.lock are left out: the model needs its dependencies alone",
        ),
        file="uv.lock",
    )


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('git = "https://me:secret@host/own?rev=1#abc"', "git"),
        ('url = "https://me:secret@host/joblib.whl"', "url"),
        ('path = "vendor/joblib.whl"', "path"),
        ('editable = "packages/joblib"', "editable"),
    ],
)
def test_a_package_that_no_index_has_is_refused_with_its_line(tmp_path: Path, source: str, kind: str) -> None:
    content = HEAD + BODY.replace(package("joblib", "1.4.0"), package("joblib", "1.4.0", source=source))
    line = content.splitlines().index('name = "joblib"') + 1
    assert refusal(tmp_path, "uv.lock", content) == (
        f"environment: uv.lock:{line}: joblib comes from a source of the kind {kind}, which is not supported. "
        "Release it to a package index, or put its modules into the repository and leave it out"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD, "uv.lock:6: project needs scikit-learn, which the file does not hold"),
        (BODY, "uv.lock holds no project at the root of the repository"),
        ("package = 1\n", "uv.lock is not as uv writes it"),
    ],
)
def test_a_damaged_uv_lock_is_refused(tmp_path: Path, content: str, told: str) -> None:
    assert refusal(tmp_path, "uv.lock", content) == f"environment: {told}. Write it again with `uv lock`"


# --- environment.yml


def test_a_conda_environment_gives_its_pip_part_and_what_pypi_has_too(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("idna==3.7")
    content = f"""name: penguins
channels: [conda-forge, nodefaults]
dependencies:
  - python={OURS}.99=hdb3f193_0_cpython
  - pip
  - openssl=3.0.2=h166bdaf_1
  - scikit-learn=1.4.2
  - conda-forge::numpy=1.26.*
  - pandas=2.2.1=py311h320fe9a_0
  - Scipy>=1.10,<2
  - joblib ==1.4.0
  - matplotlib-base
  - pyyaml 6.0.*
  - seaborn[version='>=0.12']
  - xgboost=2.0
  - flask
  - pip:
      - six==1.16.0   # exact
      - cloudpickle>=2
      - -r more.txt
prefix: /home/me/conda
"""
    assert asked(tmp_path, "environment.yml", content) == Requirements(
        pins=("scikit-learn==1.4.2", "pandas==2.2.1", "joblib==1.4.0", "six==1.16.0", "idna==3.7"),
        ranges=(
            "numpy==1.26.*", "scipy<2,>=1.10", "matplotlib", "pyyaml==6.0.*", "seaborn>=0.12", "xgboost==2.0.*",
            "cloudpickle>=2",
        ),
        notes=("flask in environment.yml is left out: the service brings its own",),
        file="environment.yml",
    )  # fmt: skip


CONDA_ALONE = (
    "Move what is on PyPI under `- pip:`, take the rest out, or name what the model imports in requirements.txt"
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "dependencies:\n- numpy\n- cudatoolkit=11.8\n",
            "environment.yml: cudatoolkit (line 3) is a package of conda alone, as far as modelcast knows. "
            + CONDA_ALONE,
        ),
        (
            "dependencies: [mkl, libgdal=3.6, r-base]",
            "environment.yml: mkl (line 1), libgdal (line 1), r-base (line 1) are packages of conda alone, as far as"
            f" modelcast knows. {CONDA_ALONE}",
        ),
        ("dependencies:\n- python=3.6.9\n", f"environment.yml:2 asks for Python 3.6, {OTHER}"),
        ("dependencies:\n- python>=3.6,<3.8\n", f"environment.yml:2 asks for Python >=3.6,<3.8, {OTHER}"),
        (
            "dependencies:\n- numpy=1.2|1.3\n",
            "environment.yml:2 is a constraint that is not supported: numpy=1.2|1.3. "
            "Write `- NAME`, `- NAME=VERSION` or a range with commas",
        ),
        (
            "dependencies:\n- pip:\n  - numpy\n  - git+https://me:secret@host/own\n",
            "environment.yml:4 names a local path or an address, which is not supported. Write NAME, NAME==VERSION or"
            " NAME with a range, or -r FILE of the same repository; `pip list --format=freeze` writes such lines",
        ),
        (
            "dependencies:\n- conda: [numpy]\n",
            "environment.yml:2 is neither a package nor the `pip:` part. Write `- NAME=VERSION`",
        ),
        (
            "dependencies: [numpy\n",
            "environment.yml:2 is no YAML: expected ',' or ']', but got '<stream end>'. Mend that line",
        ),
        (
            'dependencies:\n- "\\U00110000"\n',
            "environment.yml is no YAML: chr() arg not in range(0x110000). Put that value in quotes",
        ),
    ],
)
def test_what_of_a_conda_environment_cannot_be_taken_is_refused(tmp_path: Path, content: str, told: str) -> None:
    assert refusal(tmp_path, "environment.yml", content) == f"environment: {told}"
