"""repository_calls.py REST GRPC ADMIN TOKEN: tritonclient's repository calls against a server that serves version 2 of `turns` and has version 1 on disk.

REST and GRPC are public ports in the mode explicit, ADMIN is the admin port, where TOKEN is needed. Prints what each call gave as JSON.
"""
import json
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

rest, rpc, admin, token = sys.argv[1:]
only = {v: json.dumps({"version_policy": {"specific": {"versions": [v]}}}) for v in (1, 2, 9)}


def index_of(client):
    models = client.get_model_repository_index()
    if not isinstance(models, list):
        models = [{"name": m.name, "version": m.version, "state": m.state, "reason": m.reason} for m in models.models]
    return sorted(f"{m['name']}:{m['version']} {m['state']} {m.get('reason', '')}".strip() for m in models)


def answer(client, module):
    """What the latest version answers to 5 and 3: 8 in version 1, 2 in version 2."""
    inputs = [module.InferInput(name, [1, 2], "FP32") for name in ("x1", "x2")]
    for tensor, value in zip(inputs, (5, 3)):
        tensor.set_data_from_numpy(np.full((1, 2), value, np.float32))
    return float(client.infer("turns", inputs).as_numpy("y")[0][0])


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
        return "no error"
    except InferenceServerException as error:
        return f"{error.status()}: {error.message()}"


def walk(client, module):
    seen = {"before": [index_of(client), answer(client, module)]}
    client.load_model("turns", config=only[1])
    seen["version 1"] = [index_of(client), answer(client, module)]
    client.load_model("turns.predict")  # by the server's own policy: the latest
    seen["latest"] = [index_of(client), answer(client, module)]
    seen["not there"] = refusal(client.load_model, "nope")
    seen["broken"] = refusal(client.load_model, "turns", config=only[9])
    seen["goes on"] = answer(client, module)
    seen["files"] = refusal(client.load_model, "turns", config="{}", files={"file:1/model.onnx": b"x"}) if module is grpc else ""
    client.unload_model("turns")
    seen["unloaded"] = [index_of(client), client.is_model_ready("turns")]
    client.unload_model("turns")
    client.unload_model("nope")
    client.load_model("turns")
    seen["again"] = answer(client, module)
    return seen


result = {
    "http": walk(http.InferenceServerClient(rest), http),
    "grpc": walk(grpc.InferenceServerClient(rpc), grpc),
}
operator = http.InferenceServerClient(admin)
headers = {"Authorization": f"Bearer {token}"}
result["no token"] = refusal(operator.get_model_repository_index)
operator.load_model("turns", headers=headers, config=only[1])
result["admin"] = sorted(f"{m['name']}:{m['version']} {m['state']}" for m in operator.get_model_repository_index(headers=headers))
print(json.dumps(result))
