"""The policy of the model's environment, against a package index of our own with its own dates; and against PyPI."""

import datetime
import hashlib
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_builder.environment import (
    Environment,
    Lock,
    Requirements,
    Uv,
    base_python,
    check_unchanged,
    create,
    lock_text,
    locked,
    parse_lock,
    read_requirements,
    resolve,
    use_uv,
)
from modelcast_builder.environment.lock import hashes_text
from modelcast_builder.environment.lock import lock_of as lock_of_bundle
from modelcast_builder.environment.uv import Ran, environment_for_uv
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.repack import repack
from packaging.requirements import Requirement

from tests.package_index import Index, Release, fill, locked_releases, serving, uv_at

ROOT = Path(__file__).resolve().parents[2]
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
DEAD = "http://user:secret@127.0.0.1:9/simple"
"""An index that nobody runs: port 9 is `discard`."""
WITHOUT_INDEX = (
    "Build with a network, name a mirror in PIP_INDEX_URL, or run `modelcast wheels SRC` where there is a network"
)
AFTER_THE_LOCK = "2999-01-01T00:00:00Z"


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index([*locked_releases()])) as held:
        yield held


@pytest.fixture
def reach(index: Index, tmp_path: Path) -> Uv:
    return uv_at(f"{index.address}/simple", tmp_path)


def lock_of(
    uv: Uv,
    *entries: str,
    recorded: Mapping[str, str] | None = None,
    wheelhouse: Path | None = None,
    cache: Path | None = None,
) -> Lock:
    asked = [Requirement(entry) for entry in entries]
    pins = [str(entry) for entry in asked if str(entry.specifier).startswith("==")]
    requirements = Requirements(pins=tuple(pins), ranges=tuple(str(entry) for entry in asked if str(entry) not in pins))
    return resolve(requirements, recorded or {}, python=base_python(), wheelhouse=wheelhouse, cache=cache, uv=uv)


def versions(lock: Lock) -> dict[str, str]:
    return dict(pin.split("==") for pin in lock.packages)


# --- what a repository asks for


@pytest.mark.parametrize(
    ("text", "pins", "ranges"),
    [
        (b"matplotlib", (), ("matplotlib",)),
        (b"scikit-learn==1.2.2\r\nnumpy<2\r\n", ("scikit-learn==1.2.2",), ("numpy<2",)),
        (b"# all\n\nScikit_Learn == 1.2.2  # why\n", ("scikit-learn==1.2.2",), ()),
        (b"\xef\xbb\xbfpandas>=1.5\n", (), ("pandas>=1.5",)),
        ("joblib==1.4.0\r\n".encode("utf-16"), ("joblib==1.4.0",), ()),
        (b"numpy==1.*\n", (), ("numpy==1.*",)),
        (b"pandas[excel]==2.2.1", ("pandas[excel]==2.2.1",), ()),
        (b"six; python_version < '3'\npandas; python_version >= '3'", (), ("pandas",)),
        (b"six\nsix\n", (), ("six",)),
        (b"numpy \\\n  >=1.2, \\\n  <3\n", (), ("numpy<3,>=1.2",)),
        (b"", (), ()),
    ],
)
def test_requirements_are_read_as_pip_reads_them(
    tmp_path: Path, text: bytes, pins: tuple[str, ...], ranges: tuple[str, ...]
) -> None:
    (tmp_path / "requirements.txt").write_bytes(text)
    assert read_requirements(tmp_path) == Requirements(pins=pins, ranges=ranges)


def test_a_repository_without_requirements_asks_for_nothing(tmp_path: Path) -> None:
    assert read_requirements(tmp_path) == Requirements()


def test_files_of_the_repository_are_included_once_and_hashes_are_noted(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "requirements.txt").write_text("-r deps/more.txt\n--requirement=deps/hashed.txt\n")
    (tmp_path / "deps" / "more.txt").write_text("six==1.16.0\n-r ../requirements.txt\n")
    (tmp_path / "deps" / "hashed.txt").write_text(
        "idna==3.7 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via us\n"
    )
    expected = ("six==1.16.0", "idna==3.7")
    note = "the hashes in deps/hashed.txt are not checked: the lock names versions"
    assert read_requirements(tmp_path) == Requirements(pins=expected, notes=(note,))


def test_what_the_service_brings_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("gunicorn==20.1.0\nFlask\nnumpy\nmodelcast-runtime==9\nmodelcast\n")
    assert read_requirements(tmp_path) == Requirements(
        ranges=("numpy",),
        notes=(
            "gunicorn==20.1.0 in requirements.txt is left out: the service brings its own",
            "flask in requirements.txt is left out: the service brings its own",
            "modelcast-runtime==9 in requirements.txt is left out: the builder brings its own",
            "modelcast in requirements.txt is left out: the builder brings its own",
        ),
    )


