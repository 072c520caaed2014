#pragma once

#include <atomic>
#include <cstdint>

#include "traps/x86_division.h"

namespace mserve {

/** How many integer divisions by zero were seen on the threads that count here. */
class DivisionTraps {
 public:
  uint64_t count() const { return count_.load(std::memory_order_acquire); }
  /** Async-signal-safe. */
  void add() { count_.fetch_add(1, std::memory_order_release); }

 private:
  std::atomic<uint64_t> count_{0};
};

/**
 * While it lives, an integer division by zero in guarded code on this thread is counted instead of ending the process: its result is 0 and
 * the code goes on. The smallest integer divided by -1 wraps around and is not counted. Guards nest; the innermost counts.
 */
class DivisionGuard {
 public:
#if MSERVE_DIVISIONS_TRAP
  explicit DivisionGuard(DivisionTraps& traps);
  ~DivisionGuard();
#else
  explicit DivisionGuard(DivisionTraps&) {}
#endif
  DivisionGuard(const DivisionGuard&) = delete;
  DivisionGuard& operator=(const DivisionGuard&) = delete;

 private:
#if MSERVE_DIVISIONS_TRAP
  DivisionTraps* const outer_;
#endif
};

/**
 * From now on the code of the shared library that `symbol` belongs to is guarded, for as long as the process lives. Any thread.
 * The first call installs the handler of SIGFPE; faults that are not ours go to the one that was installed before.
 */
void guardDivisionsOf(const void* symbol);

}  // namespace mserve
