"""Which of the repository's own modules travel, and that with `code/` on sys.path they import."""

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from modelcast_builder import travel
from modelcast_builder.artifact import Artifact
from modelcast_builder.errors import BuildError


def write(repo: Path, files: Mapping[str, str]) -> Path:
    """A repository of these files."""
    for name, text in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return repo


def naming(repo: Path, *modules: str, at: str = "model.joblib", **more: object) -> Artifact:
    """An artifact whose globals name something of these modules."""
    names = frozenset((module, "Thing") for module in modules)
    return Artifact(path=repo / at, kind="pickle", size=1, sha256="0", globals=names, **more)


def targets(
    repo: Path,
    artifact: Artifact,
    imported: Mapping[str, Path] | None = None,
    code: Sequence[str] | None = None,
    roots: Iterable[str] = (),
) -> dict[str, str]:
    """Target -> source, relative to the repository."""
    planned = travel.plan(repo, artifact, imported=imported or {}, code=code, roots=[repo / root for root in roots])
    assert list(planned) == sorted(planned)
    return {file.target.as_posix(): file.source.relative_to(repo.resolve()).as_posix() for file in planned}


PACKAGE = {
    "lib/__init__.py": "",
    "lib/text.py": "from . import words\nfrom .deep.inner import x",
    "lib/words.py": "import outside",
    "lib/stop.txt": "a the",
    "lib/deep/__init__.py": "",
    "lib/deep/inner.py": "x = 1",
    "lib/notes.ipynb": "{}",
    "lib/.hidden": "",
    "lib/__pycache__/text.cpython-311.pyc": "",
    "outside.py": "",
    "other.py": "",
}
WHOLE = ["lib/__init__.py", "lib/deep/__init__.py", "lib/deep/inner.py", "lib/stop.txt", "lib/text.py", "lib/words.py"]

