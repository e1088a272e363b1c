"""A repository's own wheelhouse: found, filled from an index with hashes and dates, and then enough without any."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from modelcast_builder.config import build_settings
from modelcast_builder.environment import (
    Lock,
    Requirements,
    Uv,
    base_python,
    create,
    lock_text,
    resolve,
    use_uv,
    vendor,
    wheelhouse,
)
from modelcast_builder.environment.uv import Ran
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.report import Reporter

from tests.package_index import Index, Release, fill, locked_releases, serving, uv_at

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
FILL = "Run `modelcast wheels SRC` where there is a network, and put the folder into the repository"
HERE = f"for Python {OURS} on {wheelhouse.platform_name()}"


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index([*locked_releases(), Release("idna", "3.7", "2024-04-11T00:00:00Z")])) as held:
        yield held


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "requirements.txt").write_text("idna==3.7\n")
    return root


@pytest.fixture
def no_wheel_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels have hundreds of megabytes: none is read as a whole (but our own)."""
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        assert path.suffix != ".whl" or path.name.startswith("modelcast_runtime-")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)


Fill = Callable[..., list[str]]


@pytest.fixture
def fill_from(index: Index, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fill:
    """`modelcast wheels` with the index, into the repository; the names of the files that it tells."""
    for name, value in uv_at(f"{index.address}/simple", tmp_path).env.items():
        if name.startswith("UV_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings = replace(build_settings({}), cache=tmp_path / "cache")

    def run(into: str = "wheels") -> list[str]:
        told = vendor(repository, None, settings, Reporter(), into=repository / into)
        return [path.name for path in told]

    return run


def without_network(tmp_path: Path) -> Uv:
    """The real uv with an empty cache, where every address is dead."""
    return uv_at("http://127.0.0.1:9/simple", tmp_path / "nowhere", ALL_PROXY="http://127.0.0.1:9", NO_PROXY="")


def offline(root: Path, tmp_path: Path, pins: Sequence[str] = ("idna==3.7",), machine: Path | None = None) -> Lock:
    asked = Requirements(pins=tuple(pins), wheels=root / "wheels")
    return resolve(asked, {}, python=base_python(), wheelhouse=machine, uv=without_network(tmp_path))


# --- which folder


def test_the_wheelhouse_is_the_named_folder_or_one_of_the_usual_name_that_holds_a_wheel(tmp_path: Path) -> None:
    assert wheelhouse.find(tmp_path, None) is None
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "car.py").touch()
    assert wheelhouse.find(tmp_path, None) is None
    fill(tmp_path / "wheelhouse", [Release("six", "1.16.0")])
    assert wheelhouse.find(tmp_path, None) == tmp_path / "wheelhouse"
    (tmp_path / "deps").mkdir()
    fill(tmp_path / "deps" / "vendor", [Release("six", "1.16.0")])
    assert wheelhouse.find(tmp_path, "./deps/vendor/") == tmp_path / "deps" / "vendor"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("absent", f"`wheels: absent` of modelcast.yaml is no folder of the repository. {FILL}"),
        ("empty", f"`wheels: empty` of modelcast.yaml holds no wheel. {FILL}"),
        ("..", "`wheels: ..` of modelcast.yaml is no folder below the repository's root. Write `wheels: wheels`"),
        (".", "`wheels: .` of modelcast.yaml is no folder below the repository's root. Write `wheels: wheels`"),
        ("/tmp", "`wheels: /tmp` of modelcast.yaml is no folder below the repository's root. Write `wheels: wheels`"),
        ("away", "`wheels: away` of modelcast.yaml is no folder below the repository's root. Write `wheels: wheels`"),
    ],
)
def test_a_named_wheelhouse_that_cannot_be_used_is_refused(tmp_path: Path, named: str, told: str) -> None:
    root = tmp_path / "repository"
    (root / "empty").mkdir(parents=True)
    (root / "away").symlink_to(tmp_path)
    with pytest.raises(BuildError) as refused:
        wheelhouse.find(root, named)
    assert str(refused.value) == f"environment: {told}"


def test_two_wheelhouses_are_refused(tmp_path: Path) -> None:
    for name in ("wheels", "wheelhouse"):
        fill(tmp_path / name, [Release("six", "1.16.0")])
    with pytest.raises(BuildError) as refused:
        wheelhouse.find(tmp_path, None)
    assert str(refused.value) == (
        "environment: the repository has two wheelhouses: wheels and wheelhouse. "
        "Name one in modelcast.yaml: `wheels: wheels`"
    )


