#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "failure.h"

namespace mserve {

/** A place outside of the model, as a tensor names it, tidied: `./w.bin` is `w.bin`. */
std::string tidyLocation(const std::string& location);

/**
 * The bytes of a file of external data, by its tidy location; no bytes (null) for a tensor that is to be left as it is. `initializer` is the tensor's
 * name when it is an initializer of the main graph, else empty.
 */
using ExternalBytes = std::function<std::string_view(const std::string& location, const std::string& initializer)>;

/**
 * Rewrites a model so that ONNX Runtime finds its external data under every circumstance. It looks only for initializers of the main graph among the
 * bytes it is given, by the exact location, and reads no values there when it infers shapes. So tensors of branches, loop bodies, functions and attributes,
 * and small ones of the main graph get their bytes inside the model, and all other locations are tidied. `rewritten` stays empty when there was nothing to do.
 * False and a failure when a tensor reaches past the end of its file.
 */
bool inlineExternalData(const uint8_t* model, size_t length, const ExternalBytes& bytesOf, std::string& rewritten, Failure& failure);

}  // namespace mserve
