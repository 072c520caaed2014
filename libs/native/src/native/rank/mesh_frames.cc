#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "rank/mesh.h"

namespace mserve::rank {

namespace {

constexpr size_t kHead = sizeof(FrameHead);

/** Sends of one peer that are put aside. Beyond it they stay in the connection, and the peer waits. */
constexpr size_t kMostStashed = 512UL << 20;

/** A body that goes straight from the socket to its place, without the buffer. */
constexpr size_t kDirectBytes = 64 * 1024;

/** Bodies are filled up to a multiple of 8, so that elements in a ring are never cut in two. */
size_t filled(size_t bytes) { return (bytes + 7) / 8 * 8; }

bool isLater(const FrameHead& head, const FrameHead& than) { return head.batch > than.batch; }

}  // namespace

bool Mesh::pumpOut(Line& line) {
  bool moved = false;
  while (!line.outgoing.empty() && !failure_) {
    const Outgoing& frame = *line.outgoing.front();
    const size_t count = line.peer.shares() ? pushShared(line, frame) : pushSocket(line, frame);
    if (count == 0) break;
    moved = true;
    line.sent += count;
    if (line.sent < kHead + filled(frame.head.bytes)) continue;
    line.outgoing.pop_front();
    line.sent = 0;
  }
  if (moved && line.peer.shares()) wake(line, !line.outgoing.empty());
  return moved;
}

/** Copies what fits into the ring without a gap. */
size_t Mesh::pushShared(Line& line, const Outgoing& frame) {
  const Span span = line.peer.out.writable();
  const size_t whole = kHead + filled(frame.head.bytes);
  const size_t count = std::min(span.length, whole - line.sent);
  size_t at = line.sent;
  uint8_t* into = span.bytes;
  const uint8_t* const end = span.bytes + count;
  if (at < kHead && into < end) {
    const size_t piece = std::min<size_t>(kHead - at, end - into);
    std::memcpy(into, reinterpret_cast<const uint8_t*>(&frame.head) + at, piece);
    into += piece;
    at += piece;
  }
  if (into < end && at < kHead + frame.head.bytes) {
    const size_t piece = std::min<size_t>(kHead + frame.head.bytes - at, end - into);
    std::memcpy(into, frame.bytes + (at - kHead), piece);
    into += piece;
  }
  if (into < end) std::memset(into, 0, end - into);
  if (count > 0) line.peer.out.commitWritten(count);
  return count;
}

size_t Mesh::pushSocket(Line& line, const Outgoing& frame) {
  static const uint8_t filling[8] = {};
  iovec pieces[3];
  size_t used = 0;
  const auto add = [&](const void* bytes, size_t start, size_t length) {
    const size_t skip = line.sent > start ? std::min(line.sent - start, length) : 0;
    if (skip < length) pieces[used++] = {const_cast<uint8_t*>(static_cast<const uint8_t*>(bytes)) + skip, length - skip};
  };
  add(&frame.head, 0, kHead);
  add(frame.bytes, kHead, frame.head.bytes);
  add(filling, kHead + frame.head.bytes, filled(frame.head.bytes) - frame.head.bytes);
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = used;
  const ssize_t count = ::sendmsg(line.peer.data.number(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) onDataEnd(line);
  return 0;
}

/** Takes what has come, up to the end of a frame that has to wait. */
bool Mesh::pumpIn(Line& line) {
  bool moved = false;
  while (!failure_) {
    if (!line.hasHead) {
      if (!readHead(line)) break;
      moved = true;
    }
    if (line.target == nullptr && !line.isStashing && !resolve(line)) break;
    const size_t whole = filled(line.head.bytes);
    if (line.bodyDone < whole) {
      if (!readBody(line)) break;
      moved = true;
    }
    if (line.bodyDone < whole) continue;
    endFrame(line);
    moved = true;
  }
  if (line.madeRoom) wake(line, false);
  line.madeRoom = false;
  return moved;
}

bool Mesh::readHead(Line& line) {
  const Span span = available(line);
  // In a ring a head may be in two pieces, but it is complete when it can be read at all: it comes before its body, and is put together here
  auto* const into = reinterpret_cast<uint8_t*>(&line.head);
  size_t& have = line.headDone;
  const size_t count = std::min(span.length, kHead - have);
  if (count == 0) return false;
  std::memcpy(into + have, span.bytes, count);
  taken(line, count);
  have += count;
  if (have < kHead) return readHead(line);
  have = 0;
  const FrameHead& head = line.head;
  if (head.magic != FrameHead::kMagic || head.kind < FrameKind::AllReduce || head.kind > FrameKind::Send || head.bytes > head.total) {
    unexpected(line, head, PeerFault::Garbage);
    return false;
  }
  if (head.epoch != epoch_) {
    unexpected(line, head, PeerFault::Epoch);
    return false;
  }
  line.hasHead = true;
  line.bodyDone = 0;
  return true;
}

/** The first open frame that is expected from the peer: a collective's, or a send's with this tag. */
Incoming* Mesh::next(const Line& line, bool sends, uint32_t tag) {
  if (transfer_ == nullptr) return nullptr;
  std::vector<Incoming>& incoming = transfer_->incoming;
  for (size_t i = firstOpen_; i < incoming.size(); i++) {
    Incoming& each = incoming[i];
    if (each.isDone || each.peer != line.peer.rank) {
      if (transfer_->isOrdered && !each.isDone) return nullptr;  // it is another one's turn
      continue;
    }
    if ((each.head.kind == FrameKind::Send) != sends) continue;
    if (!sends || each.head.sequence == tag) return &each;
  }
  return nullptr;
}

bool Mesh::resolve(Line& line) {
  if (line.head.kind == FrameKind::Send) return resolveSend(line);
  Incoming* const expected = next(line, false, 0);
  if (expected == nullptr) {
    // A collective to come; unless this rank waits for a send, which cannot come any more
    for (const Incoming& each : transfer_->incoming) {
      if (each.isDone || each.peer != line.peer.rank || each.head.kind != FrameKind::Send) continue;
      unexpected(line, each.head, PeerFault::Unexpected);
      break;
    }
    return false;
  }
  if (line.head != expected->head) {
    unexpected(line, expected->head, PeerFault::Unexpected);
    return false;
  }
  line.target = expected;
  return true;
}

/** A send that is awaited goes to its place, another one aside. */
bool Mesh::resolveSend(Line& line) {
  Incoming* const expected = next(line, true, line.head.sequence);
  if (expected != nullptr) {
    FrameHead head = expected->head;
    if (expected->takesAnySize) head.total = head.bytes = line.head.total;
    if (line.head != head) {
      unexpected(line, expected->head, PeerFault::Unexpected);
      return false;
    }
    if (expected->takesAnySize) {
      expected->grown.resize(line.head.bytes);
      expected->into = expected->grown.data();
    }
    line.target = expected;
    return true;
  }
  for (const Incoming& each : transfer_->incoming) {
    if (each.isDone || each.peer != line.peer.rank || !isLater(line.head, each.head)) continue;
    unexpected(line, each.head, PeerFault::Unexpected);  // the peer has ended the batch that this frame belongs to
    return false;
  }
  if (line.stashBytes > 0 && line.stashBytes + line.head.bytes > kMostStashed) return false;
  line.stash.push_back({line.head, std::vector<uint8_t>(line.head.bytes)});
  line.stashBytes += line.head.bytes;
  line.isStashing = true;
  return true;
}

bool Mesh::readBody(Line& line) {
  uint8_t* const into = line.isStashing ? line.stash.back().bytes.data() : line.target->into;
  const bool isCopy = line.isStashing || !line.target->reduces;
  const size_t left = line.head.bytes - std::min<size_t>(line.bodyDone, line.head.bytes);
  if (isCopy && line.peer.data.isOpen() && line.bufferAt == line.bufferEnd && left >= kDirectBytes) {
    const size_t count = receiveDirectly(line, into + line.bodyDone, left);
    line.bodyDone += count;
    return count > 0;
  }
  Span span = available(line);
  span.length = std::min(span.length, filled(line.head.bytes) - line.bodyDone);
  const size_t real = std::min(span.length, left);
  size_t count = span.length;
  if (isCopy) {
    if (real > 0) std::memcpy(into + line.bodyDone, span.bytes, real);
  } else {
    const auto type = static_cast<ElementType>(line.head.type);
    const size_t elements = real / elementSize(type);
    if (elements > 0) reduceInto(into + line.bodyDone, span.bytes, elements, type, line.head.reduction);
    if (real < left || span.length == real) count = elements * elementSize(type);
  }
  if (count == 0) return false;
  taken(line, count);
  line.bodyDone += count;
  return true;
}

void Mesh::endFrame(Line& line) {
  line.hasHead = false;
  if (line.target != nullptr) line.target->isDone = true;
  line.target = nullptr;
  if (!line.isStashing) return;
  line.isStashing = false;
  Incoming* const expected = next(line, true, line.stash.back().head.sequence);
  if (expected != nullptr) takeStashed(line, *expected);
}

/** Gives the oldest send that was put aside under the tag. */
bool Mesh::takeStashed(Line& line, Incoming& incoming) {
  for (auto it = line.stash.begin(); it != line.stash.end(); ++it) {
    if (it->head.sequence != incoming.head.sequence || (line.isStashing && &*it == &line.stash.back())) continue;
    FrameHead head = incoming.head;
    if (incoming.takesAnySize) head.total = head.bytes = it->head.total;
    if (it->head != head) {
      line.head = it->head;
      unexpected(line, incoming.head, PeerFault::Unexpected);
      return false;
    }
    line.stashBytes -= it->head.bytes;
    if (incoming.takesAnySize) {
      incoming.grown = std::move(it->bytes);
      incoming.into = incoming.grown.data();
    } else if (head.bytes > 0) {
      std::memcpy(incoming.into, it->bytes.data(), head.bytes);
    }
    incoming.isDone = true;
    line.stash.erase(it);
    return true;
  }
  return false;
}

/** What has come from the peer and is not taken yet. Empty: nothing, or a failure. */
Span Mesh::available(Line& line) {
  if (line.peer.shares()) {
    const Span span = line.peer.in.readable();
    if (span.length == 0 && !line.peer.in.isSound()) unexpected(line, line.head, PeerFault::Garbage);
    return span;
  }
  if (line.bufferAt == line.bufferEnd || line.bufferEnd - line.bufferAt < 8) {
    std::memmove(line.buffer.data(), line.buffer.data() + line.bufferAt, line.bufferEnd - line.bufferAt);
    line.bufferEnd -= line.bufferAt;
    line.bufferAt = 0;
    line.bufferEnd += receiveDirectly(line, line.buffer.data() + line.bufferEnd, line.buffer.size() - line.bufferEnd);
  }
  return {line.buffer.data() + line.bufferAt, line.bufferEnd - line.bufferAt};
}

void Mesh::taken(Line& line, size_t count) {
  if (line.peer.shares()) {
    line.madeRoom = line.peer.in.commitRead(count) || line.madeRoom;
  } else {
    line.bufferAt += count;
  }
}

size_t Mesh::receiveDirectly(Line& line, uint8_t* into, size_t length) {
  if (!line.mayBeReadable) return 0;
  const ssize_t count = ::recv(line.peer.data.number(), into, length, MSG_DONTWAIT);
  if (count > 0) {
    // Less than there was room for: the next look would most likely be in vain
    if (static_cast<size_t>(count) < length) line.mayBeReadable = false;
    return static_cast<size_t>(count);
  }
  line.mayBeReadable = false;
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
  onDataEnd(line);
  return 0;
}

}  // namespace mserve::rank
