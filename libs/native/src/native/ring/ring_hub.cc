#include "ring/ring_hub.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace mserve::ring {

using slab::Handed;
using slab::Welcome;

namespace {

/** Rings that are read at a time; for more writers there is the bus. */
constexpr size_t kMaxInlets = 256;
constexpr size_t kMaxConnections = 1024;
/** A connection that has not said its token by then is closed. */
constexpr int64_t kGreetingMs = 2000;

int64_t nowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Outlet::Outlet(Descriptor connected, Descriptor event, Mapping mapped)
    : socket(std::move(connected)), wakeUps(std::move(event)), memory(std::move(mapped)), writer(memory.memory()) {}

std::shared_ptr<Outlet> Outlet::open(uint64_t hub, uint64_t token, int timeoutMs) {
  Descriptor socket = slab::connectTo(Handed::Ring, hub, timeoutMs);
  if (!socket.isOpen() || !slab::isOfThisUser(socket)) return nullptr;
  if (::send(socket.number(), &token, sizeof token, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof token)) return nullptr;
  Welcome welcome = {};
  Descriptor file;
  Descriptor wakeUps;
  if (!slab::receiveFiles(socket, welcome, file, wakeUps) || welcome.magic != kMagic || welcome.bytes != kBytes) return nullptr;
  Mapping memory;
  if (!slab::mapMemory(file, kMemoryBytes, true, memory)) return nullptr;
  const auto& head = *reinterpret_cast<const RingHead*>(memory.memory());
  if (head.magic != kMagic || head.bytes != kBytes) return nullptr;
  return std::make_shared<Outlet>(std::move(socket), std::move(wakeUps), std::move(memory));
}

RingWriter::Result Outlet::write(Kind kind, const uint8_t* bytes, uint64_t length) {
  bool wakes = false;
  const RingWriter::Result result = writer.write(kind, bytes, length, wakes);
  if (wakes) slab::raise(wakeUps);
  return result;
}

std::unique_ptr<RingHub> RingHub::make(uint64_t hub, std::string& why) {
  auto made = std::unique_ptr<RingHub>(new RingHub());
  made->wakeUps_ = slab::makeEvent();
  made->poke_ = slab::makeEvent();
  made->listener_ = slab::listenAt(Handed::Ring, hub);
  if (!made->wakeUps_.isOpen() || !made->poke_.isOpen() || !made->listener_.isOpen()) {
    why = "no socket to hand memory over: " + slab::textOf(errno);
    return nullptr;
  }
  try {
    made->thread_ = std::thread([self = made.get()] { self->serve(); });
  } catch (const std::system_error& error) {
    why = std::string("no thread to be had: ") + error.what();
    return nullptr;
  }
  return made;
}

RingHub::~RingHub() {
  for (const auto& [number, inlet] : inlets_) inlet->reader.close();
  isClosing_ = true;
  slab::raise(poke_);
  if (thread_.joinable()) thread_.join();
}

bool RingHub::offer(uint64_t ring) {
  if (inlets_.size() >= kMaxInlets || inlets_.contains(ring)) return false;
  Descriptor file;
  Mapping memory;
  // All pages are taken here: what is not to be had shows now, and not as a signal when they are written
  if (!slab::makeMemory("mserve-ring", kMemoryBytes, file, memory) || !slab::reserve(file, 0, kMemoryBytes)) return false;
  const auto inlet = std::make_shared<Inlet>(std::move(memory), std::move(file));
  inlets_[ring] = inlet;
  const std::lock_guard lock(mutex_);
  offered_[ring] = inlet;
  return true;
}

bool RingHub::begin(uint64_t ring) {
  const auto found = inlets_.find(ring);
  if (found == inlets_.end() || found->second->isBegun) return false;
  found->second->isBegun = true;
  return true;
}

void RingHub::close(uint64_t ring) {
  const auto found = inlets_.find(ring);
  if (found == inlets_.end()) return;
  found->second->reader.close();
  found->second->isClosed = true;
  inlets_.erase(found);
  {
    const std::lock_guard lock(mutex_);
    offered_.erase(ring);
  }
  slab::raise(poke_);
}

void RingHub::add(uint64_t number, std::shared_ptr<Outlet> outlet) {
  outlets_[number] = outlet;
  {
    const std::lock_guard lock(mutex_);
    added_.push_back(std::move(outlet));
  }
  slab::raise(poke_);
}

Outlet* RingHub::outlet(uint64_t number) {
  const auto found = outlets_.find(number);
  return found == outlets_.end() ? nullptr : found->second.get();
}

void RingHub::leave(uint64_t number) {
  const auto found = outlets_.find(number);
  if (found == outlets_.end()) return;
  found->second->isLeft = true;
  outlets_.erase(found);
  slab::raise(poke_);
}

bool RingHub::sleep() {
  bool hasMore = false;
  for (const auto& [number, inlet] : inlets_) {
    if (!inlet->isBegun) continue;
    inlet->reader.sleep();
    hasMore = hasMore || inlet->reader.hasMore();
  }
  return hasMore || hasEnds_.load(std::memory_order_seq_cst);
}

void RingHub::wake() {
  for (const auto& [number, inlet] : inlets_) inlet->reader.wake();
}

bool RingHub::hasNews() {
  if (isInPass_ || hasEnds_.load(std::memory_order_seq_cst)) return true;
  for (const auto& [number, inlet] : inlets_) {
    if (inlet->isBegun && inlet->reader.hasMore()) return true;
  }
  return false;
}

bool RingHub::read(Room& room, std::vector<Event>& events) {
  if (!isInPass_) {
    passHasEnds_ = hasEnds_.exchange(false);
    for (const auto& [number, inlet] : inlets_) {
      // In this order: all that was written before the end is seen with it
      inlet->passIsEnd = inlet->isEnded;
      inlet->passEnd = inlet->reader.written();
    }
    isInPass_ = true;
    nextRing_ = 0;
  }
  for (auto each = inlets_.lower_bound(nextRing_); each != inlets_.end();) {
    const auto [number, inlet] = *each++;
    nextRing_ = number;
    if (!readInlet(number, *inlet, room, events)) return false;
  }
  nextRing_ = UINT64_MAX;
  if (passHasEnds_) {
    for (const auto& [number, outlet] : outlets_) {
      if (!outlet->isEnded || outlet->isEndTold) continue;
      if (events.size() >= room.maxEvents) return false;
      outlet->isEndTold = true;
      events.push_back({Event::Left, number});
    }
  }
  isInPass_ = false;
  return true;
}

bool RingHub::readInlet(uint64_t number, Inlet& inlet, Room& room, std::vector<Event>& events) {
  while (inlet.isBegun) {
    uint64_t length = 0;
    const auto next = inlet.reader.look(inlet.passEnd, length);
    if (next == RingReader::Next::None) break;
    if (events.size() >= room.maxEvents) return false;
    if (next == RingReader::Next::Broken) {
      events.push_back({Event::Broken, number});
      close(number);
      return true;
    }
    if (length > room.length - room.used) {
      room.missing = length;
      return false;
    }
    inlet.reader.take(room.bytes + room.used);
    if (next == RingReader::Next::Pause) {
      inlet.isBegun = false;
      inlet.reader.wake();
      break;
    }
    events.push_back({Event::Bytes, number, room.used, length});
    // Each record begins where numbers of 8 bytes may lie
    room.used = std::min(room.length, room.used + (length + 7) / 8 * 8);
  }
  if (!inlet.passIsEnd) return true;
  const bool isAllRead = inlet.isBegun || !inlet.reader.hasMore();
  if (!isAllRead && inlet.isOrphanTold) return true;
  if (events.size() >= room.maxEvents) return false;
  if (isAllRead) {
    events.push_back({Event::Ended, number});
    close(number);
  } else {
    inlet.isOrphanTold = true;
    events.push_back({Event::Orphaned, number});
  }
  return true;
}

void RingHub::serve() {
  std::vector<pollfd> polled;
  while (!isClosing_) {
    polled.clear();
    polled.push_back({poke_.number(), POLLIN, 0});
    polled.push_back({listener_.number(), POLLIN, 0});
    bool greets = false;
    for (const Connection& connection : connections_) {
      polled.push_back({connection.number(), POLLIN, 0});
      greets = greets || (connection.inlet == nullptr && connection.outlet == nullptr);
    }
    if (::poll(polled.data(), polled.size(), greets ? static_cast<int>(kGreetingMs) : -1) < 0 && errno != EINTR) break;
    if (polled[0].revents != 0) slab::clear(poke_);
    size_t index = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); index++) {
      const auto each = connection++;
      if (isOver(*each) || (polled[index].revents != 0 && !hear(*each))) drop(each);
    }
    if (polled[1].revents != 0) accept();
    takeAdded();
  }
  while (!connections_.empty()) drop(connections_.begin());
}

