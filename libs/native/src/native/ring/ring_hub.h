#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ring/ring.h"
#include "slab/shared_memory.h"

namespace mserve::ring {

using slab::Descriptor;
using slab::Mapping;

/** A ring of another process, to which this one writes. */
struct Outlet {
  /** Asks the process of that hub for the ring that it offers under the token; waits for `timeoutMs` at most. Null: it is not on this machine, or of another user. */
  static std::shared_ptr<Outlet> open(uint64_t hub, uint64_t token, int timeoutMs);

  /** Wakes the reader where that is needed. */
  RingWriter::Result write(Kind kind, const uint8_t* bytes, uint64_t length);

  Outlet(Descriptor socket, Descriptor wakeUps, Mapping memory);

  Descriptor socket;  // its end tells the other side
  Descriptor wakeUps;
  Mapping memory;
  RingWriter writer;
  std::atomic<bool> isEnded{false};  // by the reader
  std::atomic<bool> isLeft{false};   // by this side
  bool isEndTold = false;
};

/** What a pass over the rings found. */
struct Event {
  /**
   * Bytes: a record · Ended: its writer has ended, and all is read · Orphaned: its writer has ended while the ring is not to be read; it may still be begun · Broken: its writer does not keep to the rules ·
   * Left: the reader of an outlet has ended, and takes nothing more
   */
  enum Kind { Bytes, Ended, Orphaned, Broken, Left } kind;
  uint64_t number;  // of the ring, or of the outlet
  uint64_t offset = 0;
  uint64_t length = 0;
};

/**
 * The rings of one process: those that it reads (offered here, handed over to who shows their token), and those to which it writes. All calls come from one thread; one thread of the hub's own
 * hands over, and notices who has ended.
 */
class RingHub {
 public:
  /** Null, and why: where this system has no such memory. `hub` names the socket. */
  static std::unique_ptr<RingHub> make(uint64_t hub, std::string& why);
  ~RingHub();
  RingHub(const RingHub&) = delete;
  RingHub& operator=(const RingHub&) = delete;

  /** Makes a ring for one writer. It is read when it was begun. False: there are too many, or no memory. */
  bool offer(uint64_t ring);
  /** What is written from here on is to be read, up to the next pause. False: there is no such ring, or it is being read. */
  bool begin(uint64_t ring);
  /** Nothing more is read of it. */
  void close(uint64_t ring);

  void add(uint64_t number, std::shared_ptr<Outlet> outlet);
  /** Null: it was left, or its reader has. */
  Outlet* outlet(uint64_t number);
  void leave(uint64_t number);

  /** Before this thread sleeps: from now on writers wake it. True: there is something already. */
  bool sleep();
  /** This thread is awake, and will look by itself. */
  void wake();
  bool hasNews();
  /** Readable when this thread is to be woken. */
  const Descriptor& wakeUps() const { return wakeUps_; }

  struct Room {
    uint8_t* bytes;
    uint64_t length;
    uint64_t used;
    /** Of the record that did not fit; 0: all did. */
    uint64_t missing;
    size_t maxEvents;
  };
  /** Copies what was written before the pass began. False: the pass is not over, for want of room. */
  bool read(Room& room, std::vector<Event>& events);

 private:
  /** A ring that is read here. */
  struct Inlet {
    Inlet(Mapping mapped, Descriptor memfd) : memory(std::move(mapped)), file(std::move(memfd)), reader(memory.memory()) {}
    Mapping memory;
    Descriptor file;
    RingReader reader;
    bool isBegun = false;
    bool isOrphanTold = false;
    uint64_t passEnd = 0;
    bool passIsEnd = false;
    std::atomic<bool> isEnded{false};   // by the writer
    std::atomic<bool> isClosed{false};  // by this side
  };
  struct Connection {
    Descriptor socket;
    std::shared_ptr<Inlet> inlet;
    std::shared_ptr<Outlet> outlet;
    int64_t cameAtMs = 0;
    int number() const { return outlet == nullptr ? socket.number() : outlet->socket.number(); }
  };

  RingHub() = default;
  void serve();
  void accept();
  /** False: the connection is over. */
  bool hear(Connection& connection);
  bool isOver(const Connection& connection) const;
  void drop(std::list<Connection>::iterator connection);
  void takeAdded();
  /** False: there is no room. */
  bool readInlet(uint64_t number, Inlet& inlet, Room& room, std::vector<Event>& events);

  // Of the calling thread
  std::map<uint64_t, std::shared_ptr<Inlet>> inlets_;
  std::map<uint64_t, std::shared_ptr<Outlet>> outlets_;
  bool isInPass_ = false;
  bool passHasEnds_ = false;
  uint64_t nextRing_ = 0;  // where the pass goes on

  Descriptor wakeUps_;
  std::atomic<bool> hasEnds_{false};  // somebody has ended
  Descriptor listener_;
  Descriptor poke_;  // wakes the hub's thread
  std::atomic<bool> isClosing_{false};
  std::mutex mutex_;  // guards what follows
  std::map<uint64_t, std::shared_ptr<Inlet>> offered_;
  std::vector<std::shared_ptr<Outlet>> added_;
  std::list<Connection> connections_;  // of the hub's thread
  std::thread thread_;
};

}  // namespace mserve::ring
