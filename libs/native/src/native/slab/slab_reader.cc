#include "slab/slab_reader.h"

#include <sys/socket.h>

#include <cerrno>

namespace mserve::slab {

std::unique_ptr<SlabReader> SlabReader::open(uint64_t slab, uint64_t token, int timeoutMs) {
  Descriptor socket = connectTo(Handed::Slab, slab, timeoutMs);
  if (!socket.isOpen() || !isOfThisUser(socket)) return nullptr;
  if (::send(socket.number(), &token, sizeof token, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof token)) return nullptr;
  Welcome welcome = {};
  Descriptor file;
  Descriptor leaseFile;
  if (!receiveFiles(socket, welcome, file, leaseFile) || welcome.magic != kMagic || welcome.bytes <= kDataOffset) return nullptr;
  Mapping mapping;
  Mapping leases;
  if (!mapMemory(file, welcome.bytes, false, mapping) || !mapMemory(leaseFile, kLeaseBytes, true, leases)) return nullptr;
  const auto& head = *reinterpret_cast<const SlabHead*>(mapping.memory());
  if (head.magic != kMagic || head.token != token || head.bytes != welcome.bytes || head.slots != kSlots) return nullptr;
  return std::unique_ptr<SlabReader>(new SlabReader(std::move(socket), std::move(mapping), std::move(leases)));
}

SlabReader::SlabReader(Descriptor socket, Mapping mapping, Mapping leases)
    : socket_(std::move(socket)),
      mapping_(std::move(mapping)),
      leases_(std::move(leases)),
      slots_(mapping_.memory(), mapping_.bytes(), reinterpret_cast<Lease*>(leases_.memory())) {}

const uint8_t* SlabReader::acquire(uint32_t slot, uint64_t generation, uint64_t offset, uint64_t length) {
  const std::lock_guard lock(mutex_);
  return slots_.acquire(slot, generation, offset, length);
}

void SlabReader::release(uint32_t slot) {
  const std::lock_guard lock(mutex_);
  slots_.release(slot);
}

bool SlabReader::isOwnerGone() const {
  char nothing;
  const ssize_t received = ::recv(socket_.number(), &nothing, sizeof nothing, MSG_DONTWAIT | MSG_PEEK);
  return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace mserve::slab
