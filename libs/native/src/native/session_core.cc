#include "session_core.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "thread_cores.h"

namespace mserve {

namespace {

/** What a session must have run on its own threads before it may run anything on its owner's. */
constexpr uint32_t kRunsBeforeInline = 8;

size_t inputBytes(const Run& run) {
  size_t bytes = 0;
  for (const InputTensor& input : run.inputs) bytes += input.byteLength;
  return bytes;
}

/** Runs a backend step; whatever it throws (in practice std::bad_alloc) becomes a failure. */
template <typename Step>
void guarded(Failure& failure, FailureKind kind, Step step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    failure.set(kind, "out of memory");
  } catch (const std::exception& error) {
    failure.set(kind, error.what());
  }
}

}  // namespace

SessionCore::~SessionCore() { join(); }

void SessionCore::start(SeatRequest request, OpenModel open) {
  thread_ = std::thread([this, request = std::move(request), open = std::move(open)]() mutable {
    load(request, std::move(open));
    listener_.onClosed(*this);
  });
}

void SessionCore::load(const SeatRequest& request, OpenModel open) {
  bool ready = false;
  guarded(failure_, FailureKind::Load, [&] { ready = prepare(request, std::move(open)); });
  if (!ready) {
    close();
  } else {
    description_ = session_->description();
  }
  listener_.onOpened(*this);
  if (ready) serve(seats_[0]);
  for (std::thread& other : others_) other.join();
  seats_.clear();
  inlineLane_.reset();
  session_.reset();
}

/** `open` is destroyed before the first run: what it holds (bytes, another session's model) is not kept. */
bool SessionCore::prepare(const SeatRequest& request, OpenModel open) {
  // Before the model is opened: threads that are started from this one inherit its cores.
  if (!useCores(request.coreIds, failure_)) return false;
  session_ = open(loadCancellation_, failure_);
  if (session_ == nullptr) return false;
  gate_ = session_->gate();
  std::vector<Seat> seats(request.concurrentRuns);
  for (Seat& seat : seats) {
    seat.lane = session_->createLane(failure_);
    if (failure_) return false;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    seats_ = std::move(seats);
  }
  const bool mayRunInline = request.coreIds.empty() && !session_->hasOpenEndedCost();  // the owner's thread is not bound to cores
  if ((request.inlineBelowNs > 0 || request.inlineAloneBelowNs > 0) && mayRunInline) {
    inlineLane_ = session_->createLane(failure_);
    if (failure_) return false;
    inlineBelowNs_ = request.inlineBelowNs;
    inlineAloneBelowNs_ = request.inlineAloneBelowNs;
  }
  for (size_t i = 1; i < seats_.size(); i++) others_.emplace_back([this, i] { serve(seats_[i]); });
  return true;
}

void SessionCore::serve(Seat& seat) {
  while (std::unique_ptr<Run> run = next(seat)) {
    executeGated(*seat.lane, *run);
    if (finish(seat, run)) listener_.onSettled(std::move(run));
  }
}

/** Executes and times. */
void SessionCore::execute(Lane& lane, Run& run) {
  const auto begin = std::chrono::steady_clock::now();
  guarded(run.failure, FailureKind::Run, [&] { lane.execute(run); });
  const int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
  const size_t bytes = inputBytes(run);
  const int64_t typical = typicalNs_.load(std::memory_order_relaxed);
  const int64_t typicalBytes = typicalBytes_.load(std::memory_order_relaxed);
  const int64_t share = typical == 0 ? 1 : ns < typical ? 2 : 16;
  typicalNs_.store(typical + (ns - typical) / share, std::memory_order_relaxed);
  typicalBytes_.store(typicalBytes + (static_cast<int64_t>(bytes) - typicalBytes) / share, std::memory_order_relaxed);
  if (bytes > largestBytes_.load(std::memory_order_relaxed)) largestBytes_.store(bytes, std::memory_order_relaxed);
  timedRuns_.fetch_add(1, std::memory_order_relaxed);
}

void SessionCore::executeGated(Lane& lane, Run& run) {
  if (gate_ == nullptr) {
    execute(lane, run);
  } else if (run.isAlone) {
    gate_->enterAlone();
    execute(lane, run);
    gate_->leaveAlone();
  } else {
    gate_->enter();
    execute(lane, run);
    gate_->leave();
  }
}

/** What a run with so many bytes of inputs will take: in proportion, when recent runs had smaller ones. */
int64_t SessionCore::expectedNs(size_t bytes) const {
  const int64_t typical = typicalNs_.load(std::memory_order_relaxed);
  const double typicalBytes = static_cast<double>(std::max<int64_t>(typicalBytes_.load(std::memory_order_relaxed), 1));
  const double ratio = static_cast<double>(bytes) / typicalBytes;
  return ratio <= 1 ? typical : static_cast<int64_t>(static_cast<double>(typical) * ratio);
}