# --- filled, and then offline


def test_the_lock_from_a_filled_wheelhouse_is_the_one_of_the_index_to_the_letter(
    index: Index, repository: Path, tmp_path: Path, fill_from: Fill
) -> None:
    told = fill_from()
    online = resolve(
        Requirements(pins=("idna==3.7",)), {}, python=base_python(), uv=uv_at(f"{index.address}/simple", tmp_path)
    )
    assert online.as_of == "2024-04-12T00:00:00Z"
    pins = sorted((*online.packages, *online.serving))
    assert sorted(told) == sorted(path.name for path in (repository / "wheels").iterdir())
    wheels = wheelhouse.wheels(repository / "wheels")
    assert sorted(f"{wheel.name}=={wheel.version}" for wheel in wheels) == pins
    assert told == [*sorted(wheel.path.name for wheel in wheels), "wheelhouse.lock"]

    index.releases = []
    found = offline(repository, tmp_path)
    assert lock_text(found) == lock_text(online)
    assert found.notes == online.notes


@pytest.mark.usefixtures("no_wheel_in_memory")
def test_filling_again_takes_what_is_there_and_drops_the_wheels_of_the_former_lock_alone(
    index: Index, repository: Path, fill_from: Fill
) -> None:
    fill_from()
    (repository / "wheels" / "README.md").write_text("mine")
    own = Release("own", "1.0")
    (repository / "wheels" / own.file).write_bytes(own.wheel)
    index.asked.clear()
    first = fill_from()
    assert [path for path in index.asked if path.endswith(".whl")] == []

    index.releases.append(Release("idna", "3.8", "2024-08-11T00:00:00Z"))
    (repository / "requirements.txt").write_text("idna==3.8\nown\n")
    second = fill_from()
    assert [path for path in index.asked if path.endswith(".whl")] == ["/files/idna-3.8-py3-none-any.whl"]
    held = {path.name for path in (repository / "wheels").iterdir()}
    assert held == {*second, "README.md"}
    assert {*second} == {*first} - {"idna-3.7-py3-none-any.whl"} | {"idna-3.8-py3-none-any.whl", own.file}


def test_the_users_own_wheels_stay_however_often_the_wheelhouse_is_filled(
    index: Index, repository: Path, fill_from: Fill
) -> None:
    own, rebuilt = Release("own", "1.0"), Release("idna", "3.7", tag="py3-none-win32")
    fill(repository / "wheels", [own])
    (repository / "requirements.txt").write_text("own\nidna==3.7\n")
    assert own.file in fill_from()
    (repository / "wheels" / rebuilt.file).write_bytes(rebuilt.wheel)
    assert own.file in fill_from()  # it still counts as a part of the index, which does not have it
    index.releases.append(Release("idna", "3.8", "2024-08-11T00:00:00Z"))
    (repository / "requirements.txt").write_text("idna==3.8\n")
    patched = Release("idna", "3.8", module="patched = True")
    (repository / "wheels" / patched.file).write_bytes(patched.content)
    told = fill_from()
    assert {path.name for path in (repository / "wheels").iterdir()} == {*told, own.file, rebuilt.file}
    assert (repository / "wheels" / patched.file).read_bytes() == patched.content


def test_a_broken_download_leaves_the_wheelhouse_as_it_was(
    index: Index, repository: Path, monkeypatch: pytest.MonkeyPatch, fill_from: Fill
) -> None:
    fill_from()
    before = {path.name: path.read_bytes() for path in (repository / "wheels").iterdir()}
    index.releases.append(Release("idna", "3.8", "2024-08-11T00:00:00Z"))
    (repository / "requirements.txt").write_text("idna==3.8\n")
    real = Index.file
    cut = lambda held, name: real(held, name)[: None if name.endswith(".metadata") else -1]  # noqa: E731
    monkeypatch.setattr(Index, "file", cut)
    with pytest.raises(MissingPart) as missing:
        fill_from()
    told = "environment: 127.0.0.1 does not give idna==3.8 as it was resolved: ERROR: THESE PACKAGES DO NOT MATCH THE"
    assert str(missing.value).startswith(told)
    assert str(missing.value).endswith(". Try again where the index can be reached")
    assert {path.name: path.read_bytes() for path in (repository / "wheels").iterdir()} == before
    assert sorted(path.name for path in repository.iterdir()) == ["requirements.txt", "wheels"]