SUPPORTED = "Write NAME, NAME==VERSION or NAME with a range, or -r FILE of the same repository"
FREEZE = f"{SUPPORTED}; `pip list --format=freeze` writes such lines"
BY_ENVIRONMENT = "Leave the line out and set PIP_INDEX_URL or PIP_EXTRA_INDEX_URL for the build"
A_PLACE = "names a local path or an address, which is not supported"


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("six\n-e .", "requirements.txt:2 has the option -e, which is not supported", SUPPORTED),
        (
            "--index-url https://me:secret@host/",
            "requirements.txt:1 has the option --index-url, which is not supported",
            BY_ENVIRONMENT,
        ),
        (
            "--extra-index-url=https://host/",
            "requirements.txt:1 has the option --extra-index-url, which is not supported",
            BY_ENVIRONMENT,
        ),
        ("-c limits.txt", "requirements.txt:1 has the option -c, which is not supported", SUPPORTED),
        ("./wheels/own.whl", f"requirements.txt:1 {A_PLACE}", FREEZE),
        ("own-1.0.tar.gz", f"requirements.txt:1 {A_PLACE}", FREEZE),
        ("git+https://me:secret@host/own.git", f"requirements.txt:1 {A_PLACE}", FREEZE),
        ("numpy @ file:///home/conda/numpy", f"requirements.txt:1 {A_PLACE}", FREEZE),
        ("numpy=1.2.3", "requirements.txt:1 is not a requirement: numpy=1.2.3", SUPPORTED),
        ("-r ../other.txt", "requirements.txt:1 includes a file outside of the repository", SUPPORTED),
        ("-r /etc/passwd", "requirements.txt:1 includes a file outside of the repository", SUPPORTED),
        ("-r absent.txt", "requirements.txt:1 includes absent.txt, which does not exist", SUPPORTED),
        ("sklearn", "requirements.txt:1 names sklearn, which is not the library", "Write scikit-learn"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_line(tmp_path: Path, text: str, problem: str, fix: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    with pytest.raises(BuildError) as refused:
        read_requirements(tmp_path)
    assert str(refused.value) == f"environment: {problem}. {fix}"


def test_requirements_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"caf\xe9")
    with pytest.raises(BuildError) as refused:
        read_requirements(tmp_path)
    assert str(refused.value) == "environment: requirements.txt is not text in UTF-8. Save requirements.txt as UTF-8"


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("six")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "requirements.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(BuildError) as refused:
        read_requirements(repository)
    assert (
        str(refused.value) == "environment: requirements.txt is a link out of the repository. Put the file itself there"
    )


# --- the policy


def test_with_nothing_pinned_the_builders_lock_rules(index: Index, reach: Uv) -> None:
    index.releases += [
        Release("numpy", "99.0"),
        Release("own", "1.0", needs=("numpy",)),
        Release("own", "2.0", AFTER_THE_LOCK),
    ]
    lock = lock_of(reach, "own", "matplotlib")
    ours = locked.model_versions()
    assert versions(lock) == {name: ours[name] for name in (*locked.MODEL_NAMES, "matplotlib")} | {"own": "1.0"}
    assert lock.as_of == locked.lock_date()
    assert lock.notes == ()
    assert lock.packages == tuple(sorted(lock.packages))


def test_the_service_has_the_builders_locked_packages(reach: Uv) -> None:
    ours = locked.serving_versions()
    assert lock_of(reach).serving == tuple(sorted(f"{name}=={ours[name]}" for name in locked.serving_names()))


def test_a_pin_of_the_builders_own_version_changes_nothing(reach: Uv) -> None:
    numpy = locked.model_versions()["numpy"]
    assert lock_of(
        reach, f"numpy=={numpy}", recorded={"scikit-learn": locked.model_versions()["scikit-learn"]}
    ) == lock_of(reach)


def test_a_range_wins_over_the_builders_locked_version(index: Index, reach: Uv) -> None:
    index.releases.append(Release("numpy", "1.26.4"))
    ours = locked.model_versions()
    assert versions(lock_of(reach, "numpy<2")) == {name: ours[name] for name in locked.MODEL_NAMES} | {
        "numpy": "1.26.4"
    }


def test_a_range_wins_over_what_a_locked_package_needs(index: Index, reach: Uv) -> None:
    pandas = locked.model_versions()["pandas"]
    index.releases = [release for release in index.releases if release.name != "pandas"]
    index.releases += [
        Release("numpy", "1.26.4"),
        Release("pandas", pandas, needs=("numpy>=2",)),
        Release("pandas", "1.5"),
    ]
    lock = lock_of(reach, "numpy<2")
    assert (versions(lock)["pandas"], lock.as_of) == ("1.5", locked.lock_date())


def test_with_a_pin_everything_else_is_as_of_the_end_of_its_day(index: Index, reach: Uv) -> None:
    index.releases += [
        Release("scikit-learn", "1.2.2", "2023-03-09T09:57:57Z", needs=("numpy>=1.17",)),
        # A second wheel of the same version, years later: not a new release.
        Release("scikit-learn", "1.2.2", "2025-01-01T00:00:00Z", needs=("numpy>=1.17",), tag="py2.py3-none-any"),
        Release("numpy", "1.24.2", "2023-02-05T00:00:00Z"),
        Release("numpy", "1.24.3", "2023-03-09T23:59:59Z"),
        Release("numpy", "2.0.0", "2023-03-10T00:00:01Z"),
    ]
    for name in ("numpy", "scikit-learn"):
        index.releases.remove(Release(name, locked.model_versions()[name]))
    lock = lock_of(reach, "scikit-learn==1.2.2")
    assert versions(lock)["numpy"] == "1.24.3"
    assert lock.as_of == "2023-03-10T00:00:00Z"
    assert lock_of(reach, recorded={"scikit-learn": "1.2.2"}) == lock


def with_old_and_new_numpys(index: Index) -> None:
    """scikit-learn 1.5.0 was there before numpy 2 was."""
    for name in ("numpy", "scikit-learn"):
        index.releases.remove(Release(name, locked.model_versions()[name]))
    index.releases += [
        Release("scikit-learn", "1.5.0", "2024-05-21T00:00:00Z", needs=("numpy>=1.19",)),
        Release("numpy", "1.24.4", "2023-06-26T00:00:00Z"),
        Release("numpy", "1.26.4", "2024-02-06T00:00:00Z"),
        Release("numpy", "2.0.0", "2024-06-16T00:00:00Z"),
        Release("numpy", "2.1.0", "2024-08-18T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("entries", "recorded", "numpy", "as_of"),
    [
        ((), {"scikit-learn": "1.5.0"}, "1.26.4", "2024-05-22T00:00:00Z"),
        ((), {"scikit-learn": "1.5.0", "numpy": ">=2"}, "2.0.0", "2024-06-17T00:00:00Z"),
        (("numpy>=1.20",), {"scikit-learn": "1.5.0", "numpy": ">=2"}, "2.0.0", "2024-06-17T00:00:00Z"),
        (("numpy==2.1.0",), {"scikit-learn": "1.5.0", "numpy": ">=2"}, "2.1.0", "2024-08-19T00:00:00Z"),
        (("numpy==1.26.4",), {"scikit-learn": "1.5.0", "numpy": ">=2"}, "1.26.4", "2024-05-22T00:00:00Z"),
    ],
)
def test_the_numpy_reads_what_the_artifact_was_written_by(
    index: Index, reach: Uv, entries: tuple[str, ...], recorded: dict[str, str], numpy: str, as_of: str
) -> None:
    with_old_and_new_numpys(index)
    lock = lock_of(reach, *entries, recorded=recorded)
    assert (versions(lock)["numpy"], versions(lock)["scikit-learn"], lock.as_of) == (numpy, "1.5.0", as_of)


def test_a_numpy_that_cannot_read_the_artifact_is_refused(index: Index, reach: Uv) -> None:
    with_old_and_new_numpys(index)
    with pytest.raises(BuildError) as refused:
        lock_of(reach, "numpy==1.24.4", recorded={"scikit-learn": "1.5.0", "numpy": ">=2"})
    assert str(refused.value) == (
        "environment: the artifact was made by numpy 2 or newer, requirements.txt asks for ==1.24.4. "
        "Write numpy>=2 in requirements.txt, or save the model again"
    )


def test_the_newest_of_several_pins_decides_the_day(index: Index, reach: Uv) -> None:
    index.releases += [Release("six", "1.16", "2021-05-05T00:00:00Z"), Release("idna", "3.7", "2024-04-11T00:00:00Z")]
    assert lock_of(reach, "six==1.16", "idna==3.7").as_of == "2024-04-12T00:00:00Z"


def test_pins_older_than_this_python_get_the_builders_day(index: Index, reach: Uv) -> None:
    index.releases.append(Release("six", "1.12.0", "2018-12-10T00:00:00Z"))
    lock = lock_of(reach, "six==1.12.0")
    note = f"as of 2018-12-11 nothing fits Python {OURS}: resolved as of {locked.lock_date()[:10]} instead"
    assert (lock.as_of, lock.notes) == (locked.lock_date(), (note,))
    assert versions(lock)["numpy"] == locked.model_versions()["numpy"]


@pytest.mark.parametrize("entries", [(), ("idna==3.7",)])
def test_an_index_without_dates_is_resolved_plainly_and_said(
    index: Index, reach: Uv, tmp_path: Path, entries: tuple[str, ...]
) -> None:
    index.dated = False
    index.releases.append(Release("idna", "3.7"))
    lock = lock_of(reach, *entries, cache=tmp_path / "cache")
    assert lock.as_of == ""
    assert lock.notes == ("the package index tells no upload dates: the lock depends on the day of the build",)
    assert versions(lock)["numpy"] == locked.model_versions()["numpy"]
    assert not list(tmp_path.glob("cache/**/*.txt"))


def test_the_service_yields_to_the_models_packages(index: Index, reach: Uv) -> None:
    flask = locked.serving_versions()["flask"]
    index.releases.remove(Release("flask", flask))
    index.releases += [Release("flask", flask, needs=("click>=8",)), Release("flask", "2.2.5"), Release("click", "7.0")]
    assert "flask==2.2.5" in lock_of(reach, "click==7.0").serving


def test_where_the_model_leaves_no_room_for_the_service_the_build_is_refused(index: Index, reach: Uv) -> None:
    flask = locked.serving_versions()["flask"]
    index.releases.remove(Release("flask", flask))
    index.releases += [Release("flask", flask, needs=("click>=8",)), Release("click", "7.0")]
    with pytest.raises(BuildError) as refused:
        lock_of(reach, "click==7.0")
    assert str(refused.value) == (
        "environment: the model's packages leave no room for the service's: Because all versions of flask depend on"
        " click>=8 and click==7.0, we can conclude that all versions of flask cannot be used. And because you require"
        f" flask=={flask}, we can conclude that your requirements are unsatisfiable. "
        "Let requirements.txt name newer versions of the packages in that sentence"
    )


@pytest.mark.parametrize(
    ("entries", "recorded", "said"),
    [
        (
            ("scikit-learn==1.2.2",),
            {"scikit-learn": "1.4.2"},
            "the artifact was made by scikit-learn 1.4.2, requirements.txt asks for ==1.2.2. "
            "Write scikit-learn==1.4.2 in requirements.txt, or save the model again",
        ),
        (
            ("scikit-learn<1.4", "numpy==1.2"),
            {"scikit-learn": "1.4.2", "numpy": "1.3"},
            "the artifact was made by numpy 1.3, requirements.txt asks for ==1.2; "
            "the artifact was made by scikit-learn 1.4.2, requirements.txt asks for <1.4. "
            "Write numpy==1.3 and scikit-learn==1.4.2 in requirements.txt, or save the model again",
        ),
        (
            (),
            {"scikit-learn": "1.4\n--index-url http://evil"},
            r"the artifact records scikit-learn '1.4\n--index-url http://evil', which is not a version. "
            "Save the model again by a released version",
        ),
    ],
)
def test_what_stands_against_the_artifact_is_refused(
    tmp_path: Path, entries: tuple[str, ...], recorded: Mapping[str, str], said: str
) -> None:
    with pytest.raises(BuildError) as refused:
        lock_of(uv_at(DEAD, tmp_path), *entries, recorded=recorded)
    assert str(refused.value) == f"environment: {said}"


OTHER_PYTHON = (
    f"this builder has {OURS}. Name a version that has wheels for Python {OURS}, or take a builder with that Python"
)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("scikit-learn==0.24.2", f"scikit-learn 0.24.2 needs Python <= 3.9; {OTHER_PYTHON}"),
        ("scikit-learn<1", f"scikit-learn<1 needs Python <= 3.9; {OTHER_PYTHON}"),
        ("scipy==9.0", f"scipy 9.0 needs Python >= 3.15; {OTHER_PYTHON}"),
        (
            "numpy==1.3.0",
            "the package index has no wheel of numpy 1.3.0. Correct the name or the version in requirements.txt",
        ),
        ("nobody", "the package index has no nobody. Correct the name or the version in requirements.txt"),
        (
            "own==1.0",
            "the packages do not fit together: Because only lib==1.0 is available and all versions of own depend on"
            " lib>=2, we can conclude that all versions of own cannot be used. And because you require own==1.0, we can"
            " conclude that your requirements are unsatisfiable. Widen or correct requirements.txt",
        ),
        (
            "trap",
            "a package that requirements.txt names wants modelcast-runtime==9.0 from the index. "
            "Leave that package out: the builder brings its own",
        ),
    ],
)
def test_what_nothing_satisfies_is_refused_with_what_to_write(index: Index, reach: Uv, entry: str, said: str) -> None:
    index.releases = [release for release in index.releases if release.name != "scikit-learn" or "<1" not in entry]
    index.releases += [
        Release("scikit-learn", "0.24.2", tag="cp38-none-any"),
        Release("scikit-learn", "0.24.2", tag="cp39-none-any"),
        Release("scipy", "9.0", python=">=3.15"),
        Release("own", "1.0", needs=("lib>=2",)),
        Release("lib", "1.0"),
        Release("trap", "1.0", needs=("modelcast-runtime",)),
        Release("modelcast-runtime", "9.0"),
    ]
    with pytest.raises(BuildError) as refused:
        lock_of(reach, entry)
    assert str(refused.value) == f"environment: {said}"


