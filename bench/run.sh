#!/usr/bin/env bash
# Side-by-side benchmark: the baseline (bare Fastify / grpc-js + onnxruntime-node), mserve embedded and mserve as a fleet, in one run.
# The loader is the project's shared benchmark (BENCH, default ../shared/bench beside this checkout); needs wrk, ghz and Python with onnx + numpy.
#   bench/run.sh                                   all three targets
#   bench/run.sh node-fastify mserve-embedded      the baseline and one more
#   REPS=3 MODELS=tensor_add,lenet5,bert_tiny CONC=1,16,64 OUT=file.jsonl PYTHON=python3
set -euo pipefail
cd "$(dirname "$0")/.."
MSERVE=$PWD
BENCH=$(cd "${BENCH:-../shared/bench}" && pwd)
work=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/mserve/bench}
: "${MODELS:=tensor_add,lenet5,bert_tiny}" "${CONC:=1,16,64}" "${REPS:=3}" "${PYTHON:=python3}" "${OUT:=$work/results-$(date +%Y%m%d-%H%M%S).jsonl}"
PATH="${XDG_CACHE_HOME:-$HOME/.cache}/mserve/bin:$PATH"
command -v wrk >/dev/null || { echo "wrk is missing (apt-get install wrk)"; exit 1; }
command -v ghz >/dev/null || { echo "ghz is missing (go install github.com/bojand/ghz/cmd/ghz@latest)"; exit 1; }
mkdir -p "$work/models" "$work/peers"
[ -f "$work/models/lenet5.onnx" ] || "$PYTHON" "$BENCH/make_models.py" "$work/models"
[ -f "$work/models/relu600k.onnx" ] || "$PYTHON" bench/make_relu.py "$work/models"
node bench/make-servables.mjs "$work/models" "$work/servables"
ln -sfn "$MSERVE" "$work/peers/node" # the baseline takes fastify, grpc-js and onnxruntime-node from this checkout
export MODEL_DIR=$work/models SERVABLES=$work/servables PEERS=$work/peers MSERVE
T=(); for name in "${@:-node-fastify mserve-embedded mserve-fleet}"; do for n in $name; do
  f=bench/targets/$n.json; [ -f "$f" ] || f=$BENCH/targets/$n.json; T+=("$f"); done; done
python3 "$BENCH/bench.py" --baseline node-fastify --models "$MODELS" --conc "$CONC" --reps "$REPS" --out "$OUT" --targets "${T[@]}"
python3 "$BENCH/bench.py" --report "$OUT"
