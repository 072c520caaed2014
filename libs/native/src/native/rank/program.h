#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "rank/communicator.h"

namespace mserve::rank {

/** Same names and order as `stepKinds` of rank-program.ts; word-layout.spec.ts holds them equal. */
enum class StepKind : int { Segment = 0, AllReduce = 1, AllGather = 2, ReduceScatter = 3, AllToAll = 4, Broadcast = 5, NeighborExchange = 6, Send = 7, Receive = 8 };

/** A tensor in native memory; shares it with others. */
struct Tensor {
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
  uint8_t* bytes = nullptr;
  size_t byteLength = 0;
  std::shared_ptr<void> owner;  // null: memory of JavaScript (an input of the run)
};

/** A value that a collective makes; a dim of -1 is decided at run time. */
struct Value {
  uint32_t slot = 0;
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
};

struct Step {
  StepKind kind = StepKind::Segment;
  uint32_t session = 0;  // of a segment
  uint32_t group = 0;
  Reduction reduction = Reduction::Sum;
  uint32_t peer = 0;  // root, receiver or sender; in the world
  uint32_t tag = 0;
  uint32_t splitAxis = 0;
  uint32_t concatAxis = 0;
  std::vector<uint32_t> inputs;  // slots
  std::vector<Value> outputs;    // of a segment only their slots count
  std::vector<uint32_t> sendTo;       // of a neighbor exchange
  std::vector<uint32_t> receiveFrom;
  std::vector<uint32_t> frees;  // slots that no later step uses
};

/** What one rank does with a batch. */
struct Program {
  uint32_t slots = 0;
  std::vector<Group> groups;
  std::vector<Value> inputs;
  std::vector<std::pair<uint32_t, Tensor>> constants;
  std::vector<uint32_t> results;  // slots
  std::vector<Step> steps;
  std::vector<std::shared_ptr<BackendSession>> sessions;
};

/**
 * Reads a program from numbers (the layout is that of rank-program.ts) for the given rank. Bytes of constants are set by the caller, in their order. False: the numbers
 * are none.
 */
bool readProgram(const double* words, size_t count, uint32_t rank, Program& program);

}  // namespace mserve::rank
