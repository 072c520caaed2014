#include "native_rings.h"

#include <string>
#include <utility>

namespace mserve {

namespace {

uint64_t wholeOf(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()); }

constexpr size_t kHeadWords = 2;
constexpr size_t kEventWords = 4;

}  // namespace

/**
 * Where a hub meets the event loop. Before the loop waits (prepare) writers are told to wake it; after it has (check) it looks by itself, so that they need not while JavaScript runs. What came meanwhile keeps it
 * from waiting (idle).
 */
struct NativeRings::Turns {
  static Turns* make(Napi::Env env, std::unique_ptr<ring::RingHub> hub, Napi::Function onNews);
  void close();

  static void onPrepare(uv_prepare_t* handle) {
    auto* self = static_cast<Turns*>(handle->data);
    if (self->hub->sleep()) uv_idle_start(&self->idle, [](uv_idle_t*) {});
  }
  static void onCheck(uv_check_t* handle) {
    auto* self = static_cast<Turns*>(handle->data);
    self->hub->wake();
    uv_idle_stop(&self->idle);
    if (self->hub->hasNews()) self->tell();
  }
  static void onWakeUp(uv_poll_t* handle, int, int) { slab::clear(static_cast<Turns*>(handle->data)->hub->wakeUps()); }
  static void onClosed(uv_handle_t* handle) {
    auto* self = static_cast<Turns*>(handle->data);
    if (--self->open > 0) return;
    if (self->hook != nullptr) napi_remove_async_cleanup_hook(self->hook);
    delete self;
  }
  static void onEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) { static_cast<Turns*>(data)->close(); }

  void tell() {
    const Napi::HandleScope scope(news.Env());
    const Napi::Env env = news.Env();
    news.MakeCallback(env.Global(), {}, context);
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }

  Turns(Napi::Env env, std::unique_ptr<ring::RingHub> made, Napi::Function onNews)
      : hub(std::move(made)), news(Napi::Persistent(onNews)), context(env, "mserve.rings") {}

  std::unique_ptr<ring::RingHub> hub;
  Napi::FunctionReference news;
  Napi::AsyncContext context;
  napi_async_cleanup_hook_handle hook = nullptr;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;
  uv_poll_t poll;
  int open = 0;
  bool isClosing = false;
};

NativeRings::Turns* NativeRings::Turns::make(Napi::Env env, std::unique_ptr<ring::RingHub> hub, Napi::Function onNews) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* turns = new Turns(env, std::move(hub), onNews);
  if (uv_poll_init(loop, &turns->poll, turns->hub->wakeUps().number()) != 0) {
    delete turns;
    return nullptr;
  }
  uv_prepare_init(loop, &turns->prepare);
  uv_check_init(loop, &turns->check);
  uv_idle_init(loop, &turns->idle);
  turns->prepare.data = turns->check.data = turns->idle.data = turns->poll.data = turns;
  turns->open = 4;
  uv_poll_start(&turns->poll, UV_READABLE, onWakeUp);
  uv_prepare_start(&turns->prepare, onPrepare);
  // The latest check is the first to be called: what is read here goes along with what the turn sends
  uv_check_start(&turns->check, onCheck);
  // The rings keep no process alive
  for (auto* handle : {reinterpret_cast<uv_handle_t*>(&turns->poll), reinterpret_cast<uv_handle_t*>(&turns->prepare),
                       reinterpret_cast<uv_handle_t*>(&turns->check), reinterpret_cast<uv_handle_t*>(&turns->idle)})
    uv_unref(handle);
  napi_add_async_cleanup_hook(env, onEnvironmentEnd, turns, &turns->hook);
  return turns;
}

void NativeRings::Turns::close() {
  if (std::exchange(isClosing, true)) return;
  uv_idle_stop(&idle);
  uv_prepare_stop(&prepare);
  uv_check_stop(&check);
  uv_poll_stop(&poll);
  for (auto* handle : {reinterpret_cast<uv_handle_t*>(&poll), reinterpret_cast<uv_handle_t*>(&prepare), reinterpret_cast<uv_handle_t*>(&check),
                       reinterpret_cast<uv_handle_t*>(&idle)})
    uv_close(handle, onClosed);
}

Napi::Function NativeRings::define(Napi::Env env) {
  return DefineClass(env, "NativeRings",
                     {
                         InstanceMethod<&NativeRings::offer>("offer"),
                         InstanceMethod<&NativeRings::begin>("begin"),
                         InstanceMethod<&NativeRings::shut>("shut"),
                         InstanceMethod<&NativeRings::read>("read"),
                         InstanceMethod<&NativeRings::open>("open"),
                         InstanceMethod<&NativeRings::write>("write"),
                         InstanceMethod<&NativeRings::taken>("taken"),
                         InstanceMethod<&NativeRings::leave>("leave"),
                         InstanceMethod<&NativeRings::close>("close"),
                     });
}

