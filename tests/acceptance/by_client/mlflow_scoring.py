"""Asks a service by MLflow's `ScoringServerClient`: mlflow_scoring.py HOST PORT ROWS WHOLE; prints what it made of it.

ROWS is a JSON list of objects by name, WHOLE the name of an input of whole numbers.
"""

import io
import json
import random
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

host, port, rows, whole = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
url = f"http://{host}:{port}/invocations"
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}

client = ScoringServerClient(host, port)
client.wait_server_ready(timeout=60)
client.ping()

frame = pd.DataFrame(rows)
asked = {
    "as it is": frame,
    "in another order": frame[frame.columns[::-1]],
    "with more": frame.assign(extra=pd.Timestamp("2026-01-01"), other=1),
    "with an index": frame.set_axis([f"row {index}" for index in range(len(frame))]),
}
predictions = {}
for form, data in asked.items():
    predictions[form] = client.invoke(data).get_predictions().iloc[:, 0].tolist()
predictions["with params"] = client.invoke(frame, params={"any": 1}).get_predictions().iloc[:, 0].tolist()

try:
    client.invoke(frame.drop(columns=whole))
    refused = None
except Exception as error:
    refused = str(error)


def posted(content, headers):
    answer = requests.post(url, data=content, headers=headers, timeout=60)
    return [answer.status_code, answer.json()]


def parquet(table, **how):
    stream = io.BytesIO()
    pq.write_table(table, stream, **how)
    return stream.getvalue()


def repeated(text):
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, np.int32)), pa.array([text]))
    return pa.table(dict.fromkeys(frame.columns, column))


table = pa.Table.from_pandas(frame.assign(extra=1))
cut = frame.assign(**{whole: frame[whole] + 0.5})
infinite = frame.assign(**{frame.select_dtypes("float").columns[0]: np.inf})
files = {
    "csv": posted(frame.assign(extra="x").to_csv(), {"Content-Type": "text/csv; charset=UTF-8"}),
    "parquet": posted(parquet(table), PARQUET),
    "parquet, plain": posted(parquet(table, use_dictionary=False, compression="zstd", row_group_size=1), PARQUET),
    "parquet, cut": posted(parquet(pa.Table.from_pandas(cut)), PARQUET),
    "parquet, infinite": posted(parquet(pa.Table.from_pandas(infinite)), PARQUET),
    "parquet, missing": posted(parquet(table.drop_columns([whole])), PARQUET),
    "parquet, none": posted(b"PAR1", PARQUET),
    "parquet, many": posted(parquet(pa.table({whole: np.zeros(10_001, np.int64)})), PARQUET),
    "parquet, large": posted(parquet(pa.table({whole: ["x" * 17_000_000]}), compression="zstd"), PARQUET),
    # Ten thousand times one text: 10 GB where each is made anew.
    **{
        f"parquet, {kind}": posted(parquet(repeated(text), compression="zstd", store_schema=False), PARQUET)
        for kind, text in {"texts": "x" * 1_000_000, "bytes": b"x" * 1_000_000}.items()
    },
    "parquet, lists": posted(parquet(pa.table({name: [[1]] for name in frame.columns})), PARQUET),
}
chance, content, codes = random.Random(0), bytearray(parquet(table)), set()
for _ in range(200):
    spoilt = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    codes.add(requests.post(url, data=bytes(spoilt), headers=PARQUET, timeout=60).status_code)
print(
    json.dumps(
        {
            "version": client.get_version(),
            "predictions": predictions,
            "refused": refused,
            "files": files,
            "codes": sorted(codes),
        }
    )
)
