"""Which tests are long, and that no example fails because a machine is slow."""

import pytest
from hypothesis import HealthCheck, settings

# How long one example takes says how busy the machine is.
settings.register_profile("any-machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# They make environments of other versions, clone and train: `make e2e` runs them, `make test` has five minutes.
LONG = {
    "test_artifact_kinds.py",
    "test_audited_estimators.py",
    "test_breaking_rows.py",
    "test_challenger.py",
    "test_check.py",
    "test_command_line.py",
    "test_compiled_models.py",
    "test_configured.py",
    "test_delayed_labels.py",
    "test_describe_golden.py",
    "test_drift_figures.py",
    "test_environment.py",
    "test_fuzzed.py",
    "test_git.py",
    "test_guides.py",
    "test_immutable.py",
    "test_init.py",
    "test_install.py",
    "test_kinds.py",
    "test_mutations.py",
    "test_nachlass.py",
    "test_notebook_conventions.py",
    "test_offline.py",
    "test_own_code.py",
    "test_private_index.py",
    "test_refusals.py",
    "test_reproducible.py",
    "test_serve_watch.py",
    "test_unseen.py",
    "test_v1_clients.py",
    "test_v2_clients.py",
    "test_wheelhouse.py",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is long."""
    if item.path.name in LONG:
        item.add_marker("long")
