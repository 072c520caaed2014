#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace mserve::slab {

constexpr uint64_t kMagic = 0x3162616c73766d6d;  // "mmvslab1"
constexpr size_t kPageBytes = 4096;
constexpr uint32_t kSlots = 1024;

/** The first page of a slab. */
struct SlabHead {
  uint64_t magic;
  uint64_t token;  // of the owner: who finds it here has mapped this slab, and no other
  uint64_t bytes;  // of the whole slab
  uint64_t slots;
};

/**
 * A piece of the slab that holds one message. Its generation is 53 random bits while it is in use, else 0: who was not told it cannot ask for the message. Only the owner writes a slot, and nothing
 * but the generation while a reader has a lease.
 */
struct alignas(32) SlotHead {
  std::atomic<uint64_t> generation;
  std::atomic<uint64_t> offset;  // from the begin of the slab
  std::atomic<uint64_t> length;
};

/** What one reader reads of each slot: its generation, or 0. Written by the reader, looked at by the owner. */
using Lease = std::atomic<uint64_t>;

static_assert(std::atomic<uint64_t>::is_always_lock_free, "atomics are shared between processes");

constexpr size_t kDataOffset = kPageBytes + kSlots * sizeof(SlotHead);
constexpr size_t kLeaseBytes = kSlots * sizeof(Lease);
static_assert(kDataOffset % kPageBytes == 0 && kLeaseBytes % kPageBytes == 0);

inline SlotHead* slotHeads(uint8_t* memory) { return reinterpret_cast<SlotHead*>(memory + kPageBytes); }
inline const SlotHead* slotHeads(const uint8_t* memory) { return reinterpret_cast<const SlotHead*>(memory + kPageBytes); }

struct Placed {
  uint32_t slot = 0;
  uint64_t generation = 0;
  uint8_t* bytes = nullptr;
};

/**
 * The owner's side of the slots. A slot that was freed is used again only when no reader has a lease of it: the owner changes the generation and then looks at the
 * leases, a reader writes its lease and then looks at the generation, all in one order (seq_cst), so one of them sees the other. Not thread-safe.
 */
class OwnedSlots {
 public:
  /** `reserve(end)`: makes sure that the slab has memory up to there; false: there is none. */
  OwnedSlots(uint8_t* memory, uint64_t bytes, uint64_t token, std::function<bool(uint64_t end)> reserve);

  /** Room for so many bytes, as low in the slab as there is; nothing when there is none. */
  std::optional<Placed> place(uint64_t length);
  /** Nobody may begin to read it any more. False for a slot that is not in use in that generation. */
  bool free(uint32_t slot, uint64_t generation);

  void addReader(const Lease* leases) { readers_.push_back(leases); }
  /** It reads nothing any more, whatever its leases say. */
  void removeReader(const Lease* leases);

  /** Bytes of slots that are in use, or still read. */
  uint64_t usedBytes();

 private:
  uint64_t newGeneration();
  bool isLeased(uint32_t slot, uint64_t generation) const;
  void reclaim(uint32_t slot);
  /** Takes back what was freed and is not read any more. */
  void sweep();

  uint8_t* const memory_;
  SlotHead* const heads_;
  const std::function<bool(uint64_t)> reserve_;
  std::map<uint64_t, uint64_t> gaps_;  // offset, length
  std::vector<uint32_t> freeSlots_;
  std::vector<std::pair<uint32_t, uint64_t>> leaving_;  // freed slots that were read then, and their generations
  std::vector<const Lease*> readers_;
  uint64_t usedBytes_ = 0;
  std::random_device random_;
};

/** A reader's side: what it may read of another process' slab. Everything that comes from there is checked. Not thread-safe. */
class LeasedSlots {
 public:
  /** `bytes`: of the mapping, which is what bounds are checked against. */
  LeasedSlots(const uint8_t* memory, uint64_t bytes, Lease* leases);

  /**
   * Bytes [offset, offset + length) of what lies in the slot, which stay as they are until release(slot) was called as often as this succeeded. Null: the slot is not in use in that
   * generation, or has no such bytes.
   */
  const uint8_t* acquire(uint32_t slot, uint64_t generation, uint64_t offset, uint64_t length);
  void release(uint32_t slot);

 private:
  const uint8_t* const memory_;
  const SlotHead* const heads_;
  const uint64_t bytes_;
  Lease* const leases_;
  std::vector<uint32_t> counts_;
};

}  // namespace mserve::slab
