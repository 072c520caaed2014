#include "native_slab.h"

#include <string>
#include <utility>

namespace mserve {

namespace {

uint64_t wholeOf(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()); }

/** Keeps the memory of a buffer mapped, and what is read in place, until JavaScript is done with it. */
struct Lent {
  std::shared_ptr<slab::SlabOwner> owner;
  std::shared_ptr<slab::SlabReader> reader;
  uint32_t slot = 0;
};

void giveUp(napi_env, void*, void* hint) {
  auto* lent = static_cast<Lent*>(hint);
  if (lent->reader != nullptr) lent->reader->release(lent->slot);
  delete lent;
}

/** Null when JavaScript takes no memory of others: then nothing is lent. */
napi_value lend(napi_env env, const uint8_t* bytes, size_t length, Lent lent) {
  napi_value buffer = nullptr;
  auto* kept = new Lent(std::move(lent));
  if (napi_create_external_arraybuffer(env, const_cast<uint8_t*>(bytes), length, giveUp, kept, &buffer) == napi_ok) return buffer;
  giveUp(env, nullptr, kept);
  return nullptr;
}

Napi::Value valueOf(Napi::Env env, napi_value value) { return value == nullptr ? env.Undefined() : Napi::Value(env, value); }

}  // namespace

Napi::Function NativeSlab::define(Napi::Env env) {
  return DefineClass(env, "NativeSlab",
                     {
                         InstanceMethod<&NativeSlab::place>("place"),
                         InstanceMethod<&NativeSlab::free>("free"),
                         InstanceMethod<&NativeSlab::used>("used"),
                         InstanceMethod<&NativeSlab::close>("close"),
                     });
}

NativeSlab::NativeSlab(const Napi::CallbackInfo& call) : Napi::ObjectWrap<NativeSlab>(call) {
  std::string why;
  owner_ = slab::SlabOwner::make(wholeOf(call[0]), wholeOf(call[1]), wholeOf(call[2]), why);
  if (owner_ == nullptr) Napi::Error::New(call.Env(), why).ThrowAsJavaScriptException();
}

Napi::Value NativeSlab::place(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (owner_ == nullptr) return env.Undefined();
  const uint64_t length = wholeOf(call[0]);
  const auto placed = owner_->place(length);
  if (!placed) return env.Undefined();
  const napi_value buffer = lend(env, placed->bytes, length, {owner_, nullptr, 0});
  if (buffer == nullptr) {
    owner_->free(placed->slot, placed->generation);
    return env.Undefined();
  }
  auto words = call[1].As<Napi::Float64Array>();
  words[0] = placed->slot;
  words[1] = static_cast<double>(placed->generation);
  return Napi::Value(env, buffer);
}

Napi::Value NativeSlab::free(const Napi::CallbackInfo& call) {
  napi_detach_arraybuffer(call.Env(), call[2]);
  if (owner_ != nullptr) owner_->free(static_cast<uint32_t>(wholeOf(call[0])), wholeOf(call[1]));
  return call.Env().Undefined();
}

Napi::Value NativeSlab::used(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), owner_ == nullptr ? 0 : static_cast<double>(owner_->usedBytes()));
}

Napi::Value NativeSlab::close(const Napi::CallbackInfo& call) {
  owner_.reset();
  return call.Env().Undefined();
}

/** On a thread of the pool: the owner may be slow. */
class NativeSlabReader::Opening : public Napi::AsyncWorker {
 public:
  Opening(NativeSlabReader& reader, uint64_t slab, uint64_t token, int timeoutMs, const Napi::Function& done)
      : Napi::AsyncWorker(done), reader_(reader), slab_(slab), token_(token), timeoutMs_(timeoutMs) {
    reader_.Ref();
  }

  void Execute() override { opened_ = slab::SlabReader::open(slab_, token_, timeoutMs_); }

  void OnOK() override {
    reader_.reader_ = std::move(opened_);
    reader_.Unref();
    Callback().Call({Napi::Boolean::New(Env(), reader_.reader_ != nullptr)});
  }

 private:
  NativeSlabReader& reader_;
  const uint64_t slab_;
  const uint64_t token_;
  const int timeoutMs_;
  std::shared_ptr<slab::SlabReader> opened_;
};

Napi::Function NativeSlabReader::define(Napi::Env env) {
  return DefineClass(env, "NativeSlabReader",
                     {
                         InstanceMethod<&NativeSlabReader::open>("open"),
                         InstanceMethod<&NativeSlabReader::read>("read"),
                         InstanceMethod<&NativeSlabReader::isGone>("isGone"),
                     });
}

Napi::Value NativeSlabReader::open(const Napi::CallbackInfo& call) {
  const int timeoutMs = static_cast<int>(wholeOf(call[2]));
  (new Opening(*this, wholeOf(call[0]), wholeOf(call[1]), timeoutMs, call[3].As<Napi::Function>()))->Queue();
  return call.Env().Undefined();
}

Napi::Value NativeSlabReader::read(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (reader_ == nullptr) return env.Undefined();
  const uint64_t slot = wholeOf(call[0]);
  const uint64_t length = wholeOf(call[3]);
  const uint8_t* bytes = slot < slab::kSlots ? reader_->acquire(static_cast<uint32_t>(slot), wholeOf(call[1]), wholeOf(call[2]), length) : nullptr;
  if (bytes == nullptr) return env.Undefined();
  return valueOf(env, lend(env, bytes, length, {nullptr, reader_, static_cast<uint32_t>(slot)}));
}

Napi::Value giveBack(const Napi::CallbackInfo& call) {
  napi_detach_arraybuffer(call.Env(), call[0]);
  return call.Env().Undefined();
}

Napi::Value NativeSlabReader::isGone(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), reader_ == nullptr || reader_->isOwnerGone());
}

}  // namespace mserve
