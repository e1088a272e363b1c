"""`modelcast image`: a model on the small runtime image, pushed to a real registry, pulled by its digest, and served."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from modelcast_builder.errors import MissingPart
from modelcast_builder.images import dockerfile, find_engine, parse_reference, push
from modelcast_builder.images.dockerfile import Assembled
from modelcast_runtime.bundle import Bundle, open_bundle

from tests.acceptance.commands import Modelcast
from tests.acceptance.files import copy
from tests.e2e.conftest import ROOT, SAMPLES, Start, tool
from tests.e2e.engine import HARDENED, NO_REGISTRY, S2i, config_of, docker, run
from tests.e2e.registry import running
from tests.e2e.test_stop import GRACE_S
from tests.e2e.test_ways import answers_as_in_the_build

SAMPLE = SAMPLES / "breast-cancer"
AGAIN, ASSEMBLED, LOST = "modelcast-e2e-laid", "modelcast-e2e-assembled", "modelcast-e2e-lost"
NATIVE = "modelcast-e2e-native"
LOOK = "ls -A /tmp; cd /opt/app-root; ls; find . ! -user root ! -path './src*'; grep -rsl test-cache environment/bin; :"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WITHIN_S = 1800
PASSWORD = "s3cr3t-0f-the-1ndex"


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A repository that `modelcast image --push` made an image of."""

    name: str
    printed: str
    bundle: Bundle
    """What lies in the cache on this machine."""


@pytest.fixture(scope="module")
def modelcast() -> Modelcast:
    """The command, with the environments of the other tests and no bundle."""
    cache = ROOT / "build" / "test-cache"
    shutil.rmtree(cache / "bundles", ignore_errors=True)
    return Modelcast(cache=cache)


