"""tritonclient, unmodified, against mserve: HTTP and gRPC; sync, asyncio, callbacks, streams; run by tritonclient.spec.ts.

The environment names the server: REST and GRPC, host:port each. Its servables are `add` (y = x1 + x2, FP32 [2]), `echo` (y = x, of any datatype, by a function)
and `scores` (FP32 [4] in and out, as it is).
"""
import asyncio
import os
import queue

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException

REST, GRPC = os.environ["REST"], os.environ["GRPC"]
BOTH = pytest.mark.parametrize("module", [http, grpc], ids=["http", "grpc"])


@pytest.fixture
def client(module):
    made = module.InferenceServerClient(REST if module is http else GRPC, **({"concurrency": 4} if module is http else {}))
    yield made
    made.close()


def pair(module, left, right, binary=True):
    """The inputs of `add`, from rows."""
    inputs = []
    for name, rows in (("x1", left), ("x2", right)):
        rows = np.array(rows, np.float32)
        one = module.InferInput(name, rows.shape, "FP32")
        one.set_data_from_numpy(rows, **({"binary_data": binary} if module is http else {}))
        inputs.append(one)
    return inputs




SUM = [[11, 22], [33, 44]]
SUMMANDS = ([[1, 2], [3, 4]], [[10, 20], [30, 40]])


@BOTH
def test_server_and_model_tell_of_themselves(client, module):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("add", "1")
    as_json = {} if module is http else {"as_json": True}
    assert {"binary_tensor_data", "classification", "statistics", "model_configuration"} <= set(client.get_server_metadata(**as_json)["extensions"])
    metadata = client.get_model_metadata("add", **as_json)
    assert [i["name"] for i in metadata["inputs"]] == ["x1", "x2"]
    assert [int(d) for d in metadata["outputs"][0]["shape"]] == [-1, 2]
    config = client.get_model_config("add", "1", **as_json)
    config = config if module is http else config["config"]
    assert config["name"] == "add" and config["input"][0]["data_type"] == "TYPE_FP32" and [int(d) for d in config["output"][0]["dims"]] == [2]
    with pytest.raises(InferenceServerException, match="'nope' is not available"):
        client.get_model_config("nope")


@BOTH
def test_infers_with_all_that_a_request_can_say(client, module):
    outputs = [module.InferRequestedOutput("y")]
    result = client.infer(
        "add", pair(module, *SUMMANDS), model_version="1", outputs=outputs, request_id="r-7", priority=1, timeout=10_000_000,
        headers={"x-request-id": "h-9"}, parameters={"tenant": "a"},
    )
    assert result.as_numpy("y").tolist() == SUM
    response = result.get_response()
    named = response if module is http else {"id": response.id, "model_name": response.model_name, "model_version": response.model_version}
    assert (named["id"], named["model_name"], named["model_version"]) == ("r-7", "add", "1")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infers_in_json_and_binary(binary_in, binary_out):
    with http.InferenceServerClient(REST) as client:
        outputs = [http.InferRequestedOutput("y", binary_data=binary_out)]
        assert client.infer("add", pair(http, *SUMMANDS, binary=binary_in), outputs=outputs).as_numpy("y").tolist() == SUM


