"""Small real models, sealed as the builder seals them, and a client that asks the real application in process."""

import asyncio
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from modelcast_builder.seal import Writer
from modelcast_runtime import baseline as baselines
from modelcast_runtime import contract, metrics
from modelcast_runtime.baseline import Baseline
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Compilation, Golden, Manifest, Output, Provenance, Signature
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store

VERSION = "sha256:3f2a"
BUILT = Provenance(
    built_at="2026-01-01T00:00:00Z",
    builder_version="0.1.0",
    python="3.11.7",
    source=".",
    environment_as_of="2026-01-01",
)
OWN = '''
import time
import numpy as np

class Touchy:
    """Sleeps for the seconds in its first column, and refuses a negative second one; answers their sum."""

    def predict(self, rows):
        rows = np.asarray(rows, dtype=float)
        for seconds, value in rows:
            time.sleep(seconds)
            if value == -1313.25:
                raise ValueError(f"no such value: {value}")
            if value == -2626.5 and len(rows) > 1:
                raise RuntimeError(f"not with others: {value}")
        return rows.sum(axis=1)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model's bytes, and what the builder would have found out about it."""

    content: bytes
    task: contract.Task
    signature: Signature
    golden: Golden
    code: Mapping[str, str] = field(default_factory=dict)
    format: contract.Format = "joblib"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, strictly: NaN and Infinity are no JSON."""
        return json.loads(self.body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@dataclass(frozen=True, slots=True)
class Client:
    """Asks an ASGI application in this process."""

    app: Any
    store: Store

    def __call__(self, method: str, target: str, body: Any = b"", **headers: str) -> Answer:
        """One request; a body that is not bytes goes as JSON, `content_type=...` is a header."""
        return asyncio.run(self.ask(method, target, body, **headers))

    async def ask(self, method: str, target: str, body: Any = b"", **headers: str) -> Answer:
        """The same inside of a loop."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        length = (b"content-length", b"%d" % len(content))
        messages = iter([{"type": "http.request", "body": content, "more_body": False}])
        return await self.exchange(method, target, [length, *sent], messages)

    async def exchange(
        self, method: str, target: str, headers: list[tuple[bytes, bytes]], messages: Iterator[dict[str, Any]]
    ) -> Answer:
        """One request of these messages; after the last of them the client has gone."""
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode("utf-8", "surrogateescape"),
            "root_path": "",
            "headers": [(b"host", b"model"), *headers],
            "server": ("model", 80),
            "client": ("127.0.0.1", 1),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        if not sent:
            return Answer(0, {}, b"")
        named = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], named, b"".join(message.get("body", b"") for message in sent[1:]))


MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def as_it_was(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves a variable, a path or a sealed module behind."""
    env, path, writes = dict(os.environ), list(sys.path), sys.dont_write_bytecode
    yield
    os.environ.clear()
    os.environ.update(env)
    sys.path[:], sys.dont_write_bytecode = path, writes
    mine = str(tmp_path_factory.getbasetemp())
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(mine):
            del sys.modules[name]


@pytest.fixture
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """`make_bundle("array", golden=..., name=...)` seals a copy of a model of `MODELS` in a folder of its own."""

    def make(
        kind: str = "array",
        *,
        golden: Golden | None = None,
        content: bytes | None = None,
        card: bytes | None = None,
        baseline: Baseline | None = None,
        lock: bytes = b"scikit-learn==1.9.1\n",
        **said: Any,
    ) -> Path:
        trained = _trained(kind)
        writer = Writer(root=tmp_path_factory.mktemp(kind) / "bundle")
        writer.write(f"model.{trained.format}", trained.content if content is None else content)
        writer.write(contract.GOLDEN, contract.encode(golden or trained.golden))
        writer.write(contract.LOCK, lock)
        for name, text in trained.code.items():
            writer.write(f"{contract.CODE}/{name}", text.encode())
        if card is not None:
            writer.write(contract.CARD, card)
        if baseline is not None:
            writer.write(baselines.FILE, contract.encode(baseline))
        writer.write_receipt(contract.PROVENANCE, contract.encode(BUILT))
        writer.finish(Manifest(**{**_said(kind, trained), **said}, files=()))
        return writer.root

    return make


@pytest.fixture
def make_client(make_bundle: MakeBundle) -> MakeClient:
    """`make_client("array")` or of a bundle's folder, with the environment's settings as `env=`."""

    def make(bundle: str | Path = "array", *, env: Mapping[str, str] | None = None, is_draining: Any = None) -> Client:
        from modelcast_runtime.app import create_app

        opened = open_bundle(make_bundle(bundle) if isinstance(bundle, str) else bundle)
        store = Store.create(metrics.layout_for(opened.manifest, opened.golden, opened.baseline), slots=1)
        store.use(store.claim())
        settings = read_settings(env or {}, {}, opened.manifest.service)
        draining = is_draining or (lambda: False)
        return Client(
            create_app(opened, load_scorer(opened), store=store, settings=settings, is_draining=draining), store
        )

    return make


@pytest.fixture
def dumped() -> Callable[[Any], bytes]:
    """An object as joblib stores it."""
    return _dumped


_BACKENDS: dict[str, Literal["onnxruntime", "numpy"]] = {"onnx": "onnxruntime", "text": "numpy"}


def _said(kind: str, trained: Trained) -> dict[str, Any]:
    is_native = trained.format == "joblib"
    return {
        "name": kind,
        "version": VERSION,
        "format": trained.format,
        "framework": "sklearn",
        "task": trained.task,
        "model": f"model.{trained.format}",
        "signature": trained.signature,
        "compilation": Compilation(backend="native", reason="no compiler for it yet")
        if is_native
        else Compilation(
            backend=_BACKENDS[trained.format], reason="the graphs of the tests are known", precision="float64"
        ),
    }


@cache
def _trained(kind: str) -> Trained:
    return MODELS[kind]()


def _dumped(model: Any) -> bytes:
    import joblib

    target = io.BytesIO()
    joblib.dump(model, target)
    return target.getvalue()


def _floats(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, dtype="float64") for name in names)


def _outputs(label: contract.Dtype, width: int | None, name: contract.Wanted = "predict_proba") -> tuple[Output, ...]:
    first = Output(name="predict", dtype=label, shape=(-1,))
    return (first,) if width is None else (first, Output(name=name, dtype="float64", shape=(-1, width)))


def _numbers(rows: int, width: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).normal(size=(rows, width)).round(3)


def _nested(values: Any) -> tuple[Any, ...]:
    return tuple(_nested(value) if isinstance(value, list) else value for value in values)


def _answers(predictions: Any, **others: Any) -> dict[str, Any]:
    return {"predictions": _nested(predictions.tolist())} | {key: _nested(of.tolist()) for key, of in others.items()}


def _array() -> Trained:
    from sklearn.linear_model import LogisticRegression

    rows = _numbers(60, 4)
    model = LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0))
    some = rows[:5]
    return Trained(
        content=_dumped(model),
        task="classifier",
        signature=Signature(
            layout="array", inputs=_floats("a", "b", "c", "d"), outputs=_outputs("int64", 3), classes=(0, 1, 2)
        ),
        golden=Golden(
            rows=_nested(some.tolist()), **_answers(model.predict(some), probabilities=model.predict_proba(some))
        ),
    )


def _frame() -> Trained:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    mass = _numbers(40, 1)[:, 0]
    rows = pd.DataFrame(
        {
            "mass": [None if index % 9 == 0 else value for index, value in enumerate(mass)],
            "island": pd.Series(["Biscoe", "Dream", "Torgersen", "Dream"] * 10, dtype=object),
            "year": [2007, 2008, 2009, 2008] * 10,
        }
    )
    transformer = ColumnTransformer(
        [
            ("number", SimpleImputer(), ["mass"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["island"]),
            ("year", OneHotEncoder(), ["year"]),
        ]
    )
    model = make_pipeline(transformer, LogisticRegression()).fit(
        rows, ["big" if value > 0 else "small" for value in mass]
    )
    some = rows.head(10)
    cells = tuple(
        (None if pd.isna(mass) else mass, island, int(year)) for mass, island, year in some.to_numpy().tolist()
    )
    columns = (
        Column(name="mass", dtype="float64", nullable=True, trained_as="float64"),
        Column(name="island", dtype="string", categories=("Biscoe", "Dream", "Torgersen"), trained_as="object"),
        Column(name="year", dtype="int64", categories=(2007, 2008, 2009), unknown="refuse", trained_as="int64"),
    )
    return Trained(
        content=_dumped(model),
        task="classifier",
        signature=Signature(layout="frame", inputs=columns, outputs=_outputs("string", 2), classes=("big", "small")),
        golden=Golden(rows=cells, **_answers(model.predict(some), probabilities=model.predict_proba(some))),
    )


def _kmeans() -> Trained:
    from sklearn.cluster import KMeans

    rows = _numbers(30, 2)
    model = KMeans(3, n_init=1, random_state=0).fit(rows)
    some = rows[:4]
    return Trained(
        content=_dumped(model),
        task="clusterer",
        signature=Signature(
            layout="array", inputs=_floats("x", "y"), outputs=_outputs("int64", 3, "distances"), classes=(0, 1, 2)
        ),
        golden=Golden(rows=_nested(some.tolist()), **_answers(model.predict(some), distances=model.transform(some))),
    )


def _pair() -> Trained:
    from sklearn.linear_model import LinearRegression

    rows = _numbers(30, 3)
    model = LinearRegression().fit(rows, rows[:, :2] * 2 + 1)
    return Trained(
        content=_dumped(model),
        task="regressor",
        signature=Signature(
            layout="array",
            inputs=_floats("x", "y", "z"),
            outputs=(Output(name="predict", dtype="float64", shape=(-1, 2)),),
        ),
        golden=Golden(rows=_nested(rows[:4].tolist()), **_answers(model.predict(rows[:4]))),
    )


def _text() -> Trained:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    texts = ["win money now", "lunch at noon", "cheap money", "meeting at ten"]
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, [True, False, True, False])
    return Trained(
        content=_dumped(model),
        task="text",
        signature=Signature(
            layout="text",
            inputs=(Column(name="text", dtype="string"),),
            outputs=_outputs("bool", 2),
            classes=(False, True),
        ),
        golden=Golden(
            rows=tuple((text,) for text in texts),
            **_answers(model.predict(texts), probabilities=model.predict_proba(texts)),
        ),
    )


def _own() -> Trained:
    return Trained(
        content=_pickled_of(OWN, "own_model", "Touchy"),
        task="regressor",
        signature=Signature(layout="array", inputs=_floats("seconds", "value"), outputs=_outputs("float64", None)),
        golden=Golden(rows=((0.0, 1.5), (0.0, 2.5)), predictions=(1.5, 2.5)),
        code={"own_model.py": OWN},
    )


def _graph(name: str) -> bytes:
    return (Path(__file__).parent / "runtime" / "graphs" / f"{name}.onnx").read_bytes()


def _compiled() -> Trained:
    return Trained(
        content=_graph("matrix"),
        task="classifier",
        signature=Signature(
            layout="array",
            inputs=_floats("a", "b"),
            outputs=_outputs("int64", 3),
            classes=(0, 1, 2),
            largest=3.4028235e38,
        ),
        golden=Golden(rows=((1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)), predictions=(0, 1, 2)),
        format="onnx",
    )


def _compiled_columns() -> Trained:
    columns = (
        Column(name="size", dtype="float64", nullable=True),
        Column(name="level", dtype="string", categories=("low", "high")),
    )
    return Trained(
        content=_graph("columns"),
        task="regressor",
        signature=Signature(layout="frame", inputs=columns, outputs=_outputs("float64", None)),
        golden=Golden(rows=((1.5, "low"), (2.0, "high")), predictions=(11.5, 22.0)),
        format="onnx",
    )


def _compiled_text() -> Trained:
    import unicodedata

    import msgspec
    from modelcast_runtime.formats.text import Part, Step, TextModel, packed
    from modelcast_runtime.formats.words import Analyzer, Vocabulary

    analyzer = Analyzer(unit="word", lowercase=True, accents=None, pattern=r"(?u)\b\w\w+\b", shortest=1, longest=1)
    part = Part(analyzer=analyzer, vocabulary=Vocabulary(words=("lunch", "money", "été")), steps=(Step(kind="l2"),))
    model = TextModel(
        unicode=unicodedata.unidata_version,
        parts=(part,),
        weights=packed([-3.0, 3.0, -1.0]),
        intercepts=packed([-0.5]),
        answer="side",
        probabilities="logistic",
    )
    return Trained(
        content=msgspec.msgpack.encode(model),
        task="classifier",
        signature=Signature(
            layout="text",
            inputs=(Column(name="text", dtype="string"),),
            outputs=_outputs("string", 2),
            classes=("ham", "spam"),
        ),
        golden=Golden(rows=(("Lunch?",), ("money!",)), predictions=("ham", "spam")),
        format="text",
    )


def _pickled_of(source: str, module: str, name: str) -> bytes:
    made = type(sys)(module)
    exec(source, made.__dict__)
    sys.modules[module] = made
    try:
        return _dumped(getattr(made, name)())
    finally:
        del sys.modules[module]
        importlib.invalidate_caches()


MODELS: dict[str, Callable[[], Trained]] = {
    "array": _array,
    "frame": _frame,
    "kmeans": _kmeans,
    "pair": _pair,
    "text": _text,
    "own": _own,
    "compiled": _compiled,
    "compiled columns": _compiled_columns,
    "compiled text": _compiled_text,
}
