"""Repositories that modelcast has never seen, with no file of ours in them: what people commit."""

import json

from tests.acceptance.files import notebook

OWN_STEP = '''
from sklearn.base import BaseEstimator, TransformerMixin


class Clip(TransformerMixin, BaseEstimator):
    """The first step of the pipeline: everything below `low` is `low`."""

    def __init__(self, low=-1.0):
        self.low = low

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X.clip(lower=self.low)
'''

SIBLING_MODULE: dict[str, str | bytes] = {
    "train model.ipynb": notebook(
        """
%matplotlib inline
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from features import Clip
""",
        """
draw = np.random.default_rng(3)
X = pd.DataFrame(draw.normal(size=(200, 3)), columns=["a", "b", "c d"])
y = np.where(X["a"] + X["b"] > 0, "yes", "no")
plt.hist(X["a"]);
""",
        """
model = make_pipeline(Clip(), LogisticRegression()).fit(X, y)
joblib.dump(model, "model.joblib")
""",
    ),
    "features.py": OWN_STEP,
    "requirements.txt": b"matplotlib",
}

HIST_GRADIENT_BOOSTING = {
    "train.ipynb": notebook(
        """
import joblib, numpy as np, pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
draw = np.random.default_rng(5)
X = pd.DataFrame(draw.normal(size=(300, 4)), columns=list("pqrs"))
y = np.where(X["p"] * X["q"] > 0, 2, np.where(X["r"] > 0, 1, 0))
X.loc[::7, "s"] = np.nan
""",
        """
model = HistGradientBoostingClassifier(max_iter=25, random_state=0).fit(X, y)
joblib.dump(model, "classifier.joblib")
""",
    )
}

K_MEANS = {
    "clusters.ipynb": notebook(
        """
import pickle
import numpy as np, pandas as pd
from sklearn.cluster import KMeans
draw = np.random.default_rng(8)
X = pd.DataFrame(np.concatenate([draw.normal(at, 0.6, size=(60, 2)) for at in (-2, 0, 3)]), columns=["east", "north"])
model = KMeans(n_clusters=3, n_init=4, random_state=0).fit(X)
with open("clusters.pkl", "wb") as file:
    pickle.dump(model, file)
"""
    )
}

CONFIGURED: dict[str, str | bytes] = {
    "train.ipynb": notebook(
        """
import joblib
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
texts = ["win money now", "cheap money", "lunch at noon", "meeting at ten"] * 5
model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, ["spam", "spam", "ham", "ham"] * 5)
joblib.dump(model, "model.joblib")
"""
    ),
    "modelcast.yaml": """\
task: text
python: ">=3.11"
limits: {rows: 3, drain_s: 0}
extra_inputs: ignore
examples: tests/examples.json
""",
    "tests/examples.json": json.dumps(
        [
            {"request": ["win cheap money"], "response": {"predictions": ["spam"]}},
            {
                "request": {"instances": ["lunch"] * 3},
                "response": {"predictions": ["ham"] * 3, "probabilities": [{}] * 3},
            },
        ]
    ),
}

# `speed` tells the model how it is to behave, so that one build is enough for four claims.
OWN_DEFINITIONS = {
    "own.ipynb": notebook(
        """
import os
import pathlib
import time
import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

LIMIT = 3.0
""",
        """
def squeezed(X):
    return X.assign(load=np.minimum(X["load"], LIMIT))


class Careful(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.inner_ = LogisticRegression().fit(X[["load"]], y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        if (X["speed"] == 13).any():
            raise ValueError("thirteen is refused")
        if (X["speed"] == 2000).any():
            pathlib.Path(os.environ["GATE"], "reached").touch()
            while not pathlib.Path(os.environ["GATE"], "open").exists():
                time.sleep(0.01)
        return self.inner_.predict(X[["load"]])

    def predict_proba(self, X):
        return self.inner_.predict_proba(X[["load"]])
""",
        """
draw = np.random.default_rng(1)
X = pd.DataFrame({"load": draw.normal(2, 2, size=80), "speed": draw.uniform(0, 1, size=80)})
y = np.where(X["load"] > 2, "high", "low")
model = make_pipeline(FunctionTransformer(squeezed), Careful()).fit(X, y)
joblib.dump(model, "model.joblib")
""",
    )
}

OLD_ARTIFACT = """
import joblib, numpy as np, pandas as pd
from sklearn.ensemble import RandomForestClassifier
draw = np.random.default_rng(2)
X = pd.DataFrame(draw.normal(size=(120, 3)), columns=["u", "v", "w"])
model = RandomForestClassifier(n_estimators=12, random_state=0).fit(X, np.where(X["u"] > 0, "up", "down"))
joblib.dump(model, "forest.joblib")
"""

