#include "rank/nccl/nccl_communicator.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace mserve::rank::nccl {

namespace {

/** Looks at a stream without a pause at first, because most collectives are short. */
constexpr int64_t kSpinNs = 50'000;
constexpr int64_t kPauseNs = 50'000;

}  // namespace

NcclCommunicator::~NcclCommunicator() {
  abortAll();
  for (const Buffer& buffer : {input_, output_}) {
    if (buffer.bytes != nullptr) api_.free(buffer.bytes);
  }
  if (stream_ != nullptr) api_.streamDestroy(stream_);
}

bool NcclCommunicator::start(Failure& failure) { return checkCuda(api_.setDevice(device_), failure) && checkCuda(api_.streamCreate(&stream_, kStreamNonBlocking), failure); }

void NcclCommunicator::beginBatch(uint64_t batch, int64_t deadlineNs) {
  deadlineNs_ = deadlineNs;
  mesh_->beginBatch(batch, deadlineNs);
}

void NcclCommunicator::leave(const Failure& cause) {
  abortAll();
  mesh_->leave(cause);
}

/** Aborts instead of destroying, which would wait for what is in hand. */
void NcclCommunicator::abortAll() {
  for (const auto& [group, comm] : comms_) api_.commAbort(comm);
  comms_.clear();
}

bool NcclCommunicator::checkNccl(int result, Failure& failure) {
  if (result == kSuccess || result == kInProgress) return true;
  failure.set(FailureKind::Run, std::string("NCCL: ") + api_.getErrorString(result));
  return false;
}

bool NcclCommunicator::checkCuda(int result, Failure& failure) {
  if (result == kCudaSuccess) return true;
  failure.set(FailureKind::Run, std::string("CUDA: ") + api_.cudaErrorString(result));
  return false;
}

bool NcclCommunicator::reserve(Buffer& buffer, size_t bytes, Failure& failure) {
  if (bytes <= buffer.capacity) return true;
  if (buffer.bytes != nullptr) api_.free(buffer.bytes);
  buffer = {};
  if (!checkCuda(api_.malloc(&buffer.bytes, bytes), failure)) return false;
  buffer.capacity = bytes;
  return true;
}

/** The group's communicator of this epoch; its first member makes the id. */
Comm* NcclCommunicator::commOf(const Group& group, Failure& failure) {
  const auto known = comms_.find(group.id);
  if (known != comms_.end()) return known->second;
  UniqueId id = {};
  const uint32_t leader = group.ranks[0];
  if (group.index == 0 && !checkNccl(api_.getUniqueId(&id), failure)) return nullptr;
  std::vector<Part> parts = {{leader, reinterpret_cast<uint8_t*>(id.bytes), sizeof(id.bytes), ElementType::Uint8}};
  if (!mesh_->broadcast(group, leader, parts, failure)) return nullptr;
  Comm* comm = nullptr;
  if (!initialize(&comm, group, id, failure)) {
    if (comm != nullptr) api_.commAbort(comm);
    return nullptr;
  }
  comms_.emplace(group.id, comm);
  return comm;
}

/** Where NCCL can do it without blocking, the wait for the other members ends with the deadline too. */
bool NcclCommunicator::initialize(Comm** comm, const Group& group, const UniqueId& id, Failure& failure) {
  const auto size = static_cast<int>(group.size());
  const auto rank = static_cast<int>(group.index);
  if (api_.commInitRankConfig == nullptr) return checkNccl(api_.commInitRank(comm, size, id, rank), failure);
  Config config;
  if (!checkNccl(api_.commInitRankConfig(comm, size, id, rank, &config), failure)) return false;
  for (;;) {
    int state = kSuccess;
    if (!checkNccl(api_.commGetAsyncError(*comm, &state), failure) || !checkNccl(state, failure)) return false;
    if (state == kSuccess) return true;
    if (!mesh_->watch(deadlineNs_, failure)) return false;
    std::this_thread::sleep_for(std::chrono::nanoseconds(kPauseNs));
  }
}