def test_a_package_without_a_wheel_is_built_into_one(
    index: Index, repository: Path, tmp_path: Path, fill_from: Fill
) -> None:
    (repository / "requirements.txt").write_text("sourced==1.0\n")
    index.releases.append(Release("sourced", "1.0", "2024-04-11T00:00:00Z", is_source=True))
    assert "sourced-1.0-py3-none-any.whl" in fill_from()
    found = offline(repository, tmp_path, ["sourced==1.0"])
    assert (found.as_of, "sourced==1.0" in found.packages) == ("2024-04-12T00:00:00Z", True)


def test_a_package_that_cannot_be_built_is_not_called_out_of_reach(
    index: Index, repository: Path, fill_from: Fill
) -> None:
    (repository / "requirements.txt").write_text("sourced==1.0\n")
    index.releases.append(Release("sourced", "1.0", "2024-04-11T00:00:00Z", is_source=True, fails="no compiler here"))
    with pytest.raises(BuildError) as refused:
        fill_from()
    assert str(refused.value) == (
        "environment: sourced==1.0 has no wheel and cannot be built from its source: RuntimeError: no compiler here. "
        "Name a version that has one in requirements.txt, or put a wheel of it into wheels"
    )


def test_without_hashes_too_a_file_comes_from_the_index_that_was_asked_for_it(
    index: Index, repository: Path, monkeypatch: pytest.MonkeyPatch, fill_from: Fill
) -> None:
    (repository / "requirements.txt").write_text("own\n")
    ours = Release("own", "1.0", module="whose = 'ours'")
    # Of two files of one version pip takes the more specific one, in whichever index it lies.
    anybodys = Release("own", "1.0", module="whose = 'anybodys'", tag=f"cp{OURS.replace('.', '')}-none-any")
    index.releases.append(anybodys)
    with serving(Index([ours], is_hashed=False)) as private:
        monkeypatch.setenv("UV_INDEX", f"{private.address}/simple")
        assert [name for name in fill_from() if name.startswith("own")] == [ours.file]
    assert (repository / "wheels" / ours.file).read_bytes() == ours.content


def test_the_wheel_that_most_machines_can_install_comes_too(index: Index, repository: Path, fill_from: Fill) -> None:
    index.releases.append(Release("idna", "3.7", "2024-04-11T00:00:00Z", tag=f"cp{OURS.replace('.', '')}-none-any"))
    told = [name for name in fill_from() if name.startswith("idna")]
    assert told == [f"idna-3.7-cp{OURS.replace('.', '')}-none-any.whl", "idna-3.7-py3-none-any.whl"]


def test_requirements_that_changed_since_are_refused(repository: Path, tmp_path: Path, fill_from: Fill) -> None:
    fill_from()
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path, ["idna==3.8"])
    assert str(refused.value) == (
        "environment: the wheelhouse wheels was filled for other requirements: idna==3.7, idna==3.8 changed. "
        f"{FILL}, or let its wheels decide: remove wheelhouse.lock"
    )


def test_a_wheelhouse_of_another_python_is_refused(repository: Path, tmp_path: Path, fill_from: Fill) -> None:
    fill_from()
    lock = repository / "wheels" / "wheelhouse.lock"
    lock.write_text(lock.read_text().replace(f"# python: {OURS}", "# python: 3.9"))
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path)
    told = f"environment: the wheelhouse wheels was filled for Python 3.9, and this builder has {OURS}. {FILL}"
    assert str(refused.value) == told


def test_a_damaged_lock_of_a_wheelhouse_is_refused(repository: Path, tmp_path: Path, fill_from: Fill) -> None:
    fill_from()
    (repository / "wheels" / "wheelhouse.lock").write_text("mine")
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path)
    assert str(refused.value) == f"environment: wheels/wheelhouse.lock cannot be read. {FILL}"


# --- wheels that somebody put there by hand


def test_with_nothing_pinned_wheels_by_hand_give_the_lock_of_the_index(
    index: Index, repository: Path, tmp_path: Path
) -> None:
    fill(repository / "wheels", [*locked_releases(), Release("numpy", "99.0")])
    online = resolve(Requirements(), {}, python=base_python(), uv=uv_at(f"{index.address}/simple", tmp_path))
    assert lock_text(offline(repository, tmp_path, [])) == lock_text(online)


