#pragma once

#include "backend.h"
#include "onnxruntime/ort_library.h"

namespace mserve::ort {

/** Makes a string tensor from our encoding: each element a uint32 length (little-endian) and its bytes. */
bool makeStrings(const Library& library, const InputTensor& input, Value** value, Failure& failure);

/** The other way; `elements` is the product of output.dims. */
bool takeStrings(const Library& library, const Value* value, size_t elements, OutputTensor& output, Run& run);

}  // namespace mserve::ort
