#pragma once

#include <string>
#include <vector>

#include "backend.h"
#include "onnxruntime/ort_library.h"

namespace mserve::ort {

/** What a DeviceRequest may name. */
std::vector<std::string> providerNames();

/**
 * Lets the session run on the device. False and a failure of kind Device when the provider or one of its options cannot be had here: no other device takes its place.
 * Nodes that only the CPU has are refused when the session is made, unless option `cpuFallback` is `allow`.
 */
bool useDevice(const Library& library, const DeviceRequest& device, SessionOptions* options, Failure& failure);

}  // namespace mserve::ort
