#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace mserve::ring {

constexpr uint64_t kMagic = 0x31676e6972736d6d;  // "mmsring1"
/** Of records, their heads included. */
constexpr uint64_t kBytes = 1 << 19;
/** Of one record; larger ones take another way. */
constexpr uint64_t kMaxRecord = 1 << 17;
constexpr size_t kHeadBytes = 4096;
constexpr size_t kMemoryBytes = kHeadBytes + kBytes;

/** What a record is. Pause: what follows is read only when the reader was told so in another way. */
enum class Kind : uint32_t { Bytes = 1, Pause = 2 };

/** Before each record; its bytes follow, up to a multiple of 8. */
struct RecordHead {
  uint32_t length;
  Kind kind;
};

/** The first page of a ring. Positions count bytes since the start. */
struct RingHead {
  uint64_t magic;
  uint64_t bytes;
  alignas(64) std::atomic<uint64_t> written;  // by the writer
  alignas(64) std::atomic<uint64_t> taken;    // by the reader: what lies before it has been read
  std::atomic<uint32_t> isAsleep;             // the reader wants to be woken; who takes it away wakes it
  std::atomic<uint32_t> isClosed;             // by the reader: nothing more is read, or soon
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free, "atomics are shared between processes");
static_assert(sizeof(RingHead) <= kHeadBytes && sizeof(RecordHead) == 8 && (kBytes & (kBytes - 1)) == 0);

/** What a record takes of the ring. */
constexpr uint64_t sizeOf(uint64_t length) { return sizeof(RecordHead) + (length + 7) / 8 * 8; }

/**
 * The writing side of a ring between two processes that do not trust each other: nothing that the reader writes is believed beyond what is possible. Not thread-safe.
 * The writer publishes and then looks whether the reader is asleep, the reader says that it is asleep and then looks for records, all in one order (seq_cst), so one of
 * them sees the other.
 */
class RingWriter {
 public:
  enum class Result { Written, Full, Closed };

  explicit RingWriter(uint8_t* memory);

  /** `wakes`: the reader is to be woken. There is always room for one pause. */
  Result write(Kind kind, const uint8_t* bytes, uint64_t length, bool& wakes);
  uint64_t written() const { return written_; }
  /** Up to where the reader has taken the records. */
  uint64_t taken();
  bool isClosed() const;

 private:
  void copy(uint64_t position, const void* bytes, uint64_t length);

  RingHead& head_;
  uint8_t* const records_;
  uint64_t written_ = 0;
  uint64_t taken_ = 0;
  bool isBroken_ = false;
};

/** The reading side, which makes the ring. What the writer writes is checked against what is known here, and never read twice. Not thread-safe. */
class RingReader {
 public:
  enum class Next { None, Bytes, Pause, Broken };

  /** Of memory that is all 0. */
  explicit RingReader(uint8_t* memory);

  /** Whether there is anything that was not taken yet. */
  bool hasMore() const;
  /** What has been written by now: where a pass over the ring ends. */
  uint64_t written() const;
  /** The next record before the position `end`; `length`: of its bytes. */
  Next look(uint64_t end, uint64_t& length);
  /** Copies the bytes of the record that was looked at, and counts them as taken. */
  void take(uint8_t* target);
  void sleep() { head_.isAsleep.store(1, std::memory_order_seq_cst); }
  void wake() { head_.isAsleep.store(0, std::memory_order_relaxed); }
  /** Tells the writer; what it has written before it saw that can still be read. */
  void close() { head_.isClosed.store(1, std::memory_order_seq_cst); }

 private:
  RingHead& head_;
  const uint8_t* const records_;
  uint64_t taken_ = 0;
  uint64_t length_ = 0;  // of the record that was looked at
};

}  // namespace mserve::ring
