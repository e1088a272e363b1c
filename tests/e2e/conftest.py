"""Starts what the road needs, by the project's own tools, and ends it."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.engine import ROOT, S2i, Service, docker

TOOLS = ROOT / "tools"
SAMPLES = ROOT / "sample-models"
# A registry's name in front, so that s2i asks no public registry about it.
BUILDER = "localhost/modelcast-builder:e2e"
RUNTIME = "localhost/modelcast-runtime:e2e"

Start = Callable[..., Service]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is an e2e test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


def tool(*command: str) -> str:
    """One of tools/*.sh; what it prints. Its progress and its reasons go to the terminal."""
    return subprocess.run(
        [TOOLS / command[0], *command[1:]],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    ).stdout.strip()


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A container engine; stopped at the end if it was not there before."""
    there = subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    tool("engine.sh", "start")
    os.environ["DOCKER_BUILDKIT"] = "0"
    yield
    if not there:
        tool("engine.sh", "stop")


@pytest.fixture(scope="session")
def base(engine: None) -> str:
    """The Debian image that the builder image stands on."""
    return tool("base-image.sh")


@pytest.fixture(scope="session")
def builder(engine: None) -> str:
    """The S2I builder image, made from this checkout, with the runtime image beside it."""
    tool("image.sh", BUILDER, RUNTIME)
    return BUILDER


@pytest.fixture(scope="session")
def runtime(builder: str) -> str:
    """The small image that bundles are laid on."""
    return RUNTIME


@pytest.fixture(scope="session")
def s2i(builder: str) -> S2i:
    """The real s2i with our builder."""
    return S2i(binary=tool("s2i.sh"), builder=builder)


@pytest.fixture(scope="session")
def breast_cancer(s2i: S2i) -> Iterator[str]:
    """The image of a ready-made artifact, by the engine's strategy."""
    yield s2i.build(SAMPLES / "breast-cancer", "modelcast-e2e-breast-cancer")
    docker("image", "rm", "--force", "modelcast-e2e-breast-cancer")


@pytest.fixture(scope="session")
def penguins(s2i: S2i, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a notebook, by the generated Dockerfile: its CMD is `/bin/sh -c /usr/libexec/s2i/run`."""
    context = tmp_path_factory.mktemp("dockerfile")
    yield s2i.build_as_dockerfile(SAMPLES / "penguins", "modelcast-e2e-penguins", context)
    docker("image", "rm", "--force", "modelcast-e2e-penguins")


@pytest.fixture
def start(engine: None) -> Iterator[Start]:
    """Start containers: start(image, *options, command=(), port=8080); removed when the test ends."""
    names: list[str] = []

    def start_one(image: str, *options: str, command: tuple[str, ...] = (), port: int = 8080) -> Service:
        names.append(f"modelcast-e2e-{uuid.uuid4().hex[:12]}")
        docker("run", "--detach", "--name", names[-1], "--publish", f"127.0.0.1::{port}", *options, image, *command)
        service = Service(name=names[-1], url="http://" + docker("port", names[-1], f"{port}/tcp").splitlines()[0])
        service.ready()
        return service

    yield start_one
    for name in names:
        docker("rm", "--force", name)
