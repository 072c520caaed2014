#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "element_type.h"
#include "failure.h"

namespace mserve {

class SessionCore;

/** An input: memory of JavaScript, kept alive by the table of pending runs until the run has settled. */
struct InputTensor {
  void* bytes = nullptr;
  size_t byteLength = 0;
  std::vector<int64_t> dims;
  bool isAbsent = false;  // left out: the model's own value counts
};

/** Outputs up to this size are copied out on the run thread: cheaper than an external ArrayBuffer with its finalizer. */
constexpr size_t kSmallOutputBytes = 4096;

/**
 * An output: either in native memory that it owns (release(owner) gives it back), or, when small, in Run::smallBytes.
 */
struct OutputTensor {
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
  bool isSmall = false;
  size_t smallOffset = 0;  // into Run::smallBytes, a multiple of 8
  void* bytes = nullptr;   // null when small
  size_t byteLength = 0;
  void* owner = nullptr;
  void (*release)(void*) = nullptr;

  void drop() {
    if (release != nullptr) release(owner);
    release = nullptr;
    owner = nullptr;
    bytes = nullptr;
    byteLength = 0;
  }
};

/** One run, from submit to settlement. Reused: the vectors keep their capacity. */
struct Run {
  uint32_t slot = 0;  // index into the table of pending promises in JavaScript
  std::vector<InputTensor> inputs;
  std::vector<OutputTensor> outputs;
  std::vector<uint8_t> smallBytes;
  Failure failure;
  /** It failed, but another run of the session may be at fault. Set by the lane. */
  bool isSuspect = false;
  /** It is executed while no other run of the session is, and then surely at fault. Set while it is not executing. */
  bool isAlone = false;
  bool cancelled = false;  // guarded by the session's mutex while the run is queued or executing

  void reset() {
    for (OutputTensor& output : outputs) output.drop();
    smallBytes.clear();
    failure.clear();
    isSuspect = false;
    isAlone = false;
    cancelled = false;
  }

  /** Forgets an execution whose verdict is in doubt: the next one is alone. Not for a cancelled run. */
  void retryAlone() {
    reset();
    isAlone = true;
  }
};

/** Copies a small output's bytes into the run; the next one stays aligned to 8 bytes. */
inline void addSmall(Run& run, OutputTensor& output, const void* bytes) {
  output.isSmall = true;
  output.smallOffset = run.smallBytes.size();
  run.smallBytes.resize(output.smallOffset + (output.byteLength + 7) / 8 * 8);
  if (output.byteLength > 0) std::memcpy(run.smallBytes.data() + output.smallOffset, bytes, output.byteLength);
}

/** Makes the output own a copy of output.byteLength bytes. */
inline bool takeCopy(OutputTensor& output, const void* bytes, Failure& failure) {
  void* copy = std::malloc(output.byteLength);
  if (copy == nullptr) {
    failure.set(FailureKind::Run, "out of memory");
    return false;
  }
  std::memcpy(copy, bytes, output.byteLength);
  output.isSmall = false;
  output.bytes = copy;
  output.owner = copy;
  output.release = std::free;
  return true;
}

}  // namespace mserve
