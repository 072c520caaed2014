#pragma once

#include "failure.h"

namespace mserve {

/**
 * AscendCL is set up once per process: by the acl backend or by ONNX Runtime's CANN provider, which both begin and end it. False and a failure of kind Device when the other
 * one was here first.
 */
bool claimAscend(const char* user, Failure& failure);

}  // namespace mserve
