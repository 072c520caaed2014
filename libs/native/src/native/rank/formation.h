#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "rank/mesh.h"

namespace mserve::rank {

/** What a rank shows to one other to be believed: made from the token of the formation, the epoch and both numbers. */
using Proof = std::array<uint8_t, 32>;

struct Endpoint {
  std::string address;  // IPv4 or IPv6
  uint16_t port = 0;
};

/** One incarnation of the mesh. All vectors have an element per rank. */
struct FormationRequest {
  uint64_t epoch = 0;
  uint32_t rank = 0;
  std::vector<Endpoint> endpoints;
  std::vector<Proof> shown;     // to each peer
  std::vector<Proof> expected;  // of each peer
  int64_t deadlineNs = 0;
  bool sharesMemory = true;  // where peers can
  uint32_t ringBytes = 512 * 1024;
};

/** Listens where peers are to find this rank, over all epochs. `port` 0: the system chooses one, and it is written there. Not open: `failure`. */
Descriptor listenAt(Endpoint& endpoint, Failure& failure);

/**
 * Connects with all other ranks: this one calls those of lower numbers, and is called by the others. A connection counts only from the address that the
 * endpoints give its rank, with the right proof, and in the same epoch; others are refused and do no harm. Null: `failure` (Peer, Deadline, or the interrupt's).
 */
std::unique_ptr<Mesh> formMesh(const FormationRequest& request, const Descriptor& listener, Interrupt& interrupt, Failure& failure);

}  // namespace mserve::rank
