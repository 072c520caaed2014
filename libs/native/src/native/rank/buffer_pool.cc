#include "rank/buffer_pool.h"

#include <cstdlib>
#include <new>

namespace mserve::rank {

namespace {

constexpr size_t kAlignment = 64;
/** Kept idle at most. */
constexpr size_t kIdleBuffers = 64;
constexpr size_t kIdleBytes = 1UL << 30;

}  // namespace

BufferPool::Idle::~Idle() {
  for (const Buffer& buffer : buffers) std::free(buffer.bytes);
}

std::shared_ptr<uint8_t> BufferPool::take(size_t bytes) {
  const size_t capacity = (bytes + kAlignment - 1) / kAlignment * kAlignment + (bytes == 0 ? kAlignment : 0);
  Buffer buffer = {nullptr, capacity};
  {
    const std::lock_guard<std::mutex> lock(idle_->mutex);
    for (Buffer& idle : idle_->buffers) {
      if (idle.capacity != capacity) continue;
      buffer = idle;
      idle = idle_->buffers.back();
      idle_->buffers.pop_back();
      idle_->bytes -= capacity;
      break;
    }
  }
  if (buffer.bytes == nullptr) buffer.bytes = static_cast<uint8_t*>(std::aligned_alloc(kAlignment, capacity));
  if (buffer.bytes == nullptr) throw std::bad_alloc();
  return {buffer.bytes, [idle = idle_, capacity](uint8_t* returned) {
            const std::lock_guard<std::mutex> lock(idle->mutex);
            if (idle->buffers.size() >= kIdleBuffers || idle->bytes + capacity > kIdleBytes) {
              std::free(returned);
              return;
            }
            idle->buffers.push_back({returned, capacity});
            idle->bytes += capacity;
          }};
}

}  // namespace mserve::rank
