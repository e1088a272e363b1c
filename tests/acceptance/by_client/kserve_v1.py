"""Asks a service by KServe's `InferenceRESTClient` over V1: kserve_v1.py URL NAME ROWS; prints what it made of it.

ROWS is a JSON list of objects by name.
"""

import asyncio
import json
import sys

import httpx
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from kserve import InferenceRESTClient, RESTConfig

url, name, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


async def refused(asked):
    try:
        await asked
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error).partition(", '")[0]]
    return None


async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=60)) as client:
        forms = {
            "objects": {"instances": rows},
            "lists of one": {"instances": [{key: [value] for key, value in row.items()} for row in rows]},
            "lists": {"inputs": [list(row.values()) for row in rows]},
        }
        answers = {form: await client.infer(url, data, model_name=name) for form, data in forms.items()}
        told = {
            "answers": answers,
            "refused": {
                "model": await refused(client.infer(url, {"instances": rows}, model_name="nope")),
                "rows": await refused(client.infer(url, {"instances": []}, model_name=name)),
                "explain": await refused(client.explain(url, name, {"instances": rows})),
            },
            "ready": [await client.is_server_live(url), await client.is_model_ready(url, name)],
        }
    events = {}
    async with httpx.AsyncClient(timeout=60) as plain:
        for kind, pack in (("binary", to_binary), ("structured", to_structured)):
            headers, body = pack(CloudEvent({"type": "asked", "source": "here"}, {"instances": rows}))
            # As a client writes it whose library escapes the colon.
            path, headers = f"/v1/models/{name}%3Apredict", {"content-type": "application/json", **headers}
            answer = await plain.post(url + path, headers=headers, content=body)
            event = from_http(dict(answer.headers), answer.content)
            events[kind] = [event["type"], event["source"], event.data]
    print(json.dumps({**told, "events": events}))


asyncio.run(main())
