"""What notebooks get of the build's environment, and what of it decides whether a build is a new one."""

from pathlib import Path

import pytest
from modelcast_builder.build_variables import deciding, handed
from modelcast_builder.commands import _content_key
from modelcast_builder.config import build_settings

KEPT = {
    "PATH": ("/bin", True),
    "S2I_MODEL_TOKEN": ("a build variable", True),
    "HTTP_PROXY": ("http://proxy:3128", True),
    "MAIL": ("me@host", True),
    "HF_TOKEN": ("x", False),
    "DB_PASSWORD": ("x", False),
    "ApiKey": ("x", False),
    "INDEX": ("https://user:pass@host/simple", False),
    "ONLY_A_USER": ("https://t0ken@host/simple", False),
    "PROXY": ("http://user:p@ss@proxy:3128", False),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_looks_like_a_credential_is_kept_from_notebooks(name: str) -> None:
    value, is_kept = KEPT[name]
    assert handed({name: value}, None) == ({name: value} if is_kept else {})


def test_build_env_hands_through_exactly_what_it_names() -> None:
    variables = {
        "TFIDF_BUCKETS": "1024", "RF_NUM_ESTIMATORS": "10", "S2I_ANY": "x", "PATH": "/bin", "LC_ALL": "C.UTF-8",
        "https_proxy": "http://user:pass@proxy", "no_proxy": "localhost", "MODELCAST_CACHE": "/cache", "PS1": "$",
    }  # fmt: skip
    assert handed(variables, ["TFIDF_BUCKETS", "NOT_SET"]) == {
        "TFIDF_BUCKETS": "1024", "S2I_ANY": "x", "PATH": "/bin", "LC_ALL": "C.UTF-8", "no_proxy": "localhost",
    }  # fmt: skip
    assert "TFIDF_BUCKETS" not in handed(variables, [])


def test_the_quotes_that_s2i_keeps_do_not_reach_a_notebook() -> None:
    given = {"A": '"1024"', "B": "'x y'", "C": "it's", "D": '"', "E": ""}
    assert handed(given, None) == {"A": "1024", "B": "x y", "C": "it's", "D": '"', "E": ""}


def test_a_build_is_decided_by_what_its_code_may_read(tmp_path: Path) -> None:
    (tmp_path / "train.ipynb").write_text('{"source": "int(os.environ[\\"TFIDF_BUCKETS\\"])"}')
    (tmp_path / "util.py").write_text("RATE = os.getenv('LEARNING_RATE')")
    (tmp_path / "notes.md").write_text("WINDOWID")
    given = {"TFIDF_BUCKETS": "1", "LEARNING_RATE": "2", "WINDOWID": "3", "S2I_X": "4", "NAMED": "5", "RAT": "6"}
    assert deciding(tmp_path, given, ["NAMED"]) == {
        "TFIDF_BUCKETS": "1", "LEARNING_RATE": "2", "S2I_X": "4", "NAMED": "5",
    }  # fmt: skip


KEYS = {
    "nothing new": ({"WINDOWID": "3", "TOKEN_OF_MINE": "x", "MODELCAST_PARAMETERS": "{}"}, False),
    "other parameters": ({"MODELCAST_PARAMETERS": '{"k": 7}'}, True),
    "the same parameters": ({"MODELCAST_PARAMETERS": "'{\"k\": 5}'"}, False),
    "a variable that the code reads": ({"TFIDF_BUCKETS": "64"}, True),
    "another list of notebooks": ({"S2I_SOURCE_NOTEBOOK_LIST": "train.ipynb"}, True),
    "another name": ({"MODELCAST_NAME": "other"}, True),
}


@pytest.mark.parametrize("case", KEYS)
def test_serve_builds_anew_when_what_decides_changes(tmp_path: Path, case: str) -> None:
    (tmp_path / "train.ipynb").write_text('{"source": "int(os.environ[\\"TFIDF_BUCKETS\\"])"}')
    (tmp_path / "modelcast.yaml").write_text("parameters: {k: 5}\n")
    variables, is_new = KEYS[case]
    before, after = (_content_key(tmp_path, build_settings(given)) for given in ({"PS1": "$"}, variables))
    assert (before != after) == is_new
