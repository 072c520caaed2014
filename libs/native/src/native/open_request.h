#pragma once

#include <napi.h>

#include "backend.h"

namespace mserve {

/**
 * Reads the request that session.ts built (all fields present and checked); bytes are pointed at, not copied.
 * False when JavaScript can run no more: property reads fail in a worker thread that is being terminated.
 */
bool readOpenRequest(napi_env env, napi_value object, OpenRequest& request);

}  // namespace mserve
