"""The builder image keeps S2I's contract before anything is built with it."""

import json
import re
import subprocess

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.engine import HARDENED, S2i, config_of, docker

USAGE = (
    (ROOT / "s2i" / "bin" / "usage").read_text(encoding="utf-8").partition("TEXT'\n")[2].removesuffix("TEXT\n").strip()
)

SCRIPTS = [f"/usr/libexec/s2i/{name}" for name in ("assemble", "run", "save-artifacts", "usage")]
PREPARE = (ROOT / "s2i" / "prepare").read_text(encoding="utf-8")


def test_labels_tell_openshift_what_the_image_is(builder: str) -> None:
    labels = config_of(builder)["Labels"]
    assert labels["io.openshift.s2i.scripts-url"] == "image:///usr/libexec/s2i"
    assert labels["io.s2i.scripts-url"] == "image:///usr/libexec/s2i"
    assert labels["io.openshift.expose-services"] == "8080:http"
    assert "builder" in labels["io.openshift.tags"].split(",")
    wanted = (
        "io.k8s.description",
        "io.k8s.display-name",
        "name",
        "vendor",
        "version",
        "release",
        "summary",
        "description",
        "maintainer",
    )
    assert [name for name in wanted if not labels.get(name)] == []
    # It must be numeric and allowed, and OpenShift's default is right: a label could only be wrong.
    assert "io.openshift.s2i.assemble-user" not in labels


def test_image_is_nobody_s_root_and_brings_no_surprises(builder: str) -> None:
    config = config_of(builder)
    assert config["User"] == "1001"
    assert config["WorkingDir"] == "/opt/app-root/src"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config.get("Volumes") is None
    assert config.get("OnBuild") is None
    assert docker("run", "--rm", builder, "ls", "/licenses") == "LICENSE"


def test_image_is_small_and_says_what_is_in_it(builder: str, breast_cancer: str, penguins: str) -> None:
    """Measured: 1,020 MB, of them 430 MB the baked environment; then 0.4 MB a model, or what it needs beside."""
    sizes = [
        int(docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (builder, breast_cancer, penguins)
    ]
    assert sizes[0] < 1_100e6
    assert sizes[1] - sizes[0] < 1e6  # docs say: less than 1 MB
    assert sizes[2] - sizes[0] < 120e6
    for image in (builder, penguins):
        assert len(json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))) < 40
    locks = ("/opt/modelcast/requirements.txt", "/opt/modelcast/environment.lock")
    held = docker("run", "--rm", builder, "cat", *locks)
    for name in ("uv", "nbconvert", "scikit-learn", "numpy", "flask"):
        assert re.search(f"^{name}==[0-9.]+", held, re.MULTILINE), name
    assert "matplotlib==" in docker("run", "--rm", penguins, "cat", "/opt/app-root/bundle/environment.lock")


def test_scripts_are_executable_and_their_tools_are_there(builder: str) -> None:
    listed = docker("run", "--rm", builder, "stat", "--format", "%a %U %n", "/usr/libexec/s2i", *SCRIPTS)
    assert listed.splitlines() == ["755 root /usr/libexec/s2i", *(f"755 root {script}" for script in SCRIPTS)]


def test_default_command_prints_the_usage_under_any_uid(builder: str) -> None:
    assert "Sample invocation" in USAGE
    assert docker("run", "--rm", builder) == USAGE
    assert docker("run", "--rm", *HARDENED, builder) == USAGE


def test_assemble_h_and_s2i_usage_print_the_usage_too(s2i: S2i) -> None:
    assert docker("run", "--rm", s2i.builder, "/usr/libexec/s2i/assemble", "-h") == USAGE
    copied = "cp -r /usr/libexec/s2i /tmp/scripts && cd / && /tmp/scripts/usage && /tmp/scripts/assemble --help"
    assert docker("run", "--rm", s2i.builder, "/bin/sh", "-c", copied) == f"{USAGE}\n{USAGE}"
    shown = subprocess.run([s2i.binary, "usage", s2i.builder], capture_output=True, text=True, check=True)
    # s2i writes it on stderr, without its indentation and among lines of its own.
    assert [line.strip() for line in USAGE.splitlines() if line] == [
        line.strip() for line in shown.stderr.splitlines() if line.strip() in USAGE and line.strip()
    ]


@pytest.mark.parametrize("shell", ["/bin/sh", "bash", "/bin/dash"])
def test_entrypoint_leaves_a_user_s_own_command_whole(builder: str, shell: str) -> None:
    assert docker("run", "--rm", builder, shell, "-c", "cd / && echo one; pwd") == "one\n/"
    assert docker("run", "--rm", builder, shell, "-c", "/usr/libexec/s2i/usage") == USAGE


def test_entrypoint_keeps_the_exit_code(builder: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", builder, "/bin/sh", "-c", "exit 7"], capture_output=True, check=False
    )
    assert done.returncode == 7


def test_what_s2i_calls_is_in_the_image(builder: str) -> None:
    tools = ["sh", "bash", "tar", "truncate", "find", "serve", "fix-permissions", "modelcast", "modelcast-runtime"]
    assert docker("run", "--rm", builder, "which", *tools).splitlines() == [
        "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/tar", "/usr/bin/truncate", "/usr/bin/find",
        "/usr/local/bin/serve", "/usr/bin/fix-permissions", "/opt/modelcast/bin/modelcast", "/opt/app-root/environment/bin/modelcast-runtime",
    ]  # fmt: skip


def test_the_openmp_that_lightgbm_counts_on_is_in_the_image(builder: str) -> None:
    docker("run", "--rm", builder, "python3", "-c", "import ctypes; ctypes.CDLL('libgomp.so.1')")


def test_prepare_makes_sh_bash_once_and_leaves_a_base_alone_that_has_it(base: str) -> None:
    script = f"prepare() {{ bash -s python3 <<'PREPARE'\n{PREPARE}\nPREPARE\n}}\n"
    script += "readlink /bin/sh; prepare; ls -l --time-style=full-iso /bin/sh >/first; prepare\n"
    script += "ls -l --time-style=full-iso /bin/sh | cmp - /first; readlink /bin/sh; grep -c :1001: /etc/passwd"
    assert docker("run", "--rm", "--interactive", base, "bash", stdin=script).splitlines() == ["dash", "bash", "1"]


def test_prepare_asks_the_base_s_own_installer_for_what_is_missing(base: str) -> None:
    """UBI's minimal image has microdnf and no tar; no such base can be had here, so its installer is played."""
    script = "rm /usr/bin/tar /usr/bin/apt-get /usr/lib/*/libgomp.so.1; printf '#!/bin/sh\\necho \"$@\"\\n' >/usr/bin/microdnf; chmod +x /usr/bin/microdnf\n"
    script += f"bash -s python3 <<'PREPARE'\n{PREPARE}\nPREPARE\n"
    said = docker("run", "--rm", "--interactive", base, "bash", stdin=script).splitlines()
    assert said == ["install -y --nodocs tar libgomp", "clean all"]