void RingHub::accept() {
  Descriptor socket = slab::acceptFrom(listener_);
  if (!socket.isOpen()) {
    // No descriptor is left: what waits goes on waiting, without a busy loop
    if (errno == EMFILE || errno == ENFILE) ::usleep(10'000);
    return;
  }
  if (connections_.size() >= kMaxConnections || !slab::isOfThisUser(socket)) return;
  Connection& connection = connections_.emplace_back();
  connection.socket = std::move(socket);
  connection.cameAtMs = nowMs();
}

bool RingHub::isOver(const Connection& connection) const {
  if (connection.outlet != nullptr) return connection.outlet->isLeft;
  if (connection.inlet != nullptr) return connection.inlet->isClosed;
  return nowMs() - connection.cameAtMs >= kGreetingMs;
}

bool RingHub::hear(Connection& connection) {
  uint64_t token = 0;
  const ssize_t received = ::recv(connection.number(), &token, sizeof token, MSG_DONTWAIT);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  // Nobody says anything after the token: it is the end of the other process, or what it wants to be the end
  if (connection.outlet != nullptr || connection.inlet != nullptr || received != static_cast<ssize_t>(sizeof token)) return false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = offered_.find(token);
    if (found == offered_.end()) return false;
    connection.inlet = found->second;
    // One writer for each ring
    offered_.erase(found);
  }
  return slab::sendFiles(connection.socket, {kMagic, kBytes}, connection.inlet->file, wakeUps_);
}

void RingHub::drop(std::list<Connection>::iterator connection) {
  if (connection->inlet != nullptr) connection->inlet->isEnded = true;
  if (connection->outlet != nullptr) connection->outlet->isEnded = true;
  if (connection->inlet != nullptr || connection->outlet != nullptr) {
    hasEnds_ = true;
    slab::raise(wakeUps_);
  }
  connections_.erase(connection);
}

void RingHub::takeAdded() {
  const std::lock_guard lock(mutex_);
  for (std::shared_ptr<Outlet>& outlet : added_) {
    if (!outlet->isLeft) connections_.emplace_back().outlet = std::move(outlet);
  }
  added_.clear();
}

}  // namespace mserve::ring
