#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "failure.h"
#include "rank/descriptor.h"

namespace mserve::rank {

/** Nanoseconds of the steady clock. */
inline int64_t nowNs() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/** Ends whatever the thread of a rank waits for. raise() may be called by any thread; the rest belongs to the rank's own. */
class Interrupt {
 public:
  bool start(Failure& failure);

  /** From now on every wait ends with this failure, until clear(). The first one counts. */
  void raise(const Failure& cause);
  void clear();
  bool isRaised() const { return raised_.load(std::memory_order_acquire); }
  Failure cause();

  /** Readable while raised. */
  int descriptor() const { return readEnd_.number(); }
  /** Is rung too; null: none. */
  void watchDoorbell(std::atomic<uint32_t>* doorbell);

 private:
  Descriptor readEnd_;
  Descriptor writeEnd_;
  std::atomic<bool> raised_{false};
  std::mutex mutex_;
  Failure cause_;
  std::atomic<uint32_t>* doorbell_ = nullptr;
};

}  // namespace mserve::rank
