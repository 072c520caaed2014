#pragma once

#include <cstdint>
#include <cstring>

#include "rank/formation.h"

namespace mserve::rank {

/** What the called rank says to the caller. */
enum class Answer : uint32_t { Welcome = 0, NotYet = 1, Epoch = 2, Token = 3, Address = 4, Taken = 5 };

/** Which connection of the two ranks it is. */
enum class Channel : uint32_t { Control = 0, Data = 1 };

/**
 * How a connection begins: the caller's greeting, the called one's, and, on a control connection, the caller's once more with what it found
 * of the other's memory. All of one size.
 */
struct Greeting {
  char magic[8] = {'m', 's', 'r', 'a', 'n', 'k', '1', '\n'};
  uint64_t epoch = 0;
  uint32_t from = 0;
  uint32_t to = 0;
  uint32_t rankSize = 0;
  Channel channel = Channel::Control;
  Answer answer = Answer::Welcome;
  Sharing offered = Sharing::SwitchedOff;
  Sharing found = Sharing::SwitchedOff;  // of what the other one offered
  uint32_t ringBytes = 0;
  uint64_t nonce = 0;
  Proof proof = {};
  char regionName[168] = {};

  bool isGreeting() const {
    const Greeting right;
    return std::memcmp(magic, right.magic, sizeof(magic)) == 0 && regionName[sizeof(regionName) - 1] == '\0';
  }
  void setOffer(const RegionOffer& offer) {
    offered = offer.sharing;
    ringBytes = offer.ringBytes;
    nonce = offer.nonce;
    std::strncpy(regionName, offer.name.c_str(), sizeof(regionName) - 1);
  }
  RegionOffer offer() const { return {offered, ringBytes, nonce, regionName}; }
};
static_assert(sizeof(Greeting) == 256);

/** Takes as long for any two proofs. */
inline bool isSame(const Proof& a, const Proof& b) {
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); i++) difference |= static_cast<uint8_t>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace mserve::rank
