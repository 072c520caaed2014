#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "rank/control.h"
#include "rank/mesh.h"

namespace mserve::rank {

namespace {

/** A rank that sleeps on its doorbell looks this often for peers that have died. */
constexpr int64_t kSliceNs = 10'000'000;

/** What a peer says about its reason comes on another connection than the one that ended. */
constexpr int kReasonMs = 100;

void sendControl(const Descriptor& control, const ControlMessage& message) {
  // What does not fit is not needed: the peer has unread messages that wake it, or reads none at all
  [[maybe_unused]] const ssize_t sent = ::send(control.number(), &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

void Mesh::sleepOnDoorbell(uint32_t seen) {
  const int64_t left = deadlineNs_ - nowNs();
  if (left > 0) waitForDoorbell(region_->head().doorbell, seen, std::min(left, kSliceNs));
  const bool isRung = region_->head().doorbell.load(std::memory_order_seq_cst) != seen;
  const bool gaveUp = std::any_of(lines_.begin(), lines_.end(), [](Line& line) { return line.peer.region != nullptr && line.peer.region->head().gaveUp.load() != 0; });
  if (!isRung || gaveUp) readControls();
}

void Mesh::sleepOnSockets() {
  std::vector<pollfd> watched;
  watched.reserve(2 * lines_.size() + 1);
  watched.push_back({interrupt_.descriptor(), POLLIN, 0});
  for (const Line& line : lines_) {
    // A peer's frame that has to wait does not wake: only its end does
    const bool isPaused = line.hasHead && line.target == nullptr && !line.isStashing;
    const auto wanted = static_cast<short>((isPaused ? 0 : POLLIN) | (line.outgoing.empty() ? 0 : POLLOUT));
    watched.push_back({line.peer.data.number(), wanted, 0});
    watched.push_back({line.peer.control.number(), POLLIN, 0});
  }
  const int64_t leftMs = (deadlineNs_ - nowNs() + 999'999) / 1'000'000;
  const int count = ::poll(watched.data(), watched.size(), static_cast<int>(std::clamp<int64_t>(leftMs, 0, 60'000)));
  if (count <= 0) return;
  for (size_t i = 0; i < lines_.size(); i++) {
    if ((watched[2 * i + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) lines_[i].mayBeReadable = true;
    if (watched[2 * i + 2].revents != 0 && !failure_) readControl(lines_[i]);
  }
}

/** The peer may go on: there is something to read, or room to write. One that waits for somebody else's frame is left asleep, unless this rank waits for room. */
void Mesh::wake(Line& line, bool isBlocked) {
  std::atomic<uint32_t>& sleep = line.peer.region->head().sleep;
  const uint32_t state = sleep.load(std::memory_order_seq_cst);
  if (state == static_cast<uint32_t>(Sleep::Awake)) return;
  const uint32_t awaited = state >> kAwaitedShift;
  if (awaited != kAnybody && awaited != rank_ + 1 && !isBlocked) return;
  const uint32_t how = sleep.exchange(static_cast<uint32_t>(Sleep::Awake), std::memory_order_seq_cst) & kSleepMask;
  if (how == static_cast<uint32_t>(Sleep::OnDoorbell)) {
    ringDoorbell(line.peer.region->head().doorbell);
  } else if (how == static_cast<uint32_t>(Sleep::OnSockets)) {
    sendControl(line.peer.control, {});
  }
}

void Mesh::readControls() {
  for (Line& line : lines_) {
    if (line.peer.control.isOpen() && !failure_) readControl(line);
  }
}

void Mesh::readControl(Line& line) {
  char bytes[256];
  const ssize_t count = ::recv(line.peer.control.number(), bytes, sizeof(bytes), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (count <= 0) {
    lost(line);
    return;
  }
  line.peer.controlBytes.append(bytes, count);
  while (line.peer.controlBytes.size() >= sizeof(ControlMessage)) {
    ControlMessage message;
    std::memcpy(&message, line.peer.controlBytes.data(), sizeof(message));
    line.peer.controlBytes.erase(0, sizeof(message));
    if (message.kind == ControlMessage::Doorbell) continue;
    if (message.kind != ControlMessage::GaveUp) {
      unexpected(line, line.head, PeerFault::Garbage);
      return;
    }
    const int rank = static_cast<int>(line.peer.rank);
    std::string text = "rank " + std::to_string(rank) + " gave up";
    const auto fault = static_cast<PeerFault>(message.fault);
    if (message.rank >= 0 && fault != PeerFault::None) text += " because of rank " + std::to_string(message.rank) + ": " + nameOf(fault);
    failPeer(failure_, FailureKind::Peer, PeerFault::GaveUp, rank, std::move(text));
    return;
  }
}

/** The connection for tensors ended: the one for control tells why. */
void Mesh::onDataEnd(Line& line) {
  pollfd control = {line.peer.control.number(), POLLIN, 0};
  while (!failure_ && ::poll(&control, 1, kReasonMs) > 0) readControl(line);
  if (!failure_) lost(line);
}

void Mesh::lost(const Line& line) {
  failPeer(failure_, FailureKind::Peer, PeerFault::Ended, static_cast<int>(line.peer.rank), "the connection to rank " + std::to_string(line.peer.rank) + " ended");
}

void Mesh::outOfTime() {
  for (const Incoming& incoming : transfer_->incoming) {
    if (incoming.isDone || incoming.peer == rank_) continue;
    failPeer(failure_, FailureKind::Deadline, PeerFault::Silent, static_cast<int>(incoming.peer),
             "the time is over while rank " + std::to_string(incoming.peer) + " is waited for: " + describe(incoming.head));
    return;
  }
  for (const Line& line : lines_) {
    if (line.outgoing.empty()) continue;
    failPeer(failure_, FailureKind::Deadline, PeerFault::Silent, static_cast<int>(line.peer.rank),
             "the time is over while rank " + std::to_string(line.peer.rank) + " does not take: " + describe(line.outgoing.front()->head));
    return;
  }
  failure_.set(FailureKind::Deadline, "the time is over");
}

/** `head`: what was expected; what came is in line.head. */
void Mesh::unexpected(const Line& line, const FrameHead& head, PeerFault fault) {
  const int rank = static_cast<int>(line.peer.rank);
  std::string text = "rank " + std::to_string(rank);
  if (fault == PeerFault::Garbage) {
    text += " sends bytes that are no frame";
  } else if (fault == PeerFault::Epoch) {
    text += " sends a frame of epoch " + std::to_string(line.head.epoch) + ", this is epoch " + std::to_string(epoch_);
  } else {
    text += " sends " + describe(line.head) + "; expected was " + describe(head);
    if (line.head.group != head.group) text += " of another group";
  }
  failPeer(failure_, FailureKind::Protocol, fault, rank, std::move(text));
}

void Mesh::giveUp(const Failure& cause) {
  if (gaveUp_) return;
  gaveUp_ = true;
  const bool isOfPeer = cause.kind >= FailureKind::Peer;
  ControlMessage message{ControlMessage::GaveUp, static_cast<uint32_t>(cause.kind), 0, -1};
  if (isOfPeer) {
    message.fault = static_cast<uint32_t>(cause.runtimeCode & 0xff);
    message.rank = (cause.runtimeCode >> 8) - 1;
  }
  for (Line& line : lines_) {
    if (!line.peer.control.isOpen()) continue;
    sendControl(line.peer.control, message);
    ::shutdown(line.peer.control.number(), SHUT_WR);
  }
  if (region_ != nullptr) region_->head().gaveUp.store(1);
  for (Line& line : lines_) {
    line.peer.data.close();
    if (line.peer.region != nullptr) ringDoorbell(line.peer.region->head().doorbell);
  }
}

}  // namespace mserve::rank