def test_a_recorded_version_without_a_wheel_is_refused_with_those_that_have_one(index: Index, reach: Uv) -> None:
    index.releases = [release for release in index.releases if release.name != "scikit-learn"]
    index.releases += [
        Release("scikit-learn", "0.24.2", tag="cp38-none-any"),
        Release("scikit-learn", "1.1.3"),
        Release("scikit-learn", "1.2.0"),
    ]
    with pytest.raises(BuildError) as refused:
        lock_of(reach, recorded={"scikit-learn": "0.24.2"})
    assert str(refused.value) == (
        "environment: the artifact was made by scikit-learn 0.24.2, but scikit-learn 0.24.2 needs Python <= 3.8; "
        f"this builder has {OURS}. "
        "Fit and save the model again with scikit-learn 1.1.3 or newer, or take a builder with that Python"
    )


def test_a_version_that_only_begins_like_the_recorded_one_is_not_the_artifacts(index: Index, reach: Uv) -> None:
    index.releases.append(Release("numpy", "1.2"))
    with pytest.raises(BuildError) as refused:
        lock_of(reach, "own-numpy==1.2.5", recorded={"numpy": "1.2"})
    told = "environment: the package index has no own-numpy 1.2.5. Correct the name or the version in requirements.txt"
    assert str(refused.value) == told


