"""`modelcast.yaml` and the build's environment: what is read, and every refusal in full."""

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_builder.config import Config, build_settings, read_config
from modelcast_builder.document import Data, Document, Input
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import InputOverride
from modelcast_runtime.contract import Limits, ServiceDefaults
from modelcast_runtime.settings import SettingsError, read_settings

WHOLE = """\
name: penguins
description: Species from body measures
notebooks: [clean.ipynb, train.ipynb]
model: model.joblib
code: [features.py, lib]
data: {train: data/train.csv, holdout: data/holdout.csv, target: species}
inputs:
  age: {dtype: float64, nullable: true, min: 0, max: 120.5}
  sex: {dtype: string, categories: [m, f]}
  coded: {categories: [1, 2.5, true, x]}
"""
KEYS = (
    "The keys are name, description, task, notebooks, parameters, model, code, trusted, python, wheels, data, inputs, "
    "extra_inputs, examples, compile, gates, drift, limits, service, build"
)
INPUT_KEYS = "The keys are dtype, nullable, categories, min, max"


def read(folder: Path, text: str | bytes, environment: dict[str, str] | None = None) -> Config:
    """The configuration of a repository that holds this file."""
    (folder / "modelcast.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(folder, environment or {})


def test_every_key_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE).document == Document(
        name="penguins",
        description="Species from body measures",
        notebooks=("clean.ipynb", "train.ipynb"),
        model="model.joblib",
        code=("features.py", "lib"),
        data=Data(train="data/train.csv", holdout="data/holdout.csv", target="species"),
        inputs={
            "age": Input(dtype="float64", nullable=True, min=0, max=120.5),
            "sex": Input(dtype="string", categories=("m", "f")),
            "coded": Input(categories=(1, 2.5, True, "x")),
        },
    )


def test_an_input_crosses_to_the_child_whole() -> None:
    entry = Input(dtype="string", nullable=False, categories=("m",), min=1, max=2)
    assert entry.as_override() == InputOverride(dtype="string", nullable=False, categories=("m",), minimum=1, maximum=2)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null", "{}", "\ufeff"])
