"""The file that `modelcast init` writes changes nothing of the model that is built."""

from pathlib import Path
from typing import Any

from tests.acceptance.commands import SAMPLES, Built, Modelcast
from tests.acceptance.files import copy
from tests.acceptance.workshop import Case


def sealed(built: Built) -> tuple[dict[str, Any], dict[str, str]]:
    """What the bundle says and holds, but for the version: the new file is part of the source, and so of the version."""
    manifest = built.manifest
    held = {record["path"]: record["sha256"] for record in manifest.pop("files")}
    del held["model-card.html"], held["sbom.cdx.json"]  # they show the version
    del manifest["version"]
    return manifest, held


def initiated(modelcast: Modelcast, source: Path, bundle: Path) -> Built:
    """Built after `modelcast init`."""
    done = modelcast.run("init", source)
    assert (done.returncode, done.stdout) == (0, f"{source}/modelcast.yaml\n")
    return modelcast.build(source, bundle)


def test_a_notebook_with_an_own_module_gives_the_same_model(
    modelcast: Modelcast, penguins: Case, tmp_path: Path
) -> None:
    built = initiated(
        modelcast, copy(SAMPLES / "penguins", tmp_path / "penguins", "modelcast.yaml"), tmp_path / "bundle"
    )
    assert sealed(built) == sealed(penguins.built)
    assert built.told["version"] != penguins.built.told["version"]


def test_an_artifact_with_data_beside_it_gives_the_same_model(modelcast: Modelcast, tmp_path: Path) -> None:
    source = copy(SAMPLES / "breast-cancer", tmp_path / "breast-cancer", "modelcast.yaml")
    without = modelcast.build(source, tmp_path / "without")
    built = initiated(modelcast, source, tmp_path / "with")
    assert sealed(built) == sealed(without)
    assert built.told["version"] != without.told["version"]
