#pragma once

#include <cstddef>
#include <cstdint>

#include "element_type.h"

namespace mserve::rank {

/** Numbers as in word-layout.ts. */
enum class Reduction : uint8_t { Sum = 0, Max = 1, Min = 2, Prod = 3 };

const char* nameOf(Reduction reduction);

/** Whether elements of the type can be combined: all numbers and bool. */
bool canReduce(ElementType type);

/**
 * into[i] = into[i] (reduction) from[i], rounded to the element type. Integers wrap; max and min give NaN when one is NaN; of bool, sum and max are "or",
 * prod and min are "and". `into` is aligned to its elements; `from` may lie anywhere.
 */
void reduceInto(void* into, const void* from, size_t elements, ElementType type, Reduction reduction);

}  // namespace mserve::rank