def test_a_file_without_content_is_as_none(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Config()


def test_without_a_file_everything_is_as_it_is_by_default(tmp_path: Path) -> None:
    assert read_config(tmp_path, {}) == Config()


@pytest.mark.parametrize("text", ["\ufeffname: x", "name: x\r\n", "name: &n x", "<<: {name: x}", "? name\n: x"])
def test_yaml_in_other_clothes(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).name == "x"


REFUSED = {
    "a misspelt key": (
        "name: x\nmodel: m\nnotebook: [a.ipynb]",
        "modelcast.yaml:3: unknown key `notebook`. Did you mean `notebooks`",
    ),
    "a key like no other": ("name: x\nzzz: 1", f"modelcast.yaml:2: unknown key `zzz`. {KEYS}"),
    "a misspelt key below data": (
        "data:\n  # rows\n  trian: x",
        "modelcast.yaml:3: unknown key `data.trian`. Did you mean `train`",
    ),
    "a misspelt key of the second input": (
        "inputs:\n  a: {dtype: string}\n  mean.radius:\n    dtyp: string",
        "modelcast.yaml:4: unknown key `inputs.mean.radius.dtyp`. Did you mean `dtype`",
    ),
    "a strange key of an input": ("inputs: {a: {zzz: 1}}", f"modelcast.yaml:1: unknown key `inputs.a.zzz`. {INPUT_KEYS}"),
    "a wrong type": ("\nname: 12", 'modelcast.yaml:2: `name`: expected a text, got the number 12. Write it in quotes: `name: "12"`'),
    "a wrong type below data": (
        "data:\n  target: y\n  train: 3",
        'modelcast.yaml:3: `data.train`: expected a text, got the number 3. Write it in quotes: `train: "3"`',
    ),
    "a dtype that is none, of the second input": (
        "inputs:\n  sex: {dtype: string}\n  age:\n    nullable: true\n    dtype: float",
        'modelcast.yaml:5: `inputs.age.dtype`: expected bool, datetime, float32, float64, int64 or string, got the text "float". '
        "Did you mean `float64`",
    ),
    "a wrong category": (
        "inputs:\n  sex: {dtype: string}\n  age:\n    categories:\n    - 1\n    - [2]",
        "modelcast.yaml:6: `inputs.age.categories[1]`: expected true or false, a number or a text, got a list. Correct the value",
    ),
    "an input that is no mapping": (
        "inputs:\n  sex: {}\n  age: float64",
        'modelcast.yaml:3: `inputs.age`: expected keys and values, got the text "float64". Correct the value',
    ),
    "a bound that JSON cannot carry": (
        "inputs:\n  age: {min: .nan}",
        "modelcast.yaml:2: .nan is no number that JSON can carry. Write a finite number, or leave the key out",
    ),
    "a bound beyond all floats": (
        f"inputs: {{age: {{min: 1{'0' * 400}}}}}",
        f"modelcast.yaml:1: `inputs.age.min`: expected a number of 64 bits, got the number 1{'0' * 59}... (401 characters). Correct the value",
    ),
    "a text where a list is": (
        "notebooks: a.ipynb",
        'modelcast.yaml:1: `notebooks`: expected a list, got the text "a.ipynb". Write `notebooks: [a.ipynb]`',
    ),
    "a misspelt metric": (
        "gates:\n  slices:\n    sex: {accuracy: '> 0.5'}\n    age: {acuracy: '> 0.5'}",
        "modelcast.yaml:4: unknown key `gates.slices.age.acuracy`. Did you mean `accuracy`",
    ),
    "a misspelt key of the second group": (
        "gates:\n  fairness:\n    sex: {}\n    age: {acuracy_gap: '< 0.5'}",
        "modelcast.yaml:4: unknown key `gates.fairness.age.acuracy_gap`. Did you mean `accuracy_gap`",
    ),
    "a number in a list": (
        "notebooks:\n- a.ipynb\n- 3",
        'modelcast.yaml:3: `notebooks[1]`: expected a text, got the number 3. Write it in quotes: `- "3"`',
    ),
    "a metric like no other": (
        "gates: {metrics: {zzz: '> 1'}}",
        "modelcast.yaml:1: unknown key `gates.metrics.zzz`. The keys are accuracy, balanced_accuracy, f1_macro, log_loss, "
        "mae, precision_macro, r2, recall_macro, rmse, roc_auc, silhouette",
    ),
    "a threshold without a comparison": (
        'gates:\n  metrics: {accuracy: "0.9"}',
        'modelcast.yaml:2: `gates.metrics.accuracy`: expected a comparison with a number, got the text "0.9". '
        'Write `accuracy: ">= 0.9"`',
    ),
    "a threshold that is a number": (
        "gates:\n  latency_ms: 5",
        "modelcast.yaml:2: `gates.latency_ms`: expected a comparison with a number, got the number 5. "
        'Write `latency_ms: ">= 0.9"`',
    ),
    "a key that must be there": (
        "gates:\n  champion: {flips: '< 0.1'}",
        "modelcast.yaml:2: `gates.champion` lacks the key `bundle`. Add `bundle:` to it",
    ),
    "a trusted name without its module": (
        "trusted:\n- features:*\n- Clip",
        'modelcast.yaml:3: `trusted[1]`: expected module:name or module:*, got the text "Clip". Write `- "features:Clip"`',
    ),
    "a version that YAML takes for a number": (
        "name: x\npython: 3.10",
        'modelcast.yaml:2: `python`: expected a text, got the number 3.10. Write it in quotes: `python: "3.10"`',
    ),
    "a version that is none": (
        "name: x\npython: three",
        'modelcast.yaml:2: `python: "three"` names no version. Write `python: "3.11"`, or a range: `python: ">=3.11,<3.14"`',
    ),
    "a version that is empty": (
        "python: ''",
        'modelcast.yaml:1: `python: ""` names no version. Write `python: "3.11"`, or a range: `python: ">=3.11,<3.14"`',
    ),
    "a date for a name": (
        "name: 2024-01-31",
        'modelcast.yaml:1: `name`: expected a text, got the date 2024-01-31. Write it in quotes: `name: "2024-01-31"`',
    ),
    "a task that is none": (
        "task: regression",
        "modelcast.yaml:1: `task`: expected auto, classifier, clusterer, generic, regressor or text, "
        'got the text "regression". Did you mean `regressor`',
    ),
    "a word unlike the others": (
        "compile: sometimes",
        'modelcast.yaml:1: `compile`: expected always, auto or never, got the text "sometimes". Write one of them',
    ),
    "a truth value for a word": (
        "extra_inputs: no",
        "modelcast.yaml:1: `extra_inputs`: expected ignore or refuse, got false. Write one of them",
    ),
    "a limit below its bound": (
        "limits:\n  header_s: 0",
        "modelcast.yaml:2: `limits.header_s`: expected a number from 0.1 to 3600, got the number 0. Correct the value",
    ),
    "a limit above its bound": (
        "limits: {rows: 10000001}",
        "modelcast.yaml:1: `limits.rows`: expected a whole number from 1 to 10000000, got the number 10000001. "
        "Correct the value",
    ),
    "a limit that YAML takes for a text": (
        "limits: {rows: 1e3}",
        'modelcast.yaml:1: `limits.rows`: expected a whole number from 1 to 10000000, got the text "1e3". '
        "Write digits, without quotes",
    ),
    "a number without an end": (
        "drift: {psi: 1.0e+999}",
        "modelcast.yaml:1: 1.0e+999 is no number that JSON can carry. Write a finite number, or leave the key out",
    ),
    "a number that is not above its bound": (
        "drift: {psi: 0}",
        "modelcast.yaml:1: `drift.psi`: expected a number above 0, got the number 0. Correct the value",
    ),
    "a number below the least": (
        "drift: {bins: 1}",
        "modelcast.yaml:1: `drift.bins`: expected a whole number of at least 2, got the number 1. Correct the value",
    ),
    "a section whose keys are comments": (
        "name: x\ndata:\n  # train: data/train.csv",
        "modelcast.yaml:2: `data`: expected keys and values, got nothing. Remove it",
    ),
    "a key and a value of several lines": (
        '? "a\\nb"\n: 1',
        f"modelcast.yaml:1: unknown key `a b`. {KEYS}",
    ),
    "a value of several lines": (
        "task: |\n  one\n  two",
        "modelcast.yaml:1: `task`: expected auto, classifier, clusterer, generic, regressor or text, "
        'got the text "one two". Write one of them',
    ),
    "a mapping for a text": ("name: {a: b}", "modelcast.yaml:1: `name`: expected a text, got keys and values. Correct the value"),
    "a list": ("- a", "modelcast.yaml holds a list, expected keys and values. Write `name: my-model`"),
    "a text": ("just text", "modelcast.yaml holds a str, expected keys and values. Write `name: my-model`"),
    "a key twice": (
        "name: x\nmodel: m\nname: y",
        "modelcast.yaml:3: the key `name` is there twice, first in line 1. Keep one of them",
    ),
    "a key twice at depth": (
        "inputs:\n  a: {dtype: string}\n  b: {min: 1}\n  a: {min: 2}",
        "modelcast.yaml:4: the key `a` is there twice, first in line 2. Keep one of them",
    ),
    "a key that YAML takes for a truth value": (
        "name: x\non: 3",
        'modelcast.yaml:2: the key `on` is no text. Write it in quotes: "on"',
    ),
    "an input whose name is a number": (
        "inputs:\n  0: {dtype: string}",
        'modelcast.yaml:2: the key `0` is no text. Write it in quotes: "0"',
    ),
    "an unclosed list": (
        "name: x\nnotebooks: [a\nmodel: b",
        "modelcast.yaml:3 is no YAML: expected ',' or ']', but got ':'. Mend that line",
    ),
    "a tab": (
        "data:\n\ttrain: x",
        "modelcast.yaml:2 is no YAML: found character '\\t' that cannot start any token. Mend that line",
    ),
    "two documents": ("name: x\n---\nname: y", "modelcast.yaml:2 is no YAML: but found another document. Mend that line"),
    "a control character": ("name: \x00", "modelcast.yaml is no YAML: special characters are not allowed. Mend that line"),
    "code": (
        "name: !!python/object/apply:os.system [x]",
        "modelcast.yaml:1 is no YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'. Mend that line",
    ),
    "no such date": ("name: 2024-13-45", "modelcast.yaml is no YAML: month must be in 1..12. Put that value in quotes"),
    "an anchor within itself": ("inputs: &a {x: *a}", f"modelcast.yaml:1: unknown key `inputs.x.x`. {INPUT_KEYS}"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_full(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        read(tmp_path, text)
    assert str(refused.value) == f"config: {message}"


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as refused:
        read(tmp_path, "name: x\ndescription: für\n".encode("latin-1"))
    assert str(refused.value) == "config: modelcast.yaml:2 is not UTF-8. Save the file as UTF-8"


HERE = ".".join(map(str, sys.version_info[:3]))
MINOR = HERE.rpartition(".")[0]


@pytest.mark.parametrize("python", [MINOR, HERE, f"{MINOR}.*", f">={MINOR}", "~=3.11", ">=3.11,<4", "3"])
def test_a_python_that_this_one_is(tmp_path: Path, python: str) -> None:
    assert read(tmp_path, f'python: "{python}"').document.python == python


@pytest.mark.parametrize("python", ["3.1", "3.99", "2", ">3.99", f"!={HERE}", f"{HERE}9"])
def test_another_python_is_refused_with_the_one_that_is_here(tmp_path: Path, python: str) -> None:
    with pytest.raises(BuildError) as refused:
        read(tmp_path, f'name: x\n\npython: "{python}"')
    assert str(refused.value) == (
        f'config: modelcast.yaml:3: `python: "{python}"`, but this builder has Python {HERE}. '
        f'Build with modelcast on that Python, or write `python: "{MINOR}"`'
    )


@pytest.mark.parametrize("name", ["modelcast.yml", "Modelcast.yaml", "MODELCAST.YML"])
def test_a_file_of_another_ending_is_not_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("name: x")
    with pytest.raises(BuildError) as refused:
        read_config(tmp_path, {})
    assert str(refused.value) == f"config: {name} is not read. Rename it to modelcast.yaml"
    with pytest.raises(BuildError) as refused:
        read(tmp_path, "name: x")
    assert str(refused.value) == f"config: {name} is not read. Remove it: modelcast.yaml is there too"


LIMITS = {name: Limits.__annotations__[name].__metadata__[0] for name in Limits.__struct_fields__}


@pytest.mark.parametrize("name", LIMITS)
def test_the_bounds_of_a_limit_are_the_same_in_the_file_and_at_the_start(tmp_path: Path, name: str) -> None:
    def at_start(value: float) -> float:
        env = {f"MODELCAST_LIMITS_{name.upper()}": str(value), "WEB_CONCURRENCY": "1"}
        return getattr(read_settings(env, {}, ServiceDefaults()).limits, name)

    low, high = LIMITS[name].ge, LIMITS[name].le
    for value in (low, high):
        sealed = read(tmp_path, f"limits: {{{name}: {value}}}").service.limits
        assert getattr(sealed, name) == at_start(value) == value
    for beyond in (low - 0.01 if isinstance(low, float) else low - 1, high + 1):
        with pytest.raises(BuildError, match=rf"^config: modelcast.yaml:1: `limits.{name}`: expected a "):
            read(tmp_path, f"limits: {{{name}: {beyond}}}")
        with pytest.raises(SettingsError, match=f"^MODELCAST_LIMITS_{name.upper()}: expected "):
            at_start(beyond)


def test_the_settings_of_the_service_are_what_is_written_and_else_its_own_defaults(tmp_path: Path) -> None:
    written = read(tmp_path, "extra_inputs: ignore\nlimits: {rows: 3, drain_s: 0}").service
    assert written == ServiceDefaults(extra_inputs="ignore", limits=Limits(rows=3, drain_s=0))
    assert read(tmp_path, "").service == ServiceDefaults()


LATER = {
    "service: {cors: [a]}": "service",
    "limits: {rows: 3, queue: 4}": "limits.queue",
    "limits: {deadline_s: 4}": "limits.deadline_s",
}


@pytest.mark.parametrize("text", LATER)
def test_a_key_of_a_later_version_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildError) as refused:
        read(tmp_path, f"name: x\n{text}")
    where = "config: modelcast.yaml:2"
    assert str(refused.value) == f"{where}: `{LATER[text]}` is not built yet in this version. Remove the line"


@pytest.mark.parametrize(
    "text",
    ["name: 0x_", "name: !!int foo", "name: !!bool foo", "name: !!timestamp foo", f"name: {'1' * 5000}", "[" * 1500],
)
def test_what_pyyaml_fails_at_is_a_refusal_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildError, match="^config: modelcast.yaml is no YAML: "):
        read(tmp_path, text)


def test_a_bomb_of_aliases_costs_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(BuildError, match="^config: modelcast.yaml:1: unknown key `a0`"):
        read(tmp_path, "\n".join(lines))
    categories = "\n".join(f"- {line.partition(': ')[2]}" for line in lines)
    with pytest.raises(BuildError, match=r"^config: modelcast.yaml:2: `notebooks\[0\]`: expected a text, got a list"):
        read(tmp_path, f"notebooks:\n{categories}")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_WORDS = st.sampled_from(
    ["name", "inputs", "data", "dtype", "min", "categories", "notebooks", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ",",
     "&a", "*a", "<<", "!!int", "!!set", "!!omap", "!!binary", "!!float", "? ", "|", ">", "'", '"', "#", "---", "...", "\t",
     "1", "0x", "1_", "2024-02-30", "12:61:99", ".inf", "~", "yes", "\u0085", "\ud7ff", "%YAML 9.9"]
)  # fmt: skip


@given(st.text() | st.lists(_WORDS, max_size=14).map("".join) | st.binary(max_size=60))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        try:
            assert isinstance(read(Path(folder), content), Config)
        except BuildError as refused:
            assert refused.step == "config"
            assert refused.problem.startswith("modelcast.yaml")


# The build's environment.

LISTS = {
    "one.ipynb": ("one.ipynb",),
    "a.ipynb,b.ipynb": ("a.ipynb", "b.ipynb"),
    " a.ipynb , b.ipynb ,": ("a.ipynb", "b.ipynb"),
    "my first notebook.ipynb, b.ipynb": ("my first notebook.ipynb", "b.ipynb"),
    '"a.ipynb, b.ipynb"': ("a.ipynb", "b.ipynb"),
    "'a.ipynb'": ("a.ipynb",),
    "": ("written.ipynb",),
    "  ": ("written.ipynb",),
    '""': ("written.ipynb",),
    " , ,": ("written.ipynb",),
}


@pytest.mark.parametrize("value", LISTS)
def test_the_list_of_notebooks(tmp_path: Path, value: str) -> None:
    config = read(tmp_path, "notebooks: [written.ipynb]", {"S2I_SOURCE_NOTEBOOK_LIST": value})
    assert config.notebooks == LISTS[value]


def test_the_one_notebook_of_the_first_builders(tmp_path: Path) -> None:
    config = read(tmp_path, "notebooks: [written.ipynb]", {"S2I_SOURCE_NOTEBOOK": '"my model.ipynb"'})
    assert (config.notebooks_key, config.notebooks) == ("S2I_SOURCE_NOTEBOOK", ("my model.ipynb",))
    both = {"S2I_SOURCE_NOTEBOOK": "a.ipynb", "S2I_SOURCE_NOTEBOOK_LIST": "b.ipynb"}
    config = read(tmp_path, "notebooks: [written.ipynb]", both)
    assert (config.notebooks_key, config.notebooks) == ("S2I_SOURCE_NOTEBOOK_LIST", ("b.ipynb",))
    assert read(tmp_path, "notebooks: [written.ipynb]").notebooks_key == "notebooks"


def test_what_s2i_would_have_set_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / ".s2i").mkdir()
    (tmp_path / ".s2i" / "environment").write_bytes(
        b'# a comment = no variable\r\n S2I_SOURCE_NOTEBOOK_LIST = a b.ipynb,c.ipynb \r\nMODELCAST_NAME="quoted"\nno variable'
    )
    config = read_config(tmp_path, {"MODELCAST_NAME": "given"})
    assert (config.notebooks, config.name) == (("a b.ipynb", "c.ipynb"), "given")
    assert read_config(tmp_path, {}).name == "quoted"
    assert read_config(tmp_path, {"MODELCAST_NAME": ""}).name is None, "an empty value over it is a value"
    assert config.handed == {"S2I_SOURCE_NOTEBOOK_LIST": "a b.ipynb,c.ipynb", "MODELCAST_NAME": "given"}


TEMPLATED = {
    '{"k": 7}': {"k": 7, "seed": 1},
    "'{\"k\": 7}'": {"k": 7, "seed": 1},
    '"{"k": 7}"': {"k": 7, "seed": 1},
    '"{\\"k\\": 7, \\"name\\": \\"é\\"}"': {"k": 7, "seed": 1, "name": "é"},
    "{}": {"k": 5, "seed": 1},
    "": {"k": 5, "seed": 1},
}


@pytest.mark.parametrize("value", TEMPLATED)
def test_parameters_of_the_environment_win(tmp_path: Path, value: str) -> None:
    config = read(tmp_path, "parameters: {k: 5, seed: 1}", {"MODELCAST_PARAMETERS": value})
    assert config.parameters == TEMPLATED[value]


USE = "Write numbers, texts, true, false, null, lists, or names with values"
PARAMETERS = {
    "for: 1": "modelcast.yaml:3: `parameters.for` is no name that a notebook can use. Call it `for_`, there and in the notebook",
    "learning-rate: 1": "modelcast.yaml:3: `parameters.learning-rate` is no name that a notebook can use. "
    "Call it `learning_rate`, there and in the notebook",
    '"2d": 1': "modelcast.yaml:3: `parameters.2d` is no name that a notebook can use. Call it `_2d`, there and in the notebook",
    "day: [2024-01-31]": f"modelcast.yaml:3: `parameters.day` holds a date, which JSON does not have. {USE}",
    "n: 18446744073709551616": f"modelcast.yaml:3: `parameters.n` holds an integer of more than 64 bits. {USE}",
    "a: &a [*a]": f"modelcast.yaml:3: `parameters.a` holds more than 10000 values. {USE}",
}


@pytest.mark.parametrize("line", PARAMETERS)
def test_a_parameter_that_cannot_be_given_and_sealed_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path, f"name: x\nparameters:\n  {line}\n")
    assert str(caught.value) == f"config: {PARAMETERS[line]}"


