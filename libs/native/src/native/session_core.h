#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backend.h"

namespace mserve {

class SessionCore;

/** Gets the model of a session: loads it, or takes it from another session. Called once, on the session's first thread; null and a failure when it cannot. */
using OpenModel = std::function<std::shared_ptr<BackendSession>(LoadCancellation& cancellation, Failure& failure)>;

/** Where a session's threads report to. Called from run threads; must not block. */
class SessionListener {
 public:
  virtual ~SessionListener() = default;
  virtual void onOpened(SessionCore& core) = 0;
  virtual void onSettled(std::unique_ptr<Run> run) = 0;
  /** The core's last report; its thread is about to end. */
  virtual void onClosed(SessionCore& core) = 0;
};

/**
 * A session with its own run threads and their queue, without any JavaScript. The first thread also loads the model.
 * The public functions belong to the owner's thread; the listener and the core outlive the thread: join() before destruction.
 */
class SessionCore {
 public:
  SessionCore(uint32_t number, SessionListener& listener) : number_(number), listener_(listener) {}
  ~SessionCore();
  SessionCore(const SessionCore&) = delete;
  SessionCore& operator=(const SessionCore&) = delete;

  /** Opens the model on a thread of its own; reports onOpened, with failure() set when that failed. */
  void start(SeatRequest request, OpenModel open);
  void submit(std::unique_ptr<Run> run);
  /**
   * Executes the run at once on the calling thread, when it is expected to end sooner than handing it over would cost. Expected is what
   * recent runs took, more for larger inputs than theirs. `alone`: nothing else awaits the owner's thread, which may then be held a little
   * longer; `limitNs`: how long for this run, when the session's own limits are lower.
   * Never for a model with open-ended cost.
   * False (and nothing done) when the run should be submitted. Such a run cannot be cancelled; there is nothing to settle later.
   */
  bool tryInline(Run& run, bool alone, int64_t limitNs);
  /** Takes a queued run out, or terminates an executing one; its onSettled comes with kind Cancelled. No effect on others. */
  void cancel(uint32_t runSlot);
  /** No more runs: the threads end when the queue is empty; the last one releases the model and reports onClosed. */
  void close();
  /** The environment goes away: ends a load, drops the queue and terminates what executes. Follow with join(). */
  void abandon();
  void join();

  /** JavaScript's number for this session. */
  uint32_t number() const { return number_; }
  /** Both valid after onOpened. */
  const Failure& failure() const { return failure_; }
  const SessionDescription& description() const { return description_; }
  /** The loaded model, for another session to share. From onOpened until close(), by the owner's thread. */
  std::shared_ptr<BackendSession> model() const { return session_; }

 private:
  struct Seat {
    std::unique_ptr<Lane> lane;
    Run* executing = nullptr;
  };

  void load(const SeatRequest& request, OpenModel open);
  bool prepare(const SeatRequest& request, OpenModel open);
  void serve(Seat& seat);
  std::unique_ptr<Run> next(Seat& seat);
  bool mayBegin() const;
  int64_t expectedNs(size_t bytes) const;
  bool beginInline();
  void endInline();
  void execute(Lane& lane, Run& run);
  void executeGated(Lane& lane, Run& run);
  bool finish(Seat& seat, std::unique_ptr<Run>& run);

  const uint32_t number_;
  SessionListener& listener_;
  std::shared_ptr<BackendSession> session_;
  SessionDescription description_;
  Failure failure_;
  LoadCancellation loadCancellation_;
  std::thread thread_;               // loads, serves the first seat, joins the others, releases the model
  std::vector<std::thread> others_;  // serve the other seats; touched by thread_ only

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Run>> queue_;
  std::vector<Seat> seats_;      // fixed before the other threads start
  std::unique_ptr<Lane> inlineLane_;  // the owner's thread executes here; set before onOpened, used until close()
  int64_t inlineBelowNs_ = 0;
  int64_t inlineAloneBelowNs_ = 0;
  std::atomic<int64_t> typicalNs_{0};      // of recent runs: falls quickly, rises slowly
  std::atomic<int64_t> typicalBytes_{0};   // inputs of those runs
  std::atomic<size_t> largestBytes_{0};    // inputs of the largest run that was timed
  std::atomic<uint32_t> timedRuns_{0};
  std::atomic<size_t> queued_{0};  // queue_.size(), readable without the mutex
  size_t sleeping_ = 0;
  size_t executing_ = 0;            // seats that execute
  bool aloneExecuting_ = false;     // a run that must be alone does: no other may begin
  bool inlineExecuting_ = false;    // only kept where there is a gate_
  bool stopping_ = false;
  AloneGate* gate_ = nullptr;   // see BackendSession; set before onOpened
};

}  // namespace mserve
