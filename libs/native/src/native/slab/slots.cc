#include "slab/slots.h"

#include <algorithm>
#include <new>

namespace mserve::slab {

namespace {

uint64_t pages(uint64_t length) { return (std::max<uint64_t>(length, 1) + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

OwnedSlots::OwnedSlots(uint8_t* memory, uint64_t bytes, uint64_t token, std::function<bool(uint64_t)> reserve)
    : memory_(memory), heads_(slotHeads(memory)), reserve_(std::move(reserve)) {
  for (uint32_t slot = 0; slot < kSlots; slot++) new (&heads_[slot]) SlotHead{};
  for (uint32_t slot = kSlots; slot-- > 0;) freeSlots_.push_back(slot);
  gaps_[kDataOffset] = bytes - kDataOffset;
  new (memory) SlabHead{kMagic, token, bytes, kSlots};
}

std::optional<Placed> OwnedSlots::place(uint64_t length) {
  sweep();
  if (freeSlots_.empty() || length > UINT64_MAX / 2) return std::nullopt;
  const uint64_t size = pages(length);
  const auto gap = std::find_if(gaps_.begin(), gaps_.end(), [size](const auto& each) { return each.second >= size; });
  if (gap == gaps_.end()) return std::nullopt;
  const auto [offset, room] = *gap;
  if (!reserve_(offset + size)) return std::nullopt;
  gaps_.erase(gap);
  if (room > size) gaps_[offset + size] = room - size;
  const uint32_t slot = freeSlots_.back();
  freeSlots_.pop_back();
  usedBytes_ += size;
  SlotHead& head = heads_[slot];
  head.offset.store(offset, std::memory_order_relaxed);
  head.length.store(length, std::memory_order_relaxed);
  const uint64_t generation = newGeneration();
  head.generation.store(generation, std::memory_order_seq_cst);
  return Placed{slot, generation, memory_ + offset};
}

bool OwnedSlots::free(uint32_t slot, uint64_t generation) {
  if (slot >= kSlots || generation == 0 || heads_[slot].generation.load(std::memory_order_relaxed) != generation) return false;
  heads_[slot].generation.store(0, std::memory_order_seq_cst);
  if (isLeased(slot, generation)) leaving_.emplace_back(slot, generation);
  else reclaim(slot);
  return true;
}

void OwnedSlots::removeReader(const Lease* leases) { readers_.erase(std::find(readers_.begin(), readers_.end(), leases)); }

uint64_t OwnedSlots::usedBytes() {
  sweep();
  return usedBytes_;
}

uint64_t OwnedSlots::newGeneration() {
  uint64_t generation;
  do generation = (static_cast<uint64_t>(random_()) << 32 | random_()) >> 11;
  while (generation == 0);
  return generation;
}

bool OwnedSlots::isLeased(uint32_t slot, uint64_t generation) const {
  return std::any_of(readers_.begin(), readers_.end(),
                     [&](const Lease* leases) { return leases[slot].load(std::memory_order_seq_cst) == generation; });
}

void OwnedSlots::reclaim(uint32_t slot) {
  uint64_t offset = heads_[slot].offset.load(std::memory_order_relaxed);
  uint64_t size = pages(heads_[slot].length.load(std::memory_order_relaxed));
  usedBytes_ -= size;
  freeSlots_.push_back(slot);
  const auto after = gaps_.lower_bound(offset);
  if (after != gaps_.end() && after->first == offset + size) size += after->second;
  if (after != gaps_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      offset = before->first;
      size += before->second;
    }
  }
  if (after != gaps_.end() && after->first < offset + size) gaps_.erase(after);
  gaps_[offset] = size;
}

void OwnedSlots::sweep() {
  std::erase_if(leaving_, [this](const auto& each) {
    if (isLeased(each.first, each.second)) return false;
    reclaim(each.first);
    return true;
  });
}

LeasedSlots::LeasedSlots(const uint8_t* memory, uint64_t bytes, Lease* leases)
    : memory_(memory), heads_(slotHeads(memory)), bytes_(bytes), leases_(leases), counts_(kSlots) {}

const uint8_t* LeasedSlots::acquire(uint32_t slot, uint64_t generation, uint64_t offset, uint64_t length) {
  if (slot >= kSlots || generation == 0) return nullptr;
  // Of another generation is what an owner may have that does not keep to the rules: it is not read twice
  if (counts_[slot] > 0 && leases_[slot].load(std::memory_order_relaxed) != generation) return nullptr;
  leases_[slot].store(generation, std::memory_order_seq_cst);
  const SlotHead& head = heads_[slot];
  const bool isThere = head.generation.load(std::memory_order_seq_cst) == generation;
  const uint64_t begin = head.offset.load(std::memory_order_relaxed);
  const uint64_t size = head.length.load(std::memory_order_relaxed);
  const bool fits = begin >= kDataOffset && begin <= bytes_ && size <= bytes_ - begin && offset <= size && length <= size - offset;
  if (!isThere || !fits) {
    if (counts_[slot] == 0) leases_[slot].store(0, std::memory_order_seq_cst);
    return nullptr;
  }
  counts_[slot]++;
  return memory_ + begin + offset;
}

void LeasedSlots::release(uint32_t slot) {
  if (--counts_[slot] == 0) leases_[slot].store(0, std::memory_order_seq_cst);
}

}  // namespace mserve::slab
