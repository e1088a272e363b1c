"""Makes every model that the tests describe, in the model's environment: a folder each, one process for all."""

import gzip
import io
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import own
import pandas as pd
from scipy import sparse
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = 60
MARK = 3


@dataclass
class Made:
    """A model, the rows that a kernel recorded, and the data of the repository."""

    model: Any
    recorded: Any = None
    train: pd.DataFrame | None = None
    content: bytes | None = None


MAKERS: dict[str, Callable[[], Made]] = {}


def made(maker: Callable[[], Made]) -> Callable[[], Made]:
    """Name a model by its function."""
    MAKERS[maker.__name__] = maker
    return maker


def random() -> np.random.Generator:
    """The same numbers for every model."""
    return np.random.default_rng(7)


def numbers(width: int = 3) -> np.ndarray:
    """Rows of plain numbers."""
    return random().normal(size=(ROWS, width)).round(3)


def measures() -> pd.DataFrame:
    """The same, with names."""
    return pd.DataFrame(numbers(), columns=["a", "b", "c"])


def halves() -> np.ndarray:
    """Two classes."""
    return (numbers()[:, 0] > 0).astype(int)


def mixed() -> pd.DataFrame:
    """Numbers with holes, integers, texts with holes, integer categories, booleans."""
    at = np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "age": np.where(at % 7 == 3, np.nan, 20.0 + at),
            "count": at % 5,
            "sex": np.where(at % 3 == 0, "f", "m"),
            "size": np.array(["S", "M", "L"])[at % 3],
            "grade": at % 4 + 1,
            "smoker": at % 2 == 0,
        }
    )
    frame["town"] = pd.Series([None if index % 11 == 5 else f"town{index % 3}" for index in at], dtype=object)
    return frame


def mixed_pipeline(columns: ColumnTransformer) -> Any:
    """A classifier behind a ColumnTransformer, fitted on `mixed`."""
    return make_pipeline(columns, LogisticRegression()).fit(mixed(), np.where(halves(), "yes", "no"))


@made
def columns_of_every_kind() -> Made:
    transformer = ColumnTransformer(
        [
            ("scaled", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "count"]),
            ("strict", OneHotEncoder(handle_unknown="error"), ["sex"]),
            ("lenient", OneHotEncoder(handle_unknown="ignore"), [3]),
            ("ordered", OrdinalEncoder(), ["grade"]),
            (
                "filled",
                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                ["town"],
            ),
        ],
        remainder="passthrough",
    )
    return Made(model=mixed_pipeline(transformer), recorded=mixed())


@made
def columns_known_by_encoders_only() -> Made:
    return Made(model=columns_of_every_kind().model)


@made
def ordinal_with_unknown_value() -> Made:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    frame = mixed()[["size", "grade"]]
    return Made(
        model=make_pipeline(encoder, DecisionTreeClassifier(random_state=0)).fit(frame, halves()), recorded=frame
    )


@made
def categories_from_dtype() -> Made:
    frame = pd.DataFrame(
        {"size": mixed()["size"].astype("category"), "grade": mixed()["grade"].astype("category"), "a": measures()["a"]}
    )
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=5, random_state=0)
    return Made(model=model.fit(frame, halves()), recorded=frame)


@made
def nullable_dtypes() -> Made:
    at = np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "visits": pd.Series([pd.NA if index % 9 == 4 else int(index) for index in at], dtype="Int64"),
            "member": pd.Series([pd.NA if index % 8 == 3 else bool(index % 2) for index in at], dtype="boolean"),
            "a": measures()["a"],
        }
    )
    return Made(model=HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(frame, halves()), recorded=frame)


@made
def texts_that_are_none() -> Made:
    frame = mixed()[["town", "count"]]
    assert frame["town"].tolist()[5] is None
    frame["often"] = pd.Series([None if index % 4 else index % 8 == 0 for index in range(ROWS)], dtype=object)
    transformer = ColumnTransformer([("texts", OneHotEncoder(handle_unknown="ignore"), ["town"]),
                                     ("flags", own.Missing(), ["often"])], remainder="passthrough")  # fmt: skip
    return Made(model=make_pipeline(transformer, LogisticRegression()).fit(frame, halves()), recorded=frame)


@made
def array_of_objects() -> Made:
    frame = mixed()[["town", "smoker", "sex"]]
    rows = frame.assign(town=frame["town"].astype(object).where(frame["town"].notna(), np.nan)).to_numpy(dtype=object)
    model = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"), LogisticRegression()
    )
    return Made(model=model.fit(rows, halves()), recorded=rows)


