#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "slab/shared_memory.h"
#include "slab/slots.h"

namespace mserve::slab {

/** Another process' slab (or one's own), mapped for reading. */
class SlabReader {
 public:
  /** Asks its owner for the memory, for `timeoutMs` at most. Null: there is no such slab on this machine, or its owner is of another user. */
  static std::unique_ptr<SlabReader> open(uint64_t slab, uint64_t token, int timeoutMs);

  /** See LeasedSlots. */
  const uint8_t* acquire(uint32_t slot, uint64_t generation, uint64_t offset, uint64_t length);
  void release(uint32_t slot);
  /** Its process has ended, or has closed it. What was acquired stays as it is. */
  bool isOwnerGone() const;

 private:
  SlabReader(Descriptor socket, Mapping mapping, Mapping leases);

  const Descriptor socket_;  // its end tells the owner that nothing is read any more
  const Mapping mapping_;
  const Mapping leases_;
  std::mutex mutex_;  // guards slots_
  LeasedSlots slots_;
};

}  // namespace mserve::slab
