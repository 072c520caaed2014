#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace mserve::rank {

/**
 * Memory for the tensors of a program. What is no longer used is kept for the next batch, whose tensors have the same sizes in most cases: fresh memory of many megabytes
 * costs more than the collective that fills it. Given back on any thread, also after the pool is gone.
 */
class BufferPool {
 public:
  BufferPool() : idle_(std::make_shared<Idle>()) {}

  /** Aligned to 64 bytes; not cleared. Throws std::bad_alloc. */
  std::shared_ptr<uint8_t> take(size_t bytes);

 private:
  struct Buffer {
    uint8_t* bytes;
    size_t capacity;
  };
  struct Idle {
    ~Idle();
    std::mutex mutex;
    std::vector<Buffer> buffers;
    size_t bytes = 0;
  };

  std::shared_ptr<Idle> idle_;
};

}  // namespace mserve::rank
