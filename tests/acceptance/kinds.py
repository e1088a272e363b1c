"""Repositories of every kind of input and output: what a column can hold, what a label can be, what a model gives."""

from tests.acceptance.files import notebook

PARTS_OF_DATES = '''
import pandas as pd


def parts(frame):
    """Year, month, day of the week and seconds of each date; what is missing is -1."""
    columns = {}
    for name in frame.columns:
        dates = pd.to_datetime(frame[name], utc=True)
        columns[f"{name}_year"] = dates.dt.year
        columns[f"{name}_month"] = dates.dt.month
        columns[f"{name}_weekday"] = dates.dt.dayofweek
        columns[f"{name}_second"] = dates.dt.second + dates.dt.microsecond / 1e6
    return pd.DataFrame(columns, index=frame.index).fillna(-1).astype("float64")
'''

MIXED_COLUMNS = (
    """
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from dates import parts

ROWS = 200
draw = np.random.default_rng(11)


def holes(values, missing, every=7):
    return [missing if row % every == 3 else value for row, value in enumerate(values)]


def words(*known):
    return draw.choice(known, size=ROWS).tolist()


columns = {}
for index in range(8):
    columns[f"float{index}"] = draw.normal(size=ROWS)
for index in range(3):
    columns[f"float_hole{index}"] = holes(draw.normal(size=ROWS).tolist(), np.nan, 5 + index)
columns["single"] = draw.normal(size=ROWS).astype("float32")
columns["Float"] = pd.array(holes(draw.normal(size=ROWS).tolist(), None), dtype="Float64")
for index in range(4):
    columns[f"int{index}"] = draw.integers(-50, 50, size=ROWS)
columns["int32"] = draw.integers(0, 9, size=ROWS).astype("int32")
columns["uint8"] = draw.integers(0, 255, size=ROWS).astype("uint8")
columns["large"] = draw.integers(2**60, 2**61, size=ROWS)
for index in range(3):
    columns[f"int_as_float{index}"] = holes(draw.integers(0, 9, size=ROWS).astype(float).tolist(), np.nan, 6 + index)
for index in range(3):
    columns[f"Int{index}"] = pd.array(holes(draw.integers(0, 9, size=ROWS).tolist(), None, 4 + index), dtype="Int64")
columns["Int8"] = pd.array(draw.integers(0, 9, size=ROWS), dtype="Int8")
for index in range(3):
    columns[f"bool{index}"] = draw.integers(0, 2, size=ROWS).astype(bool)
for index in range(2):
    columns[f"boolean{index}"] = pd.array(holes(draw.integers(0, 2, size=ROWS).astype(bool).tolist(), None), dtype="boolean")
moments = pd.Timestamp("2021-03-01T12:30:15") + pd.to_timedelta(draw.integers(0, 10**9, size=ROWS), unit="s")
columns["moment"] = moments
columns["moment_hole"] = pd.Series(holes(list(moments + pd.Timedelta(days=100)), pd.NaT)).astype("datetime64[ns]")
columns["moment_utc"] = pd.Series(moments).dt.tz_localize("UTC")
columns["moment_berlin"] = pd.Series(moments).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
for index in range(3):
    columns[f"text{index}"] = pd.Series(words("a", "b", "", "é"), dtype=object)
columns["text_none"] = pd.Series(holes(words("x", "y"), None), dtype=object)
columns["text_nan"] = pd.Series(holes(words("x", "y"), np.nan), dtype=object)
columns["text_plain"] = holes(words("x", "y"), None)
columns["string"] = pd.Series(words("x", "y", "z"), dtype="string")
columns["category"] = pd.Categorical(words("red", "green", "blue"))
columns["category_hole"] = pd.Categorical(holes(words("red", "green"), None), categories=["green", "red", "never"])
columns["category_ordered"] = pd.Categorical(words("S", "M", "L"), categories=["S", "M", "L"], ordered=True)
columns["category_int"] = pd.Categorical(draw.integers(1, 5, size=ROWS))
columns["category_int_hole"] = pd.Categorical(holes(draw.integers(1, 5, size=ROWS).tolist(), None))
columns["category_float"] = pd.Categorical(draw.choice([0.5, 1.0, 1.5], size=ROWS))
columns["category_bool"] = pd.Categorical(draw.integers(0, 2, size=ROWS).astype(bool))
X = pd.DataFrame(columns)
""",
    """
def named(*starts):
    return [name for name in X.columns if name.startswith(starts)]


model = make_pipeline(
    ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()),
         named("float", "single", "Float", "int", "uint8", "large", "Int")),
        ("switches", "passthrough", named("bool0", "bool1", "bool2")),
        ("flags", SimpleImputer(strategy="most_frequent"), named("boolean")),
        ("dates", FunctionTransformer(parts), named("moment")),
        ("texts", OneHotEncoder(handle_unknown="ignore"), named("text", "string")),
        ("kinds", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
         named("category")),
    ]),
    RandomForestClassifier(n_estimators=20, random_state=0),
)
score = X["float0"] + X["int0"] / 50 + X["bool0"] + (X["category"] == "red") + (X["moment"].dt.month > 6)
y = (score > score.median()).to_numpy()
model.fit(X, y)
joblib.dump(model, "model.joblib")
""",
)

MIXED = {"train.ipynb": notebook(*MIXED_COLUMNS), "dates.py": PARTS_OF_DATES}

# log() of what is predicted: NaN and infinite for some rows.
NO_NUMBERS = {
    "prices.ipynb": notebook(
        """
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor

draw = np.random.default_rng(12)
zone = draw.integers(1, 6, size=150)
X = pd.DataFrame({
    "zone": pd.Categorical(zone),
    "street": pd.Categorical(draw.choice(["a", "b", "c"], size=150)),
    "floor": pd.array([None if row % 5 == 0 else int(value) for row, value in enumerate(draw.integers(0, 9, size=150))],
                      dtype="Int64"),
    "lift": pd.array([None if row % 6 == 0 else bool(value) for row, value in enumerate(draw.integers(0, 2, size=150))],
                     dtype="boolean"),
    "size": np.where(np.arange(150) % 4 == 0, np.nan, draw.normal(50, 20, size=150)),
})
y = zone * 10 - 30
""",
        """
model = TransformedTargetRegressor(
    HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=20, min_samples_leaf=5),
    func=np.asarray, inverse_func=np.log, check_inverse=False,
).fit(X, y)
assert np.isnan(model.predict(X)).any() and not np.isnan(model.predict(X)).all()
joblib.dump(model, "model.joblib")
""",
    )
}

SEVERAL_NUMBERS = {
    "several.ipynb": notebook(
        """
import pickle
import numpy as np
from sklearn.linear_model import Ridge
draw = np.random.default_rng(13)
X = draw.normal(size=(80, 3))
y = np.round(X @ np.array([[1, 2, 0], [0, 1, 1], [3, 0, 1]])).astype(int)
model = Ridge().fit(X, y)
with open("several.pickle", "wb") as file:
    pickle.dump(model, file)
"""
    )
}

SEVERAL_LABELS = {
    "labels.ipynb": notebook(
        """
import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
draw = np.random.default_rng(14)
X = pd.DataFrame(draw.normal(size=(90, 3)), columns=["a", "b", "c"])
X.loc[::6, "b"] = np.nan
y = np.column_stack([np.where(X["a"] > 0, "up", "down"), np.where(X["c"] > 0, "left", "right")])
model = RandomForestClassifier(n_estimators=10, random_state=0).fit(X, y)
joblib.dump(model, "model.joblib")
"""
    )
}
