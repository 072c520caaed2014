#pragma once

#include <cstdint>

#include "rank/fault.h"

namespace mserve::rank {

/** What control connections carry once the mesh stands. */
struct ControlMessage {
  enum Kind : uint32_t { Doorbell = 1, GaveUp = 2 };
  uint32_t kind = Doorbell;
  // Of GaveUp: why the sender did, and because of whom
  uint32_t failureKind = 0;
  uint32_t fault = 0;
  int32_t rank = -1;
};
static_assert(sizeof(ControlMessage) == 16);

}  // namespace mserve::rank