def test_a_parameter_of_the_environment_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path, "name: x", {"MODELCAST_PARAMETERS": '{"class": 1}'})
    assert str(caught.value) == (
        "config: MODELCAST_PARAMETERS: `class` is no name that a notebook can use. "
        "Call it `class_`, there and in the notebook"
    )


def test_build_env_hands_no_credential_through(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path, "build:\n  timeout_s: 5\n  env: [TFIDF_BUCKETS, HF_TOKEN]")
    assert str(caught.value) == (
        "config: modelcast.yaml:3: `build.env` names HF_TOKEN, which looks like a credential: no notebook gets one. "
        "Give the variable another name, or fetch the data before the build"
    )
    with pytest.raises(BuildError) as caught:
        read(tmp_path, "build: {env: [DB]}", {"DB": "postgres://me:pass@host/db"})
    assert str(caught.value) == (
        "config: modelcast.yaml:1: `build.env` names DB, whose value holds a credential: no notebook gets one. "
        "Take user and password out of it"
    )


def test_build_env_hands_nothing_of_the_builders_own_python_through(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path, "build: {env: [PYTHONPATH]}")
    assert str(caught.value) == (
        "config: modelcast.yaml:1: `build.env` names PYTHONPATH, which is about the builder's own Python: no notebook "
        'gets it. Leave it out, and set in the notebook what it needs: `sys.path.append("src")`, `matplotlib.use("agg")`'
    )


