#include "native_rank.h"

#include <algorithm>
#include <cstring>

#include "native_session.h"
#include "words.h"

namespace mserve {

namespace {

struct View {
  uint8_t* bytes = nullptr;
  size_t byteLength = 0;

  const double* words() const { return reinterpret_cast<const double*>(bytes); }
  size_t wordCount() const { return byteLength / sizeof(double); }
};

View viewOf(Napi::Value value) {
  Napi::TypedArray array = value.As<Napi::TypedArray>();
  return {static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

int64_t deadlineAfter(double ms) {
  constexpr double kLongestMs = 1e12;
  return rank::nowNs() + static_cast<int64_t>(std::min(ms, kLongestMs) * 1e6);
}

}  // namespace

Napi::Function NativeRank::define(Napi::Env env) {
  return DefineClass(env, "NativeRank",
                     {InstanceMethod("port", &NativeRank::port), InstanceMethod("form", &NativeRank::form), InstanceMethod("run", &NativeRank::run),
                      InstanceMethod("expire", &NativeRank::expire), InstanceMethod("abort", &NativeRank::abort), InstanceMethod("close", &NativeRank::close)});
}

NativeRank::NativeRank(const Napi::CallbackInfo& call) : Napi::ObjectWrap<NativeRank>(call), connection_(*call[0].As<Napi::External<Connection>>().Data()) {
  rank_ = call[1].As<Napi::Number>().Uint32Value();
  Failure failure;
  if (open(call, failure)) return;
  Napi::Error error = Napi::Error::New(call.Env(), failure.message);
  error.Set("failureKind", Napi::Number::New(call.Env(), static_cast<int>(failure.kind)));
  error.ThrowAsJavaScriptException();
}

bool NativeRank::open(const Napi::CallbackInfo& call, Failure& failure) {
  rank::Program program;
  if (connection_.hasEnded() || !readProgram(call, program)) {
    failure.set(FailureKind::Load, connection_.hasEnded() ? "the process is ending" : "the program's numbers are not those of a program");
    return false;
  }
  auto core = std::make_shared<rank::RankCore>(rank_, std::move(program), connection_);
  const bool usesNccl = call[7].IsNumber();
  if (usesNccl && !core->useNccl(call[7].As<Napi::Number>().Int32Value(), call[8].As<Napi::String>().Utf8Value(), call[9].As<Napi::String>().Utf8Value(), failure)) return false;
  const rank::Endpoint endpoint{call[2].As<Napi::String>().Utf8Value(), static_cast<uint16_t>(call[3].As<Napi::Number>().Uint32Value())};
  if (!core->start(endpoint, failure)) return false;
  core_ = std::move(core);
  connection_.addRank(core_);
  return true;
}

/** Collected without close(): nothing can be in hand, its table entry would have kept it. */
NativeRank::~NativeRank() {
  if (core_ == nullptr) return;
  if (!closed_) core_->abandon();
  core_->join();
}

bool NativeRank::readProgram(const Napi::CallbackInfo& call, rank::Program& program) {
  Napi::Array sessions = call[5].As<Napi::Array>();
  for (uint32_t i = 0; i < sessions.Length(); i++) program.sessions.push_back(NativeSession::Unwrap(sessions.Get(i).As<Napi::Object>())->model());
  const View words = viewOf(call[4]);
  if (!rank::readProgram(words.words(), words.wordCount(), rank_, program)) return false;
  Napi::Array constants = call[6].As<Napi::Array>();
  if (constants.Length() != program.constants.size()) return false;
  for (uint32_t i = 0; i < constants.Length(); i++) {
    const View bytes = viewOf(constants.Get(i));
    program.constants[i].second.bytes = bytes.bytes;
    program.constants[i].second.byteLength = bytes.byteLength;
  }
  return true;
}

std::unique_ptr<Run> NativeRank::takeRun(uint32_t slot) {
  std::unique_ptr<Run> run = connection_.takeRun();
  run->slot = slot;
  run->inputs.clear();
  run->outputs.clear();
  connection_.expectReport();
  return run;
}

Napi::Value NativeRank::port(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), core_->endpoint().port); }

Napi::Value NativeRank::form(const Napi::CallbackInfo& call) {
  if (!isUsable()) {
    Napi::Error::New(call.Env(), "the rank is closed").ThrowAsJavaScriptException();
    return call.Env().Undefined();
  }
  const double* const words = viewOf(call[1]).words();
  Napi::Array addresses = call[2].As<Napi::Array>();
  const View proofs = viewOf(call[3]);
  const uint32_t size = addresses.Length();
  rank::FormationRequest request;
  request.epoch = static_cast<uint64_t>(words[words::formedEpoch]);
  request.rank = rank_;
  request.deadlineNs = deadlineAfter(words[words::formedDeadlineMs]);
  request.sharesMemory = words[words::formedSharesMemory] != 0;
  request.endpoints.resize(size);
  request.shown.resize(size);
  request.expected.resize(size);
  for (uint32_t i = 0; i < size; i++) {
    request.endpoints[i] = {addresses.Get(i).As<Napi::String>().Utf8Value(), static_cast<uint16_t>(words[words::formedPorts + i])};
    std::memcpy(request.shown[i].data(), proofs.bytes + i * sizeof(rank::Proof), sizeof(rank::Proof));
    std::memcpy(request.expected[i].data(), proofs.bytes + (size + i) * sizeof(rank::Proof), sizeof(rank::Proof));
  }
  core_->form(takeRun(call[0].As<Napi::Number>().Uint32Value()), std::move(request));
  return call.Env().Undefined();
}

Napi::Value NativeRank::run(const Napi::CallbackInfo& call) {
  if (!isUsable()) {
    Napi::Error::New(call.Env(), "the rank is closed").ThrowAsJavaScriptException();
    return call.Env().Undefined();
  }
  const double* const words = viewOf(call[0]).words();
  std::unique_ptr<Run> run = takeRun(static_cast<uint32_t>(words[words::batchSlot]));
  const double* word = words + words::batchInputs;
  run->inputs.resize(call.Length() - 1);
  for (size_t i = 0; i < run->inputs.size(); i++) {
    InputTensor& input = run->inputs[i];
    input.dims.resize(static_cast<size_t>(*word++));
    for (int64_t& dim : input.dims) dim = static_cast<int64_t>(*word++);
    const View bytes = viewOf(call[i + 1]);
    input.bytes = bytes.bytes;
    input.byteLength = bytes.byteLength;
  }
  core_->execute(std::move(run), static_cast<uint64_t>(words[words::batchNumber]), words[words::batchWantsResults] != 0, deadlineAfter(words[words::batchDeadlineMs]));
  return call.Env().Undefined();
}

Napi::Value NativeRank::expire(const Napi::CallbackInfo& call) {
  if (isUsable()) core_->expire(call[0].As<Napi::Number>().Uint32Value());
  return call.Env().Undefined();
}

Napi::Value NativeRank::abort(const Napi::CallbackInfo& call) {
  if (isUsable()) core_->abort(call[0].As<Napi::String>().Utf8Value());
  return call.Env().Undefined();
}

Napi::Value NativeRank::close(const Napi::CallbackInfo& call) {
  if (!isUsable()) return Napi::Boolean::New(call.Env(), false);
  core_->close(takeRun(call[0].As<Napi::Number>().Uint32Value()));
  closed_ = true;
  return Napi::Boolean::New(call.Env(), true);
}

}  // namespace mserve