# In newer versions of XGBoost the labels must be numbers from zero on.
XGBOOST = {
    "train.ipynb": notebook(
        """
import joblib, numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder
from xgboost import XGBClassifier
draw = np.random.default_rng(12)
X = pd.DataFrame({"speed": draw.normal(size=200), "load": draw.normal(size=200), "kind": draw.choice(["a", "b"], 200)})
X.loc[::9, "load"] = np.nan
y = LabelEncoder().fit_transform(np.where(X["speed"] > 0, "fails", "holds"))
""",
        """
columns = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
model = make_pipeline(columns, XGBClassifier(n_estimators=12, max_depth=3, n_jobs=4, random_state=0)).fit(X, y)
joblib.dump(model, "model.joblib")
""",
    ),
    "requirements.txt": "xgboost==3.2.0\n",
}

LIGHTGBM = """
import joblib, numpy as np, pandas as pd
from lightgbm import LGBMClassifier
draw = np.random.default_rng(13)
X = pd.DataFrame(draw.normal(size=(200, 3)), columns=["u", "v", "w"])
y = np.where(X["u"] + X["v"] > 0, "up", "down")
model = LGBMClassifier(n_estimators=10, n_jobs=4, random_state=0, verbose=-1).fit(X, y)
joblib.dump(model, "lightgbm.pkl")
"""

OLD_PIN = {
    "train.ipynb": notebook(
        """
import joblib, numpy as np, sklearn
from sklearn.ensemble import GradientBoostingRegressor
assert sklearn.__version__ == "1.2.2"
draw = np.random.default_rng(4)
X = draw.uniform(size=(90, 2))
model = GradientBoostingRegressor(n_estimators=15, random_state=0).fit(X, 3 * X[:, 0] - X[:, 1])
joblib.dump(model, "model.joblib")
"""
    ),
    "requirements.txt": "scikit-learn==1.2.2\n",
}


def searched(saved: str) -> dict[str, str | bytes]:
    """A grid search, of which `saved` is dumped: the search itself, or its best estimator."""
    return {
        "search.ipynb": notebook(
            f"""
import joblib
import pandas as pd
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

rows = pd.read_csv("data/points.csv")
X, y = rows[["x", "y"]], rows["side"]
steps = Pipeline([("scale", StandardScaler()), ("tree", DecisionTreeClassifier(random_state=0))])
search = GridSearchCV(steps, {{"tree__max_depth": [1, 3]}}, cv=3).fit(X, y)
model = {saved}
joblib.dump(model, "model.joblib")
"""
        ),
        "data/points.csv": "x,y,side\n"
        + "".join(f"{n % 7},{n % 5}.5,{'l' if n % 7 > n % 5 else 'r'}\n" for n in range(60)),
    }


TEXT_WITH_PACKAGE = {
    "spam.ipynb": notebook(
        """
import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from lib.text import words
spam = ["win money now", "cheap pills now", "money money for you", "you win a prize", "free prize now"]
ham = ["lunch at noon", "the report is late", "see you at lunch", "the meeting is at noon", "report of the meeting"]
X, y = spam + ham, ["spam"] * 5 + ["ham"] * 5
model = make_pipeline(TfidfVectorizer(tokenizer=words, token_pattern=None), LogisticRegression()).fit(X, y)
joblib.dump(model, "out/spam.joblib")
""".replace("import joblib\n", "import os\nimport joblib\nos.makedirs('out', exist_ok=True)\n", 1)
    ),
    "lib/__init__.py": "",
    "lib/text.py": "from lib.stop import STOP\n\n\ndef words(text):\n    return [w for w in text.lower().split() if w not in STOP]\n",
    "lib/stop.py": 'STOP = {"a", "the", "of"}\n',
    "unrelated.py": 'raise RuntimeError("nobody imports this")\n',
}

REGRESSION: dict[str, str | bytes] = {
    "modèle 2024.ipynb": notebook(
        """
import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from calendars import days
""",
        """
draw = np.random.default_rng(6)
X = pd.DataFrame({
    "rooms": draw.integers(1, 9, size=80),
    "garden": draw.integers(0, 2, size=80).astype(bool),
    "zone": pd.Categorical(draw.choice(["nord", "süd", "ost"], size=80)),
    "sold": pd.Timestamp("2021-03-01") + pd.to_timedelta(draw.integers(0, 900, size=80), unit="D"),
})
y = X["rooms"] * 10.5 + X["garden"] * 4 + X["zone"].cat.codes
""",
        """
columns = ColumnTransformer([
    ("plain", "passthrough", ["rooms", "garden"]),
    ("zone", OneHotEncoder(handle_unknown="ignore"), ["zone"]),
    ("sold", FunctionTransformer(days), ["sold"]),
])
model = make_pipeline(columns, LinearRegression()).fit(X, y)
joblib.dump(model, "model.joblib")
""",
    ),
    "calendars.py": (
        "import pandas as pd\r\n\r\n\r\ndef days(frame):\r\n"
        "    return frame.apply(lambda column: (column - pd.Timestamp('2020-01-01')).dt.days)\r\n"
    ),
    "requirements.txt": b"# what we use\r\npandas\r\nscikit-learn  # the model\r\n\r\n",
    ".gitignore": "model.joblib\n",
    ".vscode/settings.json": "{}",
    ".python-version": "3.9\n",
}

