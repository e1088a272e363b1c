"""`modelcast init`: a `modelcast.yaml` that says what discovery saw, and shows every other key with its meaning.

What is written as a key is what discovery decided, so the build is the one without the file; the rest is commented.
Keys, meanings and defaults are the document's own.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from modelcast_builder import own_code
from modelcast_builder.clone import git_address
from modelcast_builder.config import FILE, BuildSettings, Config, read_config
from modelcast_builder.discover import discover
from modelcast_builder.document import NOT_BUILT, Document, meanings, section_of, words_of
from modelcast_builder.environment.sources import READERS
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter
from modelcast_builder.sight import Sight, look
from modelcast_builder.source import Source, fetch, model_name

STEP = "init"
HEAD = """\
# What modelcast cannot know by itself. Every key may be left out; docs/modelcast-yaml.md tells more of each.
# A key behind a # shows what holds without it, or where nothing does, an example: take the # away to say it.
"""
CHOOSE = "Take the # away from the line that is right, or correct it:"
EXAMPLES: dict[tuple[str, ...], object] = {
    ("description",): "Which species a penguin is, by its measures",
    ("notebooks",): ["clean.ipynb", "train.ipynb"],
    ("parameters",): {"k": 5},
    ("model",): "model.joblib",
    ("code",): ["features.py", "lib"],
    ("trusted",): ["features:Clip", "lib.text:*"],
    ("wheels",): "wheels",
    ("data", "train"): "data/train.csv",
    ("data", "holdout"): "data/holdout.csv",
    ("data", "target"): "species",
    ("data", "groups"): ["sex"],
    ("inputs",): {"age": {"dtype": "float64", "nullable": True, "min": 0}, "sex": {"categories": ["m", "f"]}},
    ("examples",): "examples.json",
    ("gates", "metrics"): {"accuracy": ">= 0.9", "log_loss": "<= 0.3"},
    ("gates", "slices"): {"sex": {"accuracy": ">= 0.85"}},
    ("gates", "fairness"): {"sex": {"selection_rate_gap": "<= 0.1"}},
    ("gates", "champion"): {"bundle": "../champion", "flips": "<= 0.02", "accuracy_drop": "<= 0.0"},
    ("gates", "latency_ms"): "<= 5",
    ("gates", "bundle_mb"): "<= 200",
    ("build", "env"): ["TFIDF_BUCKETS"],
}
"""Where a key has no default that says what it may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a repository says of itself."""

    sentence: str
    """What discovery found, or why it could not decide."""
    packages: str
    pinned: Mapping[str, object]
    """The keys that say what discovery decided."""
    choices: Mapping[str, tuple[object, ...]]
    """What a key could hold where discovery could not decide."""
    suggested: Mapping[tuple[str, ...], object]
    """Examples that are this repository's own."""


def start(source: str, settings: BuildSettings, reporter: Reporter) -> Path:
    """Write the file at the root of a repository's folder; its path. Raises `BuildError`, and then writes nothing."""
    if git_address(source) is not None:
        raise BuildError(STEP, f"{source} is a git repository elsewhere", "Clone it, and name the folder")
    repo = fetch(source, Path())
    path = repo.root / FILE
    if os.path.lexists(path):
        raise BuildError(STEP, f"{path} exists", f"Edit it, or remove it and run `modelcast init {source}` again")
    seen = look_over(repo, read_config(repo.root, settings.variables))
    _write(path, text(seen))
    reporter.say(STEP, seen.sentence)
    for key in seen.choices:
        reporter.say(STEP, f"{FILE} lists them: take the # away from the `{key}:` line that is right")
    return Path(source) / FILE


def _write(path: Path, content: str) -> None:
    """All of it or nothing, and over nothing."""
    try:
        with path.open("x", encoding="utf-8") as file, _removed_by_an_error(path):
            file.write(content)
            file.flush()
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror}"
        raise BuildError(STEP, problem, "Make room and the folder writable, or copy the repository") from error


@contextmanager
def _removed_by_an_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        path.unlink()
        raise


