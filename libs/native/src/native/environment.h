#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "session_core.h"
#include "settlement.h"

namespace mserve {

/**
 * What one JavaScript environment (the main thread or a worker thread) owns: its sessions, and the one thread-safe function
 * through which all of them report. Reports that came since the last wake-up are delivered in one go.
 */
class Environment : public SessionListener {
 public:
  explicit Environment(Napi::Env env) : env_(env) {}
  ~Environment() override;
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  /** start(onSettled, onOpened, onClosed, words, bytes): called once by binding.ts before anything else. */
  Napi::Value start(const Napi::CallbackInfo& call);
  /** inbox(words, bytes): a larger place for settlements. */
  Napi::Value inbox(const Napi::CallbackInfo& call);

  /** Makes a session that is kept until it has reported onClosed. Counts as pending until onOpened. */
  std::shared_ptr<SessionCore> createSession(uint32_t slot);
  std::unique_ptr<Run> takeRun();
  /** A settlement or an opening is awaited: keeps the event loop alive until as many have been delivered. */
  void expectReport();
  /** As expectReport(), for the session's onClosed. */
  void expectClosed(SessionCore& core);

  void onOpened(SessionCore& core) override { report({Report::Opened, &core, nullptr}); }
  void onSettled(std::unique_ptr<Run> run) override { report({Report::Settled, nullptr, std::move(run)}); }
  void onClosed(SessionCore& core) override { report({Report::Closed, &core, nullptr}); }

 private:
  struct Kept {
    std::shared_ptr<SessionCore> core;
    bool closeExpected = false;
  };
  struct Report {
    enum Kind { Opened, Settled, Closed } kind;
    SessionCore* core;
    std::unique_ptr<Run> run;
  };

  void report(Report report);
  static void deliver(napi_env env, napi_value callback, void* context, void* unused);
  void deliverAll();
  void deliverOpened(SessionCore& core);
  /** Whether somebody awaited it. */
  bool deliverClosed(SessionCore& core);
  static void cleanUp(void* self);

  Napi::Env env_;
  napi_threadsafe_function wakeUp_ = nullptr;
  SettlementWriter settlements_;
  Napi::FunctionReference opened_;
  Napi::FunctionReference closed_;
  std::unordered_map<SessionCore*, Kept> sessions_;
  std::vector<std::unique_ptr<Run>> idleRuns_;
  std::vector<Report> delivering_;
  size_t expected_ = 0;

  std::mutex mutex_;
  std::vector<Report> reports_;
  bool awake_ = false;  // a wake-up is under way
  bool ended_ = false;
};

}  // namespace mserve
