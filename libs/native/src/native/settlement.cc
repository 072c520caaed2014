#include "settlement.h"

#include <cstring>

#include "words.h"

namespace mserve {

namespace {

void releaseOutput(napi_env, void*, void* hint) {
  auto* output = static_cast<OutputTensor*>(hint);
  output->drop();
  delete output;
}

/** An ArrayBuffer over the output's memory, released with it; a copy where the runtime does not allow external buffers. */
napi_value toArrayBuffer(napi_env env, OutputTensor& output) {
  napi_value buffer = nullptr;
  auto* kept = new OutputTensor(std::move(output));
  output.release = nullptr;
  if (napi_create_external_arraybuffer(env, kept->bytes, kept->byteLength, releaseOutput, kept, &buffer) == napi_ok) return buffer;
  void* copy = nullptr;
  if (napi_create_arraybuffer(env, kept->byteLength, &copy, &buffer) == napi_ok) std::memcpy(copy, kept->bytes, kept->byteLength);
  releaseOutput(env, nullptr, kept);
  return buffer;
}

napi_value copyOf(napi_env env, const uint8_t* bytes, size_t byteLength) {
  napi_value buffer = nullptr;
  void* copy = nullptr;
  if (napi_create_arraybuffer(env, byteLength, &copy, &buffer) == napi_ok && byteLength > 0) std::memcpy(copy, bytes, byteLength);
  return buffer;
}

}  // namespace

void callBack(Napi::Env env, const Napi::FunctionReference& function, std::initializer_list<napi_value> arguments) {
  napi_value self = env.Undefined();
  napi_call_function(env, self, function.Value(), arguments.size(), arguments.begin(), nullptr);
}

void SettlementWriter::useInbox(Napi::TypedArray words, Napi::TypedArray bytes) {
  wordsReference_ = Napi::Reference<Napi::TypedArray>::New(words, 1);
  bytesReference_ = Napi::Reference<Napi::TypedArray>::New(bytes, 1);
  words_ = static_cast<double*>(words.ArrayBuffer().Data()) + words.ByteOffset() / sizeof(double);
  bytes_ = static_cast<uint8_t*>(bytes.ArrayBuffer().Data()) + bytes.ByteOffset();
  wordCapacity_ = words.ElementLength();
  byteCapacity_ = bytes.ByteLength();
}

size_t SettlementWriter::wordsOf(const Run& run) const {
  size_t count = words::settledOutputs;
  for (const OutputTensor& output : run.outputs) count += words::outputDims + output.dims.size() + words::outputEnd;
  return count;
}

void SettlementWriter::add(Napi::Env env, Run& run) {
  if (!run.failure && wordsOf(run) > wordCapacity_) run.failure.set(FailureKind::Run, "an output has too many dimensions");
  const bool tooFull = wordCount_ + wordsOf(run) > wordCapacity_ || byteCount_ + run.smallBytes.size() > byteCapacity_;
  if (tooFull) flush(env);
  double* const head = words_ + wordCount_;
  wordCount_ += words::settledOutputs;
  runCount_++;
  head[words::settledSlot] = run.slot;
  head[words::settledFailureKind] = static_cast<double>(run.failure.kind);
  head[words::settledRuntimeCode] = run.failure.runtimeCode;
  head[words::settledOutputCount] = run.failure ? 0 : static_cast<double>(run.outputs.size());
  if (run.failure) {
    addExtra(env, Napi::String::New(env, run.failure.message));
    return;
  }
  int64_t smallBase = -1;
  if (run.smallBytes.size() <= byteCapacity_) {
    smallBase = static_cast<int64_t>(byteCount_);
    if (!run.smallBytes.empty()) std::memcpy(bytes_ + byteCount_, run.smallBytes.data(), run.smallBytes.size());
    byteCount_ += run.smallBytes.size();
  }
  for (OutputTensor& output : run.outputs) addOutput(env, run, output, smallBase);
}

void SettlementWriter::addOutput(Napi::Env env, Run& run, OutputTensor& output, int64_t smallBase) {
  double* const head = words_ + wordCount_;
  head[words::outputType] = static_cast<double>(output.type);
  head[words::outputRank] = static_cast<double>(output.dims.size());
  double* tail = head + words::outputDims;
  for (int64_t dim : output.dims) *tail++ = static_cast<double>(dim);
  tail[words::outputByteLength] = static_cast<double>(output.byteLength);
  wordCount_ += words::outputDims + output.dims.size() + words::outputEnd;
  if (output.isSmall && smallBase >= 0) {
    tail[words::outputPlace] = static_cast<double>(smallBase) + static_cast<double>(output.smallOffset);
    return;
  }
  tail[words::outputPlace] = -1;
  addExtra(env, output.isSmall ? copyOf(env, run.smallBytes.data() + output.smallOffset, output.byteLength) : toArrayBuffer(env, output));
}

void SettlementWriter::addExtra(Napi::Env env, napi_value extra) {
  if (extras_ == nullptr) napi_create_array(env, &extras_);
  napi_set_element(env, extras_, extraCount_++, extra);
}

void SettlementWriter::flush(Napi::Env env) {
  if (runCount_ == 0) return;
  const napi_value extras = extras_ == nullptr ? static_cast<napi_value>(env.Undefined()) : extras_;
  const napi_value count = Napi::Number::New(env, runCount_);
  wordCount_ = 0;
  byteCount_ = 0;
  runCount_ = 0;
  extraCount_ = 0;
  extras_ = nullptr;
  callBack(env, onSettled_, {count, extras});
}

}  // namespace mserve
