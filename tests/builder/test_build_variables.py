"""What notebooks get of the build's environment, and what of it decides whether a build is a new one."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from modelcast_builder.build_variables import check_named, deciding, handed
from modelcast_builder.commands import _content_key
from modelcast_builder.config import build_settings
from modelcast_builder.errors import BuildError
from modelcast_builder.source import fetch

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
    "PG_DSN": ("host=db user=me password = s3cret", False),
    "ODBC_DSN": ("Driver={x};Uid=me;Pwd=s3cret;", False),
    "STORAGE": ("DefaultEndpointsProtocol=https;AccountName=me;AccountKey=abc==", False),
    "WAREHOUSE_DSN": ("Server=db;Trusted_Connection=yes;Pwd=;", True),
    "PWD": ("/work", True),
}
CREDENTIALS = """
    TOKEN HF_TOKEN GH_TOKEN_2 github-token NPM_AUTHTOKEN TOKEN_FILE API_TOKENS PASSWORD MYSQL_PWD SMTP_PASS DB_PASSWD_FILE
    PGPASSWORD PGPASSFILE SSH_PASSPHRASE DbPassWord GIT_ASKPASS CLIENT_SECRET GOOGLE_APPLICATION_CREDENTIALS AWS_CREDS API_KEY apiKey
    APIKEYS AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY OPENAI_API_KEYS STORAGE_KEY STORAGE_KEY_1 SSH_KEY_PATH ENCRYPTION_KEY_B64
    GITHUB_PAT AZURE_DEVOPS_EXT_PAT PRIVATE_INDEX SIGNING_KEY AZURE_STORAGE_CONNECTION_STRING SqlConnectionString CONN_STR
    DOCKER_AUTH_CONFIG DOCKER_CONFIG BASIC_AUTH OAUTH2 KUBECONFIG NETRC CI_JOB_JWT_V2 MAX_TOKENS_SECRET XAUTHORITY
"""
HARMLESS = """
    TOKENIZER TOKENIZERS_PARALLELISM MAX_TOKENS MAX_NEW_TOKENS TOKEN_PATTERN PAD_TOKEN KEY KEY_COLUMNS JOIN_KEYS MONKEY TURKEY
    KEYWORDS HOTKEY_MAP OLDPWD PASS_RATE PASS_WINDOW COMPASS BYPASS_CACHE PATH_COLUMN PATIENT_ID PATTERN PAT_COLUMN AUTHOR GIT_AUTHOR_NAME
    CONNECTION_TIMEOUT CONN_STRATEGY STRING_LENGTH KUBERNETES_PORT DOCKER_HOST PASSENGERS ACCESS_LOG API_URL ACCOUNT
"""


@pytest.mark.parametrize("name", KEPT)
def test_what_looks_like_a_credential_is_kept_from_notebooks(name: str) -> None:
    value, is_kept = KEPT[name]
    assert handed({name: value}, None) == ({name: value} if is_kept else {})


@pytest.mark.parametrize("name", CREDENTIALS.split())
def test_a_name_that_tells_of_a_credential_is_kept_from_notebooks_and_may_not_be_named(name: str) -> None:
    assert handed({name: "x"}, None) == handed({name: "x"}, [name]) == {}
    with pytest.raises(BuildError, match=f"names {name}, which looks like a credential"):
        check_named([name], {}, "modelcast.yaml:1")


@pytest.mark.parametrize("name", HARMLESS.split())
def test_a_name_with_such_letters_in_another_word_is_handed_through(name: str) -> None:
    check_named([name], {name: "x"}, "modelcast.yaml:1")
    assert handed({name: "x"}, None) == handed({name: "x"}, [name]) == {name: "x"}


@hypothesis.given(
    before=st.from_regex(r"[A-Z]{1,8}(_[A-Z]{1,8})?", fullmatch=True),
    word=st.sampled_from(("KEY", "PAT", "PWD", "PASSWORD", "AUTH", "SECRET")),
)
def test_whatever_stands_before_it_a_last_word_tells(before: str, word: str) -> None:
    name = f"{before}_{word}"
    assert handed({name: "x"}, None) == handed({name.lower(): "x"}, None) == {}


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
    repo = fetch(str(tmp_path), tmp_path)
    before, after = (_content_key(repo, build_settings(given)) for given in ({"PS1": "$"}, variables))
    assert (before != after) == is_new