def test_with_a_pin_wheels_by_hand_decide_and_that_is_noted(repository: Path, tmp_path: Path) -> None:
    fill(repository / "wheels", [*locked_releases(), Release("idna", "3.7", needs=("six",)), Release("six", "1.0")])
    found = offline(repository, tmp_path)
    assert {"idna==3.7", "six==1.0"} <= {*found.packages}
    told = "the wheelhouse alone decided the versions: `modelcast wheels` fills it with those that the index gives"
    assert (found.as_of, found.notes) == ("", (told,))


def test_the_machines_wheelhouse_fills_the_gaps(repository: Path, tmp_path: Path) -> None:
    fill(repository / "wheels", [Release("idna", "3.7")])
    machine = fill(tmp_path / "machine", locked_releases())
    assert "idna==3.7" in offline(repository, tmp_path, machine=machine).packages


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ([], f"has no wheel for idna==3.7: expected idna-3.7-*.whl {HERE}"),
        (
            [Release("idna", "3.6")],
            f"has no wheel for idna==3.7: expected idna-3.7-*.whl {HERE} (it holds idna-3.6-py3-none-any.whl)",
        ),
        (
            [Release("idna", "3.7", tag="cp39-cp39-win_amd64")],
            f"has no wheel for idna==3.7: expected idna-3.7-*.whl {HERE} (it holds idna-3.7-cp39-cp39-win_amd64.whl)",
        ),
    ],
)
def test_a_wheel_that_is_not_there_is_named(
    repository: Path, tmp_path: Path, held: Sequence[Release], told: str
) -> None:
    fill(repository / "wheels", [*locked_releases(), *held])
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path)
    assert str(refused.value) == f"environment: the wheelhouse wheels {told}. {FILL}"


def test_several_wheels_that_are_not_there_are_counted(repository: Path, tmp_path: Path) -> None:
    fill(repository / "wheels", [Release("idna", "3.7")])
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path)
    assert str(refused.value) == (
        "environment: the wheelhouse wheels has no wheel for scikit-learn, nor 4 more: "
        f"expected scikit_learn-*.whl {HERE}. {FILL}"
    )


def test_wheels_that_do_not_fit_together_are_refused(repository: Path, tmp_path: Path) -> None:
    fill(repository / "wheels", [*locked_releases(), Release("idna", "3.7", needs=("numpy<1",))])
    with pytest.raises(BuildError) as refused:
        offline(repository, tmp_path)
    assert str(refused.value).startswith("environment: the wheels of wheels do not fit together: Because ")
    assert str(refused.value).endswith(f". {FILL}")


# --- installed


@pytest.mark.usefixtures("no_wheel_in_memory")
def test_an_environment_of_own_wheels_asks_nobody_and_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelcast_builder.environment.venv._import", lambda *_: None)  # of packages that are not here
    lacking = Lock(packages=("own==1.0",), serving=(), as_of="2024-01-01T00:00:00Z")
    made = []
    for name, module in (("first", "word = 1"), ("second", "word = 2")):
        house = fill(tmp_path / name, [Release("own", "1.0", module=module)])
        made.append(installed(replace(lacking, wheels=house), tmp_path))
    assert made[0] != made[1]
    # Where no index can be reached, the bundle is served from the environment that it was built in.
    assert installed(lacking, tmp_path) == made[1]
    with pytest.raises(MissingPart):
        installed(replace(lacking, packages=("own==1.1",)), tmp_path)
    with pytest.raises(BuildError) as refused:
        installed(replace(lacking, packages=("own==2.0",), wheels=tmp_path / "first"), tmp_path)
    assert str(refused.value) == (
        f"environment: the wheelhouse first has no wheel for own==2.0: expected own-2.0-*.whl {HERE} "
        f"(it holds own-1.0-py3-none-any.whl). {FILL}"
    )


def installed(lock: Lock, tmp_path: Path) -> Path:
    """The folder of an environment that holds nothing but own wheels; what it would import is not asked."""
    calls: list[Sequence[str]] = []
    real = use_uv().execute

    def offline_only(argv: Sequence[str], env: Mapping[str, str], stdin: str) -> Ran:
        calls.append(argv)
        return real(argv, env, stdin)

    uv = replace(without_network(tmp_path), execute=offline_only)
    root = create(lock, cache=tmp_path / "cache", uv=uv).root
    asked = [argv for argv in calls if "install" in argv]
    assert all({"--no-index", "--offline"} <= {*argv} for argv in asked if lock.wheels)
    return root
