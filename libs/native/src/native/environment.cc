#include "environment.h"

namespace mserve {

namespace {
constexpr size_t kIdleRuns = 256;
}

Environment::~Environment() = default;

Napi::Value Environment::start(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  settlements_.start(call[0].As<Napi::Function>());
  opened_ = Napi::Persistent(call[1].As<Napi::Function>());
  closed_ = Napi::Persistent(call[2].As<Napi::Function>());
  settlements_.useInbox(call[3].As<Napi::TypedArray>(), call[4].As<Napi::TypedArray>());
  const napi_value name = Napi::String::New(env, "mserve.native");
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Environment::deliver, &wakeUp_);
  if (status != napi_ok) {
    Napi::Error::New(env, "cannot create the thread-safe function").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  napi_unref_threadsafe_function(env, wakeUp_);
  // Registered after the thread-safe function's own hook, so it runs before it: no thread reports to a dead function.
  napi_add_env_cleanup_hook(env, &Environment::cleanUp, this);
  return env.Undefined();
}

Napi::Value Environment::inbox(const Napi::CallbackInfo& call) {
  settlements_.useInbox(call[0].As<Napi::TypedArray>(), call[1].As<Napi::TypedArray>());
  return call.Env().Undefined();
}

std::shared_ptr<SessionCore> Environment::createSession(uint32_t slot) {
  auto core = std::make_shared<SessionCore>(slot, *this);
  sessions_.emplace(core.get(), Kept{core});
  return core;
}

std::unique_ptr<Run> Environment::takeRun() {
  if (idleRuns_.empty()) return std::make_unique<Run>();
  std::unique_ptr<Run> run = std::move(idleRuns_.back());
  idleRuns_.pop_back();
  return run;
}

void Environment::expectReport() {
  if (expected_++ == 0) napi_ref_threadsafe_function(env_, wakeUp_);
}

void Environment::expectClosed(SessionCore& core) {
  sessions_.at(&core).closeExpected = true;
  expectReport();
}

void Environment::report(Report report) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    reports_.push_back(std::move(report));
    wake = !awake_ && !ended_;
    if (wake) awake_ = true;
  }
  if (wake) napi_call_threadsafe_function(wakeUp_, nullptr, napi_tsfn_nonblocking);
}

void Environment::deliver(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going away
  static_cast<Environment*>(context)->deliverAll();
}

void Environment::deliverAll() {
  Napi::HandleScope scope(env_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    delivering_.swap(reports_);
    awake_ = false;
  }
  size_t delivered = 0;
  for (Report& report : delivering_) {
    switch (report.kind) {
      case Report::Settled:
        settlements_.add(env_, *report.run);
        report.run->reset();
        if (idleRuns_.size() < kIdleRuns) idleRuns_.push_back(std::move(report.run));
        delivered++;
        break;
      case Report::Opened:
        deliverOpened(*report.core);
        delivered++;
        break;
      case Report::Closed:
        settlements_.flush(env_);
        if (deliverClosed(*report.core)) delivered++;
        break;
    }
  }
  delivering_.clear();
  settlements_.flush(env_);
  expected_ -= delivered;
  if (expected_ == 0 && delivered > 0) napi_unref_threadsafe_function(env_, wakeUp_);
}

void Environment::deliverOpened(SessionCore& core) {
  const Failure& failure = core.failure();
  opened_.Call({Napi::Number::New(env_, core.slot()), Napi::Number::New(env_, static_cast<int>(failure.kind)),
                Napi::String::New(env_, failure.message)});
}

bool Environment::deliverClosed(SessionCore& core) {
  const uint32_t slot = core.slot();
  core.join();
  const auto kept = sessions_.find(&core);
  const bool expected = kept->second.closeExpected;
  sessions_.erase(kept);
  closed_.Call({Napi::Number::New(env_, slot)});
  return expected;
}

/** The environment ends with runs in hand: end the threads before the memory that they read goes away. */
void Environment::cleanUp(void* self) {
  Environment& environment = *static_cast<Environment*>(self);
  {
    std::lock_guard<std::mutex> lock(environment.mutex_);
    environment.ended_ = true;
  }
  for (auto& [core, kept] : environment.sessions_) core->abandon();
  for (auto& [core, kept] : environment.sessions_) core->join();
  for (Report& report : environment.reports_) {
    if (report.run != nullptr) report.run->reset();
  }
  environment.reports_.clear();
  environment.sessions_.clear();
}

}  // namespace mserve
