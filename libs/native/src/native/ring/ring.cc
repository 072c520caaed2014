#include "ring/ring.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace mserve::ring {

namespace {

uint64_t placeOf(uint64_t position) { return position & (kBytes - 1); }

}  // namespace

RingWriter::RingWriter(uint8_t* memory) : head_(*reinterpret_cast<RingHead*>(memory)), records_(memory + kHeadBytes) {}

RingWriter::Result RingWriter::write(Kind kind, const uint8_t* bytes, uint64_t length, bool& wakes) {
  wakes = false;
  if (isClosed()) return Result::Closed;
  const uint64_t size = sizeOf(length);
  const uint64_t keptFree = kind == Kind::Pause ? 0 : sizeOf(0);
  if (length > kMaxRecord || size + keptFree > kBytes - (written_ - taken())) return isBroken_ ? Result::Closed : Result::Full;
  const RecordHead record = {static_cast<uint32_t>(length), kind};
  copy(written_, &record, sizeof record);
  copy(written_ + sizeof record, bytes, length);
  written_ += size;
  head_.written.store(written_, std::memory_order_seq_cst);
  wakes = head_.isAsleep.load(std::memory_order_seq_cst) != 0 && head_.isAsleep.exchange(0, std::memory_order_seq_cst) != 0;
  return Result::Written;
}

uint64_t RingWriter::taken() {
  const uint64_t taken = head_.taken.load(std::memory_order_acquire);
  if (taken < taken_ || taken > written_) isBroken_ = true;
  else taken_ = taken;
  return taken_;
}

bool RingWriter::isClosed() const { return isBroken_ || head_.isClosed.load(std::memory_order_seq_cst) != 0; }

void RingWriter::copy(uint64_t position, const void* bytes, uint64_t length) {
  if (length == 0) return;
  const uint64_t place = placeOf(position);
  const uint64_t before = std::min(length, kBytes - place);
  std::memcpy(records_ + place, bytes, before);
  if (length > before) std::memcpy(records_, static_cast<const uint8_t*>(bytes) + before, length - before);
}

RingReader::RingReader(uint8_t* memory) : head_(*new (memory) RingHead{kMagic, kBytes, {0}, {0}, {0}, {0}}), records_(memory + kHeadBytes) {}

bool RingReader::hasMore() const { return head_.written.load(std::memory_order_seq_cst) != taken_; }

uint64_t RingReader::written() const { return head_.written.load(std::memory_order_acquire); }

RingReader::Next RingReader::look(uint64_t end, uint64_t& length) {
  const uint64_t waiting = end - taken_;
  if (waiting == 0) return Next::None;
  if (waiting > kBytes || waiting % 8 != 0) return Next::Broken;
  // Once: the writer may change it meanwhile
  RecordHead record;
  std::memcpy(&record, records_ + placeOf(taken_), sizeof record);
  const bool isPause = record.kind == Kind::Pause;
  if ((!isPause && record.kind != Kind::Bytes) || record.length > (isPause ? 0 : kMaxRecord) || sizeOf(record.length) > waiting) return Next::Broken;
  length = length_ = record.length;
  return isPause ? Next::Pause : Next::Bytes;
}

void RingReader::take(uint8_t* target) {
  const uint64_t place = placeOf(taken_ + sizeof(RecordHead));
  const uint64_t before = std::min(length_, kBytes - place);
  if (before > 0) std::memcpy(target, records_ + place, before);
  if (length_ > before) std::memcpy(target + before, records_, length_ - before);
  taken_ += sizeOf(length_);
  head_.taken.store(taken_, std::memory_order_release);
}

}  // namespace mserve::ring