bool NcclCommunicator::perform(Comm* comm, const uint8_t* input, size_t inputBytes, uint8_t* output, size_t outputBytes, const std::function<int()>& call, Failure& failure) {
  if (inputBytes > 0 && !checkCuda(api_.memcpyAsync(input_.bytes, input, inputBytes, kHostToDevice, stream_), failure)) return false;
  if (!checkNccl(call(), failure)) return false;
  // A call that has not been taken yet must be before what is put behind it
  for (int state = kInProgress; state == kInProgress;) {
    if (!checkNccl(api_.commGetAsyncError(comm, &state), failure) || !checkNccl(state, failure) || !mesh_->watch(deadlineNs_, failure)) return false;
  }
  if (outputBytes > 0 && !checkCuda(api_.memcpyAsync(output, output_.bytes, outputBytes, kDeviceToHost, stream_), failure)) return false;
  return wait(comm, failure);
}

bool NcclCommunicator::wait(Comm* comm, Failure& failure) {
  const int64_t sinceNs = nowNs();
  for (;;) {
    const int result = api_.streamQuery(stream_);
    if (result == kCudaSuccess) return true;
    if (result != kCudaNotReady) return checkCuda(result, failure);
    int state = kSuccess;
    if (!checkNccl(api_.commGetAsyncError(comm, &state), failure) || !checkNccl(state, failure) || !mesh_->watch(deadlineNs_, failure)) return false;
    if (nowNs() - sinceNs > kSpinNs) std::this_thread::sleep_for(std::chrono::nanoseconds(kPauseNs));
  }
}

bool NcclCommunicator::allReduce(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) {
  const size_t bytes = elements * elementSize(type);
  if (typeOf(type) < 0 || bytes == 0) return mesh_->allReduce(group, input, output, elements, type, reduction, failure);
  if (!mesh_->agree(group, FrameKind::AllReduce, type, reduction, bytes, failure)) return false;
  Comm* const comm = commOf(group, failure);
  if (comm == nullptr || !reserve(input_, bytes, failure) || !reserve(output_, bytes, failure)) return false;
  const auto call = [&] { return api_.allReduce(input_.bytes, output_.bytes, elements, typeOf(type), operationOf(reduction), comm, stream_); };
  return perform(comm, input, bytes, output, bytes, call, failure);
}

bool NcclCommunicator::allGather(const Group& group, const uint8_t* input, uint8_t* output, size_t bytes, ElementType type, Failure& failure) {
  if (bytes == 0) return mesh_->allGather(group, input, output, bytes, type, failure);
  if (!mesh_->agree(group, FrameKind::AllGather, type, Reduction::Sum, bytes, failure)) return false;
  Comm* const comm = commOf(group, failure);
  if (comm == nullptr || !reserve(input_, bytes, failure) || !reserve(output_, bytes * group.size(), failure)) return false;
  const auto call = [&] { return api_.allGather(input_.bytes, output_.bytes, bytes, kBytes, comm, stream_); };
  return perform(comm, input, bytes, output, bytes * group.size(), call, failure);
}

bool NcclCommunicator::reduceScatter(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) {
  const size_t bytes = elements * elementSize(type);
  if (typeOf(type) < 0 || bytes == 0) return mesh_->reduceScatter(group, input, output, elements, type, reduction, failure);
  if (!mesh_->agree(group, FrameKind::ReduceScatter, type, reduction, bytes, failure)) return false;
  Comm* const comm = commOf(group, failure);
  if (comm == nullptr || !reserve(input_, bytes * group.size(), failure) || !reserve(output_, bytes, failure)) return false;
  const auto call = [&] { return api_.reduceScatter(input_.bytes, output_.bytes, elements, typeOf(type), operationOf(reduction), comm, stream_); };
  return perform(comm, input, bytes * group.size(), output, bytes, call, failure);
}

