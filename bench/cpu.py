#!/usr/bin/env python3
"""CPU per request of mserve beside the baseline: small JSON over REST (wrk), a 600 KiB tensor over gRPC (ghz) and over REST with the binary extension (wrk).
Each server is alone on the machine for its turn. The baseline does not know the binary extension: what it costs over gRPC stands beside ours over REST.

  bench/run.sh makes the models and servables first; then
  cpu.py [--reps 3] [--conc 1,16,64]      (env as set by bench/cpu.sh)
Prints one row per point: CPU microseconds per request (user + system of the whole process tree, from /proc), requests per second, and the ratios.
"""
import argparse, json, os, statistics as st, struct, subprocess, sys, tempfile

sys.path.insert(0, os.environ["BENCH"])
import bench  # noqa: E402

bench.MODELS["relu600k"] = ([("x", "FP32", [1, 3, 224, 224])], 2)
TICK = os.sysconf("SC_CLK_TCK")


def cpu_us(server):
    total = 0
    for pid in bench.procs_of(server.p.pid):
        try:
            f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += int(f[11]) + int(f[12])
        except OSError:
            pass
    return total * 1e6 / TICK


def point(server, load):
    server.go()
    before = cpu_us(server)
    r = load()
    used = cpu_us(server) - before
    server.hold()
    return used / max(r["n"], 1), r["rps"], r["bad"]


def binary_body(model):
    """(JSON, tensors) of a request with the binary extension, both ways."""
    inputs, tensors = [], b""
    for name, dtype, shape in bench.MODELS[model][0]:
        values = bench.data(name, dtype, shape)
        content = struct.pack("<%d%s" % (len(values), "q" if dtype == "INT64" else "f"), *values)
        inputs.append({"name": name, "datatype": dtype, "shape": shape, "parameters": {"binary_data_size": len(content)}})
        tensors += content
    return json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode(), tensors


def wrk_binary(url, bodyfile, json_bytes, conc, secs):
    here = os.path.dirname(os.path.abspath(__file__))
    env = dict(os.environ, BODY=bodyfile, JSON_BYTES=str(json_bytes))
    out = subprocess.run(["wrk", "-t1", f"-c{conc}", f"-d{secs}s", "--timeout", "30s", "-s", os.path.join(here, "post-binary.lua"), url],
                         env=env, capture_output=True, text=True, timeout=secs + 120)
    d = json.loads([line for line in out.stdout.splitlines() if line.startswith("{")][-1])
    return {"rps": (d["n"] - d["bad"]) / d["secs"], "n": d["n"], "bad": d["bad"] + d["sock"]}


def loads_of(model, proto, tmp):
    """What is done to the baseline, and to the others: functions of server and concurrency."""
    f = os.path.join(tmp, model + proto)
    if proto == "rest":
        open(f, "wb").write(bench.body(model, "v2").encode())
        load = lambda s, c: bench.wrk(s.url(model), f, c, 2)
        return load, load
    open(f, "wb").write(bench.grpc_body(model))
    grpc = lambda s, c: bench.ghz(s.grpc, f, c, 2)
    if proto == "grpc":
        return grpc, grpc
    head, tensors = binary_body(model)
    open(f + "b", "wb").write(head + tensors)
    return grpc, lambda s, c: wrk_binary(s.url(model), f + "b", len(head), c, 2)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--reps", type=int, default=3)
    a.add_argument("--conc", default="1,16,64")
    a.add_argument("--targets", nargs="+", required=True)
    a = a.parse_args()
    models = ["tensor_add", "lenet5", "relu600k"]
    os.environ["MODELS"] = ",".join(models)
    servers = [bench.Server(t) for t in a.targets]
    try:
        for s in servers:
            s.start(models)
            s.hold()
        tmp = tempfile.mkdtemp()
        for model, proto in (("tensor_add", "rest"), ("lenet5", "rest"), ("relu600k", "grpc"), ("relu600k", "rest-binary")):
            of_baseline, of_others = loads_of(model, proto, tmp)
            for c in map(int, a.conc.split(",")):
                rows = {s.name: [] for s in servers}
                for _ in range(a.reps + 1):
                    for s in servers:
                        load = of_baseline if s is servers[0] else of_others
                        rows[s.name].append(point(s, lambda s=s: load(s, c)))
                base = rows[servers[0].name][1:]
                for s in servers:
                    v = rows[s.name][1:]  # the first round warms up
                    med = lambda k: st.median(x[k] for x in v)
                    cpu = st.median(b[0] / x[0] for b, x in zip(base, v))
                    rps = st.median(x[1] / b[1] for b, x in zip(base, v))
                    print(f"{model}|{proto}|c={c}|{s.name}|{med(0):.0f} us CPU|{med(1):.0f} rps|CPU {cpu:.2f}x less|{rps:.2f}x rps|bad {sum(x[2] for x in v)}", flush=True)
    finally:
        for s in servers:
            s.stop()


if __name__ == "__main__":
    main()
