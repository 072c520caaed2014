#pragma once

#if defined(__linux__) && defined(__x86_64__)
#define MSERVE_DIVISIONS_TRAP 1

#include <ucontext.h>

namespace mserve {

/** What was made of an integer division that the processor refused. */
enum class SettledDivision {
  /** The instruction is none that is known here: nothing was changed. */
  None,
  /** The smallest integer by -1: the quotient wraps around to the smallest integer, the remainder is 0. */
  Wrapped,
  /** By zero (or a quotient too large for its register): quotient and remainder are 0. */
  Undefined,
};

/**
 * Does in `context` what the `div` or `idiv` that its instruction pointer stands at could not do, and moves the pointer past it.
 * For a context whose thread has just faulted there. Async-signal-safe.
 */
SettledDivision settleDivision(ucontext_t& context);

}  // namespace mserve

#else
/** arm64 does not trap: the quotient of a division by zero is 0. */
#define MSERVE_DIVISIONS_TRAP 0
#endif
