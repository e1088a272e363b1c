"""Versions of scikit-learn by kinds of models by formats: what each maker answers, each bundle must answer."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from modelcast_builder import artifact
from modelcast_builder.artifact import verdict
from modelcast_builder.environment import Environment, Requirements, base_python, create, locked, resolve
from modelcast_runtime.settings import THREAD_ENV

from tests.acceptance.commands import Modelcast

MAKERS = Path(__file__).with_name("makers.py")
ZOO = Path(__file__).parents[2] / "tools" / "zoo.py"
NEWEST = locked.model_versions()["scikit-learn"]
VERSIONS = ("1.3.2", "1.4.2", "1.5.2", "1.6.1", "1.7.2", "1.8.0", NEWEST)
"""The last patch of every minor that has wheels for Python 3.11, up to the builder's own."""
KINDS = ("forest", "linear", "boosting", "clusters", "text", "outputs")
FORMATS = ("joblib", "pkl", "skops")
Cell = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Matrix:
    """Makes what is asked for once, and keeps what came of it."""

    modelcast: Modelcast
    folder: Path
    kinds: tuple[str, ...] = KINDS
    results: dict[Cell, str] = field(default_factory=dict)

    def check(self, version: str, kind: str, stored: str) -> None:
        """Build a repository that holds this one artifact, and ask the bundle what its maker was asked."""
        self.results[version, kind, stored] = "FAIL"
        made = self.made(version, stored == "skops")
        source = self.folder / "sources" / f"{version}-{kind}-{stored}"
        source.mkdir(parents=True)
        shutil.copy(made / f"{kind}.{stored}", source / f"model.{stored}")
        # scikit-learn's own answers are held against its own, to the last bit.
        (source / "modelcast.yaml").write_text("compile: never\n", encoding="utf-8")
        built = self.modelcast.build(source, self.folder / "bundles" / source.name)
        assert f"scikit-learn=={version}" in built.lock
        given = (output["name"] for output in built.manifest["signature"]["outputs"])
        proba = ["--proba"] if "predict_proba" in given else []
        runtime = self.modelcast.python_of(built.root).with_name("modelcast-runtime")
        asked: list[str | Path] = [runtime, "predict", built.root, made / f"{kind}.json", *proba]
        done = subprocess.run(asked, env=os.environ | THREAD_ENV, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        expected = json.loads((made / f"{kind}.expected.json").read_bytes())
        assert [json.loads(line) for line in done.stdout.splitlines()] == expected
        self.results[version, kind, stored] = "ok"

    @cache  # noqa: B019 - lives as long as the session
    def made(self, version: str, with_skops: bool) -> Path:
        """The folder of what a maker of this version saved."""
        folder = self.folder / "made" / (f"{version}-skops" if with_skops else version)
        folder.mkdir(parents=True)
        python = self._maker(version, with_skops).python
        command: list[str | Path] = [python, MAKERS, folder, *self.kinds]
        done = subprocess.run(command, env=os.environ | THREAD_ENV, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder

    def audit(self, version: str) -> int:
        """Audit every estimator that this version can fit, in every format; how many there are."""
        folder = self.folder / "zoo" / version
        command: list[str | Path] = [self._maker(version, False).python, ZOO, folder]
        done = subprocess.run(command, env=os.environ | THREAD_ENV, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for path in sorted(folder.iterdir()):
            verdict.judge(artifact.scan(path))
        return len(done.stdout.split())

    def _maker(self, version: str, with_skops: bool) -> Environment:
        asked = Requirements(pins=(f"scikit-learn=={version}",), ranges=("skops",) if with_skops else ())
        cache_of = self.modelcast.cache
        return create(resolve(asked, {}, python=base_python(), cache=cache_of), cache=cache_of)

    def table(self) -> list[str]:
        """A line a version and kind, a column a format."""
        rows = sorted({cell[:2] for cell in self.results}, key=lambda row: (_order(row[0]), KINDS.index(row[1])))
        lines = [f"{'scikit-learn':14}{'model':10}" + "".join(f"{stored:8}" for stored in FORMATS)]
        for version, kind in rows:
            cells = (self.results.get((version, kind, stored), "-") for stored in FORMATS)
            lines.append(f"{version:14}{kind:10}" + "".join(f"{cell:8}" for cell in cells))
        return lines


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
