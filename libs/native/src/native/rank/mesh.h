#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "failure.h"
#include "rank/descriptor.h"
#include "rank/fault.h"
#include "rank/frame.h"
#include "rank/interrupt.h"
#include "rank/shared_region.h"

namespace mserve::rank {

/** A frame to be sent. The bytes must stay until the transfer has ended. */
struct Outgoing {
  uint32_t peer = 0;
  FrameHead head;
  const uint8_t* bytes = nullptr;
};

/** A frame that is expected. Of the own rank: `own` is taken, without a frame. */
struct Incoming {
  uint32_t peer = 0;
  FrameHead head;
  uint8_t* into = nullptr;
  bool reduces = false;          // into what is there, by head.reduction; else copied over it
  const uint8_t* own = nullptr;
  bool takesAnySize = false;     // of a send: head.total and head.bytes are not known; the frame goes to `grown`
  std::vector<uint8_t> grown;
  bool isDone = false;
};

/** Frames that go and come at the same time. */
struct Transfer {
  std::vector<Outgoing> outgoing;  // those for one peer go in this order
  std::vector<Incoming> incoming;  // those of one peer come in this order, but for sends, which are found by their tags
  bool isOrdered = false;          // incoming ones are taken one after the other: for reductions, whose order decides the bits
};

/** Where a rank stands with one peer: a connection for control (it also tells when the peer dies), and a ring or a second connection for tensors. */
struct Peer {
  uint32_t rank = 0;
  Descriptor control;
  std::string controlBytes;  // of a message that has not come completely
  Descriptor data;           // open: tensors go over TCP
  Sharing sharing = Sharing::SwitchedOff;
  std::unique_ptr<SharedRegion> region;  // the peer's
  Ring out;
  Ring in;

  bool shares() const { return sharing == Sharing::Shared; }
};

/**
 * The connections of one rank to all others in one epoch, and the frames on them. Used by one thread. The first error ends it: giveUp() tells the
 * peers, and another one has to be formed.
 */
class Mesh {
 public:
  Mesh(uint32_t rank, uint64_t epoch, std::vector<Peer> peers, std::unique_ptr<SharedRegion> region, Interrupt& interrupt);
  ~Mesh();
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  uint32_t rank() const { return rank_; }
  uint32_t rankSize() const { return static_cast<uint32_t>(lines_.size()); }
  uint64_t epoch() const { return epoch_; }
  const Peer& peer(uint32_t rank) const { return lines_[rank].peer; }

  /**
   * Sends and receives until all is done. False: `failure` says why (kinds Peer, Protocol, Deadline, or what the interrupt was raised with).
   * Sends of peers (FrameKind::Send) that nobody waits for yet are put aside.
   */
  bool transfer(Transfer& transfer, int64_t deadlineNs, Failure& failure);

  /** For waits for something else than frames: false when the interrupt is raised, the deadline has passed, or a peer has ended or given up. Does not block. */
  bool watch(int64_t deadlineNs, Failure& failure);

  /** After the last step of a batch: false where a peer has sent what nobody has received. */
  bool endBatch(uint64_t batch, Failure& failure);

  /** Tells the peers, once, and closes the connections for tensors. */
  void giveUp(const Failure& cause);

 private:
  struct Stashed {
    FrameHead head;
    std::vector<uint8_t> bytes;
  };

  /** A peer, and how far the frames from and to it have come. */
  struct Line {
    Peer peer;
    std::vector<uint8_t> buffer;  // read from the data connection and not yet taken
    size_t bufferAt = 0;
    size_t bufferEnd = 0;
    bool mayBeReadable = true;
    bool madeRoom = false;  // in a ring that was full
    bool hasHead = false;
    FrameHead head;
    size_t headDone = 0;  // bytes of a head that has not come completely
    size_t bodyDone = 0;  // with the bytes that fill up to a multiple of 8
    Incoming* target = nullptr;
    bool isStashing = false;
    std::deque<Stashed> stash;
    size_t stashBytes = 0;
    std::deque<const Outgoing*> outgoing;
    size_t sent = 0;  // of the first outgoing, with its head
  };

  void begin(Transfer& transfer);
  void takeOwn(Incoming& incoming);
  bool isComplete();
  bool pump();
  /** False when the wait is over: interrupted, or the deadline has passed. */
  bool mayWait(int64_t now);
  void sleep();
  uint32_t awaited() const;

  // mesh_frames.cc
  bool pumpOut(Line& line);
  size_t pushShared(Line& line, const Outgoing& frame);
  size_t pushSocket(Line& line, const Outgoing& frame);
  bool pumpIn(Line& line);
  bool readHead(Line& line);
  /** Decides where the body of the frame goes. False: it must wait, or there is a failure. */
  bool resolve(Line& line);
  bool resolveSend(Line& line);
  bool readBody(Line& line);
  void endFrame(Line& line);
  bool takeStashed(Line& line, Incoming& incoming);
  Span available(Line& line);
  void taken(Line& line, size_t count);
  size_t receiveDirectly(Line& line, uint8_t* into, size_t length);
  Incoming* next(const Line& line, bool sends, uint32_t tag);

  // mesh_wait.cc
  void sleepOnDoorbell(uint32_t seen);
  void sleepOnSockets();
  /** `isBlocked`: the ring to the peer is full. */
  void wake(Line& line, bool isBlocked);
  void readControls();
  void readControl(Line& line);
  void onDataEnd(Line& line);
  void lost(const Line& line);
  void outOfTime();
  void unexpected(const Line& line, const FrameHead& head, PeerFault fault);

  const uint32_t rank_;
  const uint64_t epoch_;
  std::vector<Line> lines_;
  std::unique_ptr<SharedRegion> region_;  // null where no peer shares memory
  Interrupt& interrupt_;
  bool usesSockets_ = false;  // tensors of some peer go over TCP
  int64_t mostSpinNs_ = 0;  // how long to look before a sleep: see mesh.cc
  int64_t spinNs_ = 0;
  uint32_t sleeps_ = 0;
  bool gaveUp_ = false;

  // Of the transfer in hand
  Transfer* transfer_ = nullptr;
  size_t firstOpen_ = 0;  // of its incoming ones
  int64_t deadlineNs_ = 0;
  Failure failure_;
};

}  // namespace mserve::rank
