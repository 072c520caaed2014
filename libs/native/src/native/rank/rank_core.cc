#include "rank/rank_core.h"

#include <cstring>
#include <exception>
#include <vector>

#include "rank/nccl/nccl_communicator.h"

namespace mserve::rank {

RankCore::~RankCore() { join(); }

bool RankCore::useNccl(int device, const std::string& ncclPath, const std::string& cudaPath, Failure& failure) {
  nccl_ = nccl::Library::load(ncclPath, cudaPath, device, failure);
  device_ = device;
  return nccl_ != nullptr;
}

bool RankCore::start(Endpoint endpoint, Failure& failure) {
  endpoint_ = std::move(endpoint);
  if (!interrupt_.start(failure)) return false;
  listeningSocket_ = listenAt(endpoint_, failure);
  if (!listeningSocket_.isOpen()) return false;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::exception& error) {
    failure.set(FailureKind::Load, std::string("cannot start a thread: ") + error.what());
    return false;
  }
  return true;
}

void RankCore::put(Command command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void RankCore::form(std::unique_ptr<Run> run, FormationRequest request) {
  Failure cause;
  cause.set(FailureKind::Aborted, "another mesh is formed");
  cut(cause);
  Command command;
  command.kind = Command::Form;
  command.run = std::move(run);
  command.request = std::move(request);
  put(std::move(command));
}

void RankCore::execute(std::unique_ptr<Run> run, uint64_t batch, bool wantsResults, int64_t deadlineNs) {
  Command command;
  command.kind = Command::Execute;
  command.run = std::move(run);
  command.batch = batch;
  command.wantsResults = wantsResults;
  command.deadlineNs = deadlineNs;
  put(std::move(command));
}

void RankCore::abort(const std::string& reason) {
  Failure cause;
  cause.set(FailureKind::Aborted, reason);
  cut(cause);
}

void RankCore::expire(uint32_t runSlot) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Waits for peers end by themselves, and say for whom they have waited
    bool isStuck = performing_ != nullptr && performing_->slot == runSlot && executor_.isInSegment();
    for (const Command& command : queue_) isStuck = isStuck || (command.run != nullptr && command.run->slot == runSlot);
    if (!isStuck) return;
  }
  Failure cause;
  cause.set(FailureKind::Deadline, "the time is over");
  cut(cause);
}

void RankCore::cut(const Failure& cause) {
  std::vector<std::unique_ptr<Run>> taken;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Command& command : queue_) {
      if (command.run != nullptr && command.kind != Command::Close) taken.push_back(std::move(command.run));
    }
    std::erase_if(queue_, [](const Command& command) { return command.run == nullptr; });
    Command leaving;
    leaving.cause = cause;
    queue_.push_front(std::move(leaving));
    if (isPerforming_) {
      interrupt_.raise(cause);
      executor_.terminate();
    }
  }
  wake_.notify_one();
  for (std::unique_ptr<Run>& run : taken) {
    run->failure = cause;
    listener_.onSettled(std::move(run));
  }
}

void RankCore::close(std::unique_ptr<Run> run) {
  abort("the rank is being closed");
  Command command;
  command.kind = Command::Close;
  command.run = std::move(run);
  put(std::move(command));
}

void RankCore::abandon() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    isAbandoned_ = true;
    queue_.clear();
    Failure cause;
    cause.set(FailureKind::Closed, "the process is ending");
    if (isPerforming_) {
      interrupt_.raise(cause);
      executor_.terminate();
    }
  }
  wake_.notify_one();
}

void RankCore::join() {
  if (thread_.joinable()) thread_.join();
}

void RankCore::serve() {
  executor_.prepare(prepared_);
  for (;;) {
    Command command;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return isAbandoned_ || !queue_.empty(); });
      if (isAbandoned_) break;
      command = std::move(queue_.front());
      queue_.pop_front();
      performing_ = command.run.get();
      isPerforming_ = true;
    }
    try {
      perform(command);
    } catch (const std::exception& error) {
      Failure failure;
      failure.set(FailureKind::Run, std::string("out of memory: ") + error.what());
      if (command.run != nullptr) command.run->failure = failure;
      leave(failure);
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      performing_ = nullptr;
      isPerforming_ = false;
      if (interrupt_.isRaised()) interrupt_.clear();
      executor_.allow();
      if (isAbandoned_ && command.run != nullptr) command.run->reset();
      if (isAbandoned_) break;
    }
    const bool isLast = command.kind == Command::Close;
    if (isLast) {
      left_.reset();
      listeningSocket_.close();
      executor_.release();
    }
    if (command.run != nullptr) listener_.onSettled(std::move(command.run));
    if (isLast) return;
  }
  leave(Failure{FailureKind::Closed, 0, "the process is ending"});
  left_.reset();
  executor_.release();
}

void RankCore::perform(Command& command) {
  switch (command.kind) {
    case Command::Leave:
      return leave(command.cause);
    case Command::Form:
      return performForm(command);
    case Command::Execute:
      return performExecute(command);
    case Command::Close:
      return;
  }
}

void RankCore::performForm(Command& command) {
  Run& run = *command.run;
  left_.reset();
  std::unique_ptr<Mesh> mesh = formMesh(command.request, listeningSocket_, interrupt_, run.failure);
  if (mesh == nullptr) return;
  auto communicator = std::make_unique<MeshCommunicator>(std::move(mesh));
  if (!communicator->start(command.request.deadlineNs, run.failure)) {
    communicator->leave(run.failure);
    return;
  }
  std::vector<int32_t> sharing;
  for (uint32_t peer = 0; peer < command.request.endpoints.size(); peer++) {
    sharing.push_back(peer == rank_ ? 0 : static_cast<int32_t>(communicator->mesh().peer(peer).sharing));
  }
  communicator_ = nccl_ == nullptr ? std::move(communicator) : overNccl(std::move(communicator), run.failure);
  if (run.failure) return;
  OutputTensor& output = run.outputs.emplace_back();
  output.type = ElementType::Int32;
  output.dims = {static_cast<int64_t>(sharing.size())};
  output.byteLength = sharing.size() * sizeof(int32_t);
  addSmall(run, output, sharing.data());
}

std::unique_ptr<Communicator> RankCore::overNccl(std::unique_ptr<MeshCommunicator> mesh, Failure& failure) {
  auto communicator = std::make_unique<nccl::NcclCommunicator>(*nccl_, device_, std::move(mesh));
  if (communicator->start(failure)) return communicator;
  communicator->leave(failure);
  return nullptr;
}

void RankCore::performExecute(Command& command) {
  Run& run = *command.run;
  if (prepared_) {
    run.failure = prepared_;
    return;
  }
  if (communicator_ == nullptr) {
    run.failure.set(FailureKind::Unformed, "the rank has no mesh");
    return;
  }
  communicator_->beginBatch(command.batch, command.deadlineNs);
  executor_.execute(run, command.wantsResults, command.deadlineNs, *communicator_);
  // A segment that was ended says so in its own words
  if (run.failure && run.failure.kind < FailureKind::Peer && interrupt_.isRaised()) run.failure = interrupt_.cause();
  if (run.failure) leave(run.failure);
}

/** The connections for control are kept until the next formation: what they carry last is not lost then. */
void RankCore::leave(const Failure& cause) {
  if (communicator_ == nullptr) return;
  communicator_->leave(cause);
  left_ = std::move(communicator_);
}

}  // namespace mserve::rank
