#!/usr/bin/env python3
"""CPU per request of mserve beside the baseline: small JSON over REST (wrk) and a 600 KiB tensor over gRPC (ghz), each server alone on the machine for its turn.

  bench/run.sh makes the models and servables first; then
  cpu.py [--reps 3] [--conc 1,16,64]      (env as set by bench/cpu.sh)
Prints one row per point: CPU microseconds per request (user + system of the whole process tree, from /proc), requests per second, and the ratios.
"""
import argparse, os, statistics as st, sys, tempfile

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
        for model, proto in (("tensor_add", "rest"), ("lenet5", "rest"), ("relu600k", "grpc")):
            f = os.path.join(tmp, model)
            open(f, "wb").write(bench.body(model, "v2").encode() if proto == "rest" else bench.grpc_body(model))
            for c in map(int, a.conc.split(",")):
                rows = {s.name: [] for s in servers}
                for _ in range(a.reps + 1):
                    for s in servers:
                        load = (lambda s=s: bench.wrk(s.url(model), f, c, 2)) if proto == "rest" else (lambda s=s: bench.ghz(s.grpc, f, c, 2))
                        rows[s.name].append(point(s, load))
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
