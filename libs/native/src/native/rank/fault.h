#pragma once

#include <cstdint>
#include <string>

#include "failure.h"

namespace mserve::rank {

/** What is wrong with a peer. Same names and order as `peerFaults` of native-error.ts; word-layout.spec.ts holds them equal. */
enum class PeerFault : int {
  None = 0,
  Ended = 1,        // its connection ended: it died, or the network failed
  GaveUp = 2,       // it left the mesh for a reason of its own
  Unreachable = 3,  // nobody listens there
  Token = 4,        // it has another token
  Address = 5,      // it does not come from its address
  Epoch = 6,        // it is in another epoch
  Garbage = 7,      // what it sends is no frame
  Unexpected = 8,   // it sends another frame than its turn is
  Silent = 9,       // nothing came from it until the deadline
};

const char* nameOf(PeerFault fault);

/** A failure that concerns a peer; which one is carried in runtimeCode. -1: no certain one. */
inline void failPeer(Failure& failure, FailureKind kind, PeerFault fault, int rank, std::string text) {
  failure.set(kind, std::move(text));
  failure.runtimeCode = static_cast<int>(fault) | (rank + 1) << 8;
}

}  // namespace mserve::rank
