#include "connection.h"

#include <atomic>

#include "backend_registry.h"

namespace mserve {

namespace {
constexpr size_t kIdleRuns = 256;

/** Of the process, that have not ended. */
std::atomic<size_t> connections{0};
}

Connection::~Connection() = default;

bool Connection::start(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  settlements_.start(call[0].As<Napi::Function>());
  opened_ = Napi::Persistent(call[1].As<Napi::Function>());
  closed_ = Napi::Persistent(call[2].As<Napi::Function>());
  settlements_.useInbox(call[3].As<Napi::TypedArray>(), call[4].As<Napi::TypedArray>());
  const napi_value name = Napi::String::New(env, "mserve.native");
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Connection::deliver, &wakeUp_);
  if (status != napi_ok) {
    Napi::Error::New(env, "cannot create the thread-safe function").ThrowAsJavaScriptException();
    return false;
  }
  napi_unref_threadsafe_function(env, wakeUp_);
  // Registered after the thread-safe function's own hook, so it runs before it: no thread reports to a dead function.
  napi_add_env_cleanup_hook(env, &Connection::cleanUp, this);
  connections++;
  return true;
}

std::shared_ptr<SessionCore> Connection::createSession(uint32_t number) {
  auto core = std::make_shared<SessionCore>(number, *this);
  sessions_.emplace(core.get(), Kept{core});
  return core;
}

void Connection::dropSession(SessionCore& core) {
  sessions_.erase(&core);
  if (--expected_ == 0) napi_unref_threadsafe_function(env_, wakeUp_);
}

void Connection::addRank(const std::shared_ptr<rank::RankCore>& core) {
  std::erase_if(ranks_, [](const std::weak_ptr<rank::RankCore>& each) { return each.expired(); });
  ranks_.push_back(core);
}

std::unique_ptr<Run> Connection::takeRun() {
  if (idleRuns_.empty()) return std::make_unique<Run>();
  std::unique_ptr<Run> run = std::move(idleRuns_.back());
  idleRuns_.pop_back();
  return run;
}

void Connection::expectReport() {
  if (expected_++ == 0) napi_ref_threadsafe_function(env_, wakeUp_);
}

void Connection::expectClosed(SessionCore& core) {
  sessions_.at(&core).closeExpected = true;
  expectReport();
}

void Connection::settleNow(std::unique_ptr<Run> run) {
  Napi::HandleScope scope(env_);
  settlements_.add(env_, *run);
  settlements_.flush(env_);
  run->reset();
  if (idleRuns_.size() < kIdleRuns) idleRuns_.push_back(std::move(run));
}

void Connection::report(Report report) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    reports_.push_back(std::move(report));
    wake = !awake_ && !ended_;
    if (wake) awake_ = true;
  }
  if (wake) napi_call_threadsafe_function(wakeUp_, nullptr, napi_tsfn_nonblocking);
}

void Connection::deliver(napi_env env, napi_value, void* context, void*) {
  auto* connection = static_cast<Connection*>(context);
  if (env == nullptr || connection->ended_) return;  // the environment is going away: no JavaScript can run
  connection->deliverAll();
}

void Connection::deliverAll() {
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

void Connection::deliverOpened(SessionCore& core) {
  const Failure& failure = core.failure();
  callBack(env_, opened_, {Napi::Number::New(env_, core.number()), Napi::Number::New(env_, static_cast<int>(failure.kind)),
                           Napi::Number::New(env_, failure.runtimeCode), Napi::String::New(env_, failure.message)});
}

bool Connection::deliverClosed(SessionCore& core) {
  const uint32_t number = core.number();
  core.join();
  const auto kept = sessions_.find(&core);
  const bool expected = kept->second.closeExpected;
  sessions_.erase(kept);
  callBack(env_, closed_, {Napi::Number::New(env_, number)});
  return expected;
}

void Connection::cleanUp(void* self) { static_cast<Connection*>(self)->end(); }

void Connection::end() {
  if (ended_) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
  }
  std::vector<std::shared_ptr<rank::RankCore>> ranks;
  for (const std::weak_ptr<rank::RankCore>& each : ranks_) {
    if (auto core = each.lock()) ranks.push_back(std::move(core));
  }
  for (const auto& core : ranks) core->abandon();
  for (auto& [core, kept] : sessions_) core->abandon();
  for (const auto& core : ranks) core->join();
  for (auto& [core, kept] : sessions_) core->join();
  for (Report& report : reports_) {
    if (report.run != nullptr) report.run->reset();
  }
  reports_.clear();
  sessions_.clear();
  if (--connections == 0) {
    for (Backend* backend : backends()) backend->end();
  }
}

}  // namespace mserve