@pytest.mark.parametrize(
    ("value", "name"),
    [("other", "other"), (' "other" ', "other"), ("'other'", "other"), ("", "written"), ("' '", "written"), ('"', '"')],
)
def test_the_name_of_the_environment_wins(tmp_path: Path, value: str, name: str) -> None:
    assert read(tmp_path, "name: written", {"MODELCAST_NAME": value}).name == name


NO_PARAMETERS = {
    "k=7": "invalid character (byte 0)",
    "{k: 7}": "object keys must be strings (byte 1)",
    '{"k": 7': "input data was truncated",
    "7": "expected `object`, got `int`",
    '["k", 7]': "expected `object`, got `array`",
    '{"k": NaN}': "invalid character (byte 6)",
}


@pytest.mark.parametrize("text", NO_PARAMETERS)
def test_parameters_that_are_no_object(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildError) as refused:
        read(tmp_path, "parameters: {k: 5}", {"MODELCAST_PARAMETERS": text})
    assert str(refused.value) == (
        f"config: MODELCAST_PARAMETERS is no JSON object: {NO_PARAMETERS[text]}. "
        """Write names and values: MODELCAST_PARAMETERS='{"k": 7}'"""
    )


def test_what_openshift_says_of_the_source(tmp_path: Path) -> None:
    told = {"OPENSHIFT_BUILD_SOURCE": "https://host/x.git", "OPENSHIFT_BUILD_COMMIT": "abc"}
    config = read_config(tmp_path, told)
    assert (config.source_url, config.commit) == ("https://host/x.git", "abc")


def test_the_settings_of_the_machine(tmp_path: Path) -> None:
    told = {"MODELCAST_CACHE": f"'{tmp_path}'", "MODELCAST_ENVIRONMENT": "/opt/model", "MODELCAST_WHEELHOUSE": '""'}
    settings = build_settings(told)
    assert (settings.cache, settings.environment, settings.wheelhouse) == (tmp_path, Path("/opt/model"), None)
    assert build_settings({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "modelcast"