def look_over(repo: Source, config: Config) -> Seen:
    """What discovery decides; raises its `BuildError` where there is nothing to choose from."""
    sight = look(repo.root)
    pinned: dict[str, object] = {"name": model_name(repo, config)}
    choices: Mapping[str, tuple[object, ...]] = {}
    try:
        plan = discover(repo.root, config)
    except BuildError as error:
        choices = _choices(sight)
        if not choices:
            raise
        sentence = error.problem
    else:
        sentence = plan.reason
        if plan.notebooks:
            pinned["notebooks"] = [path.relative_to(repo.root).as_posix() for path in plan.notebooks]
        elif plan.artifact is not None and plan.artifact != repo.root:
            pinned["model"] = plan.artifact.relative_to(repo.root).as_posix()
    return Seen(
        sentence=sentence,
        packages=_packages(repo.root),
        pinned=pinned,
        choices=choices,
        suggested=dict(_suggested(sight)),
    )


def text(seen: Seen) -> str:
    """The file."""
    parts = [f"{HEAD}#\n# Seen here: {seen.sentence}.\n# {seen.packages}.\n"]
    for key, meaning in meanings(Document).items():
        if NOT_BUILT not in meaning:
            words = f" One of: {', '.join(words_of(key))}." if words_of(key) else ""
            parts.append(f"# {meaning}{words}\n" + "".join(f"{line}\n" for line in _lines(key, seen)))
    return "\n".join(parts)


def _lines(key: str, seen: Seen) -> Iterator[str]:
    section = section_of(key)
    if key in seen.pinned:
        yield f"{key}: {_flow(seen.pinned[key])}"
    elif key in seen.choices:
        yield f"# {seen.sentence}. {CHOOSE}"
        yield from (f"#{key}: {_flow(choice)}" for choice in seen.choices[key])
    elif section is None:
        yield f"#{key}: {_flow(_example((key,), Document, seen))}"
    else:
        yield f"#{key}:"
        yield from _section(key, section, seen)


def _section(key: str, section: type[msgspec.Struct], seen: Seen) -> Iterator[str]:
    told = {name: meaning for name, meaning in meanings(section).items() if NOT_BUILT not in meaning}
    lines = {name: f"#  {name}: {_flow(_example((key, name), section, seen))}" for name in told}
    width = max(map(len, lines.values()))
    yield from (f"{lines[name]:{width}}  # {meaning}" for name, meaning in told.items())


def _example(path: tuple[str, ...], section: type[msgspec.Struct], seen: Seen) -> object:
    if path in seen.suggested:
        return seen.suggested[path]
    if path == ("python",):
        return "{}.{}".format(*sys.version_info)
    return EXAMPLES.get(
        path, next(field.default for field in msgspec.structs.fields(section) if field.name == path[-1])
    )


def _flow(value: Any) -> str:
    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return str(written).removesuffix("...\n").strip()


def _choices(sight: Sight) -> Mapping[str, tuple[object, ...]]:
    if len(sight.artifacts) > 1:
        return {"model": tuple(path.as_posix() for path in sight.artifacts)}
    if sight.artifacts or not sight.notebooks:
        return {}
    names = [path.as_posix() for path in sight.at_root or sight.notebooks]
    return {"notebooks": (names, *([name] for name in names if len(names) > 1))}


def _packages(root: Path) -> str:
    there = [file for file in READERS if (root / file).is_file()]
    if not there:
        return "Packages: no file names any; the builder's own versions are taken, and what the artifact records"
    return f"Packages: {', else '.join(there)}"


def _suggested(sight: Sight) -> Iterator[tuple[tuple[str, ...], object]]:
    for name in ("train", "holdout"):
        tables = [file for file in sight.files if file.parent == Path("data") and file.stem == name]
        yield from ((("data", name), file.as_posix()) for file in tables[:1])
    modules = [file.as_posix() for file in sight.files if file.suffix == ".py" and file.parent == Path()]
    modules = [name for name in modules if name not in (own_code.FILE.as_posix(), "setup.py")]
    if modules:
        yield ("code",), modules
    if own_code.FILE in sight.files:
        yield ("task",), "generic"