@pytest.mark.parametrize(("beside", "is_kept"), [((), False), (("torch",), True)])
def test_what_xgboost_wants_for_several_gpus_is_left_out(
    index: Index, reach: Uv, beside: tuple[str, ...], is_kept: bool
) -> None:
    index.releases += [
        Release("xgboost", "3.2.0", needs=("numpy", "nvidia-nccl-cu12")),
        Release("nvidia-nccl-cu12", "2.32.3"),
        Release("torch", "2.9.0", needs=("nvidia-nccl-cu12",)),
    ]
    lock = lock_of(reach, "xgboost", *beside)
    found = versions(lock)
    assert found["xgboost"] == "3.2.0"
    assert ("nvidia-nccl-cu12" in found) is is_kept
    note = "nvidia-nccl is left out: it is for several GPUs; `xgboost-cpu` in the place of xgboost is smaller still"
    assert lock.notes == (() if is_kept else (note,))


@pytest.mark.parametrize("entry", ["nvidia-nccl-cu12==2.32.3", "nvidia-nccl-cu12>2"])
def test_what_the_repository_names_for_gpus_itself_stays(index: Index, reach: Uv, entry: str) -> None:
    index.releases += [
        Release("xgboost", "3.2.0", needs=("numpy", "nvidia-nccl-cu12")),
        Release("nvidia-nccl-cu12", "2.32.3"),
    ]
    lock = lock_of(reach, "xgboost", entry)
    assert (versions(lock)["nvidia-nccl-cu12"], lock.notes) == ("2.32.3", ())


# --- no network


def test_a_wheelhouse_with_everything_needs_no_index(reach: Uv, tmp_path: Path) -> None:
    wheelhouse = fill(tmp_path / "wheels", locked_releases())
    assert lock_of(uv_at(DEAD, tmp_path), "matplotlib", wheelhouse=wheelhouse) == lock_of(reach, "matplotlib")


