#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "rank/descriptor.h"

namespace mserve::rank {

/** Why two ranks do not share memory. Numbers as in word-layout.ts. */
enum class Sharing : uint32_t {
  Shared = 0,
  OtherHost = 1,   // what one offers is not found, or is another thing, where the other one looks
  NoSpace = 2,     // /dev/shm is full or too small
  Forbidden = 3,   // it may not be made or opened
  SwitchedOff = 4, // by option, or the system has none
};

/** How a rank sleeps; read by the peers that have something for it. From bit 8 on: the number of the rank that it waits for, plus 1. */
enum class Sleep : uint32_t { Awake = 0, OnDoorbell = 1, OnSockets = 2 };
constexpr uint32_t kAwaitedShift = 8;
constexpr uint32_t kSleepMask = 0xff;
constexpr uint32_t kAnybody = 0;

/** A stream of bytes from one process to one other: one writes, the other reads. Both see the same memory. */
struct RingControl {
  alignas(64) std::atomic<uint64_t> written;  // bytes ever written
  alignas(64) std::atomic<uint64_t> read;     // bytes ever read
};

struct Span {
  uint8_t* bytes = nullptr;
  size_t length = 0;
};

/**
 * One side of a ring. What the other side writes is checked: `isSound` of false means that it is broken.
 * The order of all loads and stores here and of RegionHead::sleep is one for both sides (seq_cst): who goes to sleep after a last look is seen by who writes.
 */
class Ring {
 public:
  Ring() = default;
  Ring(RingControl* control, uint8_t* bytes, size_t capacity) : control_(control), bytes_(bytes), capacity_(capacity) {}

  bool isSound() const { return control_->written.load(std::memory_order_acquire) - control_->read.load(std::memory_order_acquire) <= capacity_; }

  /** What can be written next, without a gap. */
  Span writable() const {
    const uint64_t written = control_->written.load(std::memory_order_relaxed);
    const uint64_t used = written - control_->read.load(std::memory_order_seq_cst);
    if (used >= capacity_) return {};
    return spanAt(written, capacity_ - used);
  }
  void commitWritten(size_t count) { control_->written.fetch_add(count, std::memory_order_seq_cst); }

  /** What can be read next, without a gap. */
  Span readable() const {
    const uint64_t read = control_->read.load(std::memory_order_relaxed);
    const uint64_t used = control_->written.load(std::memory_order_seq_cst) - read;
    if (used == 0 || used > capacity_) return {};
    return spanAt(read, used);
  }
  /** True when the ring was full until now: the writer may be waiting for room. It always fills a ring before it waits. */
  bool commitRead(size_t count) {
    const uint64_t before = control_->read.fetch_add(count, std::memory_order_seq_cst);
    return control_->written.load(std::memory_order_seq_cst) - before >= capacity_;
  }

 private:
  Span spanAt(uint64_t position, size_t count) const {
    const size_t at = position % capacity_;
    return {bytes_ + at, count < capacity_ - at ? count : capacity_ - at};
  }

  RingControl* control_ = nullptr;
  uint8_t* bytes_ = nullptr;
  size_t capacity_ = 0;
};

/** The first page of a region. */
struct RegionHead {
  uint64_t magic;
  uint64_t nonce;  // of its maker: who finds it has found this one, and no other of the same name
  uint32_t rankSize;
  uint32_t ringBytes;
  alignas(64) std::atomic<uint32_t> sleep;     // Sleep of the owner, and for whom
  alignas(64) std::atomic<uint32_t> doorbell;  // a futex: changes when the owner is to look again
  alignas(64) std::atomic<uint32_t> gaveUp;    // 1: the owner has left the mesh
};

/** What a rank tells its peers about its region. */
struct RegionOffer {
  Sharing sharing = Sharing::SwitchedOff;
  uint32_t ringBytes = 0;
  uint64_t nonce = 0;
  std::string name;
};

/**
 * Memory that a rank shares with its peers on the same host: a head, and for every peer the ring that the owner writes and that peer reads.
 * POSIX shared memory: it has a name only until unlink(), so that nothing is left behind whoever dies later.
 */
class SharedRegion {
 public:
  /** Makes one. Null, and the reason in `sharing`, where that cannot be. All of it is reserved: a full /dev/shm shows here, and not later as SIGBUS. */
  static std::unique_ptr<SharedRegion> make(uint32_t rank, uint32_t rankSize, uint32_t ringBytes, Sharing& sharing);
  /** Maps that of a peer. */
  static std::unique_ptr<SharedRegion> open(const RegionOffer& offer, uint32_t rankSize, Sharing& sharing);
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  const RegionOffer& offer() const { return offer_; }
  RegionHead& head() { return *reinterpret_cast<RegionHead*>(memory_); }
  /** The ring that the owner writes and `peer` reads. */
  Ring ringTo(uint32_t peer);
  /** Takes the name away. */
  void unlink();

 private:
  SharedRegion(RegionOffer offer, uint32_t rankSize, void* memory, size_t bytes, bool isOwner)
      : offer_(std::move(offer)), rankSize_(rankSize), memory_(memory), bytes_(bytes), isOwner_(isOwner) {}

  RegionOffer offer_;
  uint32_t rankSize_;
  void* memory_;
  size_t bytes_;
  bool isOwner_;
  Descriptor file_;  // of the owner, locked as long as it has a name
};

/**
 * Takes away what ranks have left behind that died while they formed a mesh: names of regions that are older than a minute, and whose owner does not hold its lock any more
 * (which tells of other containers too, whose process numbers mean nothing here).
 */
void sweepRegions();

/** Waits until the doorbell is no longer `seen`, at most so long. */
void waitForDoorbell(std::atomic<uint32_t>& doorbell, uint32_t seen, int64_t ns);
void ringDoorbell(std::atomic<uint32_t>& doorbell);

}  // namespace mserve::rank
