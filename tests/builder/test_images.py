"""`modelcast image` against a played engine: the Dockerfiles as text, the contexts as files, every error whole."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from modelcast_builder.cli import main
from modelcast_builder.environment import Environment, Lock, base_python, use_uv
from modelcast_builder.errors import BuildError
from modelcast_builder.images import Base, dockerfile, parse_reference, runtime_image, staging
from modelcast_builder.images.dockerfile import Assembled, Laid
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Compilation

from tests.builder.played_engine import FOR_EVER, PlayedEngine, play

MakeBundle = Callable[..., Path]
HERE = Path(__file__).parent / "images"
BASE = Base(image="modelcast-runtime", python="3.11", platform="linux-x86_64", glibc="2.36")
LAID = Path("laid/opt/app-root/bundle")
FACTS = '["3.11", "linux-x86_64", "2.36"]'
DIGEST = "sha256:" + "a" * 64
S2I_LABELS = json.dumps({"Labels": {"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i"}})
RECIPES = {
    "native.Dockerfile": dockerfile.laid(
        Laid(
            base="modelcast-runtime",
            labels={"modelcast.name": "spam", "modelcast.source": 'https://host/a"b$c\\d'},
            has_environment=True,
        )
    ),
    "compiled.Dockerfile": dockerfile.laid(
        Laid(base="host:5000/modelcast-runtime:1", labels={"modelcast.name": "spam"}, has_environment=False)
    ),
    "assembled.Dockerfile": dockerfile.assembled(
        Assembled(
            builder="modelcast-builder",
            labels={"io.k8s.display-name": "spam", "io.openshift.s2i.build.image": "modelcast-builder"},
            environment={"MODELCAST_PARAMETERS": '{"k": 7}', "GREETING": "two\nlines"},
            user="1001",
            scripts="/usr/libexec/s2i",
            overriding=frozenset({"run"}),
        )
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_dockerfiles_are_these(name: str) -> None:
    assert RECIPES[name] == (HERE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "repository", "host"),
    [
        ("penguins", "penguins", "docker.io"),
        ("team/penguins:1.0", "team/penguins", "docker.io"),
        ("localhost:5000/penguins", "localhost:5000/penguins", "localhost:5000"),
        ("localhost/penguins:v1", "localhost/penguins", "localhost"),
        ("registry.example.com:443/a/b_c/d--e:1", "registry.example.com:443/a/b_c/d--e", "registry.example.com:443"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000"),
    ],
)
def test_a_name_is_taken_apart_as_engines_do(text: str, repository: str, host: str) -> None:
    reference = parse_reference(text)
    assert (reference.repository, reference.host) == (repository, host)
    assert reference.at(DIGEST) == f"{repository}@{DIGEST}"


@pytest.mark.parametrize(
    "text", ["", "Penguins", "a b", "a:", "a@sha256:00", "--push", "a//b", "http://host/a", "a:b:c"]
)
def test_what_is_no_name_is_wrong_usage(text: str) -> None:
    done = CliRunner().invoke(main, ["image", ".", f"--tag={text}"])
    assert (done.exit_code, done.stdout) == (2, "")
    said = f"{text!r} is no image name; expected lower-case [REGISTRY/]NAME[:TAG], such as penguins:1.0"
    assert done.stderr.splitlines()[-1] == f"Error: Invalid value for '-t' / '--tag': {said}"


def test_the_same_bundle_is_the_same_layer(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("own")
    (root / "model.joblib").chmod(0o600)
    seen = []
    for place in (tmp_path / "one", tmp_path / "two"):
        place.mkdir()
        staging.add_bundle(root, place)
        files = sorted(place.rglob("*"))
        seen.append({path.relative_to(place): (path.stat().st_mode, path.stat().st_mtime) for path in files})
    assert seen[0] == seen[1]
    assert {time for _, time in seen[0].values()} == {dockerfile.EPOCH_S}
    assert seen[0][LAID / "model.joblib"][0] == 0o100644
    assert open_bundle(tmp_path / "two" / LAID).digest == open_bundle(root).digest


@pytest.fixture
def small_environment(tmp_path: Path) -> Environment:
    """An environment of one package, whose script names the environment's own interpreter."""
    wheel = tmp_path / "kiln-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("kiln.py", "VERSION = '1.0'\n")
        archive.writestr("kiln-1.0.data/scripts/kiln-fire", "#!python\nprint('fired')\n")
        archive.writestr("kiln-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Kiln\nVersion: 1.0\n")
        archive.writestr("kiln-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("kiln-1.0.dist-info/RECORD", "kiln.py,,\nkiln-1.0.dist-info/RECORD,,\n")
    root = tmp_path / "environment"
    uv = use_uv()
    assert uv("venv", "--quiet", "--no-project", "--python", str(base_python()), str(root)).ok
    assert uv("pip", "install", "--no-index", "--python", str(root / "bin/python"), str(wheel)).ok
    assert (root / "bin/kiln-fire").read_text(encoding="utf-8").startswith(f"#!{root}/bin/python")
    lock = Lock(packages=("kiln==1.0",), serving=(), as_of="", python=BASE.python)
    return Environment(python=root / "bin/python", lock=lock, root=root)


def test_what_is_installed_here_goes_along_as_wheels_that_name_no_place(
    small_environment: Environment, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (wheel,) = staging.add_environment(small_environment, context)
    assert (context / "requirements.txt").read_text(encoding="utf-8") == "kiln==1.0\n"
    assert wheel == context / "wheels" / "kiln-1.0-py3-none-any.whl"
    assert str(small_environment.root).encode() not in wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("kiln-1.0.data/scripts/kiln-fire").startswith(b"#!python\n")


@pytest.mark.parametrize(
    ("wheel", "base", "told"),
    [
        ("a-1-cp311-cp311-manylinux_2_34_x86_64.whl", {"glibc": "2.28"}, "base (Python 3.11, linux-x86_64, glibc 2.28)"),
        ("a-1-cp311-cp311-manylinux2014_x86_64.whl", {"platform": "linux-aarch64"}, "base (Python 3.11, linux-aarch64, glibc 2.36)"),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.whl", {"glibc": ""}, "base (Python 3.11, linux-x86_64, no glibc)"),
    ],
)  # fmt: skip
def test_wheels_of_another_kind_of_machine_are_refused(wheel: str, base: dict[str, str], told: str) -> None:
    with pytest.raises(BuildError) as refused:
        runtime_image.check_platform([Path(wheel), Path("b-1-py3-none-any.whl")], replace(BASE, image="base", **base))
    assert str(refused.value) == (
        f"image: {wheel}, as installed here, cannot be installed in {told}. "
        "Run `modelcast image` on a machine like it, or with --builder, which installs in the image"
    )


@pytest.mark.parametrize(
    "tags", ["cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64",
             "cp36-abi3-manylinux1_x86_64", "py3-none-any", "py2.py3-none-any", "cp311-cp311-linux_x86_64"],
)  # fmt: skip
def test_wheels_for_such_a_machine_are_taken(tags: str) -> None:
    runtime_image.check_platform([Path(f"a-1-{tags}.whl")], BASE)


def test_an_image_of_another_python_is_refused(make_bundle: MakeBundle, small_environment: Environment) -> None:
    with pytest.raises(BuildError) as refused:
        runtime_image.check_python(open_bundle(make_bundle()), small_environment, replace(BASE, python="3.12"))
    assert str(refused.value) == (
        "image: array needs Python 3.11, and modelcast-runtime has 3.12. "
        "Run `make image` with a BASE_IMAGE of Python 3.11, and name the image in MODELCAST_RUNTIME_IMAGE"
    )


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedEngine:
    """A played docker, which is all that PATH has."""
    for name in ("MODELCAST_ENGINE", "MODELCAST_RUNTIME_IMAGE", "MODELCAST_NAME", "MODELCAST_PARAMETERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "engine"))
    return play(tmp_path / "engine")


@pytest.fixture
def compiled(make_bundle: MakeBundle) -> str:
    """A bundle that needs no environment of its own."""
    return str(make_bundle(compilation=Compilation(backend="onnxruntime", reason="proven equal")))


def image(*words: str) -> Result:
    return CliRunner().invoke(main, ["image", *words])


def test_a_compiled_bundle_is_laid_on_and_proven_then_named(engine: PlayedEngine, compiled: str) -> None:
    engine.answers({"run": FACTS})
    done = image(compiled, "-t", "team/array:1")
    assert (done.exit_code, done.stdout) == (0, "team/array:1\n"), done.stderr
    *_, build, prove, tag = engine.asked()
    assert build[:3] == ["build", "--force-rm", "--iidfile"]
    assert build[4:6] == ["--network", "none"]
    assert prove == [
        "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "sha256:made", "modelcast-runtime", "selftest",
    ]  # fmt: skip
    assert tag == ["tag", "sha256:made", "team/array:1"]
    assert sorted(path.name for path in engine.context.iterdir()) == ["Dockerfile", "laid"]
    assert open_bundle(engine.context / LAID).digest == open_bundle(Path(compiled)).digest
    written = (engine.context / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert written[:2] == ["FROM modelcast-runtime", "COPY laid/ /"]
    assert f'"modelcast.bundle-digest"="{open_bundle(Path(compiled)).digest}"' in written[4]


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_push_prints_the_registrys_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: str, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "engine"))
    monkeypatch.setenv("MODELCAST_RUNTIME_IMAGE", "registry.example.com/runtime:2")
    played = play(tmp_path / "engine", name)
    pushed = f"The push refers to repository [h/a]\nlayer: Pushed\n1: digest: {DIGEST} size: 1574\n"
    played.answers({"version": f"Client: {name} Engine\n", "run": FACTS, "push": pushed if name == "docker" else ""})
    done = image(compiled, "-t", "localhost:5000/a:1", "--push")
    digest = DIGEST if name == "docker" else "sha256:" + "b" * 64
    assert (done.exit_code, done.stdout) == (0, f"localhost:5000/a@{digest}\n"), done.stderr
    assert played.asked()[-1][-1] == "localhost:5000/a:1"
    assert (
        (played.context / "Dockerfile").read_text(encoding="utf-8").startswith("FROM registry.example.com/runtime:2\n")
    )


NO_RUNTIME = "Run `make image` in modelcast's checkout, or name another in MODELCAST_RUNTIME_IMAGE.\n"
DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
REFUSED = (
    "error: push: the registry localhost:5000 refuses these credentials, or wants some: {}. "
    "Run `docker login localhost:5000` with an account that may push there.\n"
)
UNREACHED = (
    "error: push: the registry localhost:5000 cannot be reached: {}. "
    "See that it runs and that the engine trusts it, or correct the name after -t.\n"
)
FAILURES = {
    "silent": (
        {"version": (1, "Client: Docker Engine\n", DAEMON)},
        "error: image: docker does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
        "Start it, and see that this user may use it.\n",
        3,
    ),
    "no runtime": (
        {"image inspect": (1, "[]\n", "Error: No such image: modelcast-runtime\n")},
        f"error: image: there is no image modelcast-runtime on this machine. {NO_RUNTIME}",
        3,
    ),
    "another image": (
        {"run": (127, "", 'docker: Error response from daemon: exec: "/opt/modelcast/bin/python": no such file.\n')},
        'error: image: modelcast-runtime is no runtime image of modelcast: exec: "/opt/modelcast/bin/python": no such file. '
        "Run `make image` in modelcast's checkout, and name what it makes.\n",
        3,
    ),
    "full disk": (
        {"run": FACTS, "build": (1, "Step 1/3 : FROM x\n", "write /var/lib: no space left on device\n")},
        "error: image: docker cannot build the image: write /var/lib: no space left on device. Mend that, and try again.\n",
        3,
    ),
    "not the same": (
        {"run": FACTS, "run --rm --network none --read-only": (1, "", "error: selftest: row 3 differs.\n")},
        "error: image: the model does not answer in the image as it did in its build: selftest: row 3 differs. "
        "Build the bundle on a machine like the image's base.\n",
        1,
    ),
    "unauthorised": (
        {"run": FACTS, "push": (1, "Preparing\n", "no basic auth credentials\n")},
        REFUSED.format("no basic auth credentials"),
        3,
    ),
    "denied": (
        {"run": FACTS, "push": (1, "", "denied: requested access to the resource is denied\n")},
        REFUSED.format("denied: requested access to the resource is denied"),
        3,
    ),
    "unreachable": (
        {"run": FACTS, "push": (1, "", "Get http://u:pw@localhost:5000/v2/: dial tcp: connect: connection refused\n")},
        UNREACHED.format("Get http://localhost:5000/v2/: dial tcp: connect: connection refused"),
        3,
    ),
    "refused": (
        {"run": FACTS, "push": (1, "", "manifest invalid: manifest invalid\n")},
        "error: push: the registry localhost:5000 does not take localhost:5000/a: manifest invalid: manifest invalid. "
        "Correct the name after -t.\n",
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_of_engine_and_registry_is_one_line(engine: PlayedEngine, compiled: str, failure: str) -> None:
    answers, line, code = FAILURES[failure]
    engine.answers(answers)
    done = image(compiled, "-t", "localhost:5000/a", "--push")
    assert (done.exit_code, done.stdout, done.stderr.splitlines(keepends=True)[-1]) == (code, "", line)
    assert [words[:2] for words in engine.asked() if words[0] == "tag"] == [["tag", "sha256:made"]] * (
        "push" in answers
    )


def test_an_image_that_does_not_prove_itself_is_not_kept(engine: PlayedEngine, compiled: str) -> None:
    engine.answers(FAILURES["not the same"][0])
    image(compiled, "-t", "a")
    assert engine.asked()[-1] == ["image", "rm", "sha256:made"]


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("", "neither docker nor podman is on PATH"),
        ("nerdctl", "nerdctl (MODELCAST_ENGINE) is not on PATH"),
    ],
)
def test_without_an_engine_the_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: str, named: str, line: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MODELCAST_ENGINE", named)
    done = image(compiled, "-t", "a")
    installing = "Install one of them, for instance by `apt-get install docker.io` or `dnf install podman`"
    assert (done.exit_code, done.stdout, done.stderr) == (3, "", f"error: image: {line}. {installing}.\n")


def test_podman_is_taken_where_docker_does_not_answer(engine: PlayedEngine, compiled: str, tmp_path: Path) -> None:
    engine.answers({"version": (1, "", DAEMON)})
    other = play(tmp_path / "other", "podman")
    (tmp_path / "engine" / "podman").symlink_to(other.folder / "podman")
    other.answers({"version": "Client: Podman Engine\n", "run": FACTS})
    done = image(compiled, "-t", "a")
    assert (done.exit_code, done.stdout) == (0, "a\n"), done.stderr
    assert other.asked()[-1] == ["tag", "sha256:made", "a"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with what an upload must and must not hold."""
    root = tmp_path / "spam"
    for name, text in {
        "train.ipynb": "{}",
        ".s2iignore": "secret.txt\n",
        "secret.txt": "not for the image",
        ".git/HEAD": "ref: x",
        ".venv/pyvenv.cfg": "home = /usr/bin",
        "wheels/kiln-1.0-py3-none-any.whl": "wheel",
        ".s2i/environment": "GREETING=hello\nMODELCAST_NAME=theirs\n",
        ".s2i/bin/run": "#!/bin/sh\nexec /usr/libexec/s2i/run\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_builder_gets_the_repository_as_s2i_gives_it(
    engine: PlayedEngine, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELCAST_NAME", "ours")
    engine.answers({"image inspect --format": S2I_LABELS})
    done = image(str(repository), "-t", "spam:1", "--builder", "modelcast-builder")
    assert (done.exit_code, done.stdout) == (0, "spam:1\n"), done.stderr
    assert engine.asked()[-1] == ["tag", "sha256:made", "spam:1"]
    sent = sorted(path.relative_to(engine.context).as_posix() for path in engine.context.rglob("*") if path.is_file())
    source = [".s2i/bin/run", ".s2i/environment", ".s2iignore", "train.ipynb", "wheels/kiln-1.0-py3-none-any.whl"]
    assert sent == ["Dockerfile", "upload/scripts/run", *(f"upload/src/{name}" for name in source)]
    assert os.access(engine.context / "upload/scripts/run", os.X_OK)
    assert (
        (engine.context / "Dockerfile").read_text(encoding="utf-8")
        == f"""\
FROM modelcast-builder
LABEL "io.k8s.display-name"="spam:1" \\
      "io.openshift.s2i.build.image"="modelcast-builder" \\
      "io.openshift.s2i.build.source-location"="{repository}"
ENV GREETING="hello" \\
    MODELCAST_NAME="ours" \\
    OPENSHIFT_BUILD_SOURCE="{repository}"
COPY --chown=1001:0 upload/scripts /tmp/scripts
COPY --chown=1001:0 upload/src /tmp/src
USER 1001
RUN /usr/libexec/s2i/assemble
CMD /tmp/scripts/run
"""
    )


ASSEMBLY = {
    "classic": (
        "Step 5/6 : RUN /usr/libexec/s2i/assemble\n ---> Running in 0f\n---> discover: x\n"
        "\x1b[91merror: discover: no model in /opt/app-root/src. Write `model: model.joblib` in modelcast.yaml.\n\x1b[0m"
        "The command '/bin/sh -c /usr/libexec/s2i/assemble' returned a non-zero code: 1\n",
        "error: discover: no model in /opt/app-root/src. Write `model: model.joblib` in modelcast.yaml.\n",
        1,
    ),
    "BuildKit": (
        "#8 1.234 error: environment: the package index PyPI cannot be reached. Name a mirror in PIP_INDEX_URL.\n"
        'ERROR: process "/bin/sh -c /usr/libexec/s2i/assemble" did not complete successfully: exit code: 3\n',
        "error: environment: the package index PyPI cannot be reached. Name a mirror in PIP_INDEX_URL.\n",
        3,
    ),
    "another's": (
        "tar: not found\nThe command '/bin/sh -c /usr/libexec/s2i/assemble' returned a non-zero code: 127\n",
        "error: image: modelcast-builder cannot assemble {}: "
        "The command '/bin/sh -c /usr/libexec/s2i/assemble' returned a non-zero code: 127. The lines above say more.\n",
        1,
    ),
}


@pytest.mark.parametrize("way", ASSEMBLY)
def test_a_refused_repository_ends_with_the_assemblys_own_line(
    engine: PlayedEngine, repository: Path, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said, line, code = ASSEMBLY[way]
    engine.answers({"image inspect --format": S2I_LABELS, "build": (1, said, "")})
    done = image(str(repository), "-t", "a", "--builder", "modelcast-builder")
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr == said.replace("\x1b[91m", "").replace("\x1b[0m", "") + line.format(repository)


def test_a_command_that_is_told_to_stop_does_not_wait_for_the_engine(engine: PlayedEngine, repository: Path) -> None:
    engine.answers({"image inspect --format": S2I_LABELS, "build": (FOR_EVER, "building\n", "")})
    command = [sys.executable, "-m", "modelcast_builder", "image", str(repository), "-t", "a", "--builder", "b"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as made:
        assert made.stderr is not None
        assert made.stderr.readline() == "building\n"
        made.terminate()
        try:
            assert made.wait(timeout=300) == 143
        finally:
            made.kill()


@pytest.mark.parametrize(
    ("answers", "line", "code"),
    [
        (
            {"image inspect": (1, "[]", "Error: No such image: b\n")},
            "error: image: there is no image b on this machine. "
            "Get it by `docker pull b`, or make modelcast-builder by `make image` in its checkout.\n",
            3,
        ),
        (
            {"image inspect --format": '{"Labels": null}'},
            "error: image: b is no S2I builder image: it has no label io.openshift.s2i.scripts-url with an image:// "
            "address. Name one after --builder, such as modelcast-builder.\n",
            1,
        ),
    ],
    ids=["absent", "no builder"],
)
def test_a_builder_that_is_none_is_refused(
    engine: PlayedEngine, repository: Path, answers: dict[str, str], line: str, code: int
) -> None:
    engine.answers(answers)
    done = image(str(repository), "-t", "a", "--builder", "b")
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", line)


def test_a_bundle_is_not_assembled_again(engine: PlayedEngine, compiled: str) -> None:
    done = image(compiled, "-t", "a", "--builder", "b")
    said = f"image: {compiled} is a bundle, and an S2I builder assembles a repository"
    assert (done.exit_code, done.stderr) == (1, f"error: {said}. Leave --builder out, or name the repository.\n")
