#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "rank/executor.h"
#include "rank/formation.h"
#include "rank/mesh_communicator.h"
#include "rank/nccl/nccl_library.h"
#include "session_core.h"

namespace mserve::rank {

/**
 * One rank of a distributed model, without any JavaScript: the mesh to its peers, and a thread that forms it and executes batches in the order of the calls. What is
 * asked for is settled by way of a Run each. The public functions belong to the owner's thread; the listener outlives the thread: join() before destruction.
 */
class RankCore {
 public:
  RankCore(uint32_t rank, Program program, SessionListener& listener) : rank_(rank), executor_(std::move(program)), listener_(listener) {}
  ~RankCore();
  RankCore(const RankCore&) = delete;
  RankCore& operator=(const RankCore&) = delete;

  /** From the next formation on, collectives go over NCCL and this device. Before start(). Paths: see nccl::Library. */
  bool useNccl(int device, const std::string& ncclPath, const std::string& cudaPath, Failure& failure);
  /** Listens, and starts the thread. */
  bool start(Endpoint endpoint, Failure& failure);
  const Endpoint& endpoint() const { return endpoint_; }

  /** Leaves the mesh (see abort) and forms another. Settles with how memory is shared with each rank (Sharing), as int32. */
  void form(std::unique_ptr<Run> run, FormationRequest request);
  void execute(std::unique_ptr<Run> run, uint64_t batch, bool wantsResults, int64_t deadlineNs);
  /** The time of a run is over: when it waits behind others, or executes a segment, that ends as by abort(), but with Deadline. */
  void expire(uint32_t runSlot);
  /** Ends what is in hand, with kind Aborted, and leaves the mesh. */
  void abort(const std::string& reason);
  /** As abort(); then the thread ends, after it has settled the run. */
  void close(std::unique_ptr<Run> run);
  /** The environment goes away: nothing is settled any more. Follow with join(). */
  void abandon();
  void join();

 private:
  struct Command {
    enum Kind { Form, Execute, Leave, Close } kind = Leave;
    std::unique_ptr<Run> run;  // null of Leave
    FormationRequest request;
    uint64_t batch = 0;
    bool wantsResults = false;
    int64_t deadlineNs = 0;
    Failure cause;  // of Leave
  };

  void serve();
  void put(Command command);
  void perform(Command& command);
  void performForm(Command& command);
  void performExecute(Command& command);
  /** Null, and a failure: it cannot be used. */
  std::unique_ptr<Communicator> overNccl(std::unique_ptr<MeshCommunicator> mesh, Failure& failure);
  void leave(const Failure& cause);
  /** Interrupts what is in hand, settles what waits, and makes the thread leave the mesh. */
  void cut(const Failure& cause);

  const uint32_t rank_;
  Endpoint endpoint_;
  Executor executor_;
  SessionListener& listener_;
  Descriptor listeningSocket_;
  Interrupt interrupt_;
  std::thread thread_;
  std::unique_ptr<nccl::Library> nccl_;  // null: not used
  int device_ = 0;
  std::unique_ptr<Communicator> communicator_;  // of the thread
  std::unique_ptr<Communicator> left_;          // likewise; the former one
  Failure prepared_;                            // likewise

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  Run* performing_ = nullptr;
  bool isPerforming_ = false;
  bool isAbandoned_ = false;
};

}  // namespace mserve::rank
