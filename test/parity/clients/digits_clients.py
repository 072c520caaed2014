#!/usr/bin/env python3
"""All 100 test images through tritonclient (REST and gRPC, binary). Prints one line of JSON: {"wrong": [...], "worst": max abs difference of logits}.

digits_clients.py REST_HOST:PORT GRPC_HOST:PORT FIXTURES
"""
import io, json, sys

import numpy as np
import tritonclient.grpc as tg
import tritonclient.http as th
from PIL import Image

rest, grpc, fixtures = sys.argv[1:4]
images = np.load(f"{fixtures}/test_images_u8.npy")
logits = np.load(f"{fixtures}/test_logits.npy")
labels = logits.argmax(1)


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


wrong, worst = [], 0.0
for name, module, client in (("rest", th, th.InferenceServerClient(rest)), ("grpc", tg, tg.InferenceServerClient(grpc))):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits.classify")
    metadata = client.get_model_metadata("digits.logits")
    inputs = metadata["inputs"] if name == "rest" else [{"name": i.name, "datatype": i.datatype, "shape": list(i.shape)} for i in metadata.inputs]
    assert inputs == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}], inputs
    for i in range(len(images)):
        one = module.InferInput("image", [1], "BYTES")
        one.set_data_from_numpy(np.array([png(images[i])], dtype=object))
        reply = client.infer("digits.classify", [one], outputs=[module.InferRequestedOutput("label")])
        if reply.as_numpy("label").tolist() != [labels[i]]:
            wrong.append([name, i])
    batch = module.InferInput("image", [len(images), 1, 28, 28], "FP32")
    batch.set_data_from_numpy((images / 255).astype(np.float32).reshape(-1, 1, 28, 28))
    worst = max(worst, float(np.abs(client.infer("digits.logits", [batch]).as_numpy("logits") - logits).max()))
    try:
        client.infer("digits.nothing", [batch])
        wrong.append([name, "unknown method was answered"])
    except Exception as error:
        if "no method 'nothing'" not in str(error):
            wrong.append([name, str(error)])
print(json.dumps({"wrong": wrong, "worst": worst}))
