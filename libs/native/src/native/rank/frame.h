#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "element_type.h"
#include "rank/reduction.h"

namespace mserve::rank {

/** What a frame belongs to. Numbers of collectives as in word-layout.ts. */
enum class FrameKind : uint8_t { AllReduce = 1, AllGather, ReduceScatter, AllToAll, Broadcast, NeighborExchange, Send };

/** Before the bytes of every frame. Little-endian, as all machines that this runs on are; the magic number tells others. */
struct FrameHead {
  uint32_t magic = kMagic;
  FrameKind kind = FrameKind::Send;
  Reduction reduction = Reduction::Sum;
  uint8_t type = 0;  // ElementType
  uint8_t unused = 0;
  uint64_t epoch = 0;
  uint64_t batch = 0;
  uint64_t group = 0;     // groupId() of its ranks
  uint32_t sequence = 0;  // of the collective in its group, within the batch; of Send: the tag
  uint32_t part = 0;      // which of the frames that the collective sends from this rank to that one
  uint64_t total = 0;     // bytes of the whole tensor; must be the same on both sides
  uint64_t bytes = 0;     // that follow

  static constexpr uint32_t kMagic = 0x6b72736d;  // "msrk"
  bool operator==(const FrameHead&) const = default;
};
static_assert(sizeof(FrameHead) == 56);

/** The same number for the same ranks in the same order (FNV-1a). */
inline uint64_t groupId(const std::vector<uint32_t>& ranks) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (uint32_t rank : ranks) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash ^= (rank >> shift) & 0xffU;
      hash *= 0x100000001b3U;
    }
  }
  return hash;
}

/** For texts: `allReduce 3 of batch 7 (sum of float32, 4096 bytes, part 0 of 1024 bytes)`. */
std::string describe(const FrameHead& head);
const char* nameOf(FrameKind kind);
const char* nameOf(ElementType type);

}  // namespace mserve::rank
