#pragma once

#include "backend.h"

namespace mserve {

/** Every backend of this addon, in the order in which texts name them. A new backend is one more line in backend_registry.cc. */
const std::vector<Backend*>& backends();

/** The backend that a device asks for; null and a failure that names what there is when the backend or its provider is unknown. */
Backend* findBackend(const DeviceRequest& device, Failure& failure);

}  // namespace mserve
