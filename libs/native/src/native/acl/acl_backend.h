#pragma once

#include "backend.h"

namespace mserve {

/** The backend that runs OM models on Ascend devices, with AscendCL. */
Backend& aclBackend();

}  // namespace mserve
