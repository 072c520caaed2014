"""upstream_calls.py ADDRESS [CA [CERTIFICATE KEY]]: the original's own client against a server that serves `kit`, version 1.

Over TLS with a CA (`-`: that of the system), with a client certificate where one is given. Prints what each call gave as JSON.
"""
import json
import sys

import numpy as np
from mindspore_serving.client import Client, SSLConfig

address, *tls = sys.argv[1:]
ca = tls[0] if tls else None
pair = {"certificate": tls[1], "private_key": tls[2]} if len(tls) > 1 else {}
ssl = {"ssl_config": SSLConfig(custom_ca=None if ca == "-" else ca, **pair)} if tls else {}


def client(method, servable="kit", version=0):
    return Client(address, servable, method, version_number=version, **ssl)


def plain(value):
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


kinds = [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32, np.float64]
passthrough = client("passthrough")
arrays = [np.array([[0, 1], [1, 0]], kind) for kind in kinds]
back = passthrough.infer([{"x": array} for array in arrays])
if isinstance(back, dict):
    print(json.dumps(back))  # no connection
    sys.exit()
same = all(one["y"].dtype == array.dtype and (one["y"] == array).all() for one, array in zip(back, arrays))
large = np.arange(300_000, dtype=np.float32).reshape(3, -1)
later = [passthrough.infer_async({"x": np.array([i])}) for i in range(8)]
print(json.dumps({
    "every dtype": same and len(back) == len(kinds),
    "text": plain(passthrough.infer({"x": "h\u00e9"})),
    "bytes": plain(passthrough.infer({"x": b"\x00\xff"})),
    "int, float, bool": [plain(passthrough.infer({"x": x})) for x in (3, 0.5, True)],
    "a megabyte": bool((passthrough.infer({"x": large})[0]["y"] == large).all()),
    "async": [one.result()[0]["y"].tolist() for one in later],
    "version 1": plain(client("passthrough", version=1).infer({"x": "v"})),
    "no version 7": plain(client("passthrough", version=7).infer({"x": "v"})),
    "no servable": plain(client("passthrough", "nope").infer({"x": "v"})),
    "no method": plain(client("nope").infer({"x": "v"})),
    "no input": plain(passthrough.infer([{"x": "v"}, {"z": "v"}])),
}))
