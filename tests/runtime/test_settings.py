"""What the operator writes, and what the service makes of it."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime.contract import Limits, ServiceDefaults
from modelcast_runtime.settings import (
    SETTINGS,
    THREAD_ENV,
    Machine,
    Settings,
    SettingsError,
    default_workers,
    read_machine,
    read_settings,
    settings_table,
)

MIB = 1024**2
SEALED = ServiceDefaults()


def read(env: dict[str, str], flags: dict[str, object] | None = None, sealed: ServiceDefaults = SEALED) -> Settings:
    return read_settings({"WEB_CONCURRENCY": "2", **env}, flags or {}, sealed)


def test_without_any_word_the_defaults_hold() -> None:
    expected = Settings(
        host="0.0.0.0",
        port=8080,
        workers=2,
        limits=Limits(),
        extra_inputs="refuse",
        metrics_prefix="",
        log_access="off",
        log_predictions=0.0,
        log_values=False,
        invocations="mlflow",
        vertex_health="",
        vertex_predict="",
        batch_concurrency=None,
        batch_strategy="MULTI_RECORD",
        batch_payload_mb=None,
    )
    assert read({}) == expected


def test_what_the_bundle_sealed_is_the_default_and_the_environment_overrides_one_limit_of_it() -> None:
    sealed = ServiceDefaults(extra_inputs="ignore", limits=Limits(rows=7, drain_s=1))
    settings = read({"MODELCAST_LIMITS_DRAIN_S": "2.5"}, sealed=sealed)
    assert settings.limits == Limits(rows=7, drain_s=2.5)
    assert settings.extra_inputs == "ignore"
    assert read({"MODELCAST_EXTRA_INPUTS": "refuse"}, sealed=sealed).extra_inputs == "refuse"


@pytest.mark.parametrize(
    ("env", "flags", "port"),
    [
        ({"PORT": "9000"}, {}, 9000),
        ({"PORT": "9000", "AIP_HTTP_PORT": "9001"}, {}, 9001),
        ({"PORT": "9000", "AIP_HTTP_PORT": "9001"}, {"port": 9002}, 9002),
        ({"PORT": "9000", "AIP_HTTP_PORT": ""}, {"port": None}, 9000),
        ({"PORT": '"9000"'}, {}, 9000),
        ({"PORT": " '9000' "}, {}, 9000),
        ({"PORT": ""}, {}, 8080),
        ({"PORT": '""'}, {}, 8080),
        ({"PORT": "0"}, {}, 0),
        ({}, {"port": 0}, 0),
    ],
)
def test_the_flag_wins_then_the_platform_then_port_and_empty_is_unset(
    env: dict[str, str], flags: dict[str, object], port: int
) -> None:
    assert read(env, flags).port == port


def test_the_access_log_is_asked_for() -> None:
    assert read({"MODELCAST_LOG_ACCESS": "json"}).log_access == "json"
    assert read({"MODELCAST_LOG_ACCESS": '"off"'}).log_access == "off"


def test_every_limit_has_a_variable() -> None:
    env = {
        "MODELCAST_LIMITS_BODY_BYTES": "1",
        "MODELCAST_LIMITS_ROWS": "2",
        "MODELCAST_LIMITS_HEADER_S": "3",
        "MODELCAST_LIMITS_BODY_S": "4",
        "MODELCAST_LIMITS_DRAIN_S": "0",
    }
    assert read(env).limits == Limits(body_bytes=1, rows=2, header_s=3.0, body_s=4.0, drain_s=0.0)
    assert {name for row in SETTINGS for name in row.env if "LIMITS" in name} == set(env)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("pipeline", "pipeline"),
        ('"pipeline"', "pipeline"),
        (" 'my_App2' ", "my_App2"),
        ("_", "_"),
        ("", ""),
        ('""', ""),
    ],
)
def test_the_prefix_of_nachlass_metrics_is_read_without_the_quotes_that_s2i_keeps(text: str, prefix: str) -> None:
    assert read({"S2I_APP_METRICS_PREFIX": text}).metrics_prefix == prefix


@pytest.mark.parametrize("text", ["my-app", "1st", "naïve", "a b", "a:b", 'a"b', "modelcast"])
def test_a_prefix_that_no_metric_can_have_is_refused(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({"S2I_APP_METRICS_PREFIX": text})
    assert str(caught.value).startswith(
        "S2I_APP_METRICS_PREFIX: expected a Prometheus name other than modelcast (letters, digits and _), got "
    )


@pytest.mark.parametrize(
    ("env", "flags", "message"),
    [
        (
            {"S2I_APP_METRICS_PREFIX": "my-app"},
            {},
            "S2I_APP_METRICS_PREFIX: expected a Prometheus name other than modelcast (letters, digits and _), "
            'got "my-app". Unset it or give one like my_model',
        ),
        ({"PORT": "http"}, {}, 'PORT: expected a whole number from 0 to 65535, got "http". Unset it or give a port'),
        ({"PORT": "65536"}, {}, 'PORT: expected a whole number from 0 to 65535, got "65536". Unset it or give a port'),
        ({"PORT": "-1"}, {}, 'PORT: expected a whole number from 0 to 65535, got "-1". Unset it or give a port'),
        ({"PORT": "٣"}, {}, 'PORT: expected a whole number from 0 to 65535, got "٣". Unset it or give a port'),
        (
            {"AIP_HTTP_PORT": "tcp://10.0.0.1:80"},
            {},
            'AIP_HTTP_PORT: expected a whole number from 0 to 65535, got "tcp://10.0.0.1:80". Unset it or give a port',
        ),
        (
            {},
            {"port": 70000},
            '--port: expected a whole number from 0 to 65535, got "70000". Leave it out or give a port',
        ),
        (
            {"WEB_CONCURRENCY": "0"},
            {},
            'WEB_CONCURRENCY: expected a whole number from 1 to 256, got "0". Unset it or give a number of workers',
        ),
        (
            {},
            {"workers": 0},
            '--workers: expected a whole number from 1 to 256, got "0". Leave it out or give a number of workers',
        ),
        (
            {"MODELCAST_LIMITS_ROWS": "1k"},
            {},
            'MODELCAST_LIMITS_ROWS: expected a whole number from 1 to 10000000, got "1k". Unset it or give a number of rows',
        ),
        (
            {"MODELCAST_LIMITS_HEADER_S": "nan"},
            {},
            'MODELCAST_LIMITS_HEADER_S: expected seconds from 0.1 to 3600, got "nan". Unset it or give a number of seconds',
        ),
        (
            {"MODELCAST_LIMITS_DRAIN_S": "5s"},
            {},
            'MODELCAST_LIMITS_DRAIN_S: expected seconds from 0 to 3600, got "5s". Unset it or give a number of seconds',
        ),
        (
            {"MODELCAST_EXTRA_INPUTS": "drop"},
            {},
            'MODELCAST_EXTRA_INPUTS: expected refuse or ignore, got "drop". Unset it or give one of them',
        ),
        (
            {"MODELCAST_LOG_ACCESS": "text"},
            {},
            'MODELCAST_LOG_ACCESS: expected off or json, got "text". Unset it or give one of them',
        ),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(
    env: dict[str, str], flags: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError) as error:
        read(env, flags)
    assert str(error.value) == message


def test_variables_of_the_platform_and_of_later_versions_are_left_alone() -> None:
    assert read({"MODELCAST_NAME": "x", "MODELCAST_SERVICE_HOST": "10.0.0.1", "PORTAL": "y"}) == read({})


@given(st.text())
def test_any_text_is_a_port_or_a_settings_error(text: str) -> None:
    try:
        assert 0 <= read({"PORT": text}).port <= 65535
    except SettingsError as error:
        assert str(error).startswith("PORT: expected a whole number")


def test_the_table_of_the_readme_has_a_row_for_each_setting() -> None:
    lines = settings_table().splitlines()
    assert lines[0] == "| setting | environment | flag | default | meaning |"
    assert len(lines) == 2 + sum(not row.is_detail for row in SETTINGS)
    assert "| `port` | `AIP_HTTP_PORT`, `PORT` | `--port` | `8080` | port to listen on; 0 takes a free one |" in lines
    assert (
        "| `limits.header_s` | `MODELCAST_LIMITS_HEADER_S` |  | `5.0` | seconds for a request's header to arrive (408) |"
        in lines
    )


@pytest.mark.parametrize(
    ("cpus", "memory", "model", "workers"),
    [
        (1, 8192 * MIB, 0, 1),
        (1.5, 8192 * MIB, 0, 2),
        (0.2, 8192 * MIB, 0, 1),
        (64, 65536 * MIB, 0, 12),
        (8, 1024 * MIB, 0, 5),
        (8, 1024 * MIB, 100 * MIB, 2),
        (8, 64 * MIB, 100 * MIB, 1),
    ],
)
def test_workers_follow_cpus_and_memory(cpus: float, memory: int, model: int, workers: int) -> None:
    assert default_workers(Machine(cpus=cpus, memory=memory), model) == workers


def cgroup(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"sys/fs/cgroup/cpu.max": "50000 100000", "sys/fs/cgroup/memory.max": "268435456"}, 0.5, 256 * MIB),
        ({"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max"}, None, None),
        ({}, None, None),
        (
            {
                "proc/self/cgroup": "0::/pods/pod 1/app",
                "sys/fs/cgroup/pods/memory.max": "1073741824",
                "sys/fs/cgroup/pods/pod 1/memory.max": "134217728",
                "sys/fs/cgroup/pods/pod 1/app/memory.max": "max",
                "sys/fs/cgroup/pods/pod 1/cpu.max": "25000 100000",
            },
            0.25,
            128 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "75000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912",
            },
            0.75,
            512 * MIB,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/\n4:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
            None,
        ),
        ({"proc/self/cgroup": "0::/../outside", "sys/outside/memory.max": "1"}, None, None),
    ],
    ids=[
        "v2",
        "v2 without bounds",
        "no cgroup",
        "v2 nested",
        "v1 in a container",
        "v1 without bounds",
        "outside the mount",
    ],
)
def test_the_machine_is_read_from_the_cgroup(
    tmp_path: Path, files: dict[str, str], cpus: float | None, memory: int | None
) -> None:
    machine = read_machine(cgroup(tmp_path, files))
    whole = Machine(
        cpus=float(len(os.sched_getaffinity(0))), memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
    assert machine == Machine(cpus=cpus or whole.cpus, memory=memory or whole.memory)


def test_without_a_number_the_workers_come_from_the_machine_and_the_model(tmp_path: Path) -> None:
    root = cgroup(tmp_path, {"sys/fs/cgroup/memory.max": str(700 * MIB)})
    cpus = math.ceil(len(os.sched_getaffinity(0)))
    assert read_settings({}, {}, SEALED, root=root).workers == min(cpus, 3)
    assert read_settings({}, {}, SEALED, model_bytes=200 * MIB, root=root).workers == 1


def test_settings_load_no_numeric_library() -> None:
    code = "import sys, modelcast_runtime.settings; print(sorted({'numpy', 'gunicorn', 'flask', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert set(THREAD_ENV.values()) == {"1"}
    assert "OMP_NUM_THREADS" in THREAD_ENV
