#include "native_session.h"

#include "backend_registry.h"
#include "open_request.h"
#include "words.h"

namespace mserve {

namespace {

Napi::Object toObject(Napi::Env env, const ValueDescription& value) {
  Napi::Object object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, value.name);
  object["type"] = Napi::Number::New(env, static_cast<int>(value.type));
  object["hasShape"] = Napi::Boolean::New(env, value.hasShape);
  Napi::Array dims = Napi::Array::New(env, value.dims.size());
  Napi::Array dimNames = Napi::Array::New(env, value.dims.size());
  for (uint32_t i = 0; i < value.dims.size(); i++) {
    dims[i] = Napi::Number::New(env, static_cast<double>(value.dims[i]));
    dimNames[i] = Napi::String::New(env, value.dimNames[i]);
  }
  object["shape"] = dims;
  object["dimNames"] = dimNames;
  object["isUnzipped"] = Napi::Boolean::New(env, value.isUnzipped);
  object["position"] = Napi::Number::New(env, value.position);
  return object;
}

Napi::Array toArray(Napi::Env env, const std::vector<ValueDescription>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array[i] = toObject(env, values[i]);
  return array;
}

size_t elementBytes(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

Napi::Function NativeSession::define(Napi::Env env) {
  return DefineClass(env, "NativeSession",
                     {InstanceMethod("describe", &NativeSession::describe), InstanceMethod("outbox", &NativeSession::outbox),
                      InstanceMethod("submit", &NativeSession::submit), InstanceMethod("cancel", &NativeSession::cancel),
                      InstanceMethod("close", &NativeSession::close)});
}

NativeSession::NativeSession(const Napi::CallbackInfo& call)
    : Napi::ObjectWrap<NativeSession>(call), connection_(*call[0].As<Napi::External<Connection>>().Data()) {
  OpenRequest request;
  if (connection_.hasEnded()) {
    Napi::Error::New(call.Env(), "the process is ending").ThrowAsJavaScriptException();
    return;
  }
  if (!readOpenRequest(call.Env(), call[2], request)) return;
  const NativeSession* source = call[3].IsObject() ? Unwrap(call[3].As<Napi::Object>()) : nullptr;
  core_ = connection_.createSession(call[1].As<Napi::Number>().Uint32Value());
  connection_.expectReport();
  try {
    if (source == nullptr) {
      SeatRequest seats = request.seats;
      core_->start(std::move(seats), [request = std::move(request)](LoadCancellation& cancellation, Failure& failure) {
        Backend* backend = findBackend(request.device, failure);
        return backend == nullptr ? nullptr : std::shared_ptr<BackendSession>(backend->open(request, cancellation, failure));
      });
    } else {
      core_->start(std::move(request.seats), [model = source->core_->model()](LoadCancellation&, Failure&) { return model; });
    }
  } catch (const std::exception& error) {  // no thread to be had
    connection_.dropSession(*core_);
    core_.reset();
    Napi::Error::New(call.Env(), std::string("cannot start a thread: ") + error.what()).ThrowAsJavaScriptException();
  }
}

/** Collected without close(): nothing can be in hand, its table entry would have kept it. The threads end by themselves. */
NativeSession::~NativeSession() {
  if (core_ != nullptr && !closed_) core_->close();
}

Napi::Value NativeSession::describe(const Napi::CallbackInfo& call) {
  Napi::Object object = Napi::Object::New(call.Env());
  object["inputs"] = toArray(call.Env(), core_->description().inputs);
  object["outputs"] = toArray(call.Env(), core_->description().outputs);
  object["maxBatch"] = Napi::Number::New(call.Env(), static_cast<double>(core_->description().maxBatch));
  object["defaults"] = toArray(call.Env(), core_->description().defaults);
  const std::vector<UnusableValue>& unusable = core_->description().unusable;
  Napi::Array reasons = Napi::Array::New(call.Env(), unusable.size());
  for (uint32_t i = 0; i < unusable.size(); i++) reasons[i] = Napi::String::New(call.Env(), unusable[i].reason);
  object["unusable"] = reasons;
  object["hasClassicOperators"] = Napi::Boolean::New(call.Env(), core_->description().hasClassicOperators);
  return object;
}

Napi::Value NativeSession::outbox(const Napi::CallbackInfo& call) {
  Napi::TypedArray words = call[0].As<Napi::TypedArray>();
  outboxReference_ = Napi::Reference<Napi::TypedArray>::New(words, 1);
  outbox_ = static_cast<const double*>(words.ArrayBuffer().Data()) + words.ByteOffset() / sizeof(double);
  outboxLength_ = words.ElementLength();
  return call.Env().Undefined();
}

Napi::Value NativeSession::submit(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  if (closed_ || outbox_ == nullptr || connection_.hasEnded()) {
    Napi::Error::New(env, "the session is closed").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::unique_ptr<Run> run = connection_.takeRun();
  run->slot = static_cast<uint32_t>(outbox_[words::submittedSlot]);
  const int64_t limitNs = static_cast<int64_t>(outbox_[words::submittedInlineBelowUs] * 1000);
  const double* word = outbox_ + words::submittedInputs;
  run->inputs.resize(call.Length());
  for (size_t i = 0; i < call.Length(); i++) {
    if (!addInput(env, *run, i, call[i], word)) {
      Napi::TypeError::New(env, "input " + std::to_string(i) + " is not a typed array").ThrowAsJavaScriptException();
      return env.Undefined();
    }
  }
  if (core_->tryInline(*run, connection_.isIdle(), limitNs)) {
    connection_.settleNow(std::move(run));
    return Napi::Boolean::New(env, true);
  }
  connection_.expectReport();
  core_->submit(std::move(run));
  return Napi::Boolean::New(env, false);
}

bool NativeSession::addInput(Napi::Env env, Run& run, size_t index, napi_value view, const double*& word) {
  InputTensor& input = run.inputs[index];
  const double* const end = outbox_ + outboxLength_;
  if (word >= end) return false;
  input.isAbsent = *word < 0;
  if (input.isAbsent) {
    word++;
    input.dims.clear();
    input.bytes = nullptr;
    input.byteLength = 0;
    return true;
  }
  if (word + 1 + static_cast<size_t>(*word) > end) return false;
  const size_t rank = static_cast<size_t>(*word++);
  input.dims.resize(rank);
  for (size_t axis = 0; axis < rank; axis++) input.dims[axis] = static_cast<int64_t>(*word++);
  napi_typedarray_type type;
  size_t length = 0;
  if (napi_get_typedarray_info(env, view, &type, &length, &input.bytes, nullptr, nullptr) != napi_ok) return false;
  input.byteLength = length * elementBytes(type);
  return true;
}

Napi::Value NativeSession::cancel(const Napi::CallbackInfo& call) {
  core_->cancel(call[0].As<Napi::Number>().Uint32Value());
  return call.Env().Undefined();
}

Napi::Value NativeSession::close(const Napi::CallbackInfo& call) {
  if (closed_ || connection_.hasEnded()) return call.Env().Undefined();
  connection_.expectClosed(*core_);
  core_->close();
  closed_ = true;
  return call.Env().Undefined();
}

}  // namespace mserve
