#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "rank/rank_core.h"
#include "session_core.h"
#include "settlement.h"

namespace mserve {

/**
 * What one JavaScript environment (the main thread or a worker thread) owns: its sessions, and the one thread-safe function
 * through which all of them report. Reports that came since the last wake-up are delivered in one go.
 * One for each copy of native-link.ts that runs in the environment, which is one but in test runners.
 */
class Connection : public SessionListener {
 public:
  explicit Connection(Napi::Env env) : env_(env) {}
  ~Connection() override;

  /** Takes the arguments of connect(): see addon.cc. False when an exception is pending. */
  bool start(const Napi::CallbackInfo& call);
  void useInbox(Napi::TypedArray words, Napi::TypedArray bytes) { settlements_.useInbox(words, bytes); }

  /**
   * The environment ends, maybe with runs in hand: ends the threads before the memory that they read goes away. Called at the process'
   * 'exit' event (process.exit() runs no clean-up hooks, but destroys ONNX Runtime's statics) and by the clean-up hook. No sessions after it.
   */
  void end();
  bool hasEnded() const { return ended_; }

  /** Makes a session that is kept until it has reported onClosed. Counts as pending until onOpened. */
  std::shared_ptr<SessionCore> createSession(uint32_t number);
  /** Takes a session back whose thread could not be started. */
  void dropSession(SessionCore& core);
  /** A rank that is ended with the environment, if it is still there then. */
  void addRank(const std::shared_ptr<rank::RankCore>& core);
  std::unique_ptr<Run> takeRun();
  /** Whether nothing is awaited from any native thread. */
  bool isIdle() const { return expected_ == 0; }
  /** Settles a run that was executed on this thread; calls into JavaScript before it returns. */
  void settleNow(std::unique_ptr<Run> run);
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
  std::vector<std::weak_ptr<rank::RankCore>> ranks_;
  std::vector<std::unique_ptr<Run>> idleRuns_;
  std::vector<Report> delivering_;
  size_t expected_ = 0;

  std::mutex mutex_;
  std::vector<Report> reports_;
  bool awake_ = false;  // a wake-up is under way
  bool ended_ = false;  // written by the JavaScript thread only
};

}  // namespace mserve
