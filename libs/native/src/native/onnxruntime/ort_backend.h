#pragma once

#include "backend.h"

namespace mserve {

/** The backend that runs ONNX models with the ONNX Runtime at request.libraryPath. */
Backend& onnxRuntimeBackend();

}  // namespace mserve