def test_pins_are_taken_from_the_wheelhouse_where_the_index_does_not_answer(tmp_path: Path) -> None:
    wheelhouse = fill(tmp_path / "wheels", [*locked_releases(), Release("idna", "3.7")])
    lock = lock_of(uv_at(DEAD, tmp_path), "idna==3.7", wheelhouse=wheelhouse)
    assert lock.notes == ("the package index cannot be reached: the wheelhouse alone decided the versions",)
    assert (versions(lock)["idna"], lock.as_of) == ("3.7", "")


@pytest.mark.parametrize(
    ("entry", "held", "said"),
    [
        (
            "idna==3.7",
            None,
            f"there is no wheelhouse for idna==3.7, {', '.join(locked.MODEL_NAMES)}",
        ),
        ("idna", "3.7", "the wheelhouse lacks what the named packages need"),
        ("idna==3.7", "3.6", "the wheelhouse lacks idna==3.7"),
    ],
)
def test_without_network_the_missing_packages_are_named(
    tmp_path: Path, entry: str, held: str | None, said: str
) -> None:
    releases = [*locked_releases(), Release("idna", held or "", needs=("six",))]
    wheelhouse = fill(tmp_path / "wheels", releases) if held else None
    with pytest.raises(MissingPart) as missing:
        lock_of(uv_at(DEAD, tmp_path), entry, wheelhouse=wheelhouse)
    told = "environment: the package index 127.0.0.1 cannot be reached, and"
    assert str(missing.value) == f"{told} {said}. {WITHOUT_INDEX}"


def test_what_uv_has_in_its_cache_needs_no_network(index: Index, reach: Uv, tmp_path: Path) -> None:
    lock = lock_of(reach, "matplotlib")
    index.releases = []
    offline = uv_at(f"{index.address}/simple", tmp_path, UV_OFFLINE="1")
    assert lock_of(offline, "matplotlib") == lock


# --- resolutions are remembered


def test_a_resolution_is_remembered_with_its_notes(index: Index, reach: Uv, tmp_path: Path) -> None:
    index.releases.append(Release("six", "1.12.0", "2018-12-10T00:00:00Z"))
    first = lock_of(reach, "six==1.12.0", cache=tmp_path / "cache")

    def refuse(*_: object) -> Ran:
        raise AssertionError("uv was asked again")

    silent = use_uv({**reach.env}, refuse)
    other = Requirements(pins=("six==1.12.0",), file="uv.lock")
    assert resolve(other, {}, python=base_python(), cache=tmp_path / "cache", uv=silent).file == "uv.lock"
    assert lock_of(silent, "six==1.12.0", cache=tmp_path / "cache") == first
    with pytest.raises(AssertionError):
        lock_of(silent, "six==1.13.0", cache=tmp_path / "cache")


def test_a_damaged_memory_is_no_memory(reach: Uv, tmp_path: Path) -> None:
    first = lock_of(reach, cache=tmp_path / "cache")
    (kept,) = tmp_path.glob("cache/resolutions/*.txt")
    kept.write_text(kept.read_text()[:100])
    assert lock_of(reach, cache=tmp_path / "cache") == first


# --- uv's environment


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({"PIP_INDEX_URL": "https://mirror/simple"}, {"UV_DEFAULT_INDEX": "https://mirror/simple"}),
        ({"PIP_INDEX_URL": "https://a/", "UV_INDEX_URL": "https://b/"}, {"UV_INDEX_URL": "https://b/"}),
        ({"PIP_INDEX_URL": "https://a/", "UV_DEFAULT_INDEX": "https://b/"}, {"UV_DEFAULT_INDEX": "https://b/"}),
        ({"PIP_INDEX_URL": ""}, {}),
        ({"PIP_EXTRA_INDEX_URL": "https://a/\n https://b/"}, {"UV_INDEX": "https://a/ https://b/"}),
        ({"PIP_TRUSTED_HOST": "mirror:8080"}, {"UV_INSECURE_HOST": "mirror:8080"}),
        ({"UV_EXCLUDE_NEWER": "2020-01-01", "UV_RESOLUTION": "lowest", "UV_SYSTEM_PYTHON": "1"}, {}),
        (
            {"UV_CACHE_DIR": "/cache", "UV_INDEX_MINE_PASSWORD": "p"},
            {"UV_CACHE_DIR": "/cache", "UV_INDEX_MINE_PASSWORD": "p"},
        ),
    ],
)
def test_pips_settings_reach_uv_and_what_would_change_its_choices_does_not(
    given: Mapping[str, str], passed: Mapping[str, str]
) -> None:
    env = environment_for_uv(
        {**given, "PATH": "/bin", "PYTHONPATH": "/mine", "VIRTUAL_ENV": "/v", "SSL_CERT_FILE": "/ca"}
    )
    assert env["SSL_CERT_FILE"] == "/ca"
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(env)
    fixed = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROJECT": "1"}
    assert {name: value for name, value in env.items() if name.startswith("UV_")} == {**passed, **fixed}