@pytest.fixture(scope="module")
def registry(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Anybody may push there."""
    with running(tool("registry.sh"), tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def pushed(modelcast: Modelcast, runtime: str, registry: str) -> Iterator[Pushed]:
    """The image of a compiled model, from its repository."""
    name = f"{registry}/team/breast-cancer:1"
    done = make_image(modelcast, SAMPLE, "-t", name, "--push", MODELCAST_RUNTIME_IMAGE=runtime)
    assert done.returncode == 0, done.stderr
    (manifest,) = modelcast.cache.glob("bundles/[!.]*/manifest.json")
    yield Pushed(name=name, printed=done.stdout.splitlines()[-1], bundle=open_bundle(manifest.parent))
    for image in (name, AGAIN, done.stdout.splitlines()[-1]):
        subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)


def make_image(modelcast: Modelcast, *words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """`modelcast image` to its end; on a machine with other work an engine takes its time."""
    return subprocess.run(
        [modelcast.command, "image", *words], env=modelcast.environment(extra), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip


def layers(image: str) -> list[str]:
    return list(json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)))


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def test_the_runtime_image_is_small(base: str, runtime: str) -> None:
    """Measured: 131 MB, of them ONNX Runtime 61 and numpy 48."""
    assert size(runtime) - size(base) < 150e6
    assert len(layers(runtime)) < 12


def test_the_runtime_image_serves_and_does_nothing_else(runtime: str) -> None:
    config = config_of(runtime)
    assert (config["User"], config["WorkingDir"]) == ("1001", "/opt/app-root/src")
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Cmd"] == ["modelcast-runtime", "serve"]
    assert (config.get("Entrypoint"), config.get("Volumes"), config.get("OnBuild")) == (None, None, None)
    wanted = ("name", "vendor", "version", "release", "summary", "description", "maintainer", "io.k8s.display-name")
    assert [name for name in wanted if not config["Labels"].get(name)] == []
    assert config["Labels"]["io.openshift.expose-services"] == "8080:http"
    assert "io.openshift.s2i.scripts-url" not in config["Labels"]
    look = "which serve modelcast-runtime; ls /licenses /tmp /opt/modelcast/bin/pip 2>&1; python3 -m venv --help >/dev/null"
    seen = docker("run", "--rm", *HARDENED, runtime, "sh", "-c", look).splitlines()
    assert seen[:2] == ["/usr/local/bin/serve", "/opt/modelcast/bin/modelcast-runtime"]
    assert "ls: cannot access '/opt/modelcast/bin/pip': No such file or directory" in seen
    assert "LICENSE" in seen
    docker("run", "--rm", *HARDENED, runtime, "/opt/modelcast/bin/python", "-c", "import onnxruntime, numpy, orjson")


def test_the_runtime_image_without_a_bundle_says_what_it_lacks(runtime: str) -> None:
    done = subprocess.run(["docker", "run", "--rm", *HARDENED, runtime], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told = "/opt/app-root/bundle is no folder; expected a bundle made by `modelcast build`"
    assert done.stderr == f"error: serve: {told}\n"


def test_push_prints_the_registrys_own_digest(pushed: Pushed, registry: str) -> None:
    asked = httpx.head(
        f"http://{registry}/v2/team/breast-cancer/manifests/1", headers={"Accept": MANIFEST}, timeout=120
    )
    assert pushed.printed == f"{registry}/team/breast-cancer@{asked.headers['Docker-Content-Digest']}"


def test_what_is_pulled_by_its_digest_serves_hardened_as_the_bundle_here(pushed: Pushed, start: Start) -> None:
    docker("image", "rm", "--force", pushed.name)
    docker("pull", "--quiet", pushed.printed)
    service = start(pushed.printed, *HARDENED)
    told = httpx.get(f"{service.url}/info", timeout=120).json()
    assert (told["bundle_digest"], told["version"]) == (pushed.bundle.digest, pushed.bundle.manifest.version)
    answers_as_in_the_build(service.url, pushed.printed, SAMPLE)
    assert service.terminate(GRACE_S) == 0, service.log()
    proof = docker("run", "--rm", *HARDENED, pushed.printed, "modelcast-runtime", "selftest")
    assert (
        proof
        == f"breast-cancer {pushed.bundle.manifest.version}: {len(pushed.bundle.golden.rows)} golden rows reproduced"
    )
    docker("tag", pushed.printed, pushed.name)


def test_the_same_bundle_is_the_same_image_and_asks_no_index(
    pushed: Pushed, modelcast: Modelcast, runtime: str
) -> None:
    index = f"http://ci:{PASSWORD}@127.0.0.1:9/simple"
    done = make_image(modelcast, pushed.bundle.root, "-t", AGAIN, MODELCAST_RUNTIME_IMAGE=runtime, PIP_INDEX_URL=index
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{AGAIN}\n"), done.stderr
    assert f"{len(pushed.bundle.golden.rows)} golden rows reproduced" in done.stderr
    assert layers(AGAIN) == layers(pushed.name)
    # A compiled model is the bundle and nothing more.
    assert len(layers(AGAIN)) == len(layers(runtime)) + 1
    assert size(AGAIN) - size(runtime) < 2e6
    assert PASSWORD not in docker("history", "--no-trunc", AGAIN) + docker("image", "inspect", AGAIN)
    assert docker("run", "--rm", AGAIN, "sh", "-c", LOOK).splitlines() == ["bundle", "src"]


def test_a_native_model_brings_its_environment(modelcast: Modelcast, runtime: str, tmp_path: Path) -> None:
    source = copy(SAMPLE, tmp_path / "breast-cancer")
    with (source / "modelcast.yaml").open("a", encoding="utf-8") as written:
        written.write("compile: never\n")
    index = f"http://ci:{PASSWORD}@127.0.0.1:9/simple"
    built = modelcast.build(source, tmp_path / "bundle")
    done = make_image(modelcast, built.root, "-t", NATIVE, MODELCAST_RUNTIME_IMAGE=runtime, PIP_INDEX_URL=index)
    assert (done.returncode, done.stdout) == (0, f"{NATIVE}\n"), done.stderr
    try:
        # Its environment and the bundle: nothing of the wheels, and no credential in the history.
        assert len(layers(NATIVE)) == len(layers(runtime)) + 2
        assert size(NATIVE) - size(runtime) < 480e6
        assert PASSWORD not in docker("history", "--no-trunc", NATIVE) + docker("image", "inspect", NATIVE)
        assert docker("run", "--rm", NATIVE, "sh", "-c", LOOK).splitlines() == ["bundle", "environment", "src"]
    finally:
        docker("image", "rm", "--force", NATIVE)


@pytest.mark.parametrize("by", ["modelcast-image", "s2i"])
def test_an_image_is_verified_whole_whoever_made_it(
    pushed: Pushed, penguins: str, modelcast: Modelcast, by: str
) -> None:
    """A compiled model on the runtime image; a native one by s2i's Dockerfile, which keeps no labels, as on OpenShift."""
    image, unlabelled = {"modelcast-image": (pushed.name, []), "s2i": (penguins, [("labels", "not checked")])}[by]
    done = modelcast.run("verify", image, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert [(name, check["status"]) for name, check in checks.items() if check["status"] != "ok"] == unlabelled
    assert checks["settings"]["detail"] == "it serves as user 1001"
    assert checks["installed"]["detail"].endswith(" packages of sbom.cdx.json are in the image, and no other")
    assert checks["answers"]["detail"].endswith("golden rows reproduced")


def test_images_of_one_bundle_do_not_differ(pushed: Pushed, breast_cancer: str, modelcast: Modelcast) -> None:
    done = modelcast.run("diff", breast_cancer, pushed.name, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(told[side]["given"], told[side]["bundle_digest"]) for side in ("old", "new")] == [
        (breast_cancer, pushed.bundle.digest),
        (pushed.name, pushed.bundle.digest),
    ]
    assert told["changes"] == []
    assert (told["scored"]["rows"], told["scored"]["flips"]) == (len(pushed.bundle.golden.rows), 0)


def test_labels_say_which_model_it_is(pushed: Pushed) -> None:
    labels = config_of(pushed.name)["Labels"]
    assert labels["modelcast.name"] == "breast-cancer"
    assert labels["modelcast.version"] == pushed.bundle.manifest.version
    assert labels["modelcast.bundle-digest"] == pushed.bundle.digest
    assert labels["modelcast.scikit-learn"]
    assert config_of(pushed.name)["User"] == "1001"


def test_a_builder_makes_the_same_bundle(pushed: Pushed, modelcast: Modelcast, builder: str, start: Start) -> None:
    done = make_image(modelcast, SAMPLE, "-t", ASSEMBLED, "--builder", builder)
    assert (done.returncode, done.stdout) == (0, f"{ASSEMBLED}\n"), done.stderr
    try:
        assert config_of(ASSEMBLED)["Cmd"] == ["/bin/sh", "-c", "/usr/libexec/s2i/run"]
        service = start(ASSEMBLED, *HARDENED)
        assert httpx.get(f"{service.url}/info", timeout=120).json()["bundle_digest"] == pushed.bundle.digest
        answers_as_in_the_build(service.url, ASSEMBLED, SAMPLE)
    finally:
        docker("image", "rm", "--force", ASSEMBLED)


def test_the_builders_dockerfile_is_the_one_of_s2i(s2i: S2i, tmp_path: Path) -> None:
    source = tmp_path / "repository"
    shutil.copytree(SAMPLE, source)
    (source / ".s2i" / "bin").mkdir(parents=True)
    (source / ".s2i" / "bin" / "run").write_text("#!/bin/sh\nexec /usr/libexec/s2i/run\n", encoding="utf-8")
    (source / ".s2i" / "environment").write_text('GREETING=a "b" $c \\d\n', encoding="utf-8")
    (tmp_path / "context").mkdir()
    written = tmp_path / "context" / "Dockerfile"
    run([s2i.binary, "build", str(source), s2i.builder, "spam:1", *NO_REGISTRY, "--copy", "--as-dockerfile", str(written),
         "--env", "OPENSHIFT_BUILD_COMMIT=0123"])  # fmt: skip
    recipe = Assembled(
        builder=s2i.builder,
        labels={
            "io.k8s.display-name": "spam:1",
            "io.openshift.s2i.build.image": s2i.builder,
            "io.openshift.s2i.build.source-location": str(source),
        },
        environment={"GREETING": 'a "b" $c \\d', "OPENSHIFT_BUILD_COMMIT": "0123"},
        user="1001",
        scripts="/usr/libexec/s2i",
        overriding=frozenset({"run"}),
    )
    assert instructions(dockerfile.assembled(recipe)) == instructions(written.read_text(encoding="utf-8"))


def instructions(text: str) -> list[str]:
    """Without the comments; s2i writes its labels in any order."""
    joined = text.replace(" \\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [" ".join(sorted(line.split())) if line.startswith("LABEL") else line for line in lines]


def test_a_repository_that_its_builder_refuses_ends_with_that_line(modelcast: Modelcast, builder: str) -> None:
    source = SAMPLES / "two-artifacts-should-fail"
    done = make_image(modelcast, source, "-t", LOST, "--builder", builder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (source / "expected-stderr.txt").read_text(encoding="utf-8").strip()
    assert docker("image", "ls", "--quiet", LOST) == ""


def refused(address: str, image: str) -> str:
    """What a push to a registry ends with."""
    name = parse_reference(f"{address}/team/breast-cancer:1")
    docker("tag", image, name.text)
    try:
        with pytest.raises(MissingPart) as missing:
            push(name, find_engine(os.environ))
    finally:
        docker("image", "rm", "--force", name.text)
    return str(missing.value)


def test_a_registry_that_cannot_be_reached_is_one_line(base: str) -> None:
    told = refused("127.0.0.1:9", base)
    assert told.startswith("push: the registry 127.0.0.1:9 cannot be reached: ")
    assert told.endswith(
        "connection refused. See that it runs and that the engine trusts it, or correct the name after -t"
    )
    assert "\n" not in told


def test_a_registry_that_wants_a_password_is_one_line(base: str, tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    settings = {"REGISTRY_AUTH_HTPASSWD_REALM": "r", "REGISTRY_AUTH_HTPASSWD_PATH": str(tmp_path / "users")}
    with running(tool("registry.sh"), tmp_path, REGISTRY_AUTH="htpasswd", **settings) as address:
        told = refused(address, base)
    assert told.startswith(f"push: the registry {address} refuses these credentials, or wants some: ")
    assert told.endswith(f". Run `docker login {address}` with an account that may push there")
    assert "\n" not in told


def test_an_engine_that_does_not_answer_is_one_line(pushed: Pushed, modelcast: Modelcast) -> None:
    done = make_image(
        modelcast, pushed.bundle.root, "-t", LOST, DOCKER_HOST="unix:///nowhere.sock", MODELCAST_ENGINE="docker"
    )
    assert (done.returncode, done.stdout) == (3, "")
    told = "Cannot connect to the Docker daemon at unix:///nowhere.sock"
    assert (
        done.stderr == f"error: image: docker does not answer: {told}. Start it, and see that this user may use it.\n"
    )
