#pragma once

#include <cstddef>
#include <cstdint>

namespace mserve {

/** Element types a session takes and gives. The numbers are ONNX's (TensorProto.DataType) and the ones TypeScript sends. */
enum class ElementType : int32_t {
  Undefined = 0,
  Float32 = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
  Uint32 = 12,
  Uint64 = 13,
  Bfloat16 = 16,
};

/** Bytes of one element; 0 for strings and for types that are not supported. */
constexpr size_t elementSize(ElementType type) {
  switch (type) {
    case ElementType::Uint8:
    case ElementType::Int8:
    case ElementType::Bool:
      return 1;
    case ElementType::Uint16:
    case ElementType::Int16:
    case ElementType::Float16:
    case ElementType::Bfloat16:
      return 2;
    case ElementType::Float32:
    case ElementType::Int32:
    case ElementType::Uint32:
      return 4;
    case ElementType::Int64:
    case ElementType::Uint64:
    case ElementType::Float64:
      return 8;
    default:
      return 0;
  }
}

constexpr bool isSupported(ElementType type) { return type == ElementType::String || elementSize(type) != 0; }

}  // namespace mserve
