"""OpenAPI 3.1 of one service: the model's own types, its golden rows as examples, every route and every error."""

from collections.abc import Iterable, Iterator, Sequence

import orjson

from modelcast_runtime import openapi_protocols, openapi_v2, problems, schema
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import CASTS
from modelcast_runtime.contract import Cell, Dtype, Manifest, Output, Question, Signature, label_text
from modelcast_runtime.openapi_parts import ANY_OBJECT, JSON, REFS, Document, get, json_answer, page, refer
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings

_EXAMPLES = 2
_PREDICTION_ID = "01JD6RK3MZ7W4VXQ2T8H5N9BCE"
_CSV = "text/csv"
_DTYPES: dict[Dtype, Document] = {
    "bool": {"type": "boolean"},
    "int64": {"type": "integer"},
    "float32": {"type": ["number", "null"]},
    "float64": {"type": ["number", "null"]},
    "string": {"type": "string"},
    "datetime": {"type": "string"},
}
_PREDICT_DESCRIPTION = """\
All rows of a request have the same form: objects by name, or lists in the order of the inputs. Nothing is converted
silently: a number is a number, a text is a text.

Beside the forms below, a table may come as `{"columns": {name: [value, ...]}}` or
`{"split": {"columns": [name, ...], "data": [[value, ...], ...]}}`; `GET /schema` describes every form. The form field
`json_args` of nachlass' clients is read too, and answered with a bare list. The body may be compressed
(`Content-Encoding: gzip` or `deflate`).
"""


def document(bundle: Bundle, settings: Settings) -> Document:
    """The description of the service under the settings in force."""
    manifest = bundle.manifest
    return {
        "openapi": "3.1.0",
        "info": {
            "title": manifest.name,
            "version": manifest.version,
            "summary": f"A {'model' if manifest.task == 'generic' else manifest.task} served by modelcast",
            "description": manifest.description or f"Predictions of the model {manifest.name}.",
        },
        "servers": [{"url": "."}],
        "tags": [
            {"name": "predict", "description": "Ask the model"},
            {"name": "model", "description": "What the model is"},
            {"name": "service", "description": "How the service is"},
            openapi_v2.TAG,
        ],
        "paths": {
            "/predict": {"post": _predict(bundle, settings)},
            **_protocol_posts(bundle, settings),
            **_model_paths(bundle),
            **_service_paths(bundle),
            **openapi_v2.paths(bundle),
            **_protocol_pages(bundle, settings),
        },
        "components": {
            "schemas": {
                **_row_schemas(bundle, settings),
                "answer": _answer(bundle),
                "problem": _PROBLEM,
                **openapi_v2.schemas(manifest),
            },
            "responses": {
                **{name: _problem_response(*told) for name, told in _problems(bundle, settings).items()},
                **openapi_v2.responses(manifest, settings),
            },
        },
    }


def _predict(bundle: Bundle, settings: Settings) -> Document:
    manifest, takes_rows = bundle.manifest, bundle.manifest.signature.takes_rows
    return {
        "tags": ["predict"],
        "operationId": "predict",
        "summary": f"Ask {manifest.name}",
        "description": _PREDICT_DESCRIPTION if takes_rows else "Any JSON object goes to the model's own code.",
        "parameters": [_parameter(question) for question in manifest.signature.questions],
        "requestBody": {"required": True, "content": _bodies(bundle, settings) if takes_rows else _OBJECT},
        "responses": {
            "200": _answered(bundle),
            **refer("BadRequest", 400),
            **refer("TooSlow", 408),
            **refer("TooLarge", 413),
            **refer("UnsupportedMediaType", 415),
            **refer("InternalError", 500),
        },
    }


_OBJECT: Document = {JSON: {"schema": {"type": "object"}}}


def _parameter(question: Question) -> Document:
    # `?proba`, `?proba=1` and Python's `True` ask too.
    spelled = {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01]?)$"}
    taken = {"anyOf": [{"type": "boolean"}, spelled], "default": False}
    return {"name": question.key, "in": "query", "description": question.meaning, "schema": taken}


def _row_schemas(bundle: Bundle, settings: Settings) -> Document:
    if not bundle.manifest.signature.takes_rows:
        return {}
    return dict(schema.row_schemas(bundle.manifest, settings))


def _bodies(bundle: Bundle, settings: Settings) -> Document:
    # No limit of rows: too many are refused by 413, and not because they are no request.
    forms = schema.request_forms(bundle.manifest, settings, REFS, max_rows=None)
    # Columns of one length are more than a schema can say: those forms stand in the text and in /schema.
    taken = {"anyOf": [forms[name] for name in ("instances", "rows", "records")]}
    names, rows = _names(bundle.manifest.signature), bundle.golden.rows[:_EXAMPLES]
    body: Document = {"schema": taken}
    if rows:
        body["examples"] = {name: {"summary": told, "value": value} for name, told, value in _requests(names, rows)}
    table: Document = {"schema": schema.csv_schema(bundle.manifest)}
    if rows:
        table["examples"] = {"rows": {"summary": "Rows as lines", "value": _csv(names, rows)}}
    return {JSON: body, _CSV: table}


