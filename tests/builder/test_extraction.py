"""A bundle taken out of an image, through an engine that is played."""

import os
import shutil
from pathlib import Path

import pytest
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.images import folder_of
from modelcast_runtime.bundle import open_bundle

from tests.builder.played_engine import PlayedEngine, play
from tests.conftest import MakeBundle

IMAGE = "registry.example.com/penguins@sha256:" + "a" * 64


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedEngine:
    played = play(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(played.folder))
    played.answers({"image inspect": '{"Env": ["PATH=/bin"]}', "create": "Pulling...\nc0ffee\n"})
    return played


def taken(name: str, work: Path) -> Path:
    work.mkdir(exist_ok=True)
    return folder_of(name, os.environ, work)


@pytest.mark.parametrize("place", ["/opt/app-root/bundle", "/srv/model"])
def test_it_is_copied_out_of_a_container_that_never_runs(
    engine: PlayedEngine, make_bundle: MakeBundle, tmp_path: Path, place: str
) -> None:
    bundle = make_bundle("array")
    shutil.copytree(bundle, engine.image / place.lstrip("/"))
    said = [] if place == "/opt/app-root/bundle" else [f'"MODELCAST_BUNDLE={place}"']
    engine.answers({"image inspect": f'{{"Env": [{"".join(said)}]}}', "create": "c0ffee\n"})
    work = tmp_path / "work"
    assert open_bundle(taken(IMAGE, work)).digest == open_bundle(bundle).digest
    assert engine.asked() == [
        ["image", "inspect", IMAGE],
        ["image", "inspect", "--format", "{{json .Config}}", IMAGE],
        ["create", "--network", "none", "--entrypoint", "modelcast-runtime", IMAGE],
        ["cp", f"c0ffee:{place}", str(work / "bundle")],
        ["rm", "--force", "c0ffee"],
    ]


@pytest.mark.parametrize("name", ["./bundle", "/nowhere", "--help", "Bundle"])
def test_what_can_be_no_image_is_a_folder_and_no_engine_is_looked_for(tmp_path: Path, name: str) -> None:
    assert folder_of(name, {"PATH": ""}, tmp_path) == Path(name)


def test_a_folder_comes_before_an_image_of_its_name(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_bundle("array").parent)
    assert folder_of("bundle", {"PATH": ""}, tmp_path) == Path("bundle")


def test_neither_a_folder_nor_an_image(engine: PlayedEngine, tmp_path: Path) -> None:
    engine.answers({"image inspect": (1, "", "Error: No such image")})
    with pytest.raises(MissingPart) as caught:
        taken("penguins", tmp_path / "work")
    assert str(caught.value) == (
        "image: there is neither a folder penguins nor an image of that name on this machine."
        " Correct the name, or get the image by `docker pull`"
    )


def test_an_image_without_a_bundle(engine: PlayedEngine, tmp_path: Path) -> None:
    said = "Error response from daemon: Could not find the file /opt/app-root/bundle in container c0ffee"
    engine.answers({"image inspect": "{}", "create": "c0ffee\n", "cp": (1, "", said)})
    with pytest.raises(BuildError) as caught:
        taken("penguins", tmp_path / "work")
    assert str(caught.value) == (
        "image: penguins holds no bundle at /opt/app-root/bundle:"
        " Could not find the file /opt/app-root/bundle in container c0ffee."
        " Name an image made by `modelcast image`, or by s2i with modelcast's builder"
    )
    assert engine.asked()[-1] == ["rm", "--force", "c0ffee"]


def test_an_engine_that_makes_no_container(engine: PlayedEngine, tmp_path: Path) -> None:
    engine.answers({"image inspect": "{}", "create": (125, "", "Error response from daemon: no space left on device")})
    with pytest.raises(MissingPart) as caught:
        taken("penguins", tmp_path / "work")
    assert str(caught.value) == (
        "image: docker makes no container of penguins: no space left on device. Mend that, and try again"
    )
