"""A cluster, two versions of a model in its registry, and their manifests."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from modelcast_runtime.bundle import Bundle, open_bundle

from tests.acceptance.commands import MODELCAST, Modelcast
from tests.cluster.kubernetes import NAMESPACE, WITHIN, Cluster
from tests.e2e.conftest import ROOT, SAMPLES, TOOLS, engine, tool
from tests.e2e.engine import docker
from tests.e2e.registry import running

__all__ = ["engine"]
BUILDER, RUNTIME = "localhost/modelcast-builder:cluster", "localhost/modelcast-runtime:cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of the model: its bundle, its image in the registry, and the folder for `kubectl apply -k`."""

    bundle: Bundle
    image: str
    folder: Path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A node that is ready, and a namespace that enforces PodSecurity `restricted`; gone at the end."""
    try:
        said = tool("kube.sh", "up")
        shell = subprocess.run(["bash", "-c", f"{said}\nenv -0"], capture_output=True, text=True, check=True)
        environment = dict(pair.split("=", 1) for pair in shell.stdout.split("\0") if pair)
        running = Cluster(environment=environment, registry=environment["REGISTRY"])
        running.kubectl("create", "namespace", NAMESPACE)
        modes = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn", "audit")]
        running.kubectl("label", "namespace", NAMESPACE, *modes)
        running.kubectl("wait", "serviceaccount/default", "--for=create", WITHIN)
        yield running
    finally:
        subprocess.run([TOOLS / "kube.sh", "down"], check=True)


@pytest.fixture(scope="session")
def releases(cluster: Cluster, engine: None, tmp_path_factory: pytest.TempPathFactory) -> list[Release]:
    """Two versions of `breast-cancer`, by `modelcast image --push` to a registry of the host's."""
    tool("image.sh", BUILDER, RUNTIME)
    with running(tool("registry.sh"), tmp_path_factory.mktemp("registry")) as registry:
        return [release(cluster, registry, number, tmp_path_factory.mktemp(f"v{number}")) for number in (1, 2)]


def release(cluster: Cluster, registry: str, number: int, folder: Path) -> Release:
    """The source is part of the version, so another word in it is another version."""
    source, bundle, deploy = (folder / name for name in ("breast-cancer", "bundle", "deploy"))
    shutil.copytree(SAMPLES / "breast-cancer", source)
    (source / "RELEASE").write_text(f"{number}\n")
    last_line("build", source, "--out", bundle)
    name = f"{registry}/ml/breast-cancer:{number}"
    pushed = last_line("image", bundle, "-t", name, "--push")
    image = cluster.take(pushed, "ml/breast-cancer")
    last_line("manifests", bundle, "--image", image, "--target", "kubernetes", "--out", deploy)
    docker("image", "rm", "--force", name)
    return Release(bundle=open_bundle(bundle), image=image, folder=deploy)


def last_line(*words: str | Path) -> str:
    """What a command of modelcast's that must succeed prints last."""
    environment = Modelcast(cache=ROOT / "build" / "test-cache").environment({"MODELCAST_RUNTIME_IMAGE": RUNTIME})
    done = subprocess.run(
        [MODELCAST, *words], env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