def test_no_configuration_of_the_working_directory_is_read(
    reach: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text(f'[[index]]\nurl = "{DEAD}"\ndefault = true\n')
    monkeypatch.chdir(tmp_path)
    assert lock_of(reach).as_of == locked.lock_date()


# --- the lock's text

PIN = r"[a-l][a-z0-9]{0,8}(-[a-z0-9]{1,4})?==[0-9]{1,2}(\.[0-9]{1,2}){0,2}(\.post1)?"
PINS = st.lists(st.from_regex(PIN, fullmatch=True), unique=True).map(sorted)


@given(
    packages=PINS,
    serving=PINS,
    as_of=st.sampled_from(["", "2023-03-10T00:00:00Z"]),
    python=st.sampled_from(["3.11", "3.13"]),
)
def test_a_lock_is_what_its_text_says(packages: list[str], serving: list[str], as_of: str, python: str) -> None:
    lock = Lock(packages=tuple(packages), serving=tuple(serving), as_of=as_of, python=python)
    assert parse_lock(lock_text(lock)) == lock


def test_the_text_of_a_lock() -> None:
    lock = Lock(
        packages=("a==1", "b==2"), serving=("c==3",), as_of="2023-03-10T00:00:00Z", python="3.11", notes=("said",)
    )
    assert lock_text(lock) == (
        "# The environment that the model was built in and is served from, made by modelcast.\n"
        "# python: 3.11\n# as of: 2023-03-10T00:00:00Z\na==1\nb==2\n# The service's own packages:\nc==3\n"
    )


TITLE = "# The environment that the model was built in and is served from, made by modelcast."
HEAD = f"{TITLE}\n# python: 3.11\n# as of: no date\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its head is missing"),
        ("numpy==1.2\n", "its head is missing"),
        (f"{HEAD}a==1\n", "its head is missing"),
        (
            f"{HEAD}--index-url http://evil\n# The service's own packages:\n",
            "`--index-url http://evil` is not NAME==VERSION",
        ),
        (f"{HEAD}# The service's own packages:\nmodelcast-runtime==9\n", "`modelcast-runtime==9` is not NAME==VERSION"),
        (f"{HEAD}a==1.*\n# The service's own packages:\n", "`a==1.*` is not NAME==VERSION"),
    ],
)
def test_a_damaged_lock_is_refused(text: str, why: str) -> None:
    with pytest.raises(BuildError) as refused:
        parse_lock(text)
    assert str(refused.value) == f"environment: environment.lock cannot be read: {why}. Build the bundle again"


# --- the hashes beside a lock


def test_a_lock_knows_the_hashes_of_the_index_and_they_are_remembered(index: Index, reach: Uv, tmp_path: Path) -> None:
    six = [Release("six", "1.16", tag=tag) for tag in ("py3-none-any", "py2.py3-none-win32")]
    index.releases += six
    lock = lock_of(reach, "six", cache=tmp_path / "cache")
    known = tuple(sorted(hashlib.sha256(release.content).hexdigest() for release in six))
    assert lock.hashes["six==1.16"] == known
    assert set(lock.hashes) == {*lock.packages, *lock.serving}
    index.releases.clear()
    assert lock_of(reach, "six", cache=tmp_path / "cache").hashes == lock.hashes


def test_a_lock_of_a_bundle_has_the_hashes_of_its_receipts(tmp_path: Path) -> None:
    lock = Lock(packages=("a==1",), serving=("b==2",), as_of="", hashes={"a==1": ("0" * 64, "f" * 64)})
    (tmp_path / "environment.lock").write_text(lock_text(lock))
    assert lock_of_bundle(tmp_path).hashes == {}
    receipt = tmp_path / "receipts" / "environment.hashes"
    receipt.parent.mkdir()
    receipt.write_text(hashes_text(lock.hashes))
    assert receipt.read_text() == f"a==1 --hash=sha256:{'0' * 64} --hash=sha256:{'f' * 64}\n"
    assert lock_of_bundle(tmp_path).hashes == lock.hashes
    receipt.write_text("a==1 --index-url http://evil\n")
    with pytest.raises(BuildError) as refused:
        lock_of_bundle(tmp_path)
    assert str(refused.value) == (
        "environment: receipts/environment.hashes cannot be read: `a==1 --index-url http://evil`. "
        "Build the bundle again"
    )


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_wheel_that_changed_in_the_index_is_not_installed(index: Index, tmp_path: Path, is_changed: bool) -> None:
    msgspec = f"msgspec=={locked.serving_versions()['msgspec']}"
    index.releases.append(Release("six", "1.16", module="VALUE = 1"))
    resolved = lock_of(uv_at(f"{index.address}/simple", tmp_path / "one"), "six")
    lock = Lock(packages=("six==1.16",), serving=(msgspec,), as_of="", hashes=resolved.hashes)
    if is_changed:
        index.releases[-1] = Release("six", "1.16", module="VALUE = 2")
    with pytest.raises(BuildError) as refused:
        create(lock, cache=tmp_path / "cache", uv=uv_at(f"{index.address}/simple", tmp_path / "other"))
    if is_changed:
        told = "environment: the package index 127.0.0.1 gives other files than the lock was made with: "
        assert str(refused.value).startswith(told)
        assert "six==1.16" in str(refused.value)
        assert str(refused.value).endswith(
            "Find out who changed them, or name the index that has the files of before in PIP_INDEX_URL"
        )
    else:
        # It is installed: this index' msgspec is an empty one.
        assert str(refused.value).startswith("environment: the environment is installed and does not import")


# --- environments on disk (the network is PyPI's from here on)

SMALL = Lock(packages=(), serving=(f"msgspec=={locked.serving_versions()['msgspec']}",), as_of="")


def counting_uv() -> tuple[Uv, list[tuple[str, ...]]]:
    """The real uv, and what it is asked from now on."""
    asked: list[tuple[str, ...]] = []
    real = use_uv()

    def counted(argv: Sequence[str], env: Mapping[str, str], stdin: str) -> Ran:
        asked.append(tuple(argv[1:]))
        return real.execute(argv, env, stdin)

    return use_uv(os.environ, counted), asked


