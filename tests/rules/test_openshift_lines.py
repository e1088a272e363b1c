"""What `oc new-app modelcast-builder~REPO` derives from our image, and that the documented lines complete it.

There is no OpenShift here: what new-app does is told by its source (openshift/oc, pkg/helpers/newapp), played below.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from modelcast_builder.manifests import sizing

ROOT = Path(__file__).resolve().parents[2]
# The builder's own stage is the last.
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8").partition(" AS builder\n")[2]
PAGE = (ROOT / "docs" / "manifests.md").read_text(encoding="utf-8")
LINES = [shlex.split(line) for line in re.findall(r"^oc .*$", PAGE.partition("## After `oc new-app")[2], re.MULTILINE)]
MONITOR = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[-1])
NAME = "penguins"


def instructions(word: str) -> list[str]:
    joined = CONTAINERFILE.replace("\\\n", " ")
    return re.findall(rf"^{word} +(.*)$", joined, re.MULTILINE)


def labels() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in instructions("LABEL") for pair in shlex.split(line))


def new_app() -> dict[str, Any]:
    """The Service: a port for each EXPOSE of the builder, and new-app's own labels."""
    ports = [port.partition("/") for line in instructions("EXPOSE") for port in line.split()]
    named = [{"name": f"{number}-{protocol or 'tcp'}", "port": int(number)} for number, _, protocol in ports]
    own = {"app": NAME, "app.kubernetes.io/component": NAME, "app.kubernetes.io/instance": NAME}
    return {"labels": own, "ports": named}


def line(*words: str) -> dict[str, str]:
    """The options of the one documented line that begins like this."""
    (found,) = [of for of in LINES if of[: len(words)] == list(words)]
    return dict(option.removeprefix("--").split("=", 1) for option in found[len(words) :])


def test_new_app_takes_the_image_for_a_builder() -> None:
    """By the label with the scripts' place, or for an image stream by the tag `builder`."""
    assert labels()["io.openshift.s2i.scripts-url"] == "image:///usr/libexec/s2i"
    assert "builder" in labels()["io.openshift.tags"].split(",")


def test_new_app_makes_one_port_and_no_volume() -> None:
    assert new_app()["ports"] == [{"name": "8080-tcp", "port": 8080}]
    assert labels()["io.openshift.expose-services"] == "8080:http"
    assert (instructions("VOLUME"), instructions("ONBUILD")) == ([], [])


def test_the_page_s_first_line_is_new_app_with_the_builder_named() -> None:
    assert LINES[0] == ["oc", "new-app", "modelcast-builder~https://git.example.com/team/penguins", "--name", NAME]


@pytest.mark.parametrize("probe", ["startup", "readiness", "liveness"])
def test_the_probes_that_are_added_ask_real_routes(make_client: Callable[..., Any], probe: str) -> None:
    options = line("oc", "set", "probe", f"deployment/{NAME}", f"--{probe}")
    port, path = re.fullmatch(r"http://:(\d+)(/\w+)", options["get-url"]).groups()
    assert int(port) in [of["port"] for of in new_app()["ports"]]
    assert make_client("own")("GET", path).status == 200
    assert path == ("/healthz" if probe == "liveness" else "/readyz")


def test_the_resources_that_are_added_are_those_of_a_small_model() -> None:
    size, options = sizing.of(0), line("oc", "set", "resources", f"deployment/{NAME}")
    assert options["requests"] == f"cpu={size.cpu_request},memory={size.memory}"
    assert options["limits"] == f"cpu={size.cpu_limit},memory={size.memory}"


def test_the_route_and_the_monitor_that_are_added_find_the_service() -> None:
    service, route = new_app(), line("oc", "create", "route", "edge", NAME)
    names = [port["name"] for port in service["ports"]]
    assert (route["service"], route["port"] in names) == (NAME, True)
    assert [endpoint["port"] for endpoint in MONITOR["spec"]["endpoints"]] == names
    assert MONITOR["spec"]["selector"]["matchLabels"].items() <= service["labels"].items()
    assert ["oc", "apply", "-f", "monitor.yaml"] in LINES