@BOTH
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compresses_both_ways(client, module, algorithm):
    left = np.arange(4000, dtype=np.float32).reshape(-1, 2)
    inputs = pair(module, left, left)
    if module is http:
        result = client.infer("add", inputs, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
    else:
        result = client.infer("add", inputs, compression_algorithm=algorithm)
    assert (result.as_numpy("y") == left * 2).all()


@BOTH
@pytest.mark.parametrize(
    "datatype", ["BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "BF16", "FP32", "FP64", "BYTES"]
)
def test_every_datatype_comes_back_as_it_was(client, module, datatype):
    kinds = {"BOOL": np.bool_, "FP16": np.float16, "BF16": ml_dtypes.bfloat16, "FP32": np.float32, "FP64": np.float64}
    if datatype == "BYTES":
        values = np.array(["a", "", "\u00e9", "x" * 300], dtype=object)
    else:
        kind = kinds.get(datatype) or getattr(np, datatype.lower())
        values = np.array([[1, 0], [1, 1]], kind) if datatype == "BOOL" else np.array([[1, 100], [3, 0]], kind)
    for binary in [True] if module is grpc or datatype in ("FP16", "BF16") else [True, False]:
        one = module.InferInput("x", values.shape, datatype)
        one.set_data_from_numpy(values, **({"binary_data": binary} if module is http else {}))
        back = client.infer("echo", [one]).as_numpy("y")
        if datatype == "BYTES":
            assert [e.decode() if isinstance(e, bytes) else e for e in back.flat] == list(values.flat)
        else:
            assert back.dtype == values.dtype and (back == values).all()


@BOTH
def test_classifies(client, module):
    rows = np.array([[0.5, 3, -1, 2], [9, 8, 7, 6]], np.float32)
    one = module.InferInput("x", rows.shape, "FP32")
    one.set_data_from_numpy(rows)
    for binary in [True, False] if module is http else [True]:
        wanted = module.InferRequestedOutput("y", class_count=2, **({"binary_data": binary} if module is http else {}))
        texts = client.infer("scores", [one], outputs=[wanted]).as_numpy("y")
        assert [[e.decode() if isinstance(e, bytes) else e for e in row] for row in texts] == [
            ["3.000000:1", "2.000000:3"],
            ["9.000000:0", "8.000000:1"],
        ]


@BOTH
def test_refuses_clearly(client, module):
    with pytest.raises(InferenceServerException, match="'nope' is not available") as refused:
        client.infer("nope", pair(module, *SUMMANDS))
    assert refused.value.status() in ("404", "StatusCode.NOT_FOUND")
    with pytest.raises(InferenceServerException, match="unexpected output 'zz'"):
        client.infer("add", pair(module, *SUMMANDS), outputs=[module.InferRequestedOutput("zz")])
    with pytest.raises(InferenceServerException, match="has 1 instances"):
        client.infer("add", pair(module, [[1, 2], [3, 4]], [[1, 2]]))


@BOTH
def test_counts(client, module):
    as_json = {} if module is http else {"as_json": True}

    def successes():
        [entry] = client.get_inference_statistics("add", "1", **as_json)["model_stats"]
        stats = entry["inference_stats"]
        batches = entry.get("batch_stats", [])
        counts = {kind: int(stats[kind].get("count", 0)) for kind in ("success", "queue", "compute_input", "compute_infer", "compute_output")}
        counts["inferences"] = int(entry.get("inference_count", 0))
        counts["batched"] = sum(int(each["batch_size"]) * int(each["compute_infer"]["count"]) for each in batches)
        executions = sum(int(each["compute_infer"]["count"]) for each in batches)
        assert executions == int(entry.get("execution_count", 0))
        times = {kind: int(stats[kind].get("ns", 0)) for kind in ("success", "queue", "compute_input", "compute_infer", "compute_output")}
        return counts, times

    before, times_before = successes()
    for _ in range(3):
        client.infer("add", pair(module, *SUMMANDS))
    after, times = successes()
    requests = {"success": 3, "queue": 3, "compute_input": 3, "compute_infer": 3, "compute_output": 3}
    assert {kind: after[kind] - before[kind] for kind in after} == {**requests, "inferences": 6, "batched": 6}
    assert all(times[kind] > times_before[kind] for kind in ("success", "queue", "compute_infer"))
    # What is part of a request takes no longer than it
    parts = ("compute_input", "compute_infer", "compute_output")
    assert sum(times[kind] - times_before[kind] for kind in parts) < times["success"] - times_before["success"]
    assert {"add.predict"} <= {entry["name"] for entry in client.get_inference_statistics(**as_json)["model_stats"]}


@BOTH
def test_infers_asynchronously(client, module):
    if module is http:
        asked = [client.async_infer("add", pair(http, [[i, i]], [[1, 2]])) for i in range(8)]
        results = [one.get_result() for one in asked]
    else:
        done = queue.Queue()
        for i in range(8):
            client.async_infer("add", pair(grpc, [[i, i]], [[1, 2]]), lambda result, error: done.put((result, error)))
        answers = [done.get(timeout=30) for _ in range(8)]
        assert all(error is None for _, error in answers)
        results = sorted((result for result, _ in answers), key=lambda result: result.as_numpy("y")[0][0])
    assert [r.as_numpy("y").tolist() for r in results] == [[[i + 1, i + 2]] for i in range(8)]


def test_infers_in_asyncio():
    async def all_of(module, aio, address):
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            asked = [client.infer("add", pair(module, [[i, i]], [[1, 2]])) for i in range(8)]
            return [r.as_numpy("y").tolist() for r in await asyncio.gather(*asked)]

    expected = [[[i + 1, i + 2]] for i in range(8)]
    assert asyncio.run(all_of(http, http_aio, REST)) == expected
    assert asyncio.run(all_of(grpc, grpc_aio, GRPC)) == expected


@BOTH
def test_lists_the_repository(client, module):
    index = client.get_model_repository_index(**({} if module is http else {"as_json": True}))
    models = index if module is http else index["models"]
    assert {("add.predict", "1", "READY")} <= {(m["name"], m["version"], m["state"]) for m in models}
    with pytest.raises(InferenceServerException):
        client.load_model("add")  # not in the mode none


def test_streams_one_answer_for_each_request_in_order():
    with grpc.InferenceServerClient(GRPC) as client:
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)), compression_algorithm="gzip")
        for i in range(200):
            client.async_stream_infer("nope" if i == 50 else "add", pair(grpc, [[i, i]], [[1, 2]]), request_id=str(i))
        got = [answers.get(timeout=30) for _ in range(200)]
        client.stop_stream()
    result, error = got.pop(50)
    assert result is None and "'nope' is not available" in str(error)
    assert all(error is None for _, error in got)
    assert [result.get_response().id for result, _ in got] == [str(i) for i in range(200) if i != 50]
    assert got[7][0].as_numpy("y").tolist() == [[8, 9]]


def test_streams_in_asyncio():
    async def requests():
        for i in range(20):
            yield {"model_name": "add", "inputs": pair(grpc, [[i, i]], [[1, 2]]), "request_id": str(i)}

    async def all_answers():
        async with grpc_aio.InferenceServerClient(GRPC) as client:
            return [answer async for answer in client.stream_infer(requests())]

    got = asyncio.run(all_answers())
    assert [(error, result.get_response().id) for result, error in got] == [(None, str(i)) for i in range(20)]
    assert got[3][0].as_numpy("y").tolist() == [[4, 5]]