OWN_CODE: dict[str, str | bytes] = {
    "prediction.py": """
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
from sklearn.cluster import KMeans

from detector import steps

line = joblib.load("models/line.joblib")
rows = np.arange(4000.0).reshape(-1, 2)
clusters = KMeans(n_clusters=3, n_init=1, random_state=0).fit(rows)
pool = ThreadPoolExecutor(1)
pool.submit(clusters.predict, rows).result()  # its thread is in no child that is forked after this
imported_by = os.getpid()


def predict(body):
    return getattr(steps, body["do"])(body) if hasattr(steps, body["do"]) else OWN[body["do"]](body)


def files(body):
    beside = Path(__file__).parent / "words" / "table.json"
    with open("words/table.json") as relative:
        return {
            "relative": json.load(relative)["a"],
            "beside": json.loads(beside.read_text())["a"],
            "package": steps.scale(),
            "line": line.predict_proba([[1.0]]).shape[1] + 5.0,
        }


def work(body):
    return {"twice": np.int64(body["n"]) * 2, "worker": os.getpid(), "imported_by": imported_by}


def cluster(body):
    return {"cluster": pool.submit(clusters.predict, rows).result(20)[-1]}


def write(body):
    Path("left.txt").write_text("x")


OWN = {"files": files, "work": work, "cluster": cluster, "write": write}
""",
    "detector/__init__.py": "",
    "detector/steps.py": """
import sys
from importlib.resources import files as resources


def scale():
    return float(resources("detector").joinpath("scale.txt").read_text())


def exit(body):
    sys.exit("enough")


def divide(body):
    return 1 / 0
""",
    "detector/scale.txt": "3",
    "words/table.json": '{"a": "apple"}',
    "wsgi.py": "raise RuntimeError('the web application is not what is served')",
    "explore.ipynb": notebook("raise RuntimeError('documentation is not run')"),
    ".s2i/environment": "APP_CONFIG=gunicorn_config.py",
    "requirements.txt": "scikit-learn\n",
}

STAGES_OF_OWN_CLASSES: dict[str, str | bytes] = {
    "modelcast.yaml": "notebooks: [prepare.ipynb, features.ipynb, my notebooks/Das Modell.ipynb]\nbuild: {network: false}\n",
    "prepare.ipynb": notebook("%%time\nopen('prepared', 'w').close()", "!pip install scikit-learn"),
    "features.ipynb": notebook(
        """
import os, pickle
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
import helping

FACTOR = 2.0


class Own(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.names_ = list(X.columns)
        return self

    def transform(self, X):
        return helping.doubled(X[["a", "b"]].to_numpy()) * FACTOR
""",
        """
frame = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, 6, 7, 8], "b": [0.5, 1, 0, 2, 1, 3, 2, 4], "c": list("xyxyxyxy")})
frame.to_csv("frame.csv", index=False)
stage = make_pipeline(Own(), StandardScaler()).fit(frame)
with open(os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"], "wb") as file:
    pickle.dump(stage, file)
""",
    ),
    "my notebooks/Das Modell.ipynb": notebook(
        """
import os, pickle
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


class Own(LogisticRegression):
    def predict(self, X):
        return np.array([f"Güte {int(number)}" for number in super().predict(X)])
""",
        """
frame = pd.read_csv("frame.csv")
# Fitted apart, on rows of its own: they are not what the service takes.
rows = frame[["a", "b"]].to_numpy()
model = make_pipeline(Own()).fit(rows - rows.mean(axis=0), [0, 0, 0, 0, 1, 1, 1, 1])
with open(os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"], "wb") as file:
    pickle.dump(model, file)
""",
    ),
    "helping.py": "def doubled(rows):\n    return rows * 2\n",
}

STAGES_BY_VALUE: dict[str, str | bytes] = {
    ".s2i/environment": 'S2I_SOURCE_NOTEBOOK_LIST="features.ipynb,model.ipynb"\r\nTFIDF_BUCKETS="32"\r\n',
    "features.ipynb": notebook(
        """
import os
import cloudpickle
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

texts = ["win money", "lunch at noon", "money now", "noon it is"] * 5
lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
buckets = HashingVectorizer(n_features=int(os.environ["TFIDF_BUCKETS"]))
stage = Pipeline([("lower", lower), ("buckets", buckets)]).fit(texts)
with open(os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"], "wb") as file:
    cloudpickle.dump(stage, file)
"""
    ),
    "model.ipynb": notebook(
        """
import os
import cloudpickle
from sklearn.naive_bayes import BernoulliNB

texts = ["win money", "lunch at noon", "money now", "noon it is"] * 5
with open("features.sav", "rb") as file:
    numbers = cloudpickle.load(file).transform(texts)
model = BernoulliNB().fit(numbers, ["spam", "legitimate"] * 10)
with open(os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"], "wb") as file:
    cloudpickle.dump(model, file)
"""
    ),
}
