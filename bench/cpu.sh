#!/usr/bin/env bash
# CPU per request of the baseline, mserve embedded and mserve as a fleet; see cpu.py. Run bench/run.sh once before: it makes the models.
set -euo pipefail
cd "$(dirname "$0")/.."
export MSERVE=$PWD BENCH=$(cd "${BENCH:-../shared/bench}" && pwd)
work=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/mserve/bench}
export MODEL_DIR=$work/models SERVABLES=$work/servables PEERS=$work/peers PATH="${XDG_CACHE_HOME:-$HOME/.cache}/mserve/bin:$PATH"
python3 bench/cpu.py --targets "$BENCH/targets/node-fastify.json" bench/targets/mserve-embedded.json bench/targets/mserve-fleet.json "$@"