@made
def ordered_and_zoned() -> Made:
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(mixed()["size"], categories=["S", "M", "L", "XL"], ordered=True),
            "when": pd.date_range("2024-03-30", periods=ROWS, freq="h", tz="Europe/Berlin"),
            "large": 2**60 + np.arange(ROWS),
        }
    )
    return Made(model=make_pipeline(own.Order(), LinearRegression()).fit(frame, np.arange(ROWS) % 7), recorded=frame)


@made
def categories_of_an_encoder() -> Made:
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(mixed()["size"], categories=["S", "M", "L", "XL"]),
            "smoker": pd.Categorical(mixed()["smoker"]),
            "plain": mixed()["smoker"],
        }
    )
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return Made(model=make_pipeline(encoder, LogisticRegression()).fit(frame, halves()), recorded=frame)


@made
def categories_of_dates() -> Made:
    frame = pd.DataFrame({"day": pd.Categorical(pd.to_datetime(["2024-01-01", "2024-01-02"] * 30))})
    return Made(model=own.Bare().fit(frame, halves()), recorded=frame)


@made
def labels_among_objects() -> Made:
    return Made(model=own.Objects().fit(measures()), recorded=measures())


@made
def labels_that_are_dates() -> Made:
    days = pd.to_datetime(np.where(halves(), "2024-01-01", "2024-02-01")).astype("datetime64[ns]")
    return Made(model=DecisionTreeClassifier(random_state=0).fit(measures(), days), recorded=measures())


@made
def datetimes() -> Made:
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=ROWS, freq="13h"),
            "other": pd.date_range("2020-01-01", periods=ROWS, freq="D"),
        }
    )
    return Made(model=make_pipeline(own.DayOfWeek(), LinearRegression()).fit(frame, np.arange(ROWS)), recorded=frame)


@made
def grid_search() -> Made:
    transformer = ColumnTransformer([("size", OneHotEncoder(), ["size"]), ("count", StandardScaler(), ["count"])])
    pipeline = make_pipeline(transformer, LogisticRegression())
    frame = mixed()[["size", "count"]]
    return Made(model=GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=2, n_jobs=1).fit(frame, halves()))


@made
def several_outputs() -> Made:
    return Made(model=LinearRegression().fit(measures(), numbers(2)), recorded=measures())


@made
def several_labels() -> Made:
    y = np.stack([halves(), 1 - halves()], axis=1)
    return Made(model=RandomForestClassifier(n_estimators=3, random_state=0).fit(measures(), y), recorded=measures())


@made
def clusters_behind_a_scaler() -> Made:
    model = make_pipeline(StandardScaler(), KMeans(n_clusters=3, n_init=1, random_state=0))
    return Made(model=model.fit(measures()), recorded=measures())


@made
def clusters_without_predict() -> Made:
    return Made(model=DBSCAN().fit(numbers()))


@made
def outliers() -> Made:
    return Made(model=IsolationForest(n_estimators=5, random_state=0).fit(measures()), recorded=measures())


@made
def without_probability() -> Made:
    return Made(model=SVC().fit(measures(), np.where(halves(), "yes", "no")), recorded=measures())


@made
def boolean_labels() -> Made:
    return Made(model=LogisticRegression().fit(measures(), halves().astype(bool)), recorded=measures())


@made
def array_with_holes() -> Made:
    rows = numbers()
    rows[::7, 1] = np.nan
    return Made(model=make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, halves()), recorded=rows)


@made
def array_told_by_its_width() -> Made:
    return Made(model=LogisticRegression().fit(numbers(), halves()))


@made
def array_with_names_from_data() -> Made:
    return Made(model=LogisticRegression().fit(numbers(), halves()), train=measures().assign(kind=halves()))


@made
def frame_with_data() -> Made:
    return Made(
        model=LogisticRegression().fit(measures(), halves()),
        train=measures().assign(kind=halves(), note="x")[["kind", "note", "c", "b", "a"]],
    )


@made
def frame_with_holes_in_data() -> Made:
    frame = measures()
    frame.loc[::5, "b"] = np.nan
    return Made(model=make_pipeline(SimpleImputer(), LogisticRegression()).fit(frame, halves()), train=frame)


@made
def names_that_are_numbers() -> Made:
    frame = pd.DataFrame(numbers())
    return Made(model=LogisticRegression().fit(frame, halves()), recorded=frame)


@made
def one_column() -> Made:
    return Made(model=LinearRegression().fit(measures()[["a"]], numbers()[:, 0]), recorded=measures()[["a"]])


