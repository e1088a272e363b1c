"""`modelcast manifests`: the exact files of sealed bundles, what must agree in them, and what is refused.

A case is a folder of `manifests/`: a sealed bundle, the command's options, and every file that must come. Written anew by
`for c in tests/builder/manifests/*/; do rm -r $c/expected; modelcast manifests $c/sealed $(cat $c/options) --out $c/expected; done`
"""

import json
import re
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as some
from modelcast_builder.cli import main
from modelcast_builder.manifests import folder, sizing
from modelcast_builder.manifests.image_reference import is_reference
from modelcast_builder.manifests.subject import Subject, describe
from modelcast_builder.manifests.targets import TARGETS
from modelcast_runtime import master
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Limits, ServiceDefaults
from modelcast_runtime.settings import Machine, default_workers, read_settings

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
CASES = sorted(path for path in (Path(__file__).parent / "manifests").iterdir() if path.is_dir())
PENGUINS = next(path for path in CASES if path.name.startswith("classifier")) / "sealed"
DIGEST = "sha256:" + "5" * 64
IMAGE = f"quay.example.com/ml/penguins@{DIGEST}"
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
NUMBER_1_2 = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+")


def modelcast(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["manifests", *map(str, words)])


def tree(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_files_are_those_of_the_case(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "deploy"
    done = modelcast(case / "sealed", *(case / "options").read_text().split(), "--out", out)
    assert done.exit_code == 0, done.output
    assert tree(out) == tree(case / "expected")
    assert sorted(done.stdout.splitlines()) == sorted(str(out / name) for name in tree(out))


def test_what_is_written_again_is_the_same_and_neighbours_stay(tmp_path: Path) -> None:
    first = modelcast(PENGUINS, "--image", IMAGE, "--out", tmp_path)
    written = tree(tmp_path)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text("resources: [..]\n")
    second = modelcast(PENGUINS, "--image", IMAGE, "--out", tmp_path)
    assert (first.exit_code, second.exit_code, second.stderr) == (0, 0, "")
    assert tree(tmp_path) == {**written, "overlay/kustomization.yaml": "resources: [..]\n"}


def test_a_tag_is_taken_with_a_warning(tmp_path: Path) -> None:
    done = modelcast(PENGUINS, "--image", "quay.example.com/ml/penguins:v1", "--out", tmp_path)
    assert done.exit_code == 0
    assert done.stderr == (
        "---> manifests: quay.example.com/ml/penguins:v1 may be another image tomorrow: name it by its digest, "
        "quay.example.com/ml/penguins:v1@sha256:...\n"
    )


# What is refused.


@pytest.mark.parametrize("change", ["theirs: true\n", "", None], ids=["foreign", "empty", "edited"])
def test_a_file_that_is_not_ours_is_never_overwritten(tmp_path: Path, change: str | None) -> None:
    file = tmp_path / "service.yaml"
    if change is None:
        assert modelcast(PENGUINS, "--image", IMAGE, "--out", tmp_path).exit_code == 0
        change = file.read_text().replace("8080", "80")
    file.write_text(change)
    before = tree(tmp_path)
    done = modelcast(PENGUINS, "--image", f"other@{DIGEST}", "--out", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: manifests: {file} was not written by this command, or was changed since. "
        "Name another folder with --out, or remove the file.\n"
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["7-dwarfs", "Penguins", "a_b", "-a", "a-", "a" * 64, "a.b", ""])
def test_a_name_that_no_service_can_have_is_refused(make_bundle: MakeBundle, tmp_path: Path, name: str) -> None:
    done = modelcast(make_bundle("own", name=name), "--image", IMAGE, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: manifests: the model's name {name!r} cannot name a Service: lower-case letters, digits and hyphens, "
        "a letter first, 63 at most. Write another `name:` in modelcast.yaml and build again; the model's version stays "
        "the same.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["file/deploy", "deploy"])
def test_where_nothing_can_be_written_the_reason_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "deploy" / "route.yaml").mkdir(parents=True)
    done = modelcast(PENGUINS, "--image", IMAGE, "--out", tmp_path / place)
    where, why = {
        "file/deploy": (tmp_path / "file" / "deploy", "Not a directory"),
        "deploy": (tmp_path / "deploy" / "route.yaml", "Is a directory"),
    }[place]
    assert done.exit_code == 1
    assert done.stderr == (f"error: manifests: {where} cannot be written: {why}. Name another folder with --out.\n")


MALFORMED = [
    "", "Penguins", "a b", "a:", "a@", "a@sha256:12", f"a@md5:{'5' * 32}", f"a@{DIGEST.upper()}", "https://a/b", "/a", "a//b",
    "a/", "-a", "a:-t", "a:" + "t" * 129, "a\nb", "a" * 256, "a...b", "host:port/a",
]  # fmt: skip


@pytest.mark.parametrize("image", MALFORMED)
def test_what_is_no_image_reference_is_wrong_usage(tmp_path: Path, image: str) -> None:
    done = modelcast(PENGUINS, "--image", image, "--out", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.partition("\n\n")[2] == (
        f"Error: Invalid value for '--image': {image!r} is no image reference, such as "
        "quay.example.com/ml/penguins@sha256:...\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "image",
    [
        "penguins",
        "penguins:1.0",
        "team/penguins",
        "localhost:5000/a",
        "10.0.0.1:5000/a/b__c/d-e.f:v1_2.3-x",
        f"[::1]:5000/a@{DIGEST}",
        f"Quay.example.com/a:t@{DIGEST}",
        f"a@sha512:{'5' * 128}",
    ],
)
def test_every_form_of_a_reference_is_taken(image: str) -> None:
    assert is_reference(image)


def test_every_target_can_be_chosen() -> None:
    option = next(option for option in main.commands["manifests"].params if option.name == "target")
    assert option.type.choices == tuple(TARGETS)
    assert option.default == next(iter(TARGETS))


# What must agree.


@pytest.fixture(scope="module")
def subject() -> Subject:
    return describe(open_bundle(PENGUINS), IMAGE)


def made(subject: Subject, target: str) -> dict[str, Any]:
    """By kind, and the monitor's folder too."""
    files = TARGETS[target].files(subject)
    return {value["kind"]: value for name, value in files.items() if "kind" in value and "kustomization" not in name}


def agree(objects: dict[str, Any]) -> None:
    """Every reference from one object to another."""
    pods = objects["Deployment"]["spec"]["template"]
    container = pods["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    service = objects["Service"]
    exposed = {port["name"] for port in service["spec"]["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for selector in (
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        pods["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ):
        assert selector.items() <= pods["metadata"]["labels"].items()
    monitor = objects["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= exposed
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pods["spec"]["volumes"]
    }
    if "Route" in objects:
        route = objects["Route"]["spec"]
        assert (route["to"]["name"], route["port"]["targetPort"] in exposed) == (service["metadata"]["name"], True)
    else:
        backend = objects["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert (backend["name"], backend["port"]["name"] in exposed) == (service["metadata"]["name"], True)


@pytest.mark.parametrize("target", TARGETS)
def test_selectors_ports_and_volumes_agree(subject: Subject, target: str) -> None:
    agree(made(subject, target))


@pytest.mark.parametrize("target", TARGETS)
def test_pods_keep_the_strictest_rules(subject: Subject, target: str) -> None:
    pod = made(subject, target)["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert container["image"] == IMAGE


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_asked_of_the_service_is_answered(make_client: MakeClient, subject: Subject, target: str) -> None:
    ask, objects = make_client("own"), made(subject, target)
    container = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    paths |= {endpoint["path"] for endpoint in objects["ServiceMonitor"]["spec"]["endpoints"]}
    assert paths == {"/readyz", "/healthz", "/metrics"}
    assert {ask("GET", path).status for path in paths} == {200}


@pytest.mark.parametrize("drain_s", [0.0, 5.0, 12.5, 3600.0])
def test_a_pod_has_more_time_to_end_than_the_service_takes(make_bundle: MakeBundle, drain_s: float) -> None:
    bundle = open_bundle(make_bundle("own", service=ServiceDefaults(limits=Limits(drain_s=drain_s))))
    settings = read_settings({}, {}, bundle.manifest.service)
    # The images' builder has no gunicorn beside it: what the service gives gunicorn is asked here alone.
    assert describe(bundle, IMAGE).grace_s == master._defaults(settings)["graceful_timeout"] + 5


@given(model_bytes=some.integers(0, 2**40))
def test_the_memory_holds_as_many_workers_as_the_cpu_asks_for(model_bytes: int) -> None:
    size = sizing.of(model_bytes)
    assert size.memory.endswith("Mi")
    memory = int(size.memory.removesuffix("Mi")) * 1024**2
    assert default_workers(Machine(cpus=float(size.cpu_limit), memory=memory), model_bytes) == sizing.WORKERS
    assert default_workers(Machine(cpus=12, memory=memory - 256 * 1024**2), model_bytes) < sizing.WORKERS
    assert size.startup_s >= 120 + model_bytes // 10_000_000


def test_kustomizations_name_every_file_beside_them(subject: Subject) -> None:
    for target in TARGETS.values():
        files = target.files(subject)
        for name in (name for name in files if name.endswith("kustomization.yaml")):
            beside = name.removesuffix("kustomization.yaml")
            names = {beside + resource for resource in files[name]["resources"]}
            there = {file for file in files if file.rpartition("/")[0] == beside.rstrip("/")} - set(target.alone)
            assert names == there - {name}


NAMES = some.from_regex(DNS_LABEL, fullmatch=True)
WORDS = some.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
IMAGES = some.builds(
    lambda path, tag, digest: "/".join(path) + tag + digest,
    some.lists(WORDS, min_size=1, max_size=4),
    some.just("") | WORDS.map(lambda word: f":{word}"),
    some.just("") | some.binary(min_size=32, max_size=32).map(lambda of: f"@sha256:{of.hex()}"),
)


@settings(max_examples=25)
@given(
    name=NAMES,
    image=IMAGES,
    replicas=some.integers(0, 1000),
    # A digest's beginning, also one that reads like a number with an exponent.
    version=some.text("0123456789abcdef", min_size=12, max_size=12)
    | some.from_regex(r"[1-9]{9}e[1-9]{2}", fullmatch=True),
    target=some.sampled_from(sorted(TARGETS)),
)
def test_whatever_is_valid_gives_objects_that_a_cluster_takes(
    subject: Subject, name: str, image: str, replicas: int, version: str, target: str
) -> None:
    assert is_reference(image)
    labels = {"app.kubernetes.io/version": version}
    some_subject = replace(subject, name=name, image=image, replicas=replicas, labels=labels)
    for value in TARGETS[target].files(some_subject).values():
        text = folder.dumped(value)
        assert yaml.load(text, yaml.CSafeLoader) == value
        plain = re.findall(r"^ *(?:- )?(?:[\w./-]+: )?([^\s'\"]+)$", text, re.MULTILINE)
        numbers = [found for found in plain if NUMBER_1_2.fullmatch(found)]
        assert all(found.isdecimal() for found in numbers), numbers
    objects = made(some_subject, target)
    agree(objects)
    for kind, value in objects.items():
        if kind == "Template":
            continue
        assert DNS_LABEL.fullmatch(value["metadata"]["name"])
        assert all(LABEL_KEY.fullmatch(key) for key in value["metadata"]["labels"])
        assert all(LABEL_VALUE.fullmatch(of) for of in value["metadata"]["labels"].values())
    assert objects["Deployment"]["spec"]["replicas"] == replicas


# OpenShift's Template.


def processed(template: dict[str, Any], **given: str) -> dict[str, Any]:
    """As `oc process` does it: `${NAME}` is put in as a text, `${{NAME}}` takes the quotes away with it."""
    values = {of["name"]: of.get("value", "generated" if "generate" in of else "") for of in template["parameters"]}
    assert set(given) <= set(values)
    values |= given
    assert all(values[of["name"]] for of in template["parameters"] if of.get("required"))
    text = json.dumps(template["objects"])
    text = re.sub(r'"\$\{\{(\w+)\}\}"', lambda found: values[found[1]], text)
    text = re.sub(r"\$\{(\w+)\}", lambda found: json.dumps(values[found[1]])[1:-1], text)
    found: dict[str, Any] = {}
    for value in json.loads(text):
        found[value["kind"] + ("/builder" if value["metadata"]["name"].endswith("-builder") else "")] = value
    return found


@pytest.fixture
def template(subject: Subject) -> dict[str, Any]:
    return dict(made(subject, "openshift")["Template"])


def test_every_parameter_is_declared_and_used(template: dict[str, Any]) -> None:
    said = json.dumps(template["objects"]) + template["message"]
    declared = [of["name"] for of in template["parameters"]]
    assert sorted(declared) == sorted(set(re.findall(r"\$\{\{?(\w+)\}", said)))
    assert declared[:3] == ["NAME", "IMAGE", "REPLICAS"]


def test_a_template_gives_the_same_pods_as_the_folder(subject: Subject, template: dict[str, Any]) -> None:
    objects, alone = processed(template, BUILDER_IMAGE="b"), made(subject, "openshift")
    agree(objects)
    spec, expected = objects["Deployment"]["spec"], alone["Deployment"]["spec"]
    assert spec["template"]["spec"] == expected["template"]["spec"]
    assert {**spec, "template": None} == {**expected, "template": None}
    for kind in ("Service", "Route", "PodDisruptionBudget", "ServiceMonitor"):
        assert objects[kind]["spec"] == alone[kind]["spec"]


def test_a_template_s_parameters_reach_every_object(template: dict[str, Any]) -> None:
    other = {"NAME": "adelie", "IMAGE": f"x@{DIGEST}", "REPLICAS": "7", "SOURCE_REPOSITORY_URL": "https://h/r.git"}
    objects = processed(template, BUILDER_IMAGE="quay.example.com/ml/modelcast-builder:1", **other)
    names = {value["metadata"]["name"] for value in objects.values()}
    assert names == {"adelie", "adelie-builder", "adelie-webhook"}
    assert {value["metadata"]["labels"]["app.kubernetes.io/instance"] for value in objects.values()} == {"adelie"}
    assert objects["Deployment"]["spec"]["replicas"] == 7
    assert objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == f"x@{DIGEST}"
    assert objects["BuildConfig"]["spec"]["source"]["git"] == {"uri": "https://h/r.git", "ref": ""}
    assert (
        objects["ImageStream/builder"]["spec"]["tags"][0]["from"]["name"] == "quay.example.com/ml/modelcast-builder:1"
    )
    assert "penguins" not in json.dumps(objects)


def test_what_is_built_is_what_runs_next(template: dict[str, Any]) -> None:
    objects = processed(template, BUILDER_IMAGE="b")
    build, deployed = objects["BuildConfig"]["spec"], objects["Deployment"]
    stream = objects["ImageStream"]["metadata"]["name"]
    (trigger,) = json.loads(deployed["metadata"]["annotations"]["image.openshift.io/triggers"])
    assert trigger["from"] == build["output"]["to"] == {"kind": "ImageStreamTag", "name": f"{stream}:latest"}
    container = re.fullmatch(r'spec\.template\.spec\.containers\[\?\(@\.name=="(\w+)"\)\]\.image', trigger["fieldPath"])
    assert container
    assert [container[1]] == [of["name"] for of in deployed["spec"]["template"]["spec"]["containers"]]
    builder = objects["ImageStream/builder"]
    tag = f"{builder['metadata']['name']}:{builder['spec']['tags'][0]['name']}"
    assert build["strategy"]["sourceStrategy"]["from"] == {"kind": "ImageStreamTag", "name": tag}
    # IMAGE is what was proven: a build begins when it is asked for.
    assert [trigger["type"] for trigger in build["triggers"]] == ["Generic"]
    secret = build["triggers"][0]["generic"]["secretReference"]["name"]
    assert (objects["Secret"]["metadata"]["name"], list(objects["Secret"]["stringData"])) == (
        secret,
        ["WebHookSecretKey"],
    )


def test_a_bundle_of_a_folder_asks_for_its_repository(make_bundle: MakeBundle) -> None:
    alone = describe(open_bundle(make_bundle("own")), IMAGE)
    asked = {of["name"]: of for of in made(alone, "openshift")["Template"]["parameters"]}
    assert asked["SOURCE_REPOSITORY_URL"] == {
        "name": "SOURCE_REPOSITORY_URL",
        "description": "Git repository of the model",
        "required": True,
    }
    assert "modelcast.source" not in alone.annotations
