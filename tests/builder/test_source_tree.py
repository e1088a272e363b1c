"""The shared walk: what is source, `.s2iignore` as s2i reads it, and a digest that only content moves."""

import os
from pathlib import Path

import pytest
from modelcast_builder import source_tree
from modelcast_builder.errors import BuildError


def make(root: Path, *names: str) -> None:
    """Files with their own names as content."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def seen(root: Path) -> list[str]:
    """What the walk yields, relative."""
    return [path.relative_to(root).as_posix() for path in source_tree.files(root)]


def test_only_source_is_walked(tmp_path: Path) -> None:
    own = ["a b.ipynb", "a.py", "data/x.csv", "lib/wheels/car.csv", "manifest.json", "web/manifest.json", "ü/z.py"]
    make(tmp_path, *own, ".gitignore")
    make(
        tmp_path, ".git/config", "sub/.git", "__pycache__/a.pyc", "lib/__pycache__/b.pyc", ".ipynb_checkpoints/a.ipynb"
    )
    make(
        tmp_path,
        ".venv/x.py",
        ".venv/pyvenv.cfg",
        "venv/lib/x.py",
        "venv/pyvenv.cfg",
        "wheels/a.whl",
        "lib/wheelhouse/b.tar.gz",
    )
    make(tmp_path, "out/model.joblib", "out/code/a.py")
    (tmp_path / "out/manifest.json").write_text('{"bundle_version": 1}')
    (tmp_path / "web/manifest.json").write_text('{"name": "app"}')
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "up").symlink_to("..")
    assert seen(tmp_path) == sorted([*own, ".gitignore", "gone", "up"])


IGNORED = {
    "*.csv": {"top.csv"},
    "data": {"data/a.csv", "data/b/c.csv"},
    "/data/": {"data/a.csv", "data/b/c.csv"},
    "data/*": {"data/a.csv", "data/b/c.csv"},
    "data/*.csv": {"data/a.csv"},
    "*/*/*": {"data/b/c.csv"},
    "**/c.csv": set(),
    "**/*.csv": {"data/a.csv"},
    "# data": set(),
    "  top.csv  ": {"top.csv"},
    "*\n!top.csv": {"data/a.csv", "data/b/c.csv", "x1.py", "x2.py", "[z].py", ".s2iignore"},
    "!top.csv\n*.csv": {"top.csv"},
    "data\n!data/a.csv": {"data/a.csv", "data/b/c.csv"},
    "data/*\n!data/a.csv": {"data/b/c.csv"},
    "x?.py": {"x1.py", "x2.py"},
    "x[0-1].py": {"x1.py"},
    "x[^1].py": {"x2.py"},
    "x[12].py": {"x1.py", "x2.py"},
    "\\[z\\].py": {"[z].py"},
    "[\\[]*": {"[z].py"},
    "X1.py": set(),
    "../top.csv": {"top.csv"},
    ".s2iignore": {".s2iignore"},
}


@pytest.mark.parametrize("rules", IGNORED)
def test_s2iignore_is_read_as_s2i_reads_it(rules: str, tmp_path: Path) -> None:
    everything = {"top.csv", "data/a.csv", "data/b/c.csv", "x1.py", "x2.py", "[z].py", ".s2iignore"}
    make(tmp_path, *everything)
    (tmp_path / ".s2iignore").write_text(rules)
    assert everything - set(seen(tmp_path)) == IGNORED[rules]


@pytest.mark.parametrize("pattern", ["[a", "a[]b", "a\\", "[b-a]", "[-a]", "[^]"])
def test_what_go_refuses_is_refused_with_its_line(pattern: str, tmp_path: Path) -> None:
    (tmp_path / ".s2iignore").write_text(f"\n# pattern\n{pattern}\n")
    with pytest.raises(BuildError) as caught:
        seen(tmp_path)
    assert str(caught.value) == (
        f"discover: .s2iignore:3: `{pattern}` is no pattern that s2i understands. "
        "Close the bracket, or write a backslash before it"
    )


def test_the_digest_is_of_names_and_contents_only(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        make(root, "a.py", "data/b.csv")
        (root / "link").symlink_to("a.py")
    (there / "a.py").chmod(0o755)
    os.utime(there / "data/b.csv", (0, 0))
    make(there, ".git/HEAD", "__pycache__/a.pyc")
    first = source_tree.digest(here)
    assert first == source_tree.digest(there)
    assert first.startswith("sha256:")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.py").write_text("else"),
        lambda root: (root / "a.py").rename(root / "b.py"),
        lambda root: (root / "new.py").write_text(""),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("./a.py")),
        lambda root: ((root / "link").unlink(), (root / "link").write_text("link:a.py")),
    ],
)
def test_any_change_moves_the_digest(change: object, tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    (tmp_path / "link").symlink_to("a.py")
    before = source_tree.digest(tmp_path)
    change(tmp_path)
    assert source_tree.digest(tmp_path) != before
