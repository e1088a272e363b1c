"""A model that is to take another's place: `modelcast diff` by hand, and the champion gate of its build."""

import json
from pathlib import Path

from modelcast_runtime.bundle import open_bundle

from tests.acceptance.commands import SAMPLES, Modelcast
from tests.acceptance.files import copy
from tests.acceptance.workshop import Case

GATES = """
name: penguins
data: {holdout: data/penguins.csv, target: species, groups: [sex]}
gates:
  champion: {bundle: champion, flips: "<= 0.0", accuracy_drop: "<= 0.0"}
  latency_ms: "<= 60000"
  bundle_mb: "<= 200"
"""


def challenger(case: Case, folder: Path) -> Path:
    """The same repository, which keeps its champion within."""
    root = copy(SAMPLES / "penguins", folder / "penguins")
    copy(case.built.root, root / "champion")
    (root / "modelcast.yaml").write_text(GATES, encoding="utf-8")
    return root


def test_the_same_training_takes_its_own_place(penguins: Case, modelcast: Modelcast, tmp_path: Path) -> None:
    root = challenger(penguins, tmp_path)
    built = modelcast.build(root, tmp_path / "bundle")
    gates = {gate["name"]: gate for gate in built.manifest["gates"]}
    assert list(gates) == ["champion.flips", "champion.accuracy_drop", "bundle_mb", "latency_ms"]
    assert all(gate["passed"] for gate in gates.values())
    assert (gates["champion.flips"]["got"], gates["champion.accuracy_drop"]["got"]) == (0.0, 0.0)
    assert 0 < gates["bundle_mb"]["got"] < 10
    assert gates["latency_ms"]["got"] is None
    champion = open_bundle(penguins.built.root)
    told = f"the champion is penguins {champion.manifest.version}, bundle digest {champion.digest}"
    receipts = (built.root / "receipts" / "provenance.json").read_text(encoding="utf-8")
    assert f"{told}; 344 rows of penguins.csv" in receipts
    assert "latency_ms is " in receipts

    found = modelcast.run("diff", root / "champion", built.root, "--json")
    assert (found.returncode, json.loads(found.stdout)["scored"]["flips"]) == (0, 0)


def test_a_worse_model_does_not(penguins: Case, modelcast: Modelcast, tmp_path: Path) -> None:
    root = challenger(penguins, tmp_path)
    done = modelcast.run(
        "build", root, "--out", tmp_path / "bundle", MODELCAST_PARAMETERS='{"trees": 1, "seed": 7}', OMP_NUM_THREADS="1"
    )
    assert (done.returncode, done.stdout, (tmp_path / "bundle").exists()) == (1, "", False)
    assert "     gate                    expected  got\n     champion.flips          <= 0.0    0." in done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: gates: champion.flips is 0.")
    assert last.endswith(
        ", expected <= 0.0 (2 of 4 gates failed). "
        "Train a model that reaches it, or change `gates.champion` in modelcast.yaml."
    )
