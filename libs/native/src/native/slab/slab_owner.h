#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "slab/shared_memory.h"
#include "slab/slots.h"

namespace mserve::slab {

/**
 * Memory of this process that others of the same user on the same machine read in place. It has no name: it is handed over through a socket, and is gone when the last
 * process that has it is, however that ended. A reader whose process ended has no leases any more.
 */
class SlabOwner {
 public:
  /** Null, and why: where this system has no such memory, or there is not enough. `token`: what readers must know. */
  static std::unique_ptr<SlabOwner> make(uint64_t slab, uint64_t token, uint64_t bytes, std::string& why);
  ~SlabOwner();
  SlabOwner(const SlabOwner&) = delete;
  SlabOwner& operator=(const SlabOwner&) = delete;

  std::optional<Placed> place(uint64_t length);
  void free(uint32_t slot, uint64_t generation);
  uint64_t usedBytes();

 private:
  /** A connection; a reader once it has shown the token. */
  struct Reader {
    Descriptor socket;
    Descriptor leaseFile;
    Mapping leases;
    bool isWelcome = false;
    int64_t cameAtMs = 0;
  };

  SlabOwner(uint64_t token, uint64_t bytes) : token_(token), bytes_(bytes) {}
  bool reserveUpTo(uint64_t end);
  void serve();
  void accept();
  /** False: the connection is over. */
  bool hear(Reader& reader);
  void drop(std::list<Reader>::iterator reader);

  const uint64_t token_;
  const uint64_t bytes_;
  Descriptor file_;
  Descriptor readOnlyFile_;
  Mapping mapping_;
  uint64_t reservedTo_ = 0;
  std::mutex mutex_;  // guards slots_
  std::optional<OwnedSlots> slots_;
  Descriptor listener_;
  Descriptor wake_;       // written by the destructor
  Descriptor wakeReads_;  // read by the thread
  std::list<Reader> readers_;  // of the thread
  std::thread thread_;
};

}  // namespace mserve::slab
