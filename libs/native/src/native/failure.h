#pragma once

#include <string>
#include <utility>

namespace mserve {

/** Same names and order as `failureKinds` in native-link.ts; word-layout.spec.ts holds them equal. */
enum class FailureKind : int {
  None = 0,
  Load = 1,
  Input = 2,
  Run = 3,
  Cancelled = 4,
  Closed = 5,
  Library = 6,
  Device = 7,
  Lost = 8,
  Peer = 9,
  Protocol = 10,
  Deadline = 11,
  Aborted = 12,
  Unformed = 13,
};

/** Outcome of a native step: either nothing (ok) or a kind and a text for the operator. */
struct Failure {
  FailureKind kind = FailureKind::None;
  /** The runtime's own code (OrtErrorCode of ONNX Runtime); 0: it was not the runtime that failed. Of kinds from Peer on: see rank/fault.h. */
  int runtimeCode = 0;
  std::string message;

  explicit operator bool() const { return kind != FailureKind::None; }
  void clear() {
    kind = FailureKind::None;
    runtimeCode = 0;
    message.clear();
  }
  void set(FailureKind newKind, std::string text) {
    kind = newKind;
    runtimeCode = 0;
    message = std::move(text);
  }
};

}  // namespace mserve