def test_an_environment_is_made_once_also_by_two_builds_at_once(tmp_path: Path) -> None:
    made: list[Path] = []
    uv, calls = counting_uv()
    builds = [
        threading.Thread(target=lambda: made.append(create(SMALL, cache=tmp_path, uv=uv).python)) for _ in range(2)
    ]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert len(made) == 2
    assert made[0] == made[1]
    assert sum("venv" in argv for argv in calls) == 1
    told = "import sys, modelcast_runtime; print(sys.prefix, modelcast_runtime.__file__)"
    prefix, module = subprocess.run(
        [made[0], "-I", "-c", told], capture_output=True, text=True, check=True
    ).stdout.split()
    assert module.startswith(prefix)
    assert (made[0].parent / "modelcast-runtime").exists()


def test_a_half_made_environment_is_made_again(tmp_path: Path) -> None:
    environment = create(SMALL, cache=tmp_path)
    (environment.root / "modelcast-environment").unlink()
    (environment.root / "rest").write_text("of a build that was killed")
    assert create(SMALL, cache=tmp_path) == environment
    assert not (environment.root / "rest").exists()


def test_an_environment_is_baked_into_a_folder_of_its_own(tmp_path: Path) -> None:
    where = tmp_path / "baked"
    where.mkdir()
    environment = create(SMALL, cache=tmp_path / "cache", where=where, compile_bytecode=True)
    assert (environment.root, environment.python) == (where, where / "bin" / "python")
    assert list(where.glob("lib/python*/site-packages/modelcast_runtime/__pycache__/contract.*.pyc"))
    assert create(SMALL, cache=tmp_path / "cache", where=where, compile_bytecode=True) == environment


def test_a_baked_environment_is_changed_into_another_and_not_made_anew(tmp_path: Path) -> None:
    where, cache = tmp_path / "baked", tmp_path / "cache"
    extra = Lock(packages=("six==1.16.0",), serving=SMALL.serving, as_of="")
    first = create(extra, cache=cache, where=where)
    (where / "untouched").write_text("by an installer")
    uv, asked = counting_uv()
    second = create(SMALL, cache=cache, where=where, uv=uv)
    assert (first.root, second.root) == (where, where)
    assert (where / "untouched").exists()
    assert "venv" not in [argv[0] for argv in asked]
    assert not list(where.glob("lib/python*/site-packages/*six*"))
    assert list(where.glob("lib/python*/site-packages/msgspec/__init__.py"))
    asked.clear()
    assert create(SMALL, cache=cache, where=where, uv=uv) == second
    assert asked == []


def test_a_baked_environment_that_cannot_be_changed_is_removed(tmp_path: Path) -> None:
    where, cache = tmp_path / "baked", tmp_path / "cache"
    create(SMALL, cache=cache, where=where)
    absent = Lock(packages=("six==0.0.0.1",), serving=SMALL.serving, as_of="", file="environment.yml")
    with pytest.raises(BuildError) as refused:
        create(absent, cache=cache, where=where)
    assert str(refused.value).startswith("environment: the lock cannot be installed: ")
    assert str(refused.value).endswith(". Name other versions in environment.yml")
    assert not where.exists()


def test_wheels_that_an_earlier_build_saved_need_no_index(tmp_path: Path) -> None:
    lock = Lock(packages=("six==1.16.0",), serving=SMALL.serving, as_of="")
    first = create(lock, cache=tmp_path / "first")
    site = next(first.root.glob("lib/python*/site-packages"))
    saved = tmp_path / "second" / "wheels"
    saved.mkdir(parents=True)
    for distribution in metadata.distributions(path=[str(site)]):
        repack(distribution, first.root, saved)
    nowhere = uv_at("http://127.0.0.1:9/simple", tmp_path)
    second = create(lock, cache=tmp_path / "second", uv=nowhere)
    subprocess.run([second.python, "-I", "-c", "import msgspec, six"], check=True)
    installed = {path.relative_to(second.root) for path in second.root.rglob("*.py")}
    assert installed == {path.relative_to(first.root) for path in first.root.rglob("*.py")}


@pytest.mark.parametrize(
    ("line", "shown", "name"),
    [
        ("six==1.17.0", "six==1.17.0", "six"),
        ("own @ https://me:s3cr3t@host.org/own.whl", "own", "own"),
        ("-e file:///home/me/own", "own", "own"),
    ],
)
def test_what_a_notebook_installed_is_named_and_the_file_that_it_belongs_into(
    tmp_path: Path, line: str, shown: str, name: str
) -> None:
    root = tmp_path / "environment"
    root.mkdir()
    lock = Lock(packages=("idna==3.7",), serving=(), as_of="", file="pyproject.toml")
    freeze = f"idna==3.7\nmodelcast-runtime @ file:///runtime.whl\n{line}\n"
    uv = use_uv({}, lambda *_: Ran(code=0, out=freeze, err=""))
    with pytest.raises(BuildError) as refused:
        check_unchanged(Environment(python=root / "bin" / "python", lock=lock, root=root), uv)
    assert str(refused.value) == (
        f"notebooks: a notebook installed {shown} while it ran, and the environment's lock does not hold that. "
        f"Add {name} to pyproject.toml, and take the installation out of the notebook"
    )
    assert not root.exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(BuildError) as refused:
        create(SMALL, cache=tmp_path.with_suffix(".cache"), where=tmp_path)
    assert str(refused.value) == f"environment: {tmp_path} is not empty. Name a folder that is absent or empty"
    assert (tmp_path / "mine").read_text() == "keep"


def test_an_environment_that_does_not_import_is_refused_and_removed(tmp_path: Path) -> None:
    broken = Release("numpy", "1.0", module="raise ValueError('numpy.dtype size changed')\n")
    wheelhouse = fill(tmp_path / "wheels", [broken])
    lock = Lock(packages=("numpy==1.0",), serving=SMALL.serving, as_of="", file="pyproject.toml")
    with pytest.raises(BuildError) as refused:
        create(lock, cache=tmp_path / "cache", wheelhouse=wheelhouse)
    assert str(refused.value) == (
        "environment: the environment is installed and does not import: ValueError: numpy.dtype size changed. "
        "Let pyproject.toml name versions that work together"
    )
    assert [path.suffix for path in (tmp_path / "cache" / "environments").iterdir()] == [".lock"]


