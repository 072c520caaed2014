#include "rank/mesh.h"

#include <cstring>
#include <thread>

namespace mserve::rank {

namespace {

/** Bytes read from a data connection at a time. */
constexpr size_t kBufferBytes = 256 * 1024;

/**
 * How long a rank that shares memory looks again and again before it sleeps. The processor is not offered to others meanwhile (sched_yield): where it
 * is shared, the scheduler then gives them a whole slice, of milliseconds. With more ranks than processors, looking keeps those from working that are waited for.
 */
constexpr int64_t kSpinNs = 20'000;
/** Where looking was in vain it is done for half as long the next time, and tried again at full length once in so many waits. */
constexpr uint32_t kTrialWaits = 64;

void pauseProcessor() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Mesh::Mesh(uint32_t rank, uint64_t epoch, std::vector<Peer> peers, std::unique_ptr<SharedRegion> region, Interrupt& interrupt)
    : rank_(rank), epoch_(epoch), lines_(peers.size()), region_(std::move(region)), interrupt_(interrupt) {
  for (size_t i = 0; i < peers.size(); i++) {
    lines_[i].peer = std::move(peers[i]);
    if (!lines_[i].peer.data.isOpen()) continue;
    lines_[i].buffer.resize(kBufferBytes);
    usesSockets_ = true;
  }
  if (region_ == nullptr) return;
  interrupt_.watchDoorbell(&region_->head().doorbell);
  mostSpinNs_ = lines_.size() <= std::thread::hardware_concurrency() ? kSpinNs : 0;
  spinNs_ = mostSpinNs_;
}

Mesh::~Mesh() { interrupt_.watchDoorbell(nullptr); }

bool Mesh::transfer(Transfer& transfer, int64_t deadlineNs, Failure& failure) {
  if (gaveUp_ || failure_) {
    failure.set(FailureKind::Unformed, "the rank has left its mesh");
    return false;
  }
  deadlineNs_ = deadlineNs;
  begin(transfer);
  int64_t idleSinceNs = 0;  // 0: not idle
  while (!isComplete()) {
    if (pump()) {
      if (idleSinceNs != 0) spinNs_ = mostSpinNs_;  // it was worth while
      idleSinceNs = 0;
      continue;
    }
    const int64_t now = nowNs();
    if (failure_ || !mayWait(now)) break;
    if (idleSinceNs == 0) idleSinceNs = now;
    if (now - idleSinceNs < spinNs_) {
      pauseProcessor();
      continue;
    }
    spinNs_ = ++sleeps_ % kTrialWaits == 0 ? mostSpinNs_ : spinNs_ / 2;
    sleep();
    idleSinceNs = 0;
  }
  transfer_ = nullptr;
  if (failure_) failure = failure_;
  return !failure_;
}

void Mesh::begin(Transfer& transfer) {
  transfer_ = &transfer;
  firstOpen_ = 0;
  for (const Outgoing& frame : transfer.outgoing) lines_[frame.peer].outgoing.push_back(&frame);
  for (Incoming& incoming : transfer.incoming) {
    if (incoming.peer != rank_) {
      lines_[incoming.peer].mayBeReadable = true;
      if (incoming.head.kind == FrameKind::Send) takeStashed(lines_[incoming.peer], incoming);
    } else if (!transfer.isOrdered) {
      takeOwn(incoming);
    }
  }
}

void Mesh::takeOwn(Incoming& incoming) {
  const size_t bytes = incoming.head.bytes;
  const auto type = static_cast<ElementType>(incoming.head.type);
  incoming.isDone = true;
  if (bytes == 0) return;
  if (incoming.reduces) {
    reduceInto(incoming.into, incoming.own, bytes / elementSize(type), type, incoming.head.reduction);
  } else {
    std::memcpy(incoming.into, incoming.own, bytes);
  }
}

bool Mesh::isComplete() {
  std::vector<Incoming>& incoming = transfer_->incoming;
  for (; firstOpen_ < incoming.size(); firstOpen_++) {
    Incoming& first = incoming[firstOpen_];
    if (first.isDone) continue;
    if (first.peer != rank_) return false;
    takeOwn(first);  // its turn has come
  }
  for (const Line& line : lines_) {
    if (!line.outgoing.empty()) return false;
  }
  return true;
}

bool Mesh::pump() {
  bool moved = false;
  for (Line& line : lines_) {
    if (!line.peer.control.isOpen()) continue;  // the own rank
    if (!failure_ && !line.outgoing.empty()) moved = pumpOut(line) || moved;
    if (!failure_) moved = pumpIn(line) || moved;
  }
  return moved && !failure_;
}

bool Mesh::mayWait(int64_t now) {
  if (interrupt_.isRaised()) {
    failure_ = interrupt_.cause();
    return false;
  }
  if (now < deadlineNs_) return true;
  outOfTime();
  return false;
}

bool Mesh::watch(int64_t deadlineNs, Failure& failure) {
  if (interrupt_.isRaised()) {
    failure_ = interrupt_.cause();
  } else if (nowNs() >= deadlineNs) {
    failure_.set(FailureKind::Deadline, "the time is over");
  } else {
    readControls();
  }
  if (failure_) failure = failure_;
  return !failure_;
}

/** Peers are told first, then there is one more look: what they write after it wakes this rank. */
void Mesh::sleep() {
  if (region_ == nullptr) {
    sleepOnSockets();
    return;
  }
  RegionHead& head = region_->head();
  const uint32_t seen = head.doorbell.load(std::memory_order_seq_cst);
  head.sleep.store(static_cast<uint32_t>(usesSockets_ ? Sleep::OnSockets : Sleep::OnDoorbell) | awaited() << kAwaitedShift, std::memory_order_seq_cst);
  if (!pump() && !failure_ && !interrupt_.isRaised()) {
    if (usesSockets_) {
      sleepOnSockets();
    } else {
      sleepOnDoorbell(seen);
    }
  }
  head.sleep.store(static_cast<uint32_t>(Sleep::Awake), std::memory_order_seq_cst);
}

/** While frames are to be written, anybody; else who sends the first open frame, without which nothing is complete. */
uint32_t Mesh::awaited() const {
  for (const Line& line : lines_) {
    if (!line.outgoing.empty()) return kAnybody;
  }
  return firstOpen_ < transfer_->incoming.size() ? transfer_->incoming[firstOpen_].peer + 1 : kAnybody;
}

bool Mesh::endBatch(uint64_t batch, Failure& failure) {
  for (const Line& line : lines_) {
    for (const Stashed& stashed : line.stash) {
      if (stashed.head.batch > batch) continue;
      failPeer(failure, FailureKind::Protocol, PeerFault::Unexpected, static_cast<int>(line.peer.rank),
               "rank " + std::to_string(line.peer.rank) + " has sent what this rank does not receive: " + describe(stashed.head));
      return false;
    }
  }
  return true;
}

}  // namespace mserve::rank