CASES: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "nothing of its own": ({"features.py": ""}, ["sklearn.pipeline", "numpy"], []),
    "a module": ({"features.py": "", "other.py": ""}, ["features"], ["features.py"]),
    "what it imports": (
        {"a.py": "import b.c, os", "b/c.py": "def f():\n    from d import e", "d.py": "", "e.py": ""},
        ["a"],
        ["a.py", "b/c.py", "d.py"],
    ),
    "a circle": ({"a.py": "import b", "b.py": "import a"}, ["a"], ["a.py", "b.py"]),
    "the whole package, and what any of it imports": (PACKAGE, ["lib.deep.inner"], [*WHOLE, "outside.py"]),
    "a plain folder: its modules only": (
        {"lib/text.py": "", "lib/more.py": "", "lib/data.csv": "", "top.py": ""},
        ["lib.text"],
        ["lib/more.py", "lib/text.py"],
    ),
    "a package before a file": ({"a.py": "", "a/__init__.py": ""}, ["a"], ["a/__init__.py"]),
    "from src": ({"src/features.py": "", "features2.py": ""}, ["features"], ["features.py"]),
    "as src": ({"src/features.py": ""}, ["src.features"], ["src/features.py"]),
    "broken code": ({"a.py": "import b\ndef (", "b.py": ""}, ["a"], ["a.py"]),
    "warnings of its own": ({"a.py": 'import b\nx = "\\d"', "b.py": ""}, ["a"], ["a.py", "b.py"]),
    "relative beyond the top": ({"a.py": "from .. import b\nfrom . import b", "b.py": ""}, ["a"], ["a.py"]),
    "the standard library's names": ({"types.py": "", "json/__init__.py": ""}, ["types", "json.decoder"], []),
    "names that are none": ({"a-b.py": ""}, ["a-b", "..a", "", "__main__", "/etc"], []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_artifact_names_travels_with_what_it_imports(case: str, tmp_path: Path) -> None:
    files, modules, expected = CASES[case]
    repo = write(tmp_path, files)
    assert sorted(targets(repo, naming(repo, *modules))) == sorted(expected)


def test_modules_beside_the_artifact_and_the_notebooks_are_found(tmp_path: Path) -> None:
    repo = write(tmp_path, {"models/clip.py": "import shared", "nb/shared.py": "", "nb/clip.py": "import shared"})
    artifact = naming(repo, "clip", at="models/model.joblib")
    assert targets(repo, artifact) == {"clip.py": "models/clip.py"}
    assert targets(repo, artifact, roots=["nb"]) == {"clip.py": "nb/clip.py", "shared.py": "nb/shared.py"}


def test_the_kernels_word_comes_first(tmp_path: Path) -> None:
    repo = write(tmp_path / "repo", {"features.py": "", "deep/place/features.py": "", "sklearn/__init__.py": ""})
    elsewhere = write(tmp_path / "site", {"sklearn/__init__.py": "", "lib.py": ""})
    imported = {
        "features": repo / "deep/place/features.py",
        "sklearn": elsewhere / "sklearn/__init__.py",
        "types": repo / "features.py",
    }
    assert targets(repo, naming(repo, "features", "sklearn.pipeline", "sklearn", "types"), imported) == {
        "features.py": "deep/place/features.py",
        "types.py": "features.py",
    }


def test_what_a_notebooks_definitions_use_travels(tmp_path: Path) -> None:
    repo = write(tmp_path, {"features.py": "import more", "more.py": "", "other.py": ""})
    imported = {"features": repo / "features.py", "os": Path(__file__)}
    both = {"features.py": "features.py", "more.py": "more.py"}
    assert targets(repo, naming(repo, "sklearn"), imported) == {}
    assert targets(repo, naming(repo, "__main__", main_names=frozenset({"Clip"})), imported) == both
    assert targets(repo, naming(repo, "x", by_value=True), imported) == both
    assert targets(repo, naming(repo, "x", imports=frozenset({"features"}))) == both


def test_the_artifact_does_not_travel_twice(tmp_path: Path) -> None:
    repo = write(tmp_path, {"lib/__init__.py": "", "lib/model.joblib": "x"})
    assert targets(repo, naming(repo, "lib", at="lib/model.joblib")) == {"lib/__init__.py": "lib/__init__.py"}


CODE: dict[str, tuple[list[str], list[str], list[str]]] = {
    "a file and a folder": (["other.py", "lib/"], [], ["other.py", *WHOLE]),
    "nothing": ([], ["lib.text"], []),
    "replaces": (["other.py"], ["lib.text"], ["other.py"]),
    "one file of a package": (["lib/text.py"], [], ["lib/text.py"]),
    "everything": (["."], [], sorted([*WHOLE, "other.py", "outside.py"])),
}


@pytest.mark.parametrize("case", CODE)
def test_code_replaces_what_is_found(case: str, tmp_path: Path) -> None:
    code, modules, expected = CODE[case]
    repo = write(tmp_path, PACKAGE)
    assert sorted(targets(repo, naming(repo, *modules), code=code)) == sorted(expected)


@pytest.mark.parametrize(
    ("code", "modules", "imported", "expected"),
    [
        ("src/features.py", [], {}, "features.py"),
        ("src/features.py", ["src.features"], {}, "src/features.py"),
        ("src/features.py", [], {"src.features": "src/features.py"}, "src/features.py"),
        ("src", [], {}, "src/features.py"),
        ("src", ["features"], {}, "features.py"),
    ],
)
def test_code_keeps_the_name_that_it_is_imported_by(
    code: str, modules: list[str], imported: dict[str, str], expected: str, tmp_path: Path
) -> None:
    repo = write(tmp_path, {"src/features.py": ""})
    seen = {name: repo / file for name, file in imported.items()}
    assert targets(repo, naming(repo, *modules), seen, code=[code]) == {expected: "src/features.py"}


REFUSED = {
    "missing": (
        "lib/txt.py",
        "`code: lib/txt.py` is not in the repository. Write `code: [lib/text.py]` in modelcast.yaml",
    ),
    "missing, nothing near": (
        "zzz",
        "`code: zzz` is not in the repository. Write the path from the repository's root",
    ),
    "out": ("../secret.py", "`code: ../secret.py` leads out of the repository. Name files and folders inside it"),
    "absolute": ("/etc/passwd", "`code: /etc/passwd` leads out of the repository. Name files and folders inside it"),
    "link": ("link.py", "link.py is a link that leads out of the repository. Put the file itself there"),
    "link below": (
        "linked",
        "linked/deep/link.py is a link that leads out of the repository. Put the file itself there",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_code_that_cannot_travel_is_refused(case: str, tmp_path: Path) -> None:
    entry, line = REFUSED[case]
    repo = write(tmp_path / "repo", {**PACKAGE, "linked/deep/a.py": ""})
    (tmp_path / "secret.py").write_text("")
    (repo / "link.py").symlink_to("../secret.py")
    (repo / "linked/deep/link.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(BuildError) as caught:
        travel.plan(repo, naming(repo), imported={}, code=[entry], roots=[])
    assert str(caught.value) == f"travel: {line}"


def test_a_module_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    repo = write(tmp_path / "repo", {"a.py": "import link"})
    (tmp_path / "secret.py").write_text("")
    (repo / "link.py").symlink_to("../secret.py")
    with pytest.raises(BuildError) as caught:
        targets(repo, naming(repo, "a"))
    assert str(caught.value) == (
        "travel: link.py is a link that leads out of the repository. Put the file itself there"
    )


def test_links_inside_are_followed_once(tmp_path: Path) -> None:
    repo = write(tmp_path, {"lib/__init__.py": "", "real/a.py": "import b", "b.py": ""})
    (repo / "lib/more").symlink_to("../real")
    (repo / "real/round").symlink_to("../lib")
    (repo / "c.py").symlink_to("b.py")
    assert targets(repo, naming(repo, "lib", "c")) == {
        "lib/__init__.py": "lib/__init__.py",
        "lib/more/a.py": "real/a.py",
        "b.py": "b.py",
        "c.py": "b.py",
    }


def test_what_travels_imports_without_the_repository(tmp_path: Path) -> None:
    repo = write(tmp_path / "repo", {**PACKAGE, "src/clip.py": "import lib.text, plain.words"})
    write(repo, {"plain/words.py": "def f():\n    import outside"})
    for file in travel.plan(repo, naming(repo, "clip"), imported={}, code=None, roots=[]):
        target = tmp_path / "code" / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.source.read_bytes())
    code = "import sys; sys.path.insert(0, sys.argv[1]); import clip, lib.words; clip.plain.words.f()"
    subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path / "code")], check=True, timeout=300)
