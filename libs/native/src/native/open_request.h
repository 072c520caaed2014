#pragma once

#include <napi.h>

#include "backend.h"

namespace mserve {

/** The request that binding.ts built (all fields present and checked); bytes are pointed at, not copied. */
OpenRequest readOpenRequest(Napi::Object object);

}  // namespace mserve