@made
def whole_numbers() -> Made:
    frame = pd.DataFrame(
        {"n": np.arange(ROWS), "small": (np.arange(ROWS) % 3).astype("int8"), "f": numbers()[:, 0].astype("float32")}
    )
    return Made(model=DecisionTreeRegressor(random_state=0).fit(frame, np.arange(ROWS)), recorded=frame)


def texts() -> list[str]:
    """Short texts of two kinds."""
    return [
        f"good morning number {index} dear" if index % 2 else f"bad evening without {index}" for index in range(ROWS)
    ]


def text_labels() -> list[str]:
    return ["ham" if index % 2 else "spam" for index in range(ROWS)]


@made
def text_from_a_series() -> Made:
    series = pd.Series(texts(), name="message")
    return Made(
        model=make_pipeline(TfidfVectorizer(stop_words=["the", "a"]), LogisticRegression()).fit(series, text_labels()),
        recorded=series,
    )


@made
def text_from_a_list() -> Made:
    return Made(
        model=make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts(), text_labels()), recorded=texts()
    )


@made
def text_from_nothing() -> Made:
    return Made(model=make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts(), text_labels()))


@made
def text_from_data() -> Made:
    frame = pd.DataFrame({"message": texts(), "label": text_labels()})
    return Made(
        model=make_pipeline(CountVectorizer(), LogisticRegression()).fit(frame["message"], frame["label"]), train=frame
    )


@made
def text_column_of_a_frame() -> Made:
    frame = pd.DataFrame({"message": texts(), "count": np.arange(ROWS)})
    transformer = ColumnTransformer([("words", CountVectorizer(), "message"), ("count", StandardScaler(), ["count"])])
    return Made(model=make_pipeline(transformer, LogisticRegression()).fit(frame, text_labels()), recorded=frame)


@made
def fitted_on_sparse() -> Made:
    rows = sparse.csr_matrix(numbers())
    return Made(model=LogisticRegression().fit(rows, halves()), recorded=rows)


@made
def images() -> Made:
    return Made(model=own.Bare().fit(numbers(), numbers()[:, 0]), recorded=np.zeros((5, 4, 4)))


@made
def objects_in_a_column() -> Made:
    frame = pd.DataFrame({"a": numbers()[:, 0], "odd": [{"x": 1}] * ROWS})
    return Made(model=own.Bare().fit(frame, numbers()[:, 0]), recorded=frame)


@made
def nothing_known() -> Made:
    return Made(model=own.Bare().fit(numbers(), numbers()[:, 0]))


@made
def own_class_with_a_frame() -> Made:
    return Made(model=own.Bare().fit(measures(), numbers()[:, 0]), recorded=measures())


@made
def own_labels() -> Made:
    return Made(model=own.Threshold(labels=["low", "high"], classes_=["low", "high"]))


@made
def own_labels_untold() -> Made:
    return Made(model=own.Threshold(labels=["low", "high"]))


@made
def own_numbers() -> Made:
    return Made(model=own.Threshold(labels=[0.5, 1.5]))


@made
def own_clusters() -> Made:
    return Made(model=own.Threshold(labels=[0, 1], n_clusters=2))


@made
def a_dict() -> Made:
    return Made(
        model={"model": LogisticRegression().fit(numbers(), halves()), "scaler": StandardScaler().fit(numbers())}
    )


@made
def a_tuple() -> Made:
    return Made(model=(LogisticRegression().fit(numbers(), halves()), ["a", "b", "c"]))


@made
def an_array() -> Made:
    return Made(model=numbers())


@made
def without_predict() -> Made:
    return Made(model=own.NoPredict().fit(numbers()))


@made
def not_fitted() -> Made:
    return Made(model=LogisticRegression(), recorded=measures())


@made
def corrupt() -> Made:
    return Made(model=None, content=pickle.dumps(LinearRegression().fit(measures(), halves()))[:-40])


@made
def compressed_plain_pickle() -> Made:
    return Made(model=None, content=gzip.compress(pickle.dumps(LinearRegression().fit(measures(), halves()))))


@made
def of_another_version() -> Made:
    model = LinearRegression().fit(measures(), halves())
    version = __import__("sklearn").__version__
    stored = pickle.dumps(model, protocol=0)
    return Made(model=None, content=stored.replace(b"V" + version.encode(), b"V0.1.2"))


