"""The part of the OpenAPI description that tells of V1, Vertex AI, MLflow and SageMaker: their forms of the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from modelcast_runtime import asgi, schema
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.dialects import mlflow, v1
from modelcast_runtime.problems import Problem
from modelcast_runtime.protocol_pages import execution_parameters
from modelcast_runtime.settings import HEALTH_ROUTES, Settings

Document = dict[str, Any]
Refused = Mapping[str, tuple[str, Sequence[Problem]]]
"""What each kind of refusal is, in words, and real ones of it."""

_EXAMPLES = 2
_V1 = ("instances", "inputs")
_JSON, _CSV = mlflow.JSON, mlflow.CSV
_V1_TOLD = (
    "`inputs` is taken for `instances`. A value of an object may be a list of one, as KServe's are; other keys, such "
    "as `parameters`, are not looked at. A CloudEvent is answered by one."
)
_MLFLOW_TOLD = (
    "Other columns than the model's are dropped, as MLflow does; nothing is converted. Parquet "
    "(`application/vnd.apache.parquet`) is read where the model's environment has pyarrow."
)
_SAGEMAKER_TOLD = (
    "A CSV needs no header: its values are then in the order of the inputs. JSON may be a bare list of rows, or have "
    "MLflow's forms; `application/x-npy` is read too. `Accept` says what comes back: JSON, CSV or `application/x-npy`."
)


def posts(bundle: Bundle, settings: Settings, refs: str, *, prediction: Document, refused: Refused) -> Document:
    """The scoring routes of these protocols; `prediction` is the schema of one row's answer."""
    if not bundle.manifest.signature.takes_rows:
        return {}
    answer = _answered(bundle, prediction)

    def post(name: str, of: str, told: str, bodies: Document, refuse: Callable[[Problem], asgi.Response]) -> Document:
        return {
            "post": {
                "tags": ["predict"],
                "operationId": name,
                "summary": f"Ask {bundle.manifest.name} as a client of {of}",
                "description": told,
                "requestBody": {"required": True, "content": bodies},
                "responses": {"200": answer, **dict(_refusals(refused, refuse))},
            }
        }

    takes_extra = settings.extra_inputs == "ignore"
    of_v1 = {
        _JSON: _document({key: schema.instances(bundle.manifest, refs, takes_extra=takes_extra) for key in _V1}, bundle)
    }
    named = schema.instances(bundle.manifest, refs, takes_extra=True)
    tables = {**schema.dataframes(bundle.manifest, refs), "instances": named, "inputs": named}
    of_mlflow = {_JSON: _document(tables, bundle), _CSV: {"schema": schema.csv_schema(bundle.manifest)}}
    routes = {f"{v1.path_of(bundle.manifest)}:predict": post("v1", "KServe's V1", _V1_TOLD, of_v1, v1.refuse)}
    if settings.vertex_predict:
        routes[settings.vertex_predict] = post("vertex", "Vertex AI", _V1_TOLD, of_v1, v1.refuse)
    if settings.invocations == "mlflow":
        routes[mlflow.PATH] = post("mlflow", "MLflow", _MLFLOW_TOLD, of_mlflow, mlflow.refuse)
    else:
        either = {"anyOf": [of_mlflow[_JSON]["schema"], named]}
        lines = {"schema": schema.csv_schema(bundle.manifest, needs_header=False)}
        of_sagemaker: Document = {_JSON: {**of_mlflow[_JSON], "schema": either}, _CSV: lines}
        routes[mlflow.PATH] = post("sagemaker", "SageMaker", _SAGEMAKER_TOLD, of_sagemaker, mlflow.refuse)
    return routes


def _document(forms: Document, bundle: Bundle) -> Document:
    """An object with exactly one of the forms, and the golden rows in each."""
    keys = [{"required": [key]} for key in forms]
    beside = {"params": {"type": ["object", "null"]}, "signature_name": False} if len(forms) > len(_V1) else {}
    body: Document = {"schema": {"type": "object", "properties": {**forms, **beside}, "oneOf": keys}}
    names = [column.name for column in bundle.manifest.signature.inputs]
    lists = [list(row) for row in bundle.golden.rows[:_EXAMPLES]]
    if lists:
        records = [dict(zip(names, row, strict=True)) for row in lists]
        values: Document = {key: lists if key == "inputs" else records for key in forms}
        if "dataframe_split" in forms:
            values["dataframe_split"] = {"columns": names, "index": list(range(len(lists))), "data": lists}
        body["examples"] = {key: {"summary": f"Rows in {key}", "value": {key: value}} for key, value in values.items()}
    return body


def _answered(bundle: Bundle, prediction: Document) -> Document:
    content: Document = {
        "schema": {
            "type": "object",
            "properties": {"predictions": {"type": "array", "items": prediction}},
            "required": ["predictions"],
        }
    }
    if bundle.golden.rows:
        content["example"] = {"predictions": list(bundle.golden.predictions[:_EXAMPLES])}
    return {"description": "One prediction for each row, in order", "content": {_JSON: content}}


def _refusals(refused: Refused, refuse: Callable[[Problem], asgi.Response]) -> Iterator[tuple[str, Document]]:
    """Every refusal in the words of a protocol."""
    for description, examples in refused.values():
        shown = {problem.type.rpartition(":")[2]: refuse(problem) for problem in examples}
        media = dict(next(iter(shown.values())).headers)[b"content-type"].decode().partition(";")[0]
        content: Document = {"schema": {"type": "string"}}
        if media == _JSON:
            keys = list(orjson.loads(next(iter(shown.values())).body))
            properties = {key: {"type": "string"} for key in keys}
            content = {"schema": {"type": "object", "properties": properties, "required": keys}}
            content["examples"] = {name: {"value": orjson.loads(told.body)} for name, told in shown.items()}
        yield str(examples[0].status), {"description": description, "content": {media: content}}


def pages(bundle: Bundle, settings: Settings) -> Iterator[tuple[str, str, Document, Document | None]]:
    """The routes that are asked by GET: path, summary, what 200 is and, where it can be, what 503 is."""
    name = bundle.manifest.name
    unready = _told("The service is being stopped", v1.refuse(v1.not_ready(name)).body)
    yield f"{v1.ROOT}/models", "The models of KServe's V1", _told("The one", {"models": [name]}), None
    ready = {"name": name, "ready": True}
    yield v1.path_of(bundle.manifest), "Whether V1's model is ready", _told("Ready", ready), unready
    plain: Document = {"content": {_JSON: {}}}
    stopped = {"description": "The service is being stopped", **plain}
    yield "/ping", "Health, for MLflow and SageMaker", {"description": "Ready", **plain}, stopped
    yield "/health", "Health, for MLflow", {"description": "Ready", **plain}, stopped
    if settings.vertex_health and settings.vertex_health not in HEALTH_ROUTES:
        yield settings.vertex_health, "Health, for Vertex AI", {"description": "Ready", **plain}, stopped
    version = {"description": "A version", "content": {"text/plain": {"schema": {"type": "string"}}}}
    yield "/version", "The release of MLflow whose protocol this is", version, None
    if settings.invocations == "sagemaker":
        advice = _told("As the job, or as the service can", execution_parameters(settings))
        yield "/execution-parameters", "What SageMaker's batch transform is advised", advice, None


def _told(description: str, example: object) -> Document:
    content = orjson.loads(example) if isinstance(example, bytes) else example
    return {"description": description, "content": {_JSON: {"schema": {"type": "object"}, "example": content}}}
