#include "rank/reduction.h"

#include <cstring>
#include <type_traits>

#include "rank/half_float.h"

namespace mserve::rank {

namespace {

/** Elements combined at a time: an inner loop of constant length becomes vector code. */
constexpr size_t kBlock = 32;

/** What values of T are added and multiplied as. Small integers would become signed ones, whose overflow is undefined. */
template <typename T>
using Wide = std::conditional_t<std::is_integral_v<T> && sizeof(T) < sizeof(uint32_t), uint32_t, T>;

struct Sum {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Wide<T>>(a) + static_cast<Wide<T>>(b));
  }
};
struct Prod {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
  }
};
struct Max {
  template <typename T>
  static T of(T a, T b) {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <typename T>
  static T of(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

/** How elements of a type are stored, and what they are combined as. */
template <typename T>
struct Plain {
  using Stored = T;
  static T read(T stored) { return stored; }
  static T write(T value) { return value; }
};
struct Half {
  using Stored = uint16_t;
  static float read(uint16_t stored) { return floatOfHalf(stored); }
  static uint16_t write(float value) { return halfOfFloat(value); }
};
struct Bfloat {
  using Stored = uint16_t;
  static float read(uint16_t stored) { return floatOfBfloat(stored); }
  static uint16_t write(float value) { return bfloatOfFloat(value); }
};

template <typename Format, typename Operation>
void combine(void* into, const void* from, size_t elements) {
  using Stored = typename Format::Stored;
  auto* a = static_cast<Stored*>(into);
  const auto* bytes = static_cast<const uint8_t*>(from);
  Stored b[kBlock];
  while (elements >= kBlock) {
    std::memcpy(b, bytes, sizeof(b));
    for (size_t i = 0; i < kBlock; i++) a[i] = Format::write(Operation::of(Format::read(a[i]), Format::read(b[i])));
    a += kBlock;
    bytes += sizeof(b);
    elements -= kBlock;
  }
  std::memcpy(b, bytes, elements * sizeof(Stored));
  for (size_t i = 0; i < elements; i++) a[i] = Format::write(Operation::of(Format::read(a[i]), Format::read(b[i])));
}

template <typename Format>
void combineBy(void* into, const void* from, size_t elements, Reduction reduction) {
  switch (reduction) {
    case Reduction::Sum:
      return combine<Format, Sum>(into, from, elements);
    case Reduction::Max:
      return combine<Format, Max>(into, from, elements);
    case Reduction::Min:
      return combine<Format, Min>(into, from, elements);
    case Reduction::Prod:
      return combine<Format, Prod>(into, from, elements);
  }
}

void combineBools(void* into, const void* from, size_t elements, Reduction reduction) {
  const bool isOr = reduction == Reduction::Sum || reduction == Reduction::Max;
  if (isOr) return combine<Plain<uint8_t>, Max>(into, from, elements);
  combine<Plain<uint8_t>, Min>(into, from, elements);
}

}  // namespace

const char* nameOf(Reduction reduction) {
  switch (reduction) {
    case Reduction::Sum:
      return "sum";
    case Reduction::Max:
      return "max";
    case Reduction::Min:
      return "min";
    case Reduction::Prod:
      return "prod";
  }
  return "unknown";
}

bool canReduce(ElementType type) { return elementSize(type) != 0; }

/** Signed integers are combined as unsigned ones where they wrap: overflow of signed ones is undefined in C++. */
void reduceInto(void* into, const void* from, size_t elements, ElementType type, Reduction reduction) {
  const bool wraps = reduction == Reduction::Sum || reduction == Reduction::Prod;
  switch (type) {
    case ElementType::Float32:
      return combineBy<Plain<float>>(into, from, elements, reduction);
    case ElementType::Float64:
      return combineBy<Plain<double>>(into, from, elements, reduction);
    case ElementType::Float16:
      return combineBy<Half>(into, from, elements, reduction);
    case ElementType::Bfloat16:
      return combineBy<Bfloat>(into, from, elements, reduction);
    case ElementType::Int8:
      return wraps ? combineBy<Plain<uint8_t>>(into, from, elements, reduction) : combineBy<Plain<int8_t>>(into, from, elements, reduction);
    case ElementType::Int16:
      return wraps ? combineBy<Plain<uint16_t>>(into, from, elements, reduction) : combineBy<Plain<int16_t>>(into, from, elements, reduction);
    case ElementType::Int32:
      return wraps ? combineBy<Plain<uint32_t>>(into, from, elements, reduction) : combineBy<Plain<int32_t>>(into, from, elements, reduction);
    case ElementType::Int64:
      return wraps ? combineBy<Plain<uint64_t>>(into, from, elements, reduction) : combineBy<Plain<int64_t>>(into, from, elements, reduction);
    case ElementType::Uint8:
      return combineBy<Plain<uint8_t>>(into, from, elements, reduction);
    case ElementType::Uint16:
      return combineBy<Plain<uint16_t>>(into, from, elements, reduction);
    case ElementType::Uint32:
      return combineBy<Plain<uint32_t>>(into, from, elements, reduction);
    case ElementType::Uint64:
      return combineBy<Plain<uint64_t>>(into, from, elements, reduction);
    case ElementType::Bool:
      return combineBools(into, from, elements, reduction);
    default:
      return;
  }
}

}  // namespace mserve::rank
