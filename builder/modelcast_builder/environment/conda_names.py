"""conda's names of the Python packages that are on PyPI too: the same word, or another one."""

_SAME = """
absl-py altair appdirs asttokens attrs autogluon beautifulsoup4 bokeh boto3 botocore bottleneck cachetools catboost
category_encoders certifi cffi chardet charset-normalizer click cloudpickle colorama contourpy cryptography cycler
cython dask datasets debugpy decorator defusedxml dill distributed duckdb entrypoints et_xmlfile fastapi fastparquet
featuretools filelock flask fonttools fsspec future gensim google-cloud-storage great_expectations gunicorn h5py
holidays hyperopt idna imageio imbalanced-learn importlib-metadata importlib-resources importlib_metadata
importlib_resources ipykernel ipython ipython_genutils ipywidgets itsdangerous jedi jinja2 jmespath joblib json5
jsonschema jupyter jupyter_client jupyter_console jupyter_core jupyterlab jupyterlab_pygments jupyterlab_widgets keras
kiwisolver langdetect lifelines lightgbm llvmlite lxml lz4 markdown markupsafe matplotlib matplotlib-inline mistune
mlflow mlxtend mpmath msgpack msgspec mypy narwhals nbclient nbconvert nbformat nest-asyncio networkx nltk notebook
numba numexpr numpy onnx onnxruntime openpyxl optuna orjson packaging pandas pandas-profiling pandocfilters papermill
parso partd patsy pexpect pickleshare pillow platformdirs plotly polars pooch prometheus_client prompt-toolkit
prompt_toolkit protobuf psutil psycopg2 ptyprocess pure_eval pyarrow pyasn1 pycparser pydantic pydot pygments pymc
pymysql pyod pyopenssl pyparsing pyrsistent pysocks pyspark pytest python-dateutil python-dotenv python-graphviz pytz
pywavelets pyyaml pyzmq regex requests rich ruamel.yaml s3fs scikit-image scikit-learn scikit-optimize scipy seaborn
send2trash setuptools shap simplejson six skl2onnx skops slicer sortedcontainers soupsieve spacy sqlalchemy
stack_data statsmodels streamlit sympy tabulate tblib tenacity tensorflow terminado testpath textblob threadpoolctl
tokenizers toml tomli toolz tornado tqdm traitlets transformers typing-extensions typing_extensions tzlocal umap-learn
unidecode urllib3 wcwidth webencodings werkzeug wheel widgetsnbextension wordcloud wrapt xarray xgboost xlrd xlsxwriter
yellowbrick zipp zstandard
"""
_OF_PYTHON = """
_libgcc_mutex _openmp_mutex bzip2 ca-certificates expat ld_impl_linux-64 libexpat libffi libgcc libgcc-ng libgomp
liblzma libnsl libsqlite libstdcxx libstdcxx-ng libuuid libxcrypt libzlib ncurses openssl pip python_abi readline sqlite
tk tzdata ucrt vc vc14_runtime vs2015_runtime xz zlib
"""
_OTHER = {
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "py-lightgbm": "lightgbm",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "pytorch": "torch",
    "numpy-base": "numpy",
    "dask-core": "dask",
    "seaborn-base": "seaborn",
    "plotly_express": "plotly",
}
PYPI = {**{name: name.replace("_", "-") for name in _SAME.split()}, **_OTHER}
"""conda's name -> PyPI's."""
IGNORED = frozenset(_OF_PYTHON.split())
"""What conda installs for Python itself; every Python has it already."""
