"""A cluster, two versions of a model in its registry, and their manifests."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from modelcast_builder import commands
from modelcast_runtime.bundle import Bundle, open_bundle

from tests.cluster.kubernetes import NAMESPACE, WITHIN, Cluster
from tests.e2e.conftest import SAMPLES, TOOLS, engine, tool
from tests.e2e.engine import S2i, docker

__all__ = ["engine"]
BUILDER = "localhost/modelcast-builder:cluster"


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
def s2i(engine: None) -> S2i:
    """The real s2i with the builder image of this checkout."""
    tool("image.sh", BUILDER, "localhost/modelcast-runtime:cluster")
    return S2i(binary=tool("s2i.sh"), builder=BUILDER)


@pytest.fixture(scope="session")
def releases(cluster: Cluster, s2i: S2i, tmp_path_factory: pytest.TempPathFactory) -> list[Release]:
    """Two versions of `breast-cancer`, by the real s2i."""
    return [release(cluster, s2i, number, tmp_path_factory.mktemp(f"v{number}")) for number in (1, 2)]


def release(cluster: Cluster, s2i: S2i, number: int, folder: Path) -> Release:
    """The source is part of the version, so another word in it is another version."""
    source = folder / "breast-cancer"
    shutil.copytree(SAMPLES / "breast-cancer", source)
    (source / "RELEASE").write_text(f"{number}\n")
    image = s2i.build(source, f"modelcast-cluster:v{number}", "--env", "MODELCAST_NAME=breast-cancer")
    container = docker("create", image)
    docker("cp", f"{container}:/opt/app-root/bundle", str(folder / "bundle"))
    docker("rm", container)
    pushed = cluster.push(image, "ml/breast-cancer", folder)
    docker("image", "rm", image)
    commands.manifests(folder / "bundle", pushed, "kubernetes", folder / "deploy")
    return Release(bundle=open_bundle(folder / "bundle"), image=pushed, folder=folder / "deploy")
