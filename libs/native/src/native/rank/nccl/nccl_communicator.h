#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "rank/mesh_communicator.h"
#include "rank/nccl/nccl_library.h"

namespace mserve::rank::nccl {

/**
 * Over NCCL, between GPUs: one for each rank. The mesh stays: over it members agree on each collective before it begins (NCCL would wait for ever for one that does not match),
 * communicators get their ids, deaths and aborts of peers are seen, and what NCCL does not have is done (tags of sends, reductions of bool and of integers of 16 bits).
 * NCCL's results need not have the bits of the mesh: it reduces in an order of its own.
 */
class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(const Library& library, int device, std::unique_ptr<MeshCommunicator> mesh) : api_(library.api), device_(device), mesh_(std::move(mesh)) {}
  ~NcclCommunicator() override;

  bool start(Failure& failure);

  void beginBatch(uint64_t batch, int64_t deadlineNs) override;
  bool endBatch(Failure& failure) override { return mesh_->endBatch(failure); }
  bool allReduce(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) override;
  bool allGather(const Group& group, const uint8_t* input, uint8_t* output, size_t bytes, ElementType type, Failure& failure) override;
  bool reduceScatter(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) override;
  bool allToAll(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) override;
  bool broadcast(const Group& group, uint32_t root, std::vector<Part>& tensors, Failure& failure) override;
  bool neighborExchange(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) override;
  bool send(const Group& group, const Part& part, uint32_t tag, Failure& failure) override { return mesh_->send(group, part, tag, failure); }
  bool receive(const Group& group, Part& part, uint32_t tag, Failure& failure) override { return mesh_->receive(group, part, tag, failure); }
  bool receiveAny(const Group& group, uint32_t from, ElementType type, uint32_t tag, std::vector<uint8_t>& bytes, Failure& failure) override {
    return mesh_->receiveAny(group, from, type, tag, bytes, failure);
  }
  void leave(const Failure& cause) override;

 private:
  /** Memory of the device; grows when it is too small. */
  struct Buffer {
    void* bytes = nullptr;
    size_t capacity = 0;
  };

  bool exchange(const Group& group, FrameKind kind, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure);
  Comm* commOf(const Group& group, Failure& failure);
  bool initialize(Comm** comm, const Group& group, const UniqueId& id, Failure& failure);
  bool reserve(Buffer& buffer, size_t bytes, Failure& failure);
  /** Input to the device, the call, output from it, and waits. */
  bool perform(Comm* comm, const uint8_t* input, size_t inputBytes, uint8_t* output, size_t outputBytes, const std::function<int()>& call, Failure& failure);
  bool wait(Comm* comm, Failure& failure);
  bool checkNccl(int result, Failure& failure);
  bool checkCuda(int result, Failure& failure);
  void abortAll();

  const Api& api_;
  const int device_;
  std::unique_ptr<MeshCommunicator> mesh_;
  std::unordered_map<uint64_t, Comm*> comms_;  // by group
  Stream* stream_ = nullptr;
  Buffer input_;
  Buffer output_;
  int64_t deadlineNs_ = 0;
};

}  // namespace mserve::rank::nccl