bool NcclCommunicator::broadcast(const Group& group, uint32_t root, std::vector<Part>& tensors, Failure& failure) {
  const auto at = std::find(group.ranks.begin(), group.ranks.end(), root);
  const auto rootIndex = static_cast<int>(at - group.ranks.begin());
  const bool isRoot = mesh_->mesh().rank() == root;
  for (Part& tensor : tensors) {
    if (!mesh_->agree(group, FrameKind::Broadcast, tensor.type, Reduction::Sum, tensor.length, failure)) return false;
    if (tensor.length == 0) continue;
    Comm* const comm = commOf(group, failure);
    if (comm == nullptr || !reserve(input_, tensor.length, failure) || !reserve(output_, tensor.length, failure)) return false;
    const auto call = [&] { return api_.broadcast(input_.bytes, output_.bytes, tensor.length, kBytes, rootIndex, comm, stream_); };
    if (!perform(comm, tensor.bytes, isRoot ? tensor.length : 0, tensor.bytes, isRoot ? 0 : tensor.length, call, failure)) return false;
  }
  return true;
}

bool NcclCommunicator::allToAll(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  return exchange(group, FrameKind::AllToAll, parts, taken, failure);
}

bool NcclCommunicator::neighborExchange(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  return exchange(group, FrameKind::NeighborExchange, parts, taken, failure);
}

/** Sends and receives in one group of calls; what goes to the own rank is copied by the mesh, which also sees to it that the lengths fit. */
bool NcclCommunicator::exchange(const Group& group, FrameKind kind, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  if (!mesh_->agreeOnParts(group, kind, parts, taken, failure)) return false;
  const uint32_t own = mesh_->mesh().rank();
  const auto indexOf = [&](uint32_t rank) { return static_cast<int>(std::find(group.ranks.begin(), group.ranks.end(), rank) - group.ranks.begin()); };
  const auto goes = [&](const Part& part) { return part.rank != own && part.length > 0; };
  size_t outgoing = 0;
  size_t incoming = 0;
  for (const Part& part : parts) outgoing += goes(part) ? part.length : 0;
  for (const Part& part : taken) incoming += goes(part) ? part.length : 0;
  // Every member makes the communicator, also one that has nothing to give or take
  Comm* const comm = commOf(group, failure);
  if (comm == nullptr || !reserve(input_, outgoing, failure) || !reserve(output_, incoming, failure)) return false;
  std::vector<uint8_t> packed(outgoing);
  std::vector<uint8_t> unpacked(incoming);
  const auto call = [&] {
    int result = api_.groupStart();
    size_t at = 0;
    for (const Part& part : parts) {
      if (!goes(part) || result != kSuccess) continue;
      result = api_.send(static_cast<uint8_t*>(input_.bytes) + at, part.length, kBytes, indexOf(part.rank), comm, stream_);
      at += part.length;
    }
    at = 0;
    for (const Part& part : taken) {
      if (!goes(part) || result != kSuccess) continue;
      result = api_.recv(static_cast<uint8_t*>(output_.bytes) + at, part.length, kBytes, indexOf(part.rank), comm, stream_);
      at += part.length;
    }
    const int ended = api_.groupEnd();
    return result == kSuccess ? ended : result;
  };
  size_t at = 0;
  for (const Part& part : parts) {
    if (!goes(part)) continue;
    std::memcpy(packed.data() + at, part.bytes, part.length);
    at += part.length;
  }
  if (!perform(comm, packed.data(), outgoing, unpacked.data(), incoming, call, failure)) return false;
  at = 0;
  for (Part& part : taken) {
    if (!goes(part)) continue;
    std::memcpy(part.bytes, unpacked.data() + at, part.length);
    at += part.length;
  }
  return true;
}

}  // namespace mserve::rank::nccl
