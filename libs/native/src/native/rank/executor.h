#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "rank/buffer_pool.h"
#include "rank/communicator.h"
#include "rank/program.h"

namespace mserve::rank {

/** Executes a program, batch after batch. Used by one thread, but for terminate(). */
class Executor {
 public:
  explicit Executor(Program program) : program_(std::move(program)) {}

  /** Makes a place for runs in each session. */
  bool prepare(Failure& failure);
  /** Fills the outputs of the run, or its failure. The inputs are those that the program declares. */
  void execute(Run& run, bool wantsResults, int64_t deadlineNs, Communicator& communicator);
  /** Gives the sessions back. */
  void release();
  /** Ends a segment that is executing. Stays in force until allow(). */
  void terminate();
  void allow();
  bool isInSegment();

 private:
  bool perform(const Step& step, Communicator& communicator, Failure& failure);
  bool runSegment(const Step& step, Failure& failure);
  bool executeLane(const Step& step, Failure& failure);
  bool takeOutputs(const Step& step, Failure& failure);
  bool allToAll(const Step& step, Communicator& communicator, Failure& failure);
  bool broadcast(const Step& step, Communicator& communicator, Failure& failure);
  bool neighborExchange(const Step& step, Communicator& communicator, Failure& failure);
  bool receive(const Step& step, Communicator& communicator, Failure& failure);
  Tensor make(ElementType type, std::vector<int64_t> dims);
  /** Whether the tensor is what the program declares; `what` for the text. */
  bool store(const Value& value, Tensor tensor, const char* what, Failure& failure);
  void giveResults(Run& run);

  Program program_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Tensor> slots_;
  BufferPool pool_;
  Run segment_;  // the run of the session in hand
  int64_t deadlineNs_ = 0;

  std::mutex mutex_;
  Lane* executing_ = nullptr;
  bool terminated_ = false;
};

}  // namespace mserve::rank
