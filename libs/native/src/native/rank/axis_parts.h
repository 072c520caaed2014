#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace mserve::rank {

/** Equal parts of a tensor along an axis: rows of each part, as they lie in the tensor and one after the other. */
struct AxisParts {
  size_t parts;
  size_t rows = 1;      // in each part: the dims before the axis
  size_t rowBytes = 1;  // of one part: the axis' share and the dims after it

  AxisParts(const std::vector<int64_t>& dims, size_t axis, size_t count, size_t elementBytes) : parts(count) {
    for (size_t i = 0; i < axis; i++) rows *= static_cast<size_t>(dims[i]);
    for (size_t i = axis; i < dims.size(); i++) rowBytes *= static_cast<size_t>(dims[i]);
    rowBytes = rowBytes / count * elementBytes;
  }
};

enum class PartsGo { Out, In };

/** Out: from the tensor to parts that lie one after the other; In: from such parts into the tensor. */
inline void copyParts(const AxisParts& layout, const uint8_t* from, uint8_t* to, PartsGo direction) {
  if (layout.rowBytes == 0) return;
  for (size_t part = 0; part < layout.parts; part++) {
    for (size_t row = 0; row < layout.rows; row++) {
      const size_t inTensor = (row * layout.parts + part) * layout.rowBytes;
      const size_t inParts = (part * layout.rows + row) * layout.rowBytes;
      if (direction == PartsGo::Out) {
        std::memcpy(to + inParts, from + inTensor, layout.rowBytes);
      } else {
        std::memcpy(to + inTensor, from + inParts, layout.rowBytes);
      }
    }
  }
}

}  // namespace mserve::rank