def test_a_lock_of_another_python_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(MissingPart) as missing:
        create(Lock(packages=(), serving=(), as_of="", python="3.9"), cache=tmp_path)
    told = f"environment: this model needs Python 3.9, and modelcast runs on {OURS}"
    assert str(missing.value) == f"{told}. Install modelcast on Python 3.9"


def test_without_network_an_installation_tells_no_credentials(tmp_path: Path) -> None:
    with pytest.raises(MissingPart) as missing:
        create(SMALL, cache=tmp_path / "cache", uv=uv_at(DEAD, tmp_path))
    assert str(missing.value).startswith("environment: the package index 127.0.0.1 cannot be reached: ")
    assert str(missing.value).endswith(WITHOUT_INDEX)
    assert "secret" not in str(missing.value)


FIT = """
import sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
X, y = load_iris(return_X_y=True, as_frame=True)
print(sklearn.__version__, RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y).score(X, y) > 0.9)
"""


def test_an_old_scikit_learn_gets_an_environment_of_its_day_that_fits_a_model(tmp_path: Path) -> None:
    uv, asked = counting_uv()
    lock = lock_of(uv, "scikit-learn==1.2.2", cache=tmp_path)
    assert lock.as_of == "2023-03-10T00:00:00Z"
    assert (versions(lock)["numpy"], versions(lock)["pandas"]) == ("1.24.2", "1.5.3")
    environment = create(lock, cache=tmp_path, uv=uv)
    done = subprocess.run([environment.python, "-I", "-c", FIT], capture_output=True, text=True, check=True)
    assert done.stdout == "1.2.2 True\n"
    assert asked
    asked.clear()
    assert create(lock_of(uv, "scikit-learn==1.2.2", cache=tmp_path), cache=tmp_path, uv=uv) == environment
    assert asked == [], "what was resolved and made before is at hand"


@pytest.mark.parametrize(("recorded", "numpy"), [("1.3.2", "1.26.1"), ("1.4.2", "1.26.4")])
def test_an_artifacts_version_is_resolved_as_of_its_day(recorded: str, numpy: str) -> None:
    assert versions(lock_of(use_uv(), recorded={"scikit-learn": recorded}))["numpy"] == numpy


def test_the_builders_lock_is_what_the_index_has() -> None:
    ours = locked.model_versions()
    lock = lock_of(use_uv(), "matplotlib")
    assert all(ours[name] == version for name, version in versions(lock).items())
    assert dict(pin.split("==") for pin in lock.serving) == locked.serving_versions()


# --- the locks of the checkout


def hashed(name: str) -> dict[str, set[str]]:
    """The versions that a hashed lock names, by package; every entry has a hash."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    named: dict[str, set[str]] = {}
    for entry in re.sub(r" \\\n", " ", text).splitlines()[1:]:
        requirement, *hashes = entry.split(" --hash=")
        assert hashes
        assert all(re.fullmatch(r"\s*sha256:[0-9a-f]{64}\s*", told) for told in hashes)
        parsed = Requirement(requirement.strip())
        named.setdefault(parsed.name, set()).add(str(parsed.specifier))
    return named


@pytest.mark.parametrize("name", ["builder", "wheelhouse", "dev"])
def test_a_hashed_lock_names_no_address_and_is_small(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|^-|\bfile:|@ ", text, re.MULTILINE)
    assert len(text) < 1_000_000
    assert text.startswith(f"# `make lock`, as of {locked.lock_date()}\n")
    assert hashed(name)


def test_the_locks_agree_with_each_other() -> None:
    wheelhouse = hashed("wheelhouse")
    for name, version in {**locked.model_versions(), **locked.serving_versions()}.items():
        assert f"=={version}" in wheelhouse[name]
    for name, specifiers in hashed("builder").items():
        assert specifiers == wheelhouse[name]
    for name, specifiers in hashed("dev").items():
        assert specifiers == wheelhouse.get(name, specifiers)


def test_the_locks_hold_what_the_project_files_name() -> None:
    locks_of = {"builder": ["builder", "dev"], "runtime": ["builder", "dev", "runtime"], ".": ["dev"]}
    for member, locks in locks_of.items():
        document = tomllib.loads((ROOT / member / "pyproject.toml").read_text())
        groups = document.get("dependency-groups", {})
        # The site and the clients have environments of their own; those of the benchmarks are held by tests/bench.
        apart = {group: groups.pop(group) for group in ("docs", "clients") if group in groups}
        groups = {group: names for group, names in groups.items() if not group.startswith("bench-")}
        named = [*document["project"]["dependencies"], *(name for group in groups.values() for name in group)]
        asked = [*((name, lock) for name in named for lock in locks)]
        asked += [(name, lock) for lock, names in apart.items() for name in names]
        for requirement, lock in ((Requirement(name), lock) for name, lock in asked):
            assert requirement.name.startswith("modelcast") or requirement.name.lower() in hashed(lock)


def test_the_lock_date_is_a_past_moment() -> None:
    moment = datetime.datetime.fromisoformat(locked.lock_date())
    assert moment < datetime.datetime.now(datetime.UTC)
    assert locked.lock_date().endswith("Z")
    assert set(locked.MODEL_NAMES) | set(locked.EXTRA_NAMES) <= set(locked.model_versions())
    assert "numpy" not in locked.serving_versions()
