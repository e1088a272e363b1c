"""The builder image keeps S2I's contract before anything is built with it."""

import subprocess

import pytest

from tests.e2e.conftest import ROOT
from tests.e2e.engine import HARDENED, S2i, config_of, docker

USAGE = (
    (ROOT / "s2i" / "bin" / "usage").read_text(encoding="utf-8").partition("TEXT'\n")[2].removesuffix("TEXT\n").strip()
)

PREPARE = (ROOT / "s2i" / "prepare").read_text(encoding="utf-8")


def test_labels_tell_openshift_what_the_image_is(builder: str) -> None:
    labels = config_of(builder)["Labels"]
    assert labels["io.openshift.s2i.scripts-url"] == "image:///usr/libexec/s2i"
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
    assert len(docker("history", "--quiet", builder).splitlines()) < 40


def test_default_command_prints_the_usage_under_any_uid(builder: str) -> None:
    assert "Sample invocation" in USAGE
    assert docker("run", "--rm", builder) == USAGE
    assert docker("run", "--rm", *HARDENED, builder) == USAGE


def test_assemble_h_and_s2i_usage_print_the_usage_too(s2i: S2i) -> None:
    assert docker("run", "--rm", s2i.builder, "/usr/libexec/s2i/assemble", "-h") == USAGE
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
    tools = ["sh", "bash", "tar", "truncate", "find", "serve", "modelcast", "modelcast-runtime"]
    assert docker("run", "--rm", builder, "which", *tools).splitlines() == [
        "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/tar", "/usr/bin/truncate", "/usr/bin/find",
        "/usr/local/bin/serve", "/opt/modelcast/bin/modelcast", "/opt/modelcast/bin/modelcast-runtime",
    ]  # fmt: skip


def test_prepare_makes_sh_bash_once_and_leaves_a_base_alone_that_has_it(base: str) -> None:
    script = f"prepare() {{ bash -s python3 <<'PREPARE'\n{PREPARE}\nPREPARE\n}}\n"
    script += "readlink /bin/sh; prepare; ls -l --time-style=full-iso /bin/sh >/first; prepare\n"
    script += "ls -l --time-style=full-iso /bin/sh | cmp - /first; readlink /bin/sh; grep -c :1001: /etc/passwd"
    assert docker("run", "--rm", "--interactive", base, "bash", stdin=script).splitlines() == ["dash", "bash", "1"]


def test_prepare_asks_the_base_s_own_installer_for_what_is_missing(base: str) -> None:
    """UBI's minimal image has microdnf and no tar; no such base can be had here, so its installer is played."""
    script = "rm /usr/bin/tar /usr/bin/apt-get; printf '#!/bin/sh\\necho \"$@\"\\n' >/usr/bin/microdnf; chmod +x /usr/bin/microdnf\n"
    script += f"bash -s python3 <<'PREPARE'\n{PREPARE}\nPREPARE\n"
    said = docker("run", "--rm", "--interactive", base, "bash", stdin=script).splitlines()
    assert said == ["install -y --nodocs tar", "clean all"]
