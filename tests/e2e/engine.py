"""The engine's and s2i's commands as the tests say them."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
HARDENED = ("--user", "1000680000:0", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
"""As OpenShift's restricted SCC runs it, and stricter: the only writable path is the engine's own /dev/shm."""
NO_REGISTRY = ("--pull-policy", "never", "--incremental-pull-policy", "never")
START_S = 180


def docker(*arguments: str, stdin: str | None = None) -> str:
    """What a docker command writes on stdout; its failure is the test's."""
    return run(["docker", *arguments], stdin=stdin).stdout.strip()


def run(command: Sequence[str], *, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command that must succeed; what it said is in the failure."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done


def config_of(image: str) -> dict[str, Any]:
    """What an image says of itself."""
    return dict(json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running container and where it answers."""

    name: str
    url: str

    def ready(self) -> None:
        """Wait until every check of /readyz holds; a container that ended says why."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.state()["Running"], f"the container ended: {self.log()}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=30).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready within {START_S} s: {self.log()}")

    def state(self) -> dict[str, Any]:
        """The engine's view: Running, ExitCode, OOMKilled..."""
        return dict(json.loads(docker("container", "inspect", "--format", "{{json .State}}", self.name)))

    def log(self) -> str:
        """Everything that the container wrote."""
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def terminate(self, grace_s: int) -> int:
        """SIGTERM and, after the grace period, SIGKILL, as Kubernetes does; the exit code, which is 137 of the killed."""
        docker("stop", "--time", str(grace_s), self.name)
        return int(self.state()["ExitCode"])


SCLORG = """\
FROM {builder}
LABEL "io.openshift.s2i.build.image"="{builder}" \\
      "io.openshift.s2i.build.source-location"="file://."
USER root
COPY upload/src/ /tmp/src
RUN chown -R 1001:0 /tmp/src
{artifacts}USER 1001
RUN /usr/libexec/s2i/assemble
CMD /usr/libexec/s2i/run
"""
"""What the sclorg tests' `ct_s2i_build_as_df` writes, with no s2i at all."""
SCLORG_ARTIFACTS = "RUN mkdir /tmp/artifacts\nADD artifacts.tar /tmp/artifacts\nRUN chown -R 1001:0 /tmp/artifacts\n"
BY_HAND = """\
FROM {builder}
USER 0
ADD upload/src /tmp/src
RUN /usr/bin/fix-permissions /tmp/src
USER 1001
RUN /usr/libexec/s2i/assemble
CMD /usr/libexec/s2i/run
"""
"""What sclorg's README tells those to write who build by a Dockerfile of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S2i:
    """The real s2i, and the builder image that it builds with. Its builds have no network, unless an option says so."""

    binary: str
    builder: str

    def build(self, source: Path, image: str, *options: str, network: str = "none") -> str:
        """The engine's strategy: a container of the builder, fed by tar and committed."""
        run(self._command(source, image, "--network", network, *options))
        return image

    def refused(self, source: Path, *options: str) -> str:
        """The last line that the assembly of a refused repository wrote."""
        done = subprocess.run(
            self._command(source, "modelcast-e2e-refused", "--network", "none", *options),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600,
        )  # fmt: skip
        lines = done.stdout.splitlines()
        assert done.returncode == 1, f"s2i exited {done.returncode}\n{done.stdout[-8000:]}"
        return lines[lines.index("Build failed") - 1]

    def build_as_dockerfile(self, source: Path, image: str, context: Path, *options: str) -> str:
        """OpenShift 4's way: s2i writes a Dockerfile, another tool builds it."""
        run(self._command(source, image, "--as-dockerfile", str(context / "Dockerfile"), *options))
        docker("build", "--quiet", "--network", "none", "--tag", image, str(context))
        return image

    def build_as_sclorg(self, source: Path, image: str, context: Path, *, is_incremental: bool = False) -> str:
        """By the Dockerfile of sclorg's tests."""
        artifacts = context / "artifacts.tar"
        if is_incremental:
            with artifacts.open("wb") as file:
                subprocess.run(
                    ["docker", "run", "--rm", image, "bash", "-c", "/usr/libexec/s2i/save-artifacts"],
                    stdout=file, check=True,
                )  # fmt: skip
        written = SCLORG.format(builder=self.builder, artifacts=SCLORG_ARTIFACTS if is_incremental else "")
        return self._build_by(written, source, image, context)

    def build_by_hand(self, source: Path, image: str, context: Path) -> str:
        """By the Dockerfile of sclorg's README."""
        return self._build_by(BY_HAND.format(builder=self.builder), source, image, context)

    def _build_by(self, dockerfile: str, source: Path, image: str, context: Path) -> str:
        shutil.copytree(source, context / "upload" / "src", symlinks=True)
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        docker("build", "--quiet", "--network", "none", "--tag", image, str(context))
        return image

    def _command(self, source: Path, image: str, *options: str) -> list[str]:
        return [self.binary, "build", str(source), self.builder, image, *NO_REGISTRY, "--copy", *options]
