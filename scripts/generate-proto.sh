#!/usr/bin/env bash
# Regenerates libs/wire/src/gen from proto/. Needs protoc (Debian: protobuf-compiler) and fetches ts-proto with npx;
# the output is committed, so nobody needs either to build. libs/wire/src/gen.spec.ts fails when proto/ changed and this was not run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || { echo "protoc is missing (apt-get install protobuf-compiler)"; exit 1; }
out=libs/wire/src/gen
tool=${TMPDIR:-/tmp}/mserve-ts-proto
[ -x "$tool/node_modules/.bin/protoc-gen-ts_proto" ] || npm install --no-save --prefix "$tool" ts-proto@2.18.0 >/dev/null
rm -rf "$out"; mkdir -p "$out"
options=esModuleInterop=true,importSuffix=.js,outputServices=none,outputJsonMethods=false,outputPartialMethods=false,oneof=unions-value,useOptionals=none,enumsAsLiterals=true
generate() { # $1 = how 64-bit integers appear, then files
  local long=$1; shift
  protoc --plugin="$tool/node_modules/.bin/protoc-gen-ts_proto" -I proto --ts_proto_out="$out" --ts_proto_opt="$options,forceLong=$long" "$@"
}
# Public protocols carry tensor values in 64-bit fields (exact: bigint); our own bus carries only counts, ids and dims (number).
generate bigint mindspore_serving/proto/ms_service.proto inference/grpc_service.proto
generate number mserve/bus/v1/dispatch.proto
(cd proto && find . -name '*.proto' | LC_ALL=C sort | xargs sha256sum) > "$out/SOURCES.sha256"
