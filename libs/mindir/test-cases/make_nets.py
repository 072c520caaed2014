#!/usr/bin/env python3
"""Whole nets made by MindSpore itself: exports a MindIR per class of net_cases.py and records MindSpore's own CPU output.

  python make_nets.py [NAME ...]        (needs: pip install mindspore==2.10.0 'numpy<2')

Same files as make_ops.py, in nets/. Without names, only nets that have no file yet are made.
"""
import base64, json, os, sys

import numpy as np

os.environ.setdefault("GLOG_v", "4")
import mindspore as ms  # noqa: E402
from mindspore import Parameter, Tensor  # noqa: E402

ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from net_cases import NETS, R  # noqa: E402


def flat(y):
    return [t for v in y for t in flat(v)] if isinstance(y, (tuple, list)) else [y]


def pack(a):
    a = np.asarray(a.asnumpy() if isinstance(a, Tensor) else a)
    return {"dtype": str(a.dtype), "shape": list(a.shape), "b64": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def randomise(net):
    """Weights large enough that every layer matters; variances positive."""
    for p in net.get_parameters():
        if "moving_variance" in p.name:
            p.set_data(Tensor(R.uniform(0.5, 1.5, p.shape).astype(np.float32)))
        elif p.dtype == ms.float32:
            p.set_data(Tensor(R.uniform(-0.4, 0.4, p.shape).astype(np.float32)))


def make(name, out):
    cls, inputs, dynamic, tolerance = NETS[name]
    ms.set_seed(3)
    np.random.seed(3)
    net = cls()
    net.set_train(False)
    randomise(net)
    weights = {p.name: Parameter(Tensor(p.asnumpy()), name=p.name) for p in net.get_parameters()}
    outputs = flat(net(*inputs))
    given = inputs
    if dynamic:
        given = [Tensor(shape=[None if j in dynamic[i] else d for j, d in enumerate(x.shape)], dtype=x.dtype) if i in dynamic else x for i, x in enumerate(inputs)]
        net = cls()
        net.set_train(False)
        if weights:
            ms.load_param_into_net(net, weights)
    ms.export(net, *given, file_name=os.path.join(out, name), file_format="MINDIR")
    os.chmod(os.path.join(out, name + ".mindir"), 0o644)
    recorded = {"inputs": [pack(x) for x in inputs], "outputs": [pack(t) for t in outputs], "tolerance": tolerance or {"atol": 1e-4, "rtol": 1e-4}}
    with open(os.path.join(out, name + ".json"), "w") as file:
        json.dump(recorded, file)


def main():
    out = os.path.join(HERE, "nets")
    os.makedirs(out, exist_ok=True)
    names = sys.argv[1:] or [n for n in NETS if not os.path.exists(os.path.join(out, n + ".json"))]
    for name in names:
        try:
            make(name, out)
            print("ok  ", name, flush=True)
        except Exception as e:  # noqa: BLE001
            print("FAIL", name, str(e)[:300].replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
