#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "failure.h"

namespace mserve {

/** A tensor of a model whose bytes are kept in another file. */
struct ExternalReference {
  std::string tensor;
  std::string location;
  bool isInitializer = false;  // of the main graph: may be given by reference instead
};

/**
 * Finds every external_data location in an ONNX protobuf, in subgraphs, functions, attributes and sparse tensors too.
 * Linear in the number of fields, nesting bounded. False and a failure when the bytes are no readable protobuf.
 */
bool findExternalData(const uint8_t* model, size_t length, std::vector<ExternalReference>& found, Failure& failure);

}  // namespace mserve