class OlderScaler(pickle.Pickler):
    """Writes every scaler as if another version had made it."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not StandardScaler:
            return NotImplemented
        make, arguments, state = value.__reduce_ex__(4)[:3]
        return make, arguments, {**state, "_sklearn_version": "0.1.2"}


@made
def with_a_step_of_another_version() -> Made:
    stream = io.BytesIO()
    OlderScaler(stream).dump(make_pipeline(StandardScaler(), LinearRegression()).fit(measures(), halves()))
    return Made(model=None, content=stream.getvalue())


@made
def needs_xgboost() -> Made:
    return Made(model=None, content=b"\x80\x02cxgboost.sklearn\nXGBClassifier\n)\x81.")


@made
def predict_raises() -> Made:
    return Made(model=own.Raises().fit(measures(), halves()), recorded=measures())


@made
def predict_is_killed() -> Made:
    return Made(model=own.Falls().fit(measures(), halves()), recorded=measures())


@made
def predict_exits() -> Made:
    return Made(model=own.Exits().fit(measures(), halves()), recorded=measures())


@made
def predict_draws() -> Made:
    return Made(model=own.Draws().fit(measures(), halves()), recorded=measures())


@made
def predict_prints() -> Made:
    return Made(model=own.Prints().fit(measures(), halves()), recorded=measures())


@made
def load_raises() -> Made:
    return Made(model=own.RaisesOnLoad().fit(measures(), halves()))


@made
def needs_a_system_library() -> Made:
    return Made(model=own.NeedsLibrary().fit(measures(), halves()))


@made
def load_exits() -> Made:
    return Made(model=own.LeavesOnLoad().fit(measures(), halves()))


@made
def one_name_for_two_columns() -> Made:
    frame = pd.DataFrame(numbers(2), columns=["a", "a"])
    return Made(model=own.Bare().fit(frame, numbers()[:, 0]), recorded=frame)


@made
def frame_with_other_data() -> Made:
    return Made(model=LogisticRegression().fit(measures(), halves()), train=measures()[["a"]])


@made
def array_only() -> Made:
    return Made(model=own.FirstColumn().fit(numbers(), halves()), train=measures())


@made
def dates_as_categories() -> Made:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"] * 20), "a": measures()["a"]})
    transformer = ColumnTransformer([("day", OneHotEncoder(), ["day"])], remainder="passthrough")
    return Made(model=make_pipeline(transformer, LogisticRegression()).fit(frame, halves()), recorded=frame)


@made
def search_for_clusters() -> Made:
    search = GridSearchCV(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}, cv=2)
    return Made(model=search.fit(measures()), recorded=measures())


@made
def text_with_holes_in_data() -> Made:
    frame = pd.DataFrame(
        {"message": [None if index == 7 else text for index, text in enumerate(texts())], "label": text_labels()}
    )
    return Made(
        model=make_pipeline(CountVectorizer(), LogisticRegression()).fit(frame["message"].fillna(""), frame["label"]),
        train=frame,
    )


@made
def canonical_forest() -> Made:
    frame = measures()
    return Made(
        model=RandomForestClassifier(n_estimators=5, random_state=0, n_jobs=-1).fit(frame, halves()), recorded=frame
    )


@made
def canonical_boosting() -> Made:
    return Made(
        model=HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(measures(), halves()), recorded=measures()
    )


@made
def canonical_words() -> Made:
    model = make_pipeline(TfidfVectorizer(stop_words=[f"stop{index}" for index in range(40)]), LogisticRegression())
    return Made(model=model.fit(texts(), text_labels()), recorded=texts())


@made
def canonical_set() -> Made:
    return Made(model=own.Words().fit(measures(), halves()), recorded=measures())


@made
def canonical_object_array() -> Made:
    return Made(
        model=KNeighborsClassifier(n_jobs=2).fit(measures(), np.array(text_labels(), dtype=object)), recorded=measures()
    )


def write(maker: Callable[[], Made], folder: Path) -> None:
    """The model's folder: the artifact, the record, `data/train.csv`."""
    folder.mkdir(parents=True)
    one = maker()
    if one.content is None:
        if one.recorded is not None:
            one.model._modelcast_fit = MARK
        joblib.dump(one.model, folder / "model.joblib")
    else:
        (folder / "model.joblib").write_bytes(one.content)
    if one.recorded is not None:
        kind = f"{type(one.model).__module__}.{type(one.model).__qualname__}"
        joblib.dump([{"id": MARK, "estimator": kind, "X": one.recorded}], folder / "recorded.joblib")
    if one.train is not None:
        (folder / "data").mkdir()
        one.train.to_csv(folder / "data" / "train.csv", index=False)


if __name__ == "__main__":
    for name, maker in MAKERS.items():
        if len(sys.argv) == 2 or name in sys.argv[2:]:
            write(maker, Path(sys.argv[1]) / name)