def _requests(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterable[tuple[str, str, object]]:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    yield "instances", "Rows by name", {"instances": records}
    yield "lists", "Rows in the order of the inputs", {"instances": [list(row) for row in rows]}
    yield "rows", "A bare list of rows", records


def _csv(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = [map(schema.csv_field, names), *(map(_field, row) for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines)


def _field(cell: Cell) -> str:
    return "" if cell is None else schema.csv_field(label_text(cell))


def _names(signature: Signature) -> list[str]:
    return [column.name for column in signature.inputs]


def _answered(bundle: Bundle) -> Document:
    content: Document = {"schema": {"$ref": f"{REFS}answer"}}
    if bundle.golden.rows:
        content["examples"] = {"answer": {"summary": "To the rows above", "value": _example_answer(bundle)}}
    headers = {
        "Model-Version": {"description": "The model's version", "schema": {"type": "string"}},
        "Prediction-Id": {"description": "The id of this answer", "schema": {"type": "string"}},
    }
    takes_rows = bundle.manifest.signature.takes_rows
    given = "One prediction for each row, in order" if takes_rows else "What the model's own code gives"
    return {"description": given, "headers": headers, "content": {JSON: content}}


def _example_answer(bundle: Bundle) -> Document:
    golden, manifest = bundle.golden, bundle.manifest
    answer: Document = {"predictions": list(golden.predictions[:_EXAMPLES])}
    if golden.probabilities is not None:
        labels = [label_text(label) for label in manifest.signature.classes or ()]
        shares = golden.probabilities[:_EXAMPLES]
        answer["probabilities"] = [dict(zip(labels, row, strict=True)) for row in shares]
    if golden.distances is not None:
        answer["distances"] = [list(row) for row in golden.distances[:_EXAMPLES]]
    return answer | {"model": {"name": manifest.name, "version": manifest.version}, "prediction_id": _PREDICTION_ID}


def _answer(bundle: Bundle) -> Document:
    manifest = bundle.manifest
    signature = manifest.signature
    if not signature.takes_rows:
        return {"description": "What the model's own code gives."}
    outputs = {output.name: output for output in signature.outputs}
    number = {"type": ["number", "null"]}
    properties: Document = {"predictions": {"type": "array", "items": _prediction(outputs["predict"], manifest)}}
    if "predict_proba" in outputs:
        labels = [label_text(label) for label in signature.classes or ()]
        share = {"type": "object", "properties": dict.fromkeys(labels, number), "required": labels}
        properties["probabilities"] = {"type": "array", "items": share | {"additionalProperties": False}}
    if "distances" in outputs:
        properties["distances"] = {"type": "array", "items": {"type": "array", "items": number}}
    model = {"name": {"const": manifest.name}, "version": {"const": manifest.version}}
    properties["model"] = {"type": "object", "properties": model, "required": list(model)}
    properties["prediction_id"] = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"}
    return {"type": "object", "properties": properties, "required": ["predictions", "model", "prediction_id"]}


def _prediction(output: Output, manifest: Manifest) -> Document:
    if manifest.signature.classes is not None and manifest.task != "regressor":
        label: Document = {"enum": list(manifest.signature.classes)}
    else:
        label = _DTYPES[output.dtype]
    for _ in output.shape[1:]:
        label = {"type": "array", "items": label}
    return label


def _protocol_posts(bundle: Bundle, settings: Settings) -> Document:
    prediction = dict(_answer(bundle)).get("properties", {}).get("predictions", {}).get("items", {})
    refused = {name: told for name, told in _problems(bundle, settings).items() if name != "NotFound"}
    return openapi_protocols.posts(bundle, settings, REFS, prediction=prediction, refused=refused)


def _protocol_pages(bundle: Bundle, settings: Settings) -> Document:
    paths = {}
    for path, summary, well, unwell in openapi_protocols.pages(bundle, settings):
        paths[path] = get("service", summary, well)
        if unwell is not None:
            paths[path]["get"]["responses"]["503"] = unwell
    return paths


def _model_paths(bundle: Bundle) -> Document:
    form = page("The page to try the model, for a browser (`Accept: text/html`)")
    alive = json_answer("Anything else", {"status": "alive"})
    front = {"description": "The service is alive", "content": {**alive["content"], **form["content"]}}
    paths = {
        "/": get("model", "The page to try the model", front),
        "/info": get("model", "The manifest, the bundle's digest and where it comes from", json_answer("The manifest")),
        "/schema": get(
            "model",
            "JSON Schema of a request in all its forms",
            {"description": "JSON Schema 2020-12", "content": {"application/schema+json": {"schema": ANY_OBJECT}}},
        ),
        "/openapi.json": get("model", "This description", json_answer("OpenAPI 3.1")),
        "/docs": get("model", "This description, to read", page("The page")),
    }
    card = get("model", "The model card that was sealed with the model", page("The model card"))
    notebook = get("model", "A notebook as it was executed in the build", page("The notebook"))
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    names = sorted(bundle.notebooks())
    notebook["get"]["parameters"] = [name | {"examples": {each: {"value": each} for each in names}} if names else name]
    for described in (card, notebook):
        described["get"]["responses"] |= refer("NotFound", 404)
    return {**paths, "/card": card, "/notebooks/{name}": notebook}


def _service_paths(bundle: Bundle) -> Document:
    checks = {"golden_rows": f"{len(bundle.golden.rows)} reproduced", "accepting": True}
    ready = get(
        "service", "Whether requests are welcome here", json_answer("Ready", {"status": "ok", "checks": checks})
    )
    draining = {"status": "draining", "checks": {**checks, "accepting": False}}
    ready["get"]["responses"]["503"] = json_answer("The service is being stopped", draining)
    text = {"schema": {"type": "string"}}
    samples = {
        "description": "Prometheus' text format, or OpenMetrics where asked for",
        "content": {
            "text/plain": text,
            "application/openmetrics-text": text,
        },
    }
    scrape = get("service", "Counters of all workers", samples)
    posted = {**scrape["get"], "operationId": "post_metrics", "summary": "The same, for clients that POST"}
    report, shown = json_answer("Every watched signal"), page("The same with plots, for a browser")
    drift = {"description": "Every watched signal", "content": {**report["content"], **shown["content"]}}
    return {
        "/drift": get("service", "How far this replica is from its baseline", drift),
        "/healthz": get("service", "Whether the process lives", json_answer("It lives", {"status": "ok"})),
        "/readyz": ready,
        "/metrics": {**scrape, "post": posted},
    }


_PROBLEM: Document = {
    "type": "object",
    "description": "RFC 9457: what was refused, where, what was expected and what came. Never a value of the caller's.",
    "properties": {
        "type": {"type": "string", "description": "The kind of the problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence that says what to do"},
        "at": {
            "type": ["string", "null"],
            "description": "A JSONPath, a line of the body, or a parameter of the query",
        },
        "expected": {"type": ["string", "null"]},
        "got": {"type": ["string", "null"], "description": "What kind of value came"},
    },
    "required": ["type", "title", "status", "detail", "at", "expected", "got"],
}


def _problems(bundle: Bundle, settings: Settings) -> dict[str, tuple[str, list[Problem]]]:
    """Real problems for every refusal, in the words of the service."""
    limits, takes_rows = settings.limits, bundle.manifest.signature.takes_rows
    rows = [problems.too_many_rows(limits.rows)] if takes_rows else []
    media = problems.unsupported_media_type() if takes_rows else problems.unsupported_media_type((JSON,))
    return {
        "BadRequest": ("Nothing that the model takes", list(_of_content(bundle))),
        "NotFound": ("Not found", [problems.of_status(404, {})]),
        "TooSlow": ("The body did not come in time", [problems.too_slow(limits.body_s)]),
        "TooLarge": ("More than a request may have", [*rows, problems.body_too_large(limits.body_bytes)]),
        "UnsupportedMediaType": (
            f"{'Neither JSON nor CSV' if takes_rows else 'No JSON'}, or in an unknown encoding",
            [media, problems.unsupported_charset(), problems.unsupported_encoding()],
        ),
        "InternalError": ("The service or the model failed", [problems.internal_error()]),
    }


def _of_content(bundle: Bundle) -> Iterator[Problem]:
    yield problems.not_json("line 1, column 12")
    if not bundle.manifest.signature.takes_rows:
        yield problems.wrong_form("$", "an object", "list of 1 value")
        yield problems.refused_by_predict("KeyError", None)
        return
    inputs = bundle.manifest.signature.inputs
    first, names = inputs[0], [column.name for column in inputs]
    place = f"$.instances[0]{problems.member(first.name)}"
    expected = CASTS[first.dtype].expected
    yield problems.wrong_type(place, expected, "object")
    if not first.nullable:
        yield problems.null_refused(place, expected)
    for column in inputs:
        if column.categories is not None and column.unknown == "refuse":
            at, kind = f"$.instances[0]{problems.member(column.name)}", problems.describe(column.categories[0])
            yield problems.unknown_category(at, column.categories, kind)
            break
    yield problems.missing_input("$.instances[0]", [first.name])
    yield problems.wrong_length("$.instances[0]", names, len(names) + 1)
    yield problems.no_rows("$.instances")
    yield problems.refused_by_model("$.instances[0]", "ValueError")


def _problem_response(description: str, examples: Sequence[Problem]) -> Document:
    shown = {problem.type.rpartition(":")[2]: orjson.loads(problem.to_bytes()) for problem in examples}
    content = {
        "schema": {"$ref": f"{REFS}problem"},
        "examples": {name: {"summary": value["title"], "value": value} for name, value in shown.items()},
    }
    return {"description": description, "content": {problems.CONTENT_TYPE: content}}
