"""Incremental builds with packages that only a private index has, and what stays of that index' password: nothing."""

import base64
import ipaddress
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.engine import S2i, config_of, docker
from tests.e2e.index import OWN, PrivateIndex, serving

IMAGE = "modelcast-e2e-private"
PASSWORD = "s3cr3t-0f-the-1ndex"
IN_ADDRESS = "s3cr3t-1n-the-addre55"
TRAIN = """
import joblib, kiln, numpy as np
from sklearn.linear_model import LinearRegression
print(kiln.VERSION)
X = np.arange(20.0).reshape(10, 2)
joblib.dump(LinearRegression().fit(X, X.sum(axis=1)), "model.joblib")
"""


def write_source(source: Path, version: str) -> None:
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": TRAIN}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (source / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (source / "requirements.txt").write_text(f"{OWN}=={version}\n", encoding="utf-8")


def locked(image: str) -> list[str]:
    """The lines about the private package in the image's lock, and what is installed of it."""
    show = f"grep {OWN} bundle/environment.lock; ls environment/lib/python3*/site-packages | grep {OWN}"
    return docker("run", "--rm", "--workdir", "/opt/app-root", image, "sh", "-c", show).split()


def saved(image: str) -> list[str]:
    """The names in save-artifacts' stream."""
    command = ["docker", "run", "--rm", "--network", "none", image, "/usr/libexec/s2i/save-artifacts"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        with tarfile.open(fileobj=process.stdout, mode="r|") as stream:
            names = [member.name for member in stream]
        process.stdout.read()
    assert process.returncode == 0
    return names


def holding(image: str, *needles: bytes) -> set[str]:
    """Which parts of the saved image hold one of these: `layer`, `configuration`."""
    found = set()
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as process:
        assert process.stdout
        with tarfile.open(fileobj=process.stdout, mode="r|") as stream:
            for member in stream:
                content = stream.extractfile(member)
                data = content.read() if content else b""
                if any(needle in data for needle in needles):
                    found.add("configuration" if data[:1] in (b"{", b"[") else "layer")
    return found


@pytest.fixture
def index(builder: str) -> Iterator[PrivateIndex]:
    """The index, where containers of the engine's bridge reach it."""
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    gateway = str(next(ipaddress.ip_network(subnet).hosts()))
    yield PrivateIndex(wheelhouse=ROOT / "build" / "wheelhouse", host=gateway, password=PASSWORD)
    docker("image", "rm", "--force", IMAGE)


def test_incremental_build_fetches_what_changed_and_no_password_stays(
    s2i: S2i, index: PrivateIndex, tmp_path: Path
) -> None:
    source, secret = tmp_path / "repository", tmp_path / "secret"
    source.mkdir()
    secret.mkdir()
    write_source(source, "1.0")
    (secret / "netrc").write_text(f"machine {index.host}\nlogin ci\npassword {PASSWORD}\n", encoding="utf-8")
    incremental = ("--incremental", "--inject", f"{secret}:/tmp/secret")

    with serving(index):
        by_netrc = ("--env", f"PIP_INDEX_URL={index.url}", "--env", "NETRC=/tmp/secret/netrc", *incremental)
        s2i.build(source, IMAGE, *by_netrc, network="bridge")
        assert index.given == [f"{OWN}-1.0-py3-none-any.whl"]
        assert locked(IMAGE) == [f"{OWN}==1.0", OWN, f"{OWN}-1.0.dist-info"]

    # The index is gone, and so is the network.
    s2i.build(source, IMAGE, *by_netrc)
    assert locked(IMAGE) == [f"{OWN}==1.0", OWN, f"{OWN}-1.0.dist-info"]
    names = saved(IMAGE)
    assert [name for name in names if name.startswith("wheels/")] == [f"wheels/{OWN}-1.0-py3-none-any.whl"]
    assert [name.partition("/")[0] for name in names] == ["resolutions", "wheels"]

    encoded = [base64.b64encode(f"ci:{password}".encode()) for password in (PASSWORD, IN_ADDRESS)]
    assert holding(IMAGE, PASSWORD.encode(), *encoded) == set()

    index.given.clear()
    index.password = IN_ADDRESS
    write_source(source, "2.0")
    with serving(index):
        address = index.url.replace("://", f"://ci:{IN_ADDRESS}@")
        s2i.build(source, IMAGE, "--incremental", "--env", f"PIP_INDEX_URL={address}", network="bridge")
    assert index.given == [f"{OWN}-2.0-py3-none-any.whl"]
    assert locked(IMAGE) == [f"{OWN}==2.0", OWN, f"{OWN}-2.0.dist-info"]
    assert [name for name in saved(IMAGE) if name.startswith("wheels/")] == [f"wheels/{OWN}-2.0-py3-none-any.whl"]

    # s2i itself commits the build's variables; nothing else holds it, which is why docs/s2i.md says to inject a file.
    assert holding(IMAGE, IN_ADDRESS.encode(), *encoded) == {"configuration"}
    assert [line for line in config_of(IMAGE)["Env"] if IN_ADDRESS in line] == [f"PIP_INDEX_URL={address}"]


def test_a_model_of_the_wheelhouse_saves_no_wheel(penguins: str) -> None:
    assert [name.partition("/")[0] for name in saved(penguins)] == ["resolutions"]


def test_an_image_without_a_model_saves_nothing(builder: str) -> None:
    assert docker("run", "--rm", builder, "/usr/libexec/s2i/save-artifacts") == ""
