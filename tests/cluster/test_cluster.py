"""The `kubernetes` target on a real API server and a real node. In the order of the file: each test goes on from the last."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.cluster.conftest import Release
from tests.cluster.kubernetes import WITHIN, Cluster, Pressing
from tests.e2e.conftest import ROOT, SAMPLES
from tests.e2e.table import read_table

CASES = ROOT / "tests" / "builder" / "manifests"
EVERYWHERE = ["deployment.yaml", "service.yaml", "poddisruptionbudget.yaml"]
MODEL = "deployment/breast-cancer"
HOLDOUT = read_table(SAMPLES / "breast-cancer" / "data" / "holdout.csv", without=("diagnosis",))
QUESTION = {"instances": HOLDOUT.instances[:3]}


def crd(kind: str) -> Path:
    """A definition of the Prometheus operator's."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator"],
        cwd=ROOT / "tools" / "crds", capture_output=True, text=True, check=True,
    )  # fmt: skip
    return (
        Path(json.loads(done.stdout)["Dir"]) / "example/prometheus-operator-crd" / f"monitoring.coreos.com_{kind}.yaml"
    )


def spoiled(file: Path, *place: str | int, value: Any) -> str:
    """The file with another value in one place."""
    content = yaml.safe_load(file.read_text())
    *outer, last = place
    there = content
    for key in outer:
        there = there[key]
    there[last] = value
    return json.dumps(content)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_every_golden_file_that_kubernetes_knows_is_taken(cluster: Cluster, case: str) -> None:
    folder = CASES / case / "expected"
    files = ["-k", str(folder)] if case.endswith("-kubernetes") else [f"-f{folder / name}" for name in EVERYWHERE]
    said = cluster.apply("--dry-run=server", *files).splitlines()
    assert len(said) == (4 if case.endswith("-kubernetes") else 3)
    assert all(line.endswith("serverside-applied (server dry run)") for line in said)


def test_the_judge_refuses_a_field_that_there_is_not(cluster: Cluster) -> None:
    file = CASES / "text-kubernetes" / "expected" / "deployment.yaml"
    wrong = spoiled(file, "spec", "template", "spec", "containers", 0, "securtyContext", value={})
    done = cluster.ask("apply", "--server-side", "--validate=strict", "--dry-run=server", "-f-", stdin=wrong)
    assert done.returncode == 1
    assert '.spec.template.spec.containers[name="model"].securtyContext: field not declared in schema' in done.stderr


def test_the_judge_refuses_a_pod_that_is_not_restricted(cluster: Cluster) -> None:
    done = cluster.ask("run", "plain", "--image=quay.example.com/x", "--dry-run=server")
    assert done.returncode == 1
    assert 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in done.stderr


def test_the_monitor_is_what_the_operator_defines(cluster: Cluster) -> None:
    for kind in ("servicemonitors", "prometheusrules"):
        cluster.kubectl("apply", "--server-side", "-f", str(crd(kind)))
        cluster.kubectl("wait", f"crd/{kind}.monitoring.coreos.com", "--for=condition=Established", WITHIN)
    expected = CASES / "text-kubernetes" / "expected"
    cluster.apply("--dry-run=server", "-k", str(expected / "monitoring"))
    cluster.apply("--dry-run=server", "-f", str(CASES / "classifier-openshift" / "expected" / "servicemonitor.yaml"))
    wrong = spoiled(expected / "monitoring" / "servicemonitor.yaml", "spec", "endpoints", 0, "interval", value="quick")
    done = cluster.ask("apply", "--server-side", "--validate=strict", "--dry-run=server", "-f-", stdin=wrong)
    assert done.returncode == 1
    assert "spec.endpoints[0].interval" in done.stderr


def test_a_bundle_is_deployed_and_scores_through_its_service(cluster: Cluster, releases: list[Release]) -> None:
    first = releases[0]
    cluster.apply("-k", str(first.folder))
    cluster.kubectl("rollout", "status", MODEL, WITHIN)
    answer = httpx.post(f"{cluster.address('breast-cancer')}/predict", json=QUESTION, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Model-Version"] == first.bundle.manifest.version
    pods = cluster.get("pods")["items"]
    assert {pod["metadata"]["annotations"]["modelcast.version"] for pod in pods} == {first.bundle.manifest.version}
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {first.image}
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods] == [0, 0]


