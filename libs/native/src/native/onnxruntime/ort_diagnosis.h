#pragma once

#include "onnx/model_scan.h"
#include "onnxruntime/ort_library.h"

namespace mserve::ort {

/**
 * Puts before the failure of a load what the runtime does not say: which versions it knows where those of the file are too new or too old, which operators
 * come from libraries, and what to do. The runtime's limits are found by asking it to load a model of one node.
 */
void explainLoadFailure(const Library& library, const ModelScan& scan, Failure& failure);

}  // namespace mserve::ort
