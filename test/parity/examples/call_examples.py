#!/usr/bin/env python3
"""Calls every example with the original's own client (gRPC) and over REST, and compares with what MindSpore gave. Prints one line of JSON:
{"differences": [what differs, ...], "compared": number of outputs compared, "digits": {...}}.

call_examples.py REST_HOST:PORT GRPC_HOST:PORT EXAMPLES CASES [only lenet: servable name]
"""
import base64, json, sys

import numpy as np
import requests
from mindspore_serving.client import Client

rest, grpc, examples, cases = sys.argv[1:5]
differences, compared = [], 0


def load(name):
    return np.load("%s/%s.npy" % (cases, name))


def compare(what, got, want, tolerance=1e-4):
    global compared
    compared += 1
    got = np.asarray(got)
    if got.shape != want.shape or not np.allclose(got, want, atol=tolerance, rtol=tolerance):
        differences.append([what, got.tolist()[:2], want.tolist()[:2]])


def rest_value(value):
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return {"b64": base64.b64encode(value.tobytes()).decode(), "type": str(value.dtype), "shape": list(value.shape)}


def both(servable, method, instances):
    """The instances of the answer, by each way."""
    client = Client(grpc, servable, method)
    yield "client", client.infer(instances)
    body = {"instances": [{name: rest_value(value) for name, value in instance.items()} for instance in instances]}
    reply = requests.post("http://%s/model/%s:%s" % (rest, servable, method), json=body, timeout=60)
    yield "REST", reply.json()["instances"]


def lenet(servable):
    images = [open("%s/lenet/images/%d.png" % (examples, digit), "rb").read() for digit in range(10)]
    scores = np.concatenate([load("lenet5/output_%d_0" % pair) for pair in range(5)])
    for way, answers in both(servable, "predict_scores", [{"image": image} for image in images]):
        for digit, answer in enumerate(answers):
            compare("%s predict_scores %s %d" % (servable, way, digit), answer["scores"], scores[digit])
    for way, answers in both(servable, "predict", [{"image": image} for image in images]):
        for digit, answer in enumerate(answers):
            compare("%s predict %s %d" % (servable, way, digit), answer["result"], scores[digit].argmax())
    for way, answers in both(servable, "predict", [{"image": b"no image"}, {"image": images[3]}]):
        failed = answers[0].get("error") or answers[0].get("error_msg") or ""
        if "'image' is not an image that can be read" not in failed or answers[1] != {"result": 3}:
            differences.append([way, "an instance that is no image", repr(answers)])


def add():
    for case in (0, 1):
        x1, x2, y = load("tensor_add/input_%d_0" % case), load("tensor_add/input_%d_1" % case), load("tensor_add/output_%d_0" % case)
        for method in ("add_common", "add_cast"):
            for way, answers in both("add", method, [{"x1": x1, "x2": x2}, {"x1": x2, "x2": x1}]):
                for answer in answers:
                    compare("add %s %s" % (method, way), answer["y"], y, 1e-6)
    whole = np.array([[1, 2], [3, 4]], np.int64)
    for way, answers in both("add", "add_cast", [{"x1": whole, "x2": whole}]):
        compare("add add_cast of integers %s" % way, answers[0]["y"], (whole * 2).astype(np.float32), 0)


def add_sub_pipeline():
    x1, x2, x3 = load("add_sub_pipeline/tensor_add/input_0_0"), load("add_sub_pipeline/tensor_add/input_0_1"), load("add_sub_pipeline/tensor_sub/input_0_1")
    for way, answers in both("add_sub_pipeline", "predict", [{"x1": x1, "x2": x2, "x3": x3}] * 3):
        for answer in answers:
            compare("add_sub_pipeline %s" % way, answer["y"], load("add_sub_pipeline/tensor_sub/output_0_0"), 1e-6)


def matmul_multi_subgraphs():
    folder = "matmul_multi_subgraphs/"
    x, y = load(folder + "matmul_0/input_0_0"), load(folder + "matmul_1/input_0_0")
    z = load(folder + "matmul_0/output_0_0") + load(folder + "matmul_1/output_0_0")
    for way, answers in both("matmul_multi_subgraphs", "predict", [{"x": x, "y": y}] * 2):
        for answer in answers:
            compare("matmul_multi_subgraphs %s" % way, answer["z"], z)


def digits():
    for way, answers in both("digits", "classify", [{"image": open("%s/digits/images/digit_%d.png" % (examples, n), "rb").read()} for n in range(10)]):
        compare("digits %s" % way, [int(answer["label"]) for answer in answers], np.arange(10), 0)


if len(sys.argv) > 5:
    lenet(sys.argv[5])
else:
    for example in (lambda: lenet("lenet"), add, add_sub_pipeline, matmul_multi_subgraphs, digits):
        example()
print(json.dumps({"differences": differences, "compared": compared}))