bool SessionCore::tryInline(Run& run, bool alone, int64_t limitNs) {
  const int64_t limit = std::max(limitNs, alone ? std::max(inlineAloneBelowNs_, inlineBelowNs_) : inlineBelowNs_);
  if (limit == 0 || inlineLane_ == nullptr || timedRuns_.load(std::memory_order_relaxed) < kRunsBeforeInline) return false;
  const size_t bytes = inputBytes(run);
  if (expectedNs(bytes) > limit || queued_.load(std::memory_order_acquire) > 0) return false;
  if (bytes > largestBytes_.load(std::memory_order_relaxed) || !beginInline()) return false;
  execute(*inlineLane_, run);
  endInline();
  if (!run.isSuspect) return true;
  run.retryAlone();
  return false;
}

/** False when a run waits for being alone, or is. */
bool SessionCore::beginInline() {
  if (gate_ == nullptr) return true;
  std::lock_guard<std::mutex> lock(mutex_);
  inlineExecuting_ = !aloneExecuting_ && queue_.empty() && gate_->tryEnter();
  return inlineExecuting_;
}

void SessionCore::endInline() {
  if (gate_ == nullptr) return;
  gate_->leave();
  std::lock_guard<std::mutex> lock(mutex_);
  inlineExecuting_ = false;
  if (!queue_.empty()) wake_.notify_all();
}

/** Whether the first run of the queue may begin now. */
bool SessionCore::mayBegin() const {
  if (queue_.empty() || aloneExecuting_) return false;
  return !queue_.front()->isAlone || (executing_ == 0 && !inlineExecuting_);
}

/**
 * The next run, now executing in this seat; null when the session has ended. An idle thread sleeps at once: looking at the queue
 * for 20 or 50 us first was measured to cost twice the CPU and latency (12 -> 19 us for a tiny model) where cores are shared.
 */
std::unique_ptr<Run> SessionCore::next(Seat& seat) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!mayBegin() && !(stopping_ && queue_.empty())) {
    sleeping_++;
    wake_.wait(lock);
    sleeping_--;
  }
  if (queue_.empty()) return nullptr;
  std::unique_ptr<Run> run = std::move(queue_.front());
  queue_.pop_front();
  queued_.store(queue_.size(), std::memory_order_release);
  seat.executing = run.get();
  executing_++;
  aloneExecuting_ = run->isAlone;
  return run;
}

/**
 * After execution: whether the run is to be settled. One that failed, maybe by the fault of another that was executing at the same time, goes
 * to the head of the queue once more, to be executed alone: an innocent run thus gives its outputs, whatever others send.
 */
bool SessionCore::finish(Seat& seat, std::unique_ptr<Run>& run) {
  std::lock_guard<std::mutex> lock(mutex_);
  seat.executing = nullptr;
  executing_--;
  aloneExecuting_ = false;
  if (!queue_.empty() && (run->isAlone || queue_.front()->isAlone)) wake_.notify_all();
  if (run->cancelled) {
    seat.lane->allow();  // the terminate flag that was set for this run must not hit the next one
    run->failure.set(FailureKind::Cancelled, "the run was cancelled");
    return true;
  }
  if (!run->isSuspect || run->isAlone) return true;
  run->retryAlone();
  queue_.push_front(std::move(run));
  queued_.store(queue_.size(), std::memory_order_release);
  return false;
}

void SessionCore::submit(std::unique_ptr<Run> run) {
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(run));
    queued_.store(queue_.size(), std::memory_order_release);
    wake = sleeping_ > 0;
  }
  if (wake) wake_.notify_one();
}

void SessionCore::cancel(uint32_t runSlot) {
  std::unique_ptr<Run> taken;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Seat& seat : seats_) {
      if (seat.executing == nullptr || seat.executing->slot != runSlot) continue;
      seat.executing->cancelled = true;
      seat.lane->terminate();
      return;
    }
    for (auto it = queue_.begin(); it != queue_.end(); ++it) {
      if ((*it)->slot != runSlot) continue;
      taken = std::move(*it);
      queue_.erase(it);
      queued_.store(queue_.size(), std::memory_order_release);
      if (taken->isAlone) wake_.notify_all();
      break;
    }
  }
  if (taken == nullptr) return;
  taken->failure.set(FailureKind::Cancelled, "the run was cancelled before it began");
  listener_.onSettled(std::move(taken));
}

void SessionCore::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
}

void SessionCore::abandon() {
  loadCancellation_.cancel();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    queue_.clear();
    queued_.store(0, std::memory_order_release);
    for (Seat& seat : seats_) {
      if (seat.executing == nullptr) continue;
      seat.executing->cancelled = true;
      seat.lane->terminate();
    }
  }
  wake_.notify_all();
}

void SessionCore::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace mserve
