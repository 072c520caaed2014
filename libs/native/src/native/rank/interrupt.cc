#include "rank/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "rank/fault.h"
#include "rank/shared_region.h"

namespace mserve::rank {

const char* nameOf(PeerFault fault) {
  switch (fault) {
    case PeerFault::Ended:
      return "its connection ended";
    case PeerFault::GaveUp:
      return "it gave up";
    case PeerFault::Unreachable:
      return "it cannot be reached";
    case PeerFault::Token:
      return "it has another token";
    case PeerFault::Address:
      return "it has another address";
    case PeerFault::Epoch:
      return "it is in another epoch";
    case PeerFault::Garbage:
      return "it sends garbage";
    case PeerFault::Unexpected:
      return "it is at another step";
    case PeerFault::Silent:
      return "it is silent";
    case PeerFault::None:
      break;
  }
  return "no fault";
}

bool Interrupt::start(Failure& failure) {
  int ends[2];
  if (::pipe(ends) != 0) {
    failure.set(FailureKind::Load, std::string("cannot make a pipe: ") + std::strerror(errno));
    return false;
  }
  readEnd_ = Descriptor(ends[0]);
  writeEnd_ = Descriptor(ends[1]);
  for (int end : ends) {
    ::fcntl(end, F_SETFL, O_NONBLOCK);
    ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
  return true;
}

void Interrupt::raise(const Failure& cause) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (raised_.load(std::memory_order_relaxed)) return;
  cause_ = cause;
  raised_.store(true, std::memory_order_release);
  const char byte = 0;
  if (::write(writeEnd_.number(), &byte, 1) < 0) return;  // only when it is full, and readable then
  if (doorbell_ != nullptr) ringDoorbell(*doorbell_);
}

void Interrupt::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  char bytes[16];
  while (::read(readEnd_.number(), bytes, sizeof(bytes)) > 0) {
  }
  raised_.store(false, std::memory_order_release);
}

Failure Interrupt::cause() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cause_;
}

void Interrupt::watchDoorbell(std::atomic<uint32_t>* doorbell) {
  const std::lock_guard<std::mutex> lock(mutex_);
  doorbell_ = doorbell;
}

}  // namespace mserve::rank
