#pragma once

#include <vector>

#include "failure.h"

namespace mserve {

/** Binds the calling thread, and those that it starts from now on, to CPU cores; none = leaves it as it is. False and a failure where that cannot be. */
bool useCores(const std::vector<int>& coreIds, Failure& failure);

}  // namespace mserve
