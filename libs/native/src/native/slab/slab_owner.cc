#include "slab/slab_owner.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

namespace mserve::slab {

namespace {

/** Connections at a time; more of them are refused, and take the way over the bus. */
constexpr size_t kMaxReaders = 1024;
/** A connection that has not said its token by then is closed. */
constexpr int64_t kGreetingMs = 2000;
constexpr uint64_t kReserveStep = 1 << 20;

int64_t nowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::unique_ptr<SlabOwner> SlabOwner::make(uint64_t slab, uint64_t token, uint64_t bytes, std::string& why) {
  auto owner = std::unique_ptr<SlabOwner>(new SlabOwner(token, bytes));
  const auto fail = [&why](const char* what) {
    why = std::string(what) + ": " + textOf(errno);
    return nullptr;
  };
  if (bytes <= kDataOffset || bytes % kPageBytes != 0 || bytes > UINT64_MAX / 4) {
    errno = EINVAL;
    return fail("no memory of that size");
  }
  if (!makeMemory("mserve-slab", bytes, owner->file_, owner->mapping_)) return fail("no memory that can be shared");
  owner->readOnlyFile_ = readOnly(owner->file_);
  if (!owner->readOnlyFile_.isOpen()) return fail("memory cannot be shared for reading only");
  owner->listener_ = listenAt(Handed::Slab, slab);
  if (!owner->listener_.isOpen() || !makePipe(owner->wakeReads_, owner->wake_)) return fail("no socket to hand memory over");
  if (!owner->reserveUpTo(kDataOffset)) return fail("no memory that can be shared");
  owner->slots_.emplace(owner->mapping_.memory(), bytes, token, [self = owner.get()](uint64_t end) { return self->reserveUpTo(end); });
  try {
    owner->thread_ = std::thread([self = owner.get()] { self->serve(); });
  } catch (const std::system_error& error) {
    why = std::string("no thread to be had: ") + error.what();
    return nullptr;
  }
  return owner;
}

SlabOwner::~SlabOwner() {
  wake_.close();
  if (thread_.joinable()) thread_.join();
}

std::optional<Placed> SlabOwner::place(uint64_t length) {
  const std::lock_guard lock(mutex_);
  return slots_->place(length);
}

void SlabOwner::free(uint32_t slot, uint64_t generation) {
  const std::lock_guard lock(mutex_);
  slots_->free(slot, generation);
}

uint64_t SlabOwner::usedBytes() {
  const std::lock_guard lock(mutex_);
  return slots_->usedBytes();
}

/** All pages are taken here and kept: what is not to be had shows now, and not as a signal when they are written. */
bool SlabOwner::reserveUpTo(uint64_t end) {
  if (end <= reservedTo_) return true;
  const uint64_t wanted = std::min(bytes_, (end + kReserveStep - 1) / kReserveStep * kReserveStep);
  if (!reserve(file_, reservedTo_, wanted)) return false;
  reservedTo_ = wanted;
  return true;
}

void SlabOwner::serve() {
  std::vector<pollfd> polled;
  for (;;) {
    polled.clear();
    polled.push_back({wakeReads_.number(), POLLIN, 0});
    polled.push_back({listener_.number(), POLLIN, 0});
    bool greets = false;
    for (const Reader& reader : readers_) {
      polled.push_back({reader.socket.number(), POLLIN, 0});
      greets = greets || !reader.isWelcome;
    }
    if (::poll(polled.data(), polled.size(), greets ? static_cast<int>(kGreetingMs) : -1) < 0 && errno != EINTR) break;
    if (polled[0].revents != 0) break;
    size_t index = 2;
    for (auto reader = readers_.begin(); reader != readers_.end(); index++) {
      const auto each = reader++;
      const bool isLate = !each->isWelcome && nowMs() - each->cameAtMs >= kGreetingMs;
      if (isLate || (polled[index].revents != 0 && !hear(*each))) drop(each);
    }
    if (polled[1].revents != 0) accept();
  }
  while (!readers_.empty()) drop(readers_.begin());
}

void SlabOwner::accept() {
  Descriptor socket = acceptFrom(listener_);
  if (!socket.isOpen()) {
    // No descriptor is left: what waits goes on waiting, without a busy loop
    if (errno == EMFILE || errno == ENFILE) ::usleep(10'000);
    return;
  }
  if (readers_.size() >= kMaxReaders || !isOfThisUser(socket)) return;
  Reader& reader = readers_.emplace_back();
  reader.socket = std::move(socket);
  reader.cameAtMs = nowMs();
}

bool SlabOwner::hear(Reader& reader) {
  uint64_t token = 0;
  const ssize_t received = ::recv(reader.socket.number(), &token, sizeof token, MSG_DONTWAIT);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  // Also the end of its process
  if (reader.isWelcome || received != static_cast<ssize_t>(sizeof token) || token != token_) return false;
  if (!makeMemory("mserve-leases", kLeaseBytes, reader.leaseFile, reader.leases) || !reserve(reader.leaseFile, 0, kLeaseBytes)) return false;
  reader.isWelcome = true;
  {
    // Before it can read anything
    const std::lock_guard lock(mutex_);
    slots_->addReader(reinterpret_cast<const Lease*>(reader.leases.memory()));
  }
  return sendFiles(reader.socket, {kMagic, bytes_}, readOnlyFile_, reader.leaseFile);
}

void SlabOwner::drop(std::list<Reader>::iterator reader) {
  if (reader->isWelcome) {
    const std::lock_guard lock(mutex_);
    slots_->removeReader(reinterpret_cast<const Lease*>(reader->leases.memory()));
  }
  readers_.erase(reader);
}

}  // namespace mserve::slab