NativeRings::NativeRings(const Napi::CallbackInfo& call) : Napi::ObjectWrap<NativeRings>(call) {
  std::string why = "no event loop";
  auto hub = ring::RingHub::make(wholeOf(call[0]), why);
  if (hub != nullptr) turns_ = Turns::make(call.Env(), std::move(hub), call[1].As<Napi::Function>());
  if (turns_ == nullptr) Napi::Error::New(call.Env(), why).ThrowAsJavaScriptException();
}

Napi::Value NativeRings::offer(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), turns_ != nullptr && turns_->hub->offer(wholeOf(call[0])));
}

Napi::Value NativeRings::begin(const Napi::CallbackInfo& call) {
  return Napi::Boolean::New(call.Env(), turns_ != nullptr && turns_->hub->begin(wholeOf(call[0])));
}

Napi::Value NativeRings::shut(const Napi::CallbackInfo& call) {
  if (turns_ != nullptr) turns_->hub->close(wholeOf(call[0]));
  return call.Env().Undefined();
}

Napi::Value NativeRings::read(const Napi::CallbackInfo& call) {
  auto bytes = call[0].As<Napi::Uint8Array>();
  auto words = call[1].As<Napi::Float64Array>();
  double* const word = words.Data();
  events_.clear();
  ring::RingHub::Room room = {bytes.Data(), bytes.ByteLength(), 0, 0, (words.ElementLength() - kHeadWords) / kEventWords};
  word[0] = turns_ == nullptr || turns_->hub->read(room, events_) ? 1 : 0;
  word[1] = static_cast<double>(room.missing);
  double* at = word + kHeadWords;
  for (const ring::Event& event : events_) {
    *at++ = event.kind;
    *at++ = static_cast<double>(event.number);
    *at++ = static_cast<double>(event.offset);
    *at++ = static_cast<double>(event.length);
  }
  return Napi::Number::New(call.Env(), static_cast<double>(events_.size()));
}

/** On a thread of the pool: the other process may be slow. */
class NativeRings::Opening : public Napi::AsyncWorker {
 public:
  Opening(NativeRings& rings, const Napi::CallbackInfo& call)
      : Napi::AsyncWorker(call[4].As<Napi::Function>()),
        rings_(rings),
        outlet_(wholeOf(call[0])),
        hub_(wholeOf(call[1])),
        ring_(wholeOf(call[2])),
        timeoutMs_(static_cast<int>(wholeOf(call[3]))) {
    rings_.Ref();
  }

  void Execute() override { opened_ = ring::Outlet::open(hub_, ring_, timeoutMs_); }

  void OnOK() override {
    const bool isOpen = opened_ != nullptr && rings_.turns_ != nullptr;
    if (isOpen) rings_.turns_->hub->add(outlet_, std::move(opened_));
    rings_.Unref();
    Callback().Call({Napi::Boolean::New(Env(), isOpen)});
  }

 private:
  NativeRings& rings_;
  const uint64_t outlet_;
  const uint64_t hub_;
  const uint64_t ring_;
  const int timeoutMs_;
  std::shared_ptr<ring::Outlet> opened_;
};

Napi::Value NativeRings::open(const Napi::CallbackInfo& call) {
  (new Opening(*this, call))->Queue();
  return call.Env().Undefined();
}

Napi::Value NativeRings::write(const Napi::CallbackInfo& call) {
  ring::Outlet* const outlet = turns_ == nullptr ? nullptr : turns_->hub->outlet(wholeOf(call[0]));
  if (outlet == nullptr) return Napi::Number::New(call.Env(), static_cast<double>(ring::RingWriter::Result::Closed));
  auto bytes = call[2].As<Napi::Uint8Array>();
  const auto kind = static_cast<ring::Kind>(call[1].As<Napi::Number>().Uint32Value());
  const auto result = outlet->write(kind, bytes.Data(), bytes.ByteLength());
  double* const words = call[3].As<Napi::Float64Array>().Data();
  words[0] = static_cast<double>(outlet->writer.written());
  words[1] = static_cast<double>(outlet->writer.taken());
  return Napi::Number::New(call.Env(), static_cast<int>(result));
}

Napi::Value NativeRings::taken(const Napi::CallbackInfo& call) {
  ring::Outlet* const outlet = turns_ == nullptr ? nullptr : turns_->hub->outlet(wholeOf(call[0]));
  return Napi::Number::New(call.Env(), outlet == nullptr ? -1 : static_cast<double>(outlet->writer.taken()));
}

Napi::Value NativeRings::leave(const Napi::CallbackInfo& call) {
  if (turns_ != nullptr) turns_->hub->leave(wholeOf(call[0]));
  return call.Env().Undefined();
}

Napi::Value NativeRings::close(const Napi::CallbackInfo& call) {
  if (turns_ != nullptr) std::exchange(turns_, nullptr)->close();
  return call.Env().Undefined();
}

}  // namespace mserve
