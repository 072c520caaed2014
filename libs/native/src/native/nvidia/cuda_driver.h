#pragma once

#include <string>

#include "provider_report.h"

namespace mserve::nvidia {

/**
 * Asks NVIDIA's driver (libcuda.so.1) for its devices and its version, e.g. "CUDA 12.4". What it cannot answer is one more sentence in `report.problems`. Makes no context and takes
 * no memory on a device. The driver stays loaded.
 */
void examineDriver(ProviderReport& report);

/**
 * Loads the libraries of CUDA, cuDNN and TensorRT that pip installed beside the Python package `libraryPath` is in (…/onnxruntime/capi/…): nothing else would find them there, and
 * the loader takes a library that is loaded already by its name. Does nothing for a library elsewhere, or what is not there.
 */
void loadToolkitBeside(const std::string& libraryPath);

}  // namespace mserve::nvidia