def test_a_pod_has_what_its_manifest_gives_and_no_more(cluster: Cluster, releases: list[Release]) -> None:
    inside = (
        "id -u; grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status; touch /x; touch /tmp/x; ls /var/run/secrets; env"
    )
    done = cluster.ask("exec", MODEL, "--", "sh", "-c", inside)
    assert done.stdout.split("\n")[0] == "1001"
    assert "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n" in done.stdout
    assert [line for line in done.stderr.splitlines() if "touch" in line] == [
        "touch: cannot touch '/x': Read-only file system"
    ]
    assert "BREAST_CANCER_SERVICE_HOST" not in done.stdout
    log = cluster.kubectl("logs", MODEL)
    assert f"serving breast-cancer {releases[0].bundle.manifest.version} at " in log


def test_a_second_version_replaces_the_first_without_a_failed_request(
    cluster: Cluster, releases: list[Release]
) -> None:
    first, second = (release.bundle.manifest.version for release in releases)
    assert first != second
    with Pressing(cluster.address("breast-cancer"), QUESTION) as clients:
        cluster.apply("-k", str(releases[1].folder))
        cluster.kubectl("rollout", "status", MODEL, WITHIN)
        old = "app.kubernetes.io/version=" + first.removeprefix("sha256:")[:12]
        cluster.kubectl("wait", "pods", f"--selector={old}", "--for=delete", WITHIN)
    print(f"rolled from the first version to the second: {dict(clients.answers)}, failed: {len(clients.failures)}")
    assert clients.failures == []
    assert set(clients.answers) == {first, second}
    answer = httpx.post(f"{cluster.address('breast-cancer')}/predict", json=QUESTION, timeout=30)
    assert answer.headers["Model-Version"] == second


def test_it_runs_under_a_user_as_openshift_gives_one(cluster: Cluster, releases: list[Release]) -> None:
    """What the admission of `restricted-v2` writes into the pod."""
    given = {"runAsUser": 1000650000, "fsGroup": 1000650000, "seLinuxOptions": {"level": "s0:c26,c5"}}
    cluster.kubectl("patch", MODEL, "--patch", json.dumps({"spec": {"template": {"spec": {"securityContext": given}}}}))
    cluster.kubectl("rollout", "status", MODEL, WITHIN)
    told = cluster.kubectl(
        "exec", MODEL, "--", "sh", "-c", "id -u; id -g; grep -c :1000650000: /etc/passwd; touch /tmp/x"
    )
    assert told.split("\n")[:3] == ["1000650000", "0", "0"]
    answer = httpx.post(f"{cluster.address('breast-cancer')}/predict", json=QUESTION, timeout=30)
    assert answer.status_code == 200, answer.text


def test_a_version_that_cannot_start_leaves_the_old_one_alone(cluster: Cluster, releases: list[Release]) -> None:
    """It says why in the pod's own status."""
    wrong = {"name": "model", "env": [{"name": "WEB_CONCURRENCY", "value": "many"}]}
    with Pressing(cluster.address("breast-cancer"), QUESTION) as clients:
        cluster.kubectl(
            "patch", MODEL, "--patch", json.dumps({"spec": {"template": {"spec": {"containers": [wrong]}}}})
        )
        message = ended(cluster)
        cluster.kubectl("rollout", "undo", MODEL)
        cluster.kubectl("rollout", "status", MODEL, WITHIN)
    assert message == (
        'error: serve: WEB_CONCURRENCY: expected a whole number from 1 to 256, got "many". Unset it or give a number of '
        "workers\n"
    )
    assert clients.failures == []
    assert set(clients.answers) == {releases[1].bundle.manifest.version}


def ended(cluster: Cluster) -> str:
    """The message of the first container that comes to an end."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        for pod in cluster.get("pods")["items"]:
            for status in pod["status"].get("containerStatuses", []):
                terminated = status["state"].get("terminated") or status["lastState"].get("terminated")
                if terminated and "message" in terminated:
                    return str(terminated["message"])
    raise AssertionError(cluster.state())
