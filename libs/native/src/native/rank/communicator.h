#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "element_type.h"
#include "failure.h"
#include "rank/reduction.h"

namespace mserve::rank {

/** Ranks that work together, in the order that decides about parts and reductions. */
struct Group {
  std::vector<uint32_t> ranks;  // numbers in the world
  uint32_t index = 0;           // of the own rank in it
  uint64_t id = 0;              // groupId(ranks)

  uint32_t size() const { return static_cast<uint32_t>(ranks.size()); }
};

/** Bytes that go to a rank or come from one. */
struct Part {
  uint32_t rank = 0;  // in the world
  uint8_t* bytes = nullptr;
  size_t length = 0;
  ElementType type = ElementType::Undefined;
};

/**
 * Moves tensors between the ranks of one epoch. All calls come from one thread and block; outputs never overlap inputs. False: `failure` says why, and the
 * communicator is of no more use: leave() it. All ranks of a group make the same calls on it in the same order. Reductions go in the order of the group,
 * so that all members get the same bits.
 */
class Communicator {
 public:
  virtual ~Communicator() = default;

  /** What follows belongs to this batch, and has until then (steady clock). */
  virtual void beginBatch(uint64_t batch, int64_t deadlineNs) = 0;
  /** False where peers have sent more than was received. */
  virtual bool endBatch(Failure& failure) = 0;

  virtual bool allReduce(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) = 0;
  /** `bytes`: of the input. */
  virtual bool allGather(const Group& group, const uint8_t* input, uint8_t* output, size_t bytes, ElementType type, Failure& failure) = 0;
  /** `elements`: of the output. */
  virtual bool reduceScatter(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) = 0;
  /** A part per member in the order of the group, of any lengths; what i sends to j is as long as what j takes from i. */
  virtual bool allToAll(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) = 0;
  /** In place: of the root what is sent, of the others where it goes. */
  virtual bool broadcast(const Group& group, uint32_t root, std::vector<Part>& tensors, Failure& failure) = 0;
  /** Any number of parts from and to members; those of a pair of ranks in their order. */
  virtual bool neighborExchange(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) = 0;
  virtual bool send(const Group& group, const Part& part, uint32_t tag, Failure& failure) = 0;
  virtual bool receive(const Group& group, Part& part, uint32_t tag, Failure& failure) = 0;
  /** Of a length that the sender decides. */
  virtual bool receiveAny(const Group& group, uint32_t from, ElementType type, uint32_t tag, std::vector<uint8_t>& bytes, Failure& failure) = 0;

  /** Tells the peers, who fail at once. */
  virtual void leave(const Failure& cause) = 0;
};

}  // namespace mserve::rank
